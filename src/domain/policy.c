/* policy.c: when to train, and what.
 *
 * First what forbids a job, most binding first; the first that says no gives the reason. Then the triggers in order,
 * and the first that fires gives the job. A trigger that will fire by the clock alone says when to ask again, and the
 * earliest of them gives the reason. All arithmetic is on whole numbers, so the boundary is exact: 500 new rows fire
 * a threshold of 500. A stamp in the future was made before the clock was set back, and tells nothing about how long
 * ago it was: interval, daily and cool-down count as passed, and the job they start sets a new stamp. */
#include "domain/policy.h"
#include "domain/boundary.h"
#include "domain/strategy.h"
#include "domain/words.h"
#include <inttypes.h>

#define MINUTE_MS INT64_C(60000)
#define DAY_MS INT64_C(86400000)

struct asked { /* one question */
        int64_t now_ms;
        const struct counters *c;
        const struct watch *w;
        const struct learning *l;
        enum scenario scenario;
        enum ewc_loss loss;
};

static struct due not_yet(const char *why)
{
        struct due d = {0};
        struct words w = words_in(d.reason);
        words_put(&w, "not due: %s", why);
        return d;
}

static struct due fire(enum trigger_kind trigger, uint64_t value)
{
        return (struct due){.train = true, .trigger = trigger, .value = value};
}

/* --- what forbids a job --- */

/* One label has others to be told apart from: those of closed tasks, in one head with it. */
static bool told_apart(const struct asked *a)
{
        return a->scenario == SCENARIO_CLASS && a->c->n_closed > 0 && a->c->n_head_classes >= 2;
}

static const char *too_little(const struct asked *a)
{
        if (a->c->n_open_train < 2)
                return "fewer than 2 rows to train on";
        if (a->loss == EWC_LOSS_SOFTMAX && a->c->n_open_classes < 2 && !told_apart(a))
                return "all rows have the same label";
        return NULL;
}

static bool compares(const struct asked *a)
{
        return a->w->shadow.challenger != 0 && a->l->promotion == PROMOTION_SHADOW;
}

static struct due comparing(const struct asked *a)
{
        struct due d = {0};
        struct words w = words_in(d.reason);
        words_put(&w,
            "not due: challenger %" PRIu64 " is compared with champion %" PRIu64 " on live rows, %" PRIu64 " so far",
            a->w->shadow.challenger, a->w->shadow.champion, a->w->shadow.n);
        return d;
}

/* --- triggers: each fires, or leaves train false --- */

/* A stronger way to learn the same rows, so no new ones are asked for. */
static struct due by_strategy(const struct asked *a)
{
        const struct counters *c = a->c;
        if (!c->last_rejected || c->last_rollover || c->last_strategy == STRATEGY_FIXED || too_little(a))
                return (struct due){0};
        struct ladder up = strategy_climb(c->last_strategy, a->l, c->n_closed, c->n_retained);
        if (!up.climb || (up.next == STRATEGY_DISTILL && a->loss == EWC_LOSS_SQUARED)) /* no answers to distill */
                return (struct due){0};
        struct due d = fire(TRIGGER_STRATEGY, c->last_job);
        struct words w = words_in(d.reason);
        d.strategy = up.next;
        words_put(&w, "due: job %" PRIu64 " was rejected; %s", c->last_job, up.reason);
        return d;
}

/* After drift: the same task, a new one, or the same one with a new one proposed. */
static void put_boundary(const struct asked *a, struct due *d, struct words *w)
{
        struct boundary b = boundary_judge(a->w, a->c, a->l->task_boundary);
        if (a->l->task_boundary == BOUNDARY_OFF)
                return;
        d->rollover = b.roll;
        d->upto_seq = b.roll ? b.upto_seq : 0;
        words_put(w, "; %s", b.reason);
}

static struct due by_accuracy(const struct asked *a)
{
        const struct page_hinkley *p = &a->w->accuracy;
        if (!(a->l->trigger_accuracy > 0) || !p->fired || p->fired_seq <= a->c->used_seq)
                return (struct due){0};
        struct due d = fire(TRIGGER_ACCURACY, p->n);
        struct words w = words_in(d.reason);
        words_put(&w,
            "due: accuracy fell behind row %" PRIu64 ", seen at row %" PRIu64 ": %" PRIu64 " of %" PRIu64
            " answers right since version %" PRIu64 " was trained (threshold %g)",
            p->low_seq, p->fired_seq, a->w->n_right, a->w->n_scored, a->w->champion, a->l->trigger_accuracy);
        put_boundary(a, &d, &w);
        return d;
}

static struct due by_inputs(const struct asked *a)
{
        const struct input_drift *in = &a->w->inputs;
        if (!(a->l->trigger_inputs > 0) || !in->fired)
                return (struct due){0};
        struct due d = fire(TRIGGER_INPUTS, in->n_current);
        struct words w = words_in(d.reason);
        words_put(&w,
            "due: %zu of %zu inputs drifted in the newest %" PRIu64 " rows, input %zu most (distance %.3f, p %.3g, "
            "significance %g)",
            in->n_changed, in->n_features, in->n_current, in->feature, in->statistic, in->p, a->l->trigger_inputs);
        put_boundary(a, &d, &w);
        return d;
}

static struct due by_rows(const struct asked *a)
{
        uint64_t n = a->c->n_new;
        uint32_t wanted = a->l->trigger_min_feedback;
        if (wanted == 0 || n < wanted)
                return (struct due){0};
        struct due d = fire(TRIGGER_MIN_FEEDBACK, n);
        struct words w = words_in(d.reason);
        words_put(&w, "due: %" PRIu64 " new rows (threshold %" PRIu32 ")", n, wanted);
        return d;
}

/* Where waiting begins: the last job's end, or the oldest new row when there has been none. */
static int64_t waits_from(const struct counters *c)
{
        return c->last_job_ended_ms > 0 ? c->last_job_ended_ms : c->oldest_new_ms;
}

static struct due clock_back(enum trigger_kind trigger, uint64_t n_new)
{
        struct due d = fire(trigger, 0);
        struct words w = words_in(d.reason);
        words_put(&w, "due: the clock was set back to before the last job or row, %" PRIu64 " new rows", n_new);
        return d;
}

static struct due by_day(const struct asked *a)
{
        uint32_t minute = a->l->trigger_daily_min;
        struct due d = {0};
        struct words w = words_in(d.reason);
        if (minute >= TRIGGER_DAILY_OFF)
                return d;
        int64_t from = waits_from(a->c), at = a->now_ms - a->now_ms % DAY_MS + (int64_t)minute * MINUTE_MS;
        if (from > a->now_ms)
                return clock_back(TRIGGER_DAILY, a->c->n_new);
        at -= at > a->now_ms ? DAY_MS : 0; /* the last such moment */
        bool due = at > from;
        if (due)
                d = fire(TRIGGER_DAILY, a->c->n_new);
        else
                d.ask_again_ms = (uint64_t)(at + DAY_MS);
        words_put(&w, "%s: daily at %02" PRIu32 ":%02" PRIu32 " UTC, %" PRIu64 " new rows", due ? "due" : "not due",
            minute / 60, minute % 60, a->c->n_new);
        return d;
}

static struct due by_interval(const struct asked *a)
{
        int64_t wait = (int64_t)a->l->trigger_interval_s * 1000, passed = a->now_ms - waits_from(a->c);
        struct due d = {0};
        struct words w = words_in(d.reason);
        if (wait == 0)
                return d;
        if (passed < 0)
                return clock_back(TRIGGER_INTERVAL, a->c->n_new);
        if (passed >= wait) {
                d = fire(TRIGGER_INTERVAL, (uint64_t)(passed / 1000));
                words_put(&w, "due: %" PRIu64 " s since the last job, %" PRIu64 " new rows", d.value, a->c->n_new);
                return d;
        }
        d.ask_again_ms = (uint64_t)(a->now_ms + (wait - passed));
        words_put(
            &w, "not due: %" PRId64 " of %" PRIu32 " s since the last job", passed / 1000, a->l->trigger_interval_s);
        return d;
}

/* --- the decision --- */

static struct due nothing_fires(const struct asked *a)
{
        const struct learning *l = a->l;
        struct due d = {0};
        struct words w = words_in(d.reason);
        if (l->trigger_min_feedback > 0)
                words_put(&w, "not due: %" PRIu64 " of %" PRIu32 " new rows", a->c->n_new, l->trigger_min_feedback);
        else if (l->trigger_accuracy > 0 || l->trigger_inputs > 0)
                words_put(&w, "not due: no drift that a job has not answered, %" PRIu64 " new rows", a->c->n_new);
        else
                words_put(&w, "not due: no trigger is set");
        return d;
}

static struct due by_triggers(const struct asked *a)
{
        static struct due (*const triggers[])(const struct asked *) = {
            by_accuracy, by_inputs, by_rows, by_day, by_interval};
        struct due first = {0}; /* of those that fire by the clock */
        for (size_t i = 0; i < sizeof(triggers) / sizeof(triggers[0]); i++) {
                struct due d = triggers[i](a);
                if (d.train)
                        return d;
                if (d.ask_again_ms > 0 && (first.ask_again_ms == 0 || d.ask_again_ms < first.ask_again_ms))
                        first = d;
        }
        return first.ask_again_ms > 0 ? first : nothing_fires(a);
}

/* What fired, kept back until the cool-down has passed. */
static struct due cooled(const struct asked *a, struct due fired)
{
        int64_t ended = a->c->last_job_ended_ms, wait = (int64_t)a->l->trigger_cool_down_s * 1000;
        int64_t passed = a->now_ms - ended;
        if (ended <= 0 || passed < 0 || passed >= wait)
                return fired;
        struct due d = {.ask_again_ms = (uint64_t)(ended + wait)};
        struct words w = words_in(d.reason);
        words_put(&w, "not due: %" PRId64 " of %" PRIu32 " s of cool-down since the last job; then %s", passed / 1000,
            a->l->trigger_cool_down_s, fired.reason);
        return d;
}

static struct due decide(const struct asked *a)
{
        if (a->c->job_active)
                return not_yet("a job is active");
        if (compares(a))
                return comparing(a);
        struct due d = by_strategy(a);
        if (d.train)
                return d;
        if (a->c->n_new == 0)
                return not_yet("no new rows");
        if (too_little(a))
                return not_yet(too_little(a));
        d = by_triggers(a);
        return d.train ? cooled(a, d) : d;
}

struct due policy_due(int64_t now_ms, const struct counters *c, const struct watch *w, const struct learning *l,
    enum scenario scenario, enum ewc_loss loss)
{
        static const struct watch nothing = {0};
        const struct asked a = {now_ms, c, w ? w : &nothing, l, scenario, loss};
        struct due d = decide(&a);
        if (d.trigger != TRIGGER_STRATEGY)
                d.strategy = strategy_first(l);
        return d;
}

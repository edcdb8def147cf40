/* policy.c: when to train.
 *
 * A row of tests, most binding first; the first that says no gives the reason. All arithmetic is on whole numbers, so
 * the boundary is exact: 500 new rows fire a threshold of 500. A stamp in the future was made before the clock was
 * set back, and tells nothing about how long ago it was: the interval is due, and the job it starts sets a new
 * stamp. */
#include "domain/policy.h"
#include <inttypes.h>
#include <stdio.h>

static struct due not_yet(const char *why)
{
        struct due d = {0};
        snprintf(d.reason, sizeof(d.reason), "%s", why);
        return d;
}

/* The interval's start: the last job's end, or the oldest new row when there has been none. */
static int64_t interval_from(const struct counters *c)
{
        return c->last_job_ended_ms > 0 ? c->last_job_ended_ms : c->oldest_new_ms;
}

static struct due by_interval(int64_t now_ms, const struct counters *c, const struct learning *l)
{
        struct due d = {0};
        int64_t from = interval_from(c), wait = (int64_t)l->trigger_interval_s * 1000;
        int64_t passed = now_ms - from;
        if (passed < 0) {
                d.train = true;
                d.trigger = TRIGGER_INTERVAL;
                snprintf(d.reason, sizeof(d.reason),
                    "due: the clock was set back to before the last job or row, %" PRIu64 " new rows", c->n_new);
                return d;
        }
        if (passed >= wait) {
                d.train = true;
                d.trigger = TRIGGER_INTERVAL;
                d.value = (uint64_t)(passed / 1000);
                snprintf(d.reason, sizeof(d.reason), "due: %" PRIu64 " s since the last job, %" PRIu64 " new rows",
                    d.value, c->n_new);
                return d;
        }
        d.ask_again_ms = (uint64_t)(now_ms + (wait - passed));
        snprintf(d.reason, sizeof(d.reason), "not due: %" PRId64 " of %" PRIu32 " s since the last job",
            passed / 1000, l->trigger_interval_s);
        return d;
}

struct due policy_due(int64_t now_ms, const struct counters *c, const struct learning *l, enum ewc_loss loss)
{
        if (c->job_active)
                return not_yet("not due: a job is active");
        if (c->n_new == 0)
                return not_yet("not due: no new rows");
        if (c->n_open_train < 2)
                return not_yet("not due: fewer than 2 rows to train on");
        if (loss == EWC_LOSS_SOFTMAX && c->n_open_classes < 2 && c->n_head_classes < 2)
                return not_yet("not due: all rows have the same label");
        struct due d = {0};
        if (l->trigger_min_feedback > 0 && c->n_new >= l->trigger_min_feedback) {
                d.train = true;
                d.trigger = TRIGGER_MIN_FEEDBACK;
                d.value = c->n_new;
                snprintf(d.reason, sizeof(d.reason), "due: %" PRIu64 " new rows (threshold %" PRIu32 ")", c->n_new,
                    l->trigger_min_feedback);
                return d;
        }
        if (l->trigger_interval_s > 0)
                return by_interval(now_ms, c, l);
        if (l->trigger_min_feedback == 0)
                return not_yet("not due: no trigger is set");
        snprintf(d.reason, sizeof(d.reason), "not due: %" PRIu64 " of %" PRIu32 " new rows", c->n_new,
            l->trigger_min_feedback);
        return d;
}

/* h_status_model.c: one model in status: what is due and why, what its live labels and inputs say, which scenario its
 * data shows, and what its retention costs.
 *
 * Whether training is due comes from the same policy_due that decides it, on the watch the supervisor last made. */
#include "server/h_status_model.h"
#include "base/clock.h"
#include "base/err.h"
#include "domain/boundary.h"
#include "domain/gate.h"
#include "domain/policy.h"
#include "domain/retention.h"
#include "loop/loop.h"
#include "proto/json.h"
#include "proto/json_model.h"
#include "store/store.h"
#include "super/jobs.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct about { /* a model, read together */
        const struct model *model;
        struct alias champion, challenger;
        struct version challenging; /* challenger; number 0: there is none */
        const struct task *tasks, *open;
        size_t n_tasks;
        struct counters counters;
        struct model_spec spec;
        struct learning learning;
        bool watched;
        struct jobs_asked asked;
};

static int read_challenger(struct h_work *w, struct store *s, struct about *a, struct err *e)
{
        int r = store_alias_get(s, a->model->id, "challenger", &a->challenger, e);
        if (r == STORE_NOT_FOUND)
                return 0;
        return r != 0 ? r : store_version_get(s, a->challenger.version, &w->arena, &a->challenging, e);
}

static int read_about(struct h_work *w, struct store *s, struct about *a, struct err *e)
{
        const struct model *m = a->model;
        struct task *tasks;
        int r = store_alias_get(s, m->id, "champion", &a->champion, e);
        if (r != 0 || (r = read_challenger(w, s, a, e)) != 0 ||
            (r = store_task_list(s, m->id, &w->arena, &tasks, &a->n_tasks, e)) != 0 ||
            (r = store_feedback_count(s, m->id, &a->counters, e)) != 0 ||
            (r = json_spec_read(m->spec_json, &w->arena, &a->spec, e)) != 0 ||
            (r = json_learning_read(m->learning_json, &a->learning, e)) != 0)
                return r;
        a->tasks = tasks;
        a->open = &tasks[a->n_tasks - 1]; /* exactly one is open, the newest */
        a->watched = jobs_asked(w->server->jobs, m->id, &a->asked);
        return 0;
}

static void put_bool(struct buf *b, const char *key, bool v)
{
        json_put_key(b, key);
        buf_puts(b, v ? "true" : "false");
}

static void put_count(struct buf *b, const char *key, uint64_t n)
{
        json_put_key(b, key);
        buf_put_u64(b, n);
}

static void put_share(struct buf *b, const char *key, uint64_t part, uint64_t n)
{
        json_put_key(b, key);
        json_put_number(b, n > 0 ? (double)part / (double)n : NAN);
}

static void put_real(struct buf *b, const char *key, double v)
{
        json_put_key(b, key);
        json_put_number(b, v);
}

static void put_feedback(struct buf *b, const struct counters *c)
{
        json_put_key(b, "feedback");
        buf_puts(b, "{\"new\":");
        buf_put_u64(b, c->n_new);
        put_count(b, "train", c->n_open_train);
        put_count(b, "holdout", c->n_open_holdout);
        put_count(b, "quarantined", c->n_quarantined);
        put_count(b, "late", c->n_late);
        put_count(b, "superseded", c->n_superseded);
        put_count(b, "erased", c->n_erased);
        put_count(b, "expired", c->n_expired);
        buf_putc(b, '}');
}

static void put_training(struct buf *b, const struct about *a, int64_t now_ms)
{
        const struct watch *w = a->watched && a->asked.watch.champion > 0 ? &a->asked.watch : NULL;
        struct due due = policy_due(now_ms, &a->counters, w, &a->learning, a->spec.scenario, a->spec.net.loss);
        json_put_key(b, "training");
        buf_puts(b, due.train ? "{\"due\":true" : "{\"due\":false");
        put_bool(b, "rollover", due.rollover);
        json_put_key(b, "strategy");
        json_put_text(b, strategy_name(due.strategy));
        json_put_key(b, "reason");
        json_put_string(b, due.reason);
        json_put_key(b, "ask_again_at");
        json_put_time(b, (int64_t)due.ask_again_ms);
        buf_putc(b, '}');
}

static void put_watch(struct buf *b, const struct about *a)
{
        const struct watch *w = &a->asked.watch;
        json_put_key(b, "watch");
        if (!a->watched || w->champion == 0) {
                buf_puts(b, "null");
                return;
        }
        buf_puts(b, "{\"champion\":");
        json_put_version(b, w->champion);
        put_count(b, "labels", w->n_scored);
        put_share(b, "accuracy", w->n_right, w->n_scored);
        put_count(b, "unknown_classes", w->n_unknown_classes);
        json_put_key(b, "drop");
        buf_puts(b, "{\"statistic\":");
        json_put_number(b, w->accuracy.m - w->accuracy.low);
        put_real(b, "threshold", a->learning.trigger_accuracy > 0 ? a->learning.trigger_accuracy : NAN);
        put_bool(b, "fired", w->accuracy.fired);
        json_put_key(b, "since_seq");
        json_put_id(b, w->accuracy.fired ? w->accuracy.low_seq : 0);
        buf_puts(b, "},\"inputs\":");
        if (w->inputs.n_current == 0) {
                buf_puts(b, "null}");
                return;
        }
        buf_puts(b, "{\"reference\":");
        buf_put_u64(b, w->inputs.n_reference);
        put_count(b, "current", w->inputs.n_current);
        put_count(b, "features", w->inputs.n_features);
        put_count(b, "changed", w->inputs.n_changed);
        put_count(b, "feature", w->inputs.feature);
        put_real(b, "statistic", w->inputs.statistic);
        put_real(b, "p", w->inputs.p);
        put_bool(b, "fired", w->inputs.fired);
        buf_puts(b, "}}");
}

/* Nothing but a person moves it on; false: the shadow comparison does, or it is no candidate. */
static bool waits(const struct about *a, bool *ret_open)
{
        const struct version *v = &a->challenging;
        *ret_open = gate_left_open(v->reason);
        return v->state == VERSION_CANDIDATE && (a->learning.promotion != PROMOTION_SHADOW || *ret_open);
}

static void put_why(struct buf *b, const struct about *a, bool compared)
{
        const struct version *v = &a->challenging;
        const char *m = a->model->name;
        char words[2 * REASON_SIZE];
        bool open;
        json_put_key(b, "reason");
        if (!waits(a, &open)) {
                json_put_text(b, compared ? a->asked.shadow.reason : NULL);
                return;
        }
        if (open)
                snprintf(words, sizeof(words),
                    "version %" PRIu64 " waits for an operator, since the gate could not judge it (%s): `ewcctl "
                    "version promote %s %" PRIu64 "` has it serve, or import trusted rows of the task with `ewcctl "
                    "holdout import %s TASK FILE`, by which the next version is judged",
                    v->number, v->reason, m, v->number, m);
        else
                snprintf(words, sizeof(words),
                    "version %" PRIu64
                    " passed the gate and waits for an operator: `ewcctl version promote %s %" PRIu64
                    "` has it serve",
                    v->number, m, v->number);
        json_put_string(b, words);
}

/* What the alias names, whoever set it; numbers only while it is compared with the champion. */
static void put_challenger(struct buf *b, const struct about *a)
{
        const struct version *v = &a->challenging;
        const struct shadow_score *s = &a->asked.watch.shadow;
        json_put_key(b, "challenger");
        if (v->number == 0) {
                buf_puts(b, "null");
                return;
        }
        bool compared = a->watched && s->challenger == v->number;
        buf_puts(b, "{\"version\":");
        json_put_version(b, v->number);
        json_put_key(b, "state");
        json_put_text(b, version_state_name(v->state));
        json_put_key(b, "labels");
        if (compared)
                buf_put_u64(b, s->n);
        else
                buf_puts(b, "null");
        put_share(b, "accuracy", s->n_right_challenger, compared ? s->n : 0);
        put_share(b, "accuracy_champion", s->n_right_champion, compared ? s->n : 0);
        put_real(b, "won", compared ? (double)s->won : NAN);
        put_real(b, "lost", compared ? (double)s->lost : NAN);
        put_real(b, "p", compared ? a->asked.shadow.p : NAN);
        put_why(b, a, compared);
        buf_putc(b, '}');
}

static bool has_class(const struct task *t, uint32_t class)
{
        for (size_t i = 0; i < t->n_classes; i++)
                if (t->classes[i] == class)
                        return true;
        return false;
}

static struct scene scene_of(const struct about *a)
{
        const struct watch *w = &a->asked.watch;
        const struct learning *l = &a->learning;
        struct scene s = {
            .scenario = a->spec.scenario,
            .drifted = a->watched && (w->accuracy.fired || w->inputs.fired),
            .n_open_classes = a->counters.n_open_classes,
            .n_closed = a->counters.n_closed,
            .n_retained = a->counters.n_retained,
            .replay = l->replay_per_class > 0 || l->strategy == STRATEGY_MODE_AUTO,
            .distill = l->distill_weight > 0 || l->strategy == STRATEGY_MODE_AUTO,
        };
        for (size_t c = 0; c < a->open->n_classes; c++) {
                bool shared = false;
                for (size_t i = 0; i < a->n_tasks && !shared; i++)
                        shared = a->tasks[i].state == TASK_CLOSED && has_class(&a->tasks[i], a->open->classes[c]);
                s.n_shared_classes += shared;
                s.n_new_classes += !shared;
        }
        return s;
}

static void put_scene(struct buf *b, const struct about *a)
{
        const struct scene s = scene_of(a);
        struct scene_verdict v = scene_judge(&s);
        json_put_key(b, "scene");
        buf_puts(b, "{\"scenario\":");
        json_put_text(b, scenario_name(v.scenario));
        put_bool(b, "agrees", v.agrees);
        put_bool(b, "advise_replay", v.advise_replay);
        json_put_key(b, "words");
        json_put_string(b, v.words);
        buf_putc(b, '}');
}

static void put_retention(struct buf *b, const struct learning *l)
{
        char words[REASON_SIZE];
        retention_words(l, words);
        json_put_key(b, "retention");
        buf_puts(b, "{\"features\":");
        json_put_text(b, retention_mode_name(l->retention_features));
        json_put_key(b, "words");
        json_put_string(b, words);
        buf_putc(b, '}');
}

int h_status_model(struct h_work *w, struct store *s, const struct model *m, uint64_t served, struct err *e)
{
        struct about a = {.model = m};
        struct buf *b = &w->body;
        int r = read_about(w, s, &a, e);
        if (r != 0)
                return r;
        a.spec.scenario = m->scenario;
        buf_puts(b, "{\"model\":");
        json_put_string(b, m->name);
        json_put_key(b, "scenario");
        json_put_text(b, scenario_name(m->scenario));
        json_put_key(b, "champion");
        json_put_version(b, a.champion.number);
        json_put_key(b, "served");
        json_put_version(b, served);
        json_put_key(b, "open_task");
        json_put_string(b, a.open->name);
        put_feedback(b, &a.counters);
        put_bool(b, "job_active", a.counters.job_active);
        put_training(b, &a, clock_wall_ms(loop_clock(w->server->loop)));
        put_watch(b, &a);
        put_challenger(b, &a);
        put_scene(b, &a);
        put_retention(b, &a.learning);
        buf_putc(b, '}');
        return 0;
}

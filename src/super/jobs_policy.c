/* jobs_policy.c: from counters to jobs nobody asked for.
 *
 * A question goes to the reader thread: for one model, several or all, read the counters and ask policy_due. Models
 * whose keys want more than counters are then looked at on the exporter thread: their new rows are scored (watch.h),
 * and policy_due is asked with what came of it; when not all rows could be looked at, that model is asked about again
 * at once. For each model that is due a work item creates the job (jobs_create.c); a challenger that has been
 * compared for long enough is decided on (jobs_shadow.c); and a model without a job has its care (jobs_care.c).
 * Questions come from committed feedback, from the end of a job, and from a timer that is set to the earliest time a
 * policy asked for, at most policy_ms away. One question is under way at a time, and with it go the watchers of its
 * models. */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "proto/json_model.h"
#include "store/store.h"
#include "super/jobs_in.h"
#include "super/watch.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ARENA_MAX ((size_t)64 << 20)

struct asked { /* one model of a question */
        model_id model;
        char name[NAME_SIZE];
        struct learning learning;
        enum scenario scenario;
        enum ewc_loss loss;
        struct watcher *watcher; /* lent for the second stage; NULL: counters are enough */
        bool watched;            /* the second stage has looked */
        bool behind;
        struct err blind; /* why it could not */
        struct counters counters;
        struct jobs_asked told;
};

struct ask {
        struct jobs *jobs;
        int64_t now_ms;
        bool all;
        size_t n_models;
        model_id models[ASK_MAX];
        struct asked *v; /* models found */
        size_t n, cap;
        uint64_t next_ms;
};

/* --- on the reader thread --- */

static int add_model(void *arg, const struct model *m)
{
        struct ask *a = arg;
        struct arena arena;
        struct model_spec spec;
        struct asked one = {.model = m->id, .scenario = m->scenario};
        str_copy(one.name, sizeof(one.name), m->name);
        arena_init(&arena, ARENA_MAX);
        bool ok = json_spec_read(m->spec_json, &arena, &spec, NULL) == 0 &&
                  json_learning_read(m->learning_json, &one.learning, NULL) == 0;
        if (ok)
                one.loss = spec.net.loss;
        arena_deinit(&arena);
        if (!ok)
                return 0; /* whoever serves it reports it */
        void *v = a->v;
        if (!mem_grow(&v, &a->cap, a->n + 1, sizeof(*a->v)))
                return -ENOMEM;
        a->v = v;
        a->v[a->n++] = one;
        return 0;
}

static int find_models(struct store *s, struct ask *a, struct err *e)
{
        if (a->all)
                return store_model_list(s, add_model, a, e);
        for (size_t i = 0; i < a->n_models; i++) {
                struct arena arena;
                struct model m;
                arena_init(&arena, ARENA_MAX);
                int r = store_model_by_id(s, a->models[i], &arena, &m, e);
                if (r == 0)
                        r = add_model(a, &m);
                arena_deinit(&arena);
                if (r != 0 && r != STORE_NOT_FOUND)
                        return r;
        }
        return 0;
}

static int count_and_ask(
    struct store *s, const struct ask *a, struct asked *one, const struct watch *w, struct err *e)
{
        int r = store_feedback_count(s, one->model, &one->counters, e);
        if (r != 0)
                return r;
        one->told.at_ms = a->now_ms;
        one->told.due = policy_due(a->now_ms, &one->counters, w, &one->learning, one->scenario, one->loss);
        return 0;
}

static int ask_work(struct store *s, struct store_work *w, struct err *e)
{
        struct ask *a = w->arg;
        a->n = 0;
        int r = find_models(s, a, e);
        for (size_t i = 0; r == 0 && i < a->n; i++)
                r = count_and_ask(s, a, &a->v[i], NULL, e);
        return r == -ENOMEM ? err_oom(e) : r;
}

/* --- on the exporter thread --- */

/* A model that cannot be looked at is left to its counters. */
static int watch_one(struct store *s, const struct ask *a, struct asked *one, struct err *e)
{
        struct watch w = {0};
        int r = store_feedback_count(s, one->model, &one->counters, e);
        if (r != 0)
                return r;
        one->watched =
            watcher_look(one->watcher, s, &one->learning, &one->counters, &w, &one->behind, &one->blind) == 0;
        if (one->watched && w.shadow.challenger > 0) {
                const struct shadow_conf c = {
                    one->learning.shadow_min_rows, one->learning.shadow_max_rows, one->learning.shadow_confidence};
                one->told.shadow = shadow_judge(&w.shadow, &c);
        }
        one->told.watch = w;
        return count_and_ask(s, a, one, one->watched ? &w : NULL, e);
}

static int watch_work(struct store *s, struct store_work *w, struct err *e)
{
        struct ask *a = w->arg;
        int r = 0;
        for (size_t i = 0; r == 0 && i < a->n; i++)
                if (a->v[i].watcher)
                        r = watch_one(s, a, &a->v[i], e);
        return r;
}

/* --- models as the control thread knows them --- */

static struct subject *subject_of(struct policy *p, model_id m)
{
        struct subject *s = p->subjects;
        while (s && s->model != m)
                s = s->next;
        if (s || !(s = new_zero(struct subject)))
                return s;
        s->model = m;
        s->next = p->subjects;
        p->subjects = s;
        return s;
}

static void lend_watcher(struct policy *p, struct asked *one)
{
        struct subject *s = watch_wanted(&one->learning) ? subject_of(p, one->model) : NULL;
        if (s && !s->watcher)
                (void)watcher_new(&s->watcher, s->model, NULL);
        one->watcher = s ? s->watcher : NULL;
}

/* The same complaint is said once. */
static void complain(struct policy *p, const struct asked *one)
{
        struct subject *s = subject_of(p, one->model);
        const char *text = one->watched ? "" : one->blind.msg;
        if (!s || strcmp(s->complaint, text) == 0)
                return;
        str_copy(s->complaint, sizeof(s->complaint), text);
        if (text[0])
                log_warning("model %s: %s", one->name, text);
}

/* --- deciding --- */

static void decide(struct jobs *j, struct ask *a, const struct asked *one)
{
        const struct due *due = &one->told.due;
        if (one->watcher)
                complain(&j->policy, one);
        if (one->behind) { /* half a look decides nothing */
                policy_ask(j, one->model);
                return;
        }
        board_asked(&j->board, one->model, &one->told);
        bool keep = hold_on(j, one->model, one->counters.last_seq);
        bool idle = !one->counters.job_active;
        if (due->train && !keep)
                policy_create(j, one->model, one->name, due);
        else if (idle)
                shadow_decide(j, one->model, one->name, &one->told.watch.shadow, &one->told.shadow);
        struct subject *s = idle ? subject_of(&j->policy, one->model) : NULL;
        if (s)
                care_tick(j, s, one->name, &one->learning, a->now_ms);
        int64_t in_ms = (int64_t)due->ask_again_ms - a->now_ms;
        if (due->ask_again_ms > 0 && in_ms < (int64_t)a->next_ms)
                a->next_ms = in_ms > 0 ? (uint64_t)in_ms : 1;
}

/* --- asking --- */

static void ask_now(struct jobs *j);

static void on_timer(void *arg)
{
        struct jobs *j = arg;
        policy_ask(j, 0);
}

static void set_timer(struct jobs *j, uint64_t ms)
{
        struct policy *p = &j->policy;
        p->timer_ns = clock_mono_ns(loop_clock(j->deps.control)) + ms * 1000000u;
        struct loop_source *before = p->timer;
        p->timer = loop_timer(j->deps.control, ms > 0 ? ms : 1, false, on_timer, j);
        loop_source_free(before);
}

/* Until the timer that is set. A question about some models must not put off one that another model asked for. */
static uint64_t left_ms(const struct jobs *j)
{
        uint64_t now = clock_mono_ns(loop_clock(j->deps.control));
        return j->policy.timer_ns > now ? (j->policy.timer_ns - now) / 1000000u : 0;
}

static void ask_free(struct ask *a)
{
        if (!a)
                return;
        free(a->v);
        free(a);
}

static void finish(struct ask *a)
{
        struct jobs *j = a->jobs;
        struct policy *p = &j->policy;
        p->busy = false;
        if (!j->stopping) {
                set_timer(j, a->all || a->next_ms < left_ms(j) ? a->next_ms : left_ms(j));
                if (p->all || p->n_models > 0)
                        ask_now(j);
        }
        ask_free(a);
}

static void on_watched(struct store_work *w)
{
        struct ask *a = w->arg;
        struct jobs *j = a->jobs;
        jobs_returned(j);
        if (w->result != 0 && !j->stopping)
                log_warning("counters: %s", w->err.msg);
        for (size_t i = 0; w->result == 0 && i < a->n && !j->stopping; i++)
                if (a->v[i].watcher)
                        decide(j, a, &a->v[i]);
        finish(a);
        jobs_check_stop(j);
}

/* The second stage; false when there is none. */
static bool watch_now(struct ask *a)
{
        struct jobs *j = a->jobs;
        size_t n = 0;
        for (size_t i = 0; i < a->n; i++)
                n += a->v[i].watcher != NULL;
        if (n == 0)
                return false;
        j->policy.work = (struct store_work){.run = watch_work, .done = on_watched, .arg = a};
        if (jobs_submit(j, j->deps.exporter, &j->policy.work) == 0)
                return true;
        a->all = true; /* a full queue: all are asked about again, soon */
        a->next_ms = SUBMIT_AGAIN_MS;
        return false;
}

static void on_answered(struct store_work *w)
{
        struct ask *a = w->arg;
        struct jobs *j = a->jobs;
        bool ok = w->result == 0 && !j->stopping;
        jobs_returned(j);
        if (w->result != 0 && !j->stopping)
                log_warning("counters: %s", w->err.msg);
        for (size_t i = 0; ok && i < a->n; i++) {
                lend_watcher(&j->policy, &a->v[i]);
                if (!a->v[i].watcher)
                        decide(j, a, &a->v[i]);
        }
        if (!ok || !watch_now(a))
                finish(a);
        jobs_check_stop(j);
}

static void ask_now(struct jobs *j)
{
        struct policy *p = &j->policy;
        struct ask *a = new_zero(struct ask);
        if (!a)
                return;
        a->jobs = j;
        a->now_ms = clock_wall_ms(loop_clock(j->deps.control));
        a->next_ms = j->conf.policy_ms;
        a->all = p->all;
        a->n_models = p->n_models;
        for (size_t i = 0; i < p->n_models; i++)
                a->models[i] = p->models[i];
        p->work = (struct store_work){.run = ask_work, .done = on_answered, .arg = a};
        if (jobs_submit(j, j->deps.reader, &p->work) < 0) {
                ask_free(a);
                set_timer(j, SUBMIT_AGAIN_MS);
                return;
        }
        p->busy = true;
        p->all = false;
        p->n_models = 0;
}

void policy_ask(struct jobs *j, model_id m)
{
        struct policy *p = &j->policy;
        if (j->stopping)
                return;
        size_t i = 0;
        while (i < p->n_models && p->models[i] != m)
                i++;
        if (m == 0 || (i == p->n_models && i == ASK_MAX))
                p->all = true;
        else if (i == p->n_models)
                p->models[p->n_models++] = m;
        if (!p->busy && j->recovered)
                ask_now(j);
}

void policy_ended(struct jobs *j, model_id m, enum job_state end)
{
        hold_after(j, m, end);
        policy_ask(j, m);
}

int policy_start(struct jobs *j, struct err *e)
{
        if (j->conf.policy_ms == 0)
                j->conf.policy_ms = 10000;
        set_timer(j, j->conf.policy_ms);
        return j->policy.timer ? 0 : err_oom(e);
}

void policy_stop(struct jobs *j)
{
        loop_source_free(j->policy.timer);
        j->policy.timer = NULL;
}

void policy_free(struct jobs *j)
{
        struct policy *p = &j->policy;
        policy_stop(j);
        holds_free(p);
        while (p->subjects) {
                struct subject *s = p->subjects;
                p->subjects = s->next;
                watcher_free(s->watcher);
                free(s);
        }
}

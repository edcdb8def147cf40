/* alike.c: see alike.h. Training is one job of the learner, as elsewhere; the Fishers are libewc's. */
#include "bench/alike.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/cut.h"
#include "bench/runner.h"
#include "bench/settings.h"
#include "learner/learn.h"
#include <errno.h>
#include <ewc/fisher.h>
#include <ewc/similarity.h>
#include <string.h>

enum { FISHER_ROWS = 200, STREAM_INIT = 2 };

struct alikes {
        const struct settings *s;
        struct cutter cutter;
        struct ewc_net *net;
        void *ws;
        double *sum;        /* (P) */
        float *first, *now; /* (P) Fishers of mean 1 */
        struct err *e;
};

static void close_alikes(struct alikes *a)
{
        cutter_close(&a->cutter);
        ewc_net_free(a->net);
        free(a->ws);
        free(a->sum);
        free(a->first);
        free(a->now);
}

static int open_alikes(struct alikes *a, const struct dataset *d)
{
        struct cut cut = settings_cut(a->s);
        struct ewc_rng rng;
        int r = cutter_open(&a->cutter, d, &cut, a->s->scenario, a->s->seed, a->e);
        if (r < 0)
                return r;
        struct ewc_spec spec = settings_net(a->s, a->cutter.n_inputs, a->cutter.n_outputs);
        r = ewc_net_new(&a->net, &spec, NULL);
        if (r < 0)
                return err_set(a->e, -EINVAL, "net: %s", ewc_strerror(r));
        size_t P = ewc_net_params(a->net);
        a->ws = mem_aligned(ewc_fisher_workspace(a->net, NULL, EWC_FISHER_EXACT, FISHER_ROWS) + 64, 1, 64);
        a->sum = new_array(double, P);
        a->first = new_array(float, P);
        a->now = new_array(float, P);
        if (!a->ws || !a->sum || !a->first || !a->now)
                return err_oom(a->e);
        ewc_rng_seed(&rng, a->s->seed, STREAM_INIT);
        ewc_net_init(a->net, &rng);
        return 0;
}

static bool stop(void *arg)
{
        (void)arg;
        return runner_stopped();
}

static int train(struct alikes *a, const struct cut_task *t)
{
        const struct learn_callbacks cb = {.should_stop = stop};
        struct learn_result result = {0};
        struct learn_job job = {
            .kind = JOB_CONSOLIDATE,
            .net = *ewc_net_spec(a->net),
            .theta = ewc_net_theta_const(a->net),
            .train = {.task = 1, .head = t->head, .n = t->train.n, .x = t->train.x, .label = t->train.label},
            .plan = settings_plan(a->s, 0),
        };
        int r = learn_run(&job, &cb, &result, a->e);
        if (r == 0)
                memcpy(ewc_net_theta(a->net), result.theta, ewc_net_params(a->net) * sizeof(float));
        else if (r == LEARN_STOPPED)
                r = err_set(a->e, RUNNER_STOPPED, "interrupted");
        else if (r == LEARN_DIVERGED)
                r = err_set(a->e, -ERANGE, "training of the first task diverged");
        learn_result_free(&result);
        return r;
}

/* EXACT Fisher of the n rows from `from` on, into ret (P). */
static int fisher(struct alikes *a, const struct cut_task *t, size_t from, size_t n, float *ret)
{
        const struct ewc_spec *spec = ewc_net_spec(a->net);
        struct ewc_fisher_info info;
        int r = 0;
        memset(a->sum, 0, ewc_net_params(a->net) * sizeof(*a->sum));
        for (size_t at = from; r == 0 && at < from + n; at += FISHER_ROWS) {
                size_t left = from + n - at;
                struct ewc_batch b = {
                    .n = left < FISHER_ROWS ? left : FISHER_ROWS, .x = t->train.x + at * spec->n_inputs};
                r = ewc_fisher_add(a->net, EWC_FISHER_EXACT, &t->head, &b, NULL, a->sum, a->ws);
        }
        if (r == 0)
                r = ewc_fisher_finish(spec, EWC_FISHER_EXACT, &t->head, n, a->sum, ret, &info);
        return r == 0 ? 0 : err_set(a->e, -ERANGE, "Fisher: %s", ewc_strerror(r));
}

static int measure(struct alikes *a, const struct cut_task *t, uint32_t k, struct alike *out)
{
        const struct ewc_spec *spec = ewc_net_spec(a->net);
        size_t n = a->s->fisher_samples;
        int r = 0;
        if (n == 0 || t->train.n < 2 * n)
                return err_field(a->e, -EINVAL, a->s->rows > 0 ? "--rows" : "--fisher-samples",
                    "task %u has %zu rows, and %zu are needed twice", k + 1, t->train.n, n);
        if (k == 0)
                r = train(a, t);
        if (k == 0 && r == 0)
                r = fisher(a, t, 0, n, a->first);
        if (r == 0)
                r = fisher(a, t, n, n, a->now);
        if (r != 0)
                return r;
        double alike = ewc_similarity(spec, ewc_spec_tensors(spec), a->first, a->now);
        if (k == 0)
                out->same = alike;
        else
                out->task[out->n++] = alike;
        return 0;
}

int alike_measure(const struct settings *s, const struct dataset *d, struct alike *ret, struct err *e)
{
        struct alikes a = {.s = s, .e = e};
        struct alike out = {0};
        int r = open_alikes(&a, d);
        for (uint32_t k = 0; r == 0 && k < s->tasks; k++) {
                struct cut_task t;
                size_t rows = k == 0 ? s->rows : 2 * (size_t)s->fisher_samples;
                r = cutter_task(&a.cutter, k, rows, true, false, &t, e);
                if (r < 0)
                        break;
                r = measure(&a, &t, k, &out);
                cut_task_free(&t);
        }
        close_alikes(&a);
        if (r == 0)
                *ret = out;
        return r;
}

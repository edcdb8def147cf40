/* unit.c: the walk over the tasks, with what it keeps between them.
 *
 * Exemplars and task data are not kept but drawn again after an interruption: they follow from the seed. */
#include "bench/unit.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/unit_in.h"
#include <errno.h>
#include <math.h>
#include <string.h>

enum { SENTINEL_ROWS = 2000 }; /* of each task, for the brake */

enum { STREAM_INIT = 2, STREAM_EXEMPLARS = 2000 }; /* of the seed; task k's exemplars are drawn from 2000 + k */

static void clear_result(struct unit_result *r, uint32_t tasks)
{
        *r = (struct unit_result){.tasks = tasks};
        for (size_t i = 0; i < BENCH_MAX_TASKS; i++) {
                r->start[i] = (double)NAN;
                for (size_t j = 0; j < BENCH_MAX_TASKS; j++)
                        r->R[i][j] = (double)NAN;
        }
        r->anytime_mean = r->anytime_min = r->factor = r->trace = (double)NAN;
        r->record_bytes = r->packed_bytes = (double)NAN;
}

/* A random start: weights and biases uniform in +-1/sqrt(fan_in). */
static int start(struct unit *u)
{
        struct ewc_rng r;
        size_t P = ewc_spec_params(&u->net);
        u->st.theta = new_array(float, P);
        if (!u->st.theta)
                return err_oom(u->e);
        ewc_rng_seed(&r, u->s->seed, STREAM_INIT);
        ewc_net_init(u->probe, &r);
        memcpy(u->st.theta, ewc_net_theta_const(u->probe), P * sizeof(float));
        u->st.n_params = P;
        u->st.result.lambda = u->s->lambda;
        return 0;
}

/* Keeps replay_per_class random rows of each class of task k; joint keeps them all. */
static int keep(struct unit *u, uint32_t k)
{
        struct cut_task t;
        struct table *kept = &u->kept[k];
        int r = cutter_task(&u->cutter, k, u->s->rows, true, false, &t, u->e);
        if (r < 0)
                return r;
        if (u->s->method == METHOD_JOINT) {
                *kept = t.train;
                return 0;
        }
        uint32_t I = u->net.n_inputs, budget = u->s->protocol->replay_per_class;
        _free_ uint32_t *order = new_array(uint32_t, t.train.n), *seen = new_array(uint32_t, u->net.n_outputs);
        struct ewc_rng rng;
        kept->x = new_array(float, (size_t)budget * u->net.n_outputs * I);
        kept->label = new_array(int32_t, (size_t)budget * u->net.n_outputs);
        if (!order || !seen || !kept->x || !kept->label) {
                cut_task_free(&t);
                return err_oom(u->e);
        }
        for (size_t i = 0; i < t.train.n; i++)
                order[i] = (uint32_t)i;
        ewc_rng_seed(&rng, u->s->seed, STREAM_EXEMPLARS + k);
        ewc_rng_shuffle(&rng, t.train.n, order);
        for (size_t i = 0; i < t.train.n; i++) {
                int32_t label = t.train.label[order[i]];
                if (seen[label]++ >= budget)
                        continue;
                memcpy(kept->x + kept->n * I, t.train.x + (size_t)order[i] * I, I * sizeof(float));
                kept->label[kept->n++] = label;
        }
        cut_task_free(&t);
        return 0;
}

/* Some of the rows that were held back from task k's training. */
static int keep_sentinel(struct unit *u, uint32_t k)
{
        struct cut_task t;
        struct table *to = &u->sentinel[k];
        size_t I = u->net.n_inputs;
        int r = cutter_task(&u->cutter, k, u->s->rows, true, false, &t, u->e);
        if (r < 0)
                return r;
        size_t n = unit_held_back(u, t.train.n), from = t.train.n - n;
        n = n < SENTINEL_ROWS ? n : SENTINEL_ROWS;
        to->x = new_array(float, n *I);
        to->label = new_array(int32_t, n);
        if (to->x && to->label && n > 0) {
                memcpy(to->x, t.train.x + from * I, n * I * sizeof(float));
                memcpy(to->label, t.train.label + from, n * sizeof(int32_t));
                to->n = n;
        }
        r = to->x && to->label ? 0 : err_oom(u->e);
        cut_task_free(&t);
        return r;
}

/* Which earlier tasks' rows the next job needs. */
static int keep_all(struct unit *u)
{
        bool joint = u->s->method == METHOD_JOINT;
        for (uint32_t i = 0; u->s->brake > 0 && i < u->k; i++) {
                int r = u->sentinel[i].x ? 0 : keep_sentinel(u, i);
                if (r < 0)
                        return r;
        }
        if (!joint && !method_has_replay(u->s->method))
                return 0;
        int r = 0;
        uint32_t end = joint ? u->tasks : u->k;
        for (uint32_t i = joint ? 1 : 0; r == 0 && i < end; i++)
                if (u->kept[i].n == 0)
                        r = keep(u, i);
        return r;
}

static int open_unit(struct unit *u, const struct dataset *d)
{
        struct cut cut = settings_cut(u->s);
        int r = cutter_open(&u->cutter, d, &cut, u->s->scenario, u->s->seed, u->e);
        if (r < 0)
                return r;
        u->tasks = u->s->tasks;
        u->net = settings_net(u->s, u->cutter.n_inputs, u->cutter.n_outputs);
        clear_result(&u->st.result, u->tasks);
        for (uint32_t j = 0; r == 0 && j < u->tasks; j++) {
                r = cutter_task(&u->cutter, j, 0, false, true, &u->test[j], u->e);
                u->st.result.test_rows += r == 0 ? u->test[j].test.n : 0;
        }
        return r == 0 ? unit_probe_open(u) : r;
}

static void close_unit(struct unit *u)
{
        for (uint32_t j = 0; j < BENCH_MAX_TASKS; j++) {
                cut_task_free(&u->test[j]);
                table_free(&u->kept[j]);
                table_free(&u->sentinel[j]);
        }
        unit_probe_close(u);
        unit_state_deinit(&u->st);
        cutter_close(&u->cutter);
}

static int resume(struct unit *u, const char *dir)
{
        struct unit_state st;
        int r = dir ? unit_state_read(dir, &u->key, ewc_spec_params(&u->net), &st, u->e) : STATE_NONE;
        if (r == STATE_NONE)
                return start(u);
        if (r == 0) {
                unit_state_deinit(&u->st);
                u->st = st;
        }
        return r;
}

static void finish(struct unit *u)
{
        struct unit_result *out = &u->st.result;
        double log_factor = 0, trace = 0;
        uint32_t n = method_has_penalty(u->s->method) ? u->st.n_past : 0;
        for (uint32_t i = 0; i < n; i++) {
                log_factor += log(u->st.factor[i]);
                trace += u->st.trace[i];
        }
        out->factor = n > 0 ? exp(log_factor / n) : (double)NAN;
        out->trace = n > 0 ? trace / n : (double)NAN;
        out->anytime_mean = u->st.anytime_n > 0 ? u->st.anytime_sum / u->st.anytime_n : (double)NAN;
}

static int walk(struct unit *u, const char *dir)
{
        uint32_t end = u->s->method == METHOD_JOINT ? 1 : u->tasks;
        for (u->k = u->st.done; u->k < end; u->k++) {
                int r = keep_all(u);
                if (r == 0)
                        r = unit_task(u);
                if (r == UNIT_DIVERGED)
                        break;
                if (r != 0)
                        return r;
                u->st.done = u->k + 1;
                if (dir && u->st.done < end) {
                        r = unit_state_write(dir, &u->key, &u->st, u->e);
                        if (r < 0)
                                return err_wrap(u->e, r, "keep the state");
                }
        }
        finish(u);
        return 0;
}

int unit_run(const struct settings *s, const struct dataset *d, const char *dir, const struct unit_callbacks *cb,
    struct unit_result *ret, struct err *e)
{
        int r = unit_kept(s, dir, ret, e);
        if (r != UNIT_NONE)
                return r;
        _free_ struct unit *u = new_zero(struct unit);
        if (!u)
                return err_oom(e);
        *u = (struct unit){.s = s, .cb = cb, .e = e};
        settings_digest(s, &u->key);
        r = open_unit(u, d);
        if (r == 0)
                r = resume(u, dir);
        if (r == 0)
                r = walk(u, dir);
        if (r == 0 && dir)
                r = unit_result_write(dir, &u->key, &u->st.result, e);
        if (r == 0) {
                if (dir)
                        unit_state_remove(dir, &u->key);
                *ret = u->st.result;
        }
        close_unit(u);
        return r;
}

int unit_kept(const struct settings *s, const char *dir, struct unit_result *ret, struct err *e)
{
        struct digest key;
        if (!dir)
                return UNIT_NONE;
        settings_digest(s, &key);
        int r = unit_result_read(dir, &key, ret, e);
        return r == STATE_NONE ? UNIT_NONE : r;
}

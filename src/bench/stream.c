/* stream.c: test, then train, window by window.
 *
 * The first WARM_ROWS rows are learned but not scored; their mean and deviation scale all inputs. After that every
 * window is predicted by the net as it stands and then learned: a consolidation, and at every CLOSE_EVERYth window a
 * rollover that protects what was learned. A stream's records must not pile up: online EWC keeps one, decay U + F
 * about the last anchor. The baseline to beat on such streams is the repeat of the last label, so it stands in every
 * line of output. After every rollover the state is kept; an interrupted command goes on from there. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "bench/bar.h"
#include "bench/runner.h"
#include "bench/settings.h"
#include "bench/stream_in.h"
#include "learner/learn.h"
#include "proto/json.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WINDOW = 256, WARM_ROWS = 4 * WINDOW, CLOSE_EVERY = 8 };

struct follow { /* one method over the stream */
        struct settings s;
        struct digest key;
        struct ewc_spec net;
        struct ewc_head head;
        struct stream_state st;
};

struct outcome {
        double accuracy, repeat_last, majority, seconds;
        uint64_t n;
};

static void scale(struct stream *s)
{
        size_t warm = s->n < WARM_ROWS ? s->n : WARM_ROWS;
        for (uint32_t k = 0; k < s->n_inputs; k++) {
                double sum = 0, square = 0;
                for (size_t i = 0; i < warm; i++) {
                        double v = (double)s->x[i * s->n_inputs + k];
                        sum += v;
                        square += v * v;
                }
                double mean = sum / (double)warm, var = square / (double)warm - mean * mean;
                float f = var > 1e-12 ? (float)(1 / sqrt(var)) : 0.0f;
                for (size_t i = 0; i < s->n; i++) {
                        float *v = &s->x[i * s->n_inputs + k];
                        *v = (*v - (float)mean) * f;
                }
        }
}

static void baselines(const struct stream *s, struct outcome *ret)
{
        uint64_t repeat = 0, majority = 0, count[1024] = {0};
        for (size_t i = 0; i < s->n; i++) {
                size_t best = 0;
                for (size_t c = 1; c < s->n_classes && c < ARRAY_LEN(count); c++)
                        best = count[c] > count[best] ? c : best;
                if (i >= WARM_ROWS) {
                        repeat += s->label[i] == s->label[i - 1];
                        majority += (size_t)s->label[i] == best;
                        ret->n++;
                }
                count[s->label[i] < 1024 ? s->label[i] : 0]++;
        }
        ret->repeat_last = (double)repeat / (double)ret->n;
        ret->majority = (double)majority / (double)ret->n;
}

static struct learn_rows window(const struct follow *f, const struct stream *s, size_t at, size_t n)
{
        return (struct learn_rows){
            .task = 1 + at, .head = f->head, .n = n, .x = s->x + at * s->n_inputs, .label = s->label + at};
}

static void close_block(struct follow *f, const struct learn_result *r)
{
        struct stream_state *st = &f->st;
        double decay = st->closed > 0 ? f->s.merge_decay : 0;
        for (size_t i = 0; i < st->n_params; i++)
                st->fisher[i] = (float)(decay * (double)st->fisher[i] + (double)r->fisher[i]);
        memcpy(st->anchor, r->theta, st->n_params * sizeof(float));
        st->closed++;
}

/* Scores and learns the next n rows in one job: its holdout is the window itself, measured before the first step. */
static int learn_window(struct follow *f, const struct stream *s, size_t n, bool close, struct err *e)
{
        struct stream_state *st = &f->st;
        const struct learn_past past = {
            .task = 1, .alpha = 1, .fisher = st->fisher, .anchor = st->anchor, .factor = 1};
        struct learn_rows rows = window(f, s, st->at, n);
        struct learn_result r = {0};
        struct learn_job job = {
            .kind = close && method_has_penalty(f->s.method) ? JOB_ROLLOVER : JOB_CONSOLIDATE,
            .net = f->net,
            .theta = st->theta,
            .past = &past,
            .n_past = st->closed > 0,
            .train = rows,
            .n_holdout = 1,
            .holdout = &rows,
            .plan = settings_plan(&f->s, 0),
        };
        job.plan.seed += st->at;
        int c = learn_run(&job, NULL, &r, e);
        if (c == 0) {
                if (st->at >= WARM_ROWS) {
                        st->correct += (uint64_t)llround(r.before[0].accuracy * (double)n);
                        st->scored += n;
                }
                memcpy(st->theta, r.theta, st->n_params * sizeof(float));
                if (r.fisher)
                        close_block(f, &r);
                st->at += n;
        }
        learn_result_free(&r);
        if (c > 0 && method_has_penalty(f->s.method))
                return err_set(
                    e, -ERANGE, "%s diverged at row %zu, lambda %g", method_name(f->s.method), st->at, f->s.lambda);
        return c > 0 ? err_set(e, -ERANGE, "%s diverged at row %zu", method_name(f->s.method), st->at) : c;
}

static int follow(struct follow *f, const struct stream *s, const char *dir, struct bar *bar, double from,
    double share, struct err *e)
{
        struct stream_state *st = &f->st;
        uint64_t began = clock_mono_ns(&clock_system);
        double earlier = st->seconds;
        while (st->at < s->n) {
                size_t n = s->n - st->at < WINDOW ? s->n - st->at : WINDOW;
                bool close = st->at / WINDOW % CLOSE_EVERY == CLOSE_EVERY - 1;
                if (runner_stopped())
                        return err_set(e, RUNNER_STOPPED, "interrupted; the same command goes on from %s", dir);
                int r = learn_window(f, s, n, close, e);
                st->seconds = earlier + (double)(clock_mono_ns(&clock_system) - began) / 1e9;
                if (r == 0 && (close || st->at == s->n))
                        r = stream_state_write(dir, &f->key, st, e);
                if (r < 0)
                        return r;
                bar_show(bar, from + share * (double)st->at / (double)s->n, method_name(f->s.method));
        }
        return 0;
}

static int open_follow(struct follow *f, const struct stream *s, uint32_t *outputs, struct err *e)
{
        struct stream_state *st = &f->st;
        struct ewc_net *net;
        struct ewc_rng r;
        f->net = settings_net(&f->s, s->n_inputs, s->n_classes);
        f->head = (struct ewc_head){s->n_classes, outputs};
        st->n_params = ewc_spec_params(&f->net);
        st->theta = new_array(float, st->n_params);
        st->fisher = new_array(float, st->n_params);
        st->anchor = new_array(float, st->n_params);
        if (!st->theta || !st->fisher || !st->anchor || ewc_net_new(&net, &f->net, NULL) < 0)
                return err_oom(e);
        ewc_rng_seed(&r, f->s.seed, 2);
        ewc_net_init(net, &r);
        memcpy(st->theta, ewc_net_theta_const(net), st->n_params * sizeof(float));
        ewc_net_free(net);
        return 0;
}

static uint64_t stream_id(const struct stream *s)
{
        struct digest d;
        uint64_t id = 0;
        digest_of(s->label, s->n * sizeof(*s->label), &d);
        memcpy(&id, &d, sizeof(id));
        return id ^ ((uint64_t)s->n_inputs << 32) ^ s->n;
}

static int run_method(const struct options *o, const struct protocol *p, enum bench_method m, uint64_t seed,
    const struct stream *s, struct bar *bar, double from, double share, struct outcome *ret, struct err *e)
{
        _free_ struct follow *f = new_zero(struct follow);
        _free_ uint32_t *outputs = new_array(uint32_t, s->n_classes);
        if (!f || !outputs)
                return err_oom(e);
        for (uint32_t i = 0; i < s->n_classes; i++)
                outputs[i] = i;
        int r = settings_make(o, p, m, seed, stream_id(s), &f->s, e);
        if (r == 0)
                r = open_follow(f, s, outputs, e);
        if (r == 0) {
                settings_digest(&f->s, &f->key);
                r = stream_state_read(o->state, &f->key, &f->st, e);
        }
        if (r == 0)
                r = follow(f, s, o->state, bar, from, share, e);
        if (r == 0) {
                ret->accuracy = (double)f->st.correct / (double)f->st.scored;
                ret->seconds = f->st.seconds;
        }
        free(f->st.theta);
        free(f->st.fisher);
        free(f->st.anchor);
        return r;
}

struct total {
        double sum, square, seconds;
        uint32_t n;
};

static double mean(const struct total *t)
{
        return t->sum / t->n;
}

static double sem(const struct total *t)
{
        double var = t->square / t->n - mean(t) * mean(t);
        return sqrt((var > 0 ? var : 0) / t->n);
}

static void put(struct buf *b, const char *key, double v)
{
        json_put_key(b, key);
        json_put_number(b, v);
}

static void print(const struct options *o, const struct settings *s, const struct total *t, const struct total *none,
    const struct outcome *base)
{
        struct buf b;
        printf(
            "%s: prequential accuracy over %llu rows, n=%u seeds\n  %-22s %6.2f (%.2f) %%\n  %-22s %6.2f (%.2f) %%\n"
            "  %-22s %6.2f %%\n  %-22s %6.2f %%\n",
            s->protocol->name, (unsigned long long)base->n, t->n, method_name(s->method), 100 * mean(t), 100 * sem(t),
            "none", 100 * mean(none), 100 * sem(none), "repeat the last label", 100 * base->repeat_last,
            "most frequent so far", 100 * base->majority);
        if (!o->json)
                return;
        buf_init(&b, 1 << 16);
        buf_puts(&b, "{\"protocol\":");
        json_put_string(&b, s->protocol->name);
        json_put_key(&b, "scenario");
        json_put_string(&b, scenario_name(s->scenario));
        json_put_key(&b, "method");
        json_put_string(&b, method_name(s->method));
        json_put_key(&b, "fisher");
        json_put_text(&b, method_has_fisher(s->method) ? ewc_fisher_name(s->fisher) : NULL);
        put(&b, "lambda", method_has_penalty(s->method) ? s->lambda : (double)NAN);
        put(&b, "seeds", t->n);
        put(&b, "rows", (double)base->n);
        put(&b, "accuracy_mean", mean(t));
        put(&b, "accuracy_sem", sem(t));
        put(&b, "forgetting_mean", (double)NAN); /* a stream has no tasks to come back to */
        put(&b, "none_accuracy_mean", mean(none));
        put(&b, "repeat_last_accuracy", base->repeat_last);
        put(&b, "majority_accuracy", base->majority);
        put(&b, "seconds", t->seconds);
        buf_puts(&b, "}\n");
        fwrite(b.data, 1, b.len, stdout);
        buf_deinit(&b);
}

static int run_seeds(const struct options *o, const struct protocol *p, const struct stream *s, struct err *e)
{
        enum bench_method m = o->method ? o->method : METHOD_EWC;
        struct options other = options_plain(o);
        struct total totals[2] = {0};
        struct outcome base = {0};
        struct settings first;
        struct bar bar;
        int r = settings_make(o, p, m, o->seed, 0, &first, e);
        if (r < 0)
                return r;
        baselines(s, &base);
        bar_start(&bar, 0);
        for (uint32_t i = 0; i < o->seeds; i++)
                for (int k = 0; k < 2; k++) {
                        struct outcome out = {0};
                        double share = 1.0 / (2 * o->seeds);
                        r = run_method(k == 0 ? o : &other, p, k == 0 ? m : METHOD_NONE, o->seed + i, s, &bar,
                            (2 * i + (uint32_t)k) * share, share, &out, e);
                        if (r != 0)
                                return r;
                        totals[k].sum += out.accuracy;
                        totals[k].square += out.accuracy * out.accuracy;
                        totals[k].seconds += out.seconds;
                        totals[k].n++;
                }
        bar_end(&bar);
        print(o, &first, &totals[0], &totals[1], &base);
        return 0;
}

int stream_run(const struct options *o, const struct protocol *p, struct err *e)
{
        char path[1024];
        struct stream s = {0};
        int n = snprintf(path, sizeof(path), "%s/stream.csv.gz", o->data);
        if (o->method && o->method != METHOD_NONE && o->method != METHOD_EWC && o->method != METHOD_ONLINE_EWC)
                return err_field(e, -EINVAL, "--method", "a stream is followed by none, ewc or online-ewc");
        if (n > 0 && !file_exists(path))
                n = snprintf(path, sizeof(path), "%s/%s/stream.csv.gz", o->data, p->name);
        if (n < 0 || (size_t)n >= sizeof(path))
                return err_field(e, -ENAMETOOLONG, "--data", "too long a name");
        int r = stream_open(path, &s, e);
        if (r < 0)
                return r;
        if (s.n <= WARM_ROWS) {
                r = err_set(e, -EINVAL, "%s: %zu rows; more than %d are needed", path, s.n, WARM_ROWS);
        } else {
                scale(&s);
                r = run_seeds(o, p, &s, e);
        }
        stream_close(&s);
        return r;
}

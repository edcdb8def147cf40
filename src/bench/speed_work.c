/* speed_work.c: the nets, their made data, and the parts that are timed: batch 128, Adam 1e-3.
 *
 * All parts take turns within every round, so that a busy machine slows them alike. The products are those of one
 * step alone: two of each dense layer and a third of every layer but the first. The ceiling is one large square
 * product with the same threads. */
#include "base/clock.h"
#include "base/mem.h"
#include "bench/gemm.h"
#include "bench/runner.h"
#include "bench/speed.h"
#include <errno.h>
#include <ewc/fisher.h>
#include <ewc/forward.h>
#include <ewc/step.h>
#include <ewc/team.h>
#include <math.h>
#include <string.h>

enum { B = SPEED_BATCH, CLASSES = 10, SQUARE = SPEED_CEILING };

#define DENSE(n)                                                                                                     \
        {                                                                                                            \
                .type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = (n)                                    \
        }
#define CONV(n)                                                                                                      \
        {                                                                                                            \
                .type = EWC_LAYER_CONV, .activation = EWC_ACT_RELU, .units = (n), .kernel = 3, .stride = 1,          \
                .padding = 1                                                                                         \
        }
#define POOL                                                                                                         \
        {                                                                                                            \
                .type = EWC_LAYER_MAX_POOL, .kernel = 2, .stride = 2                                                 \
        }

const struct speed_net speed_nets[] = {
    {.name = "32x32x3-c16-c32-128-10",
        .peer = "conv",
        .spec = {.n_inputs = 32 * 32 * 3,
            .input = {32, 32, 3},
            .n_outputs = CLASSES,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 5,
            .layers = {CONV(16), POOL, CONV(32), POOL, DENSE(128)}},
        .rounds = 11,
        .steps = 4,
        .rows = 512},
    {.name = "784-400-400-10",
        .peer = "784-400-400-10",
        .spec = {.n_inputs = 784,
            .n_outputs = CLASSES,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 2,
            .layers = {DENSE(400), DENSE(400)}},
        .rounds = 21,
        .steps = 10,
        .rows = 2048,
        .dense = true},
    {.name = "1024-1000-1000-10",
        .peer = "1024-1000-1000-10",
        .spec = {.n_inputs = 1024,
            .n_outputs = CLASSES,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 2,
            .layers = {DENSE(1000), DENSE(1000)}},
        .rounds = 15,
        .steps = 8,
        .rows = 1024,
        .dense = true},
};
const size_t speed_n_nets = ARRAY_LEN(speed_nets);

struct speed {
        const struct speed_net *of;
        unsigned threads;
        struct ewc_team *team;
        struct ewc_net *net;
        struct ewc_net *served; /* as net began: inference is timed as the daemon serves it, weights packed once */
        struct ewc_plan *plan;  /* of served */
        size_t P, n_inputs;
        float *x, *y, *grad, *state, *anchor, *fisher, *square[3];
        int32_t *label;
        double *sum;
        void *ws;
        struct ewc_optim optim;
        uint64_t t;
        int failed;
};

static struct ewc_batch batch_at(const struct speed *s, size_t at, size_t n)
{
        return (struct ewc_batch){.n = n, .x = s->x + at * s->n_inputs, .label = s->label + at};
}

static void step(struct speed *s, const struct ewc_penalty *pen)
{
        const struct ewc_step how = {.team = s->team};
        for (size_t i = 0; i < s->of->steps; i++) {
                struct ewc_batch batch = batch_at(s, i % (s->of->rows / B) * B, B);
                double loss;
                s->failed |= ewc_train_grad(s->net, NULL, &batch, 1.0, false, s->grad, &loss, s->ws);
                s->failed |= ewc_optim_step_with(
                    &s->optim, &s->of->spec, ewc_net_theta(s->net), s->grad, s->state, ++s->t, pen, &how);
        }
}

static void step_plain(struct speed *s)
{
        step(s, NULL);
}

static void step_ewc(struct speed *s)
{
        const struct ewc_penalty pen = {.lambda = 0.01, .fisher = s->fisher, .anchor = s->anchor};
        step(s, &pen);
}

/* On the BLAS's own threads, as whoever measures a machine would run it. */
static void ceiling(struct speed *s)
{
        gemm_threads(s->threads);
        gemm(SQUARE, SQUARE, SQUARE, s->square[0], s->square[1], s->square[2]);
        gemm_threads(1);
}

static void pass(struct speed *s, enum ewc_fisher kind, size_t rows)
{
        struct ewc_rng r;
        ewc_rng_seed(&r, 3, 0);
        for (size_t at = 0; at < rows; at += B) {
                struct ewc_batch batch = batch_at(s, at, rows - at < B ? rows - at : B);
                s->failed |= ewc_fisher_add(s->net, kind, NULL, &batch, &r, s->sum, s->ws);
        }
}

static void exact(struct speed *s)
{
        pass(s, EWC_FISHER_EXACT, s->of->rows);
}

static void exact_tenth(struct speed *s)
{
        pass(s, EWC_FISHER_EXACT, s->of->rows / 10);
}

static void sample(struct speed *s)
{
        pass(s, EWC_FISHER_SAMPLE, s->of->rows);
}

static void empirical(struct speed *s)
{
        pass(s, EWC_FISHER_EMPIRICAL, s->of->rows);
}

static void batched(struct speed *s)
{
        pass(s, EWC_FISHER_BATCHED, s->of->rows);
}

static void infer_one(struct speed *s)
{
        for (size_t i = 0; i < s->of->steps; i++)
                s->failed |= ewc_plan_run(s->plan, 1, s->x + i * s->n_inputs, s->y, NULL, s->ws);
}

static void infer_batch(struct speed *s)
{
        for (size_t i = 0; i < s->of->steps; i++)
                s->failed |= ewc_plan_run(s->plan, B, batch_at(s, i % (s->of->rows / B) * B, B).x, s->y, NULL, s->ws);
}

enum unit { STEP, ROW, ONE };

static const struct part {
        const char *name;
        void (*run)(struct speed *s);
        enum unit per; /* what one call does many of: a figure is milliseconds of one */
        bool any;      /* of every net, not only of dense ones */
} parts[N_PARTS] = {
    [PART_STEP_PLAIN] = {"step_plain", step_plain, STEP, true},
    [PART_STEP_EWC] = {"step_ewc", step_ewc, STEP, true},
    [PART_CEILING] = {"sgemm_1024", ceiling, ONE, true},
    [PART_EXACT] = {"fisher_exact_row", exact, ROW, false},
    [PART_EXACT_TENTH] = {"fisher_exact_tenth_pass", exact_tenth, ONE, false},
    [PART_SAMPLE] = {"fisher_sample_row", sample, ROW, false},
    [PART_EMPIRICAL] = {"fisher_empirical_row", empirical, ROW, false},
    [PART_BATCHED] = {"fisher_batched_row", batched, ROW, false},
    [PART_INFER_ONE] = {"infer_1_row", infer_one, STEP, true},
    [PART_INFER_BATCH] = {"infer_128_rows", infer_batch, STEP, true},
};

const char *speed_part_name(enum speed_part part)
{
        return parts[part].name;
}

/* Forward and the weights' gradient for every layer, back through all but the first; two a multiply-add. */
double speed_flops(const struct speed_net *net)
{
        double sum = 0;
        size_t tensor = 0;
        for (uint32_t l = 0; l <= net->spec.n_layers; l++) {
                const bool output = l == net->spec.n_layers;
                const struct ewc_shape to = ewc_spec_shape(&net->spec, l);
                struct ewc_tensor w;
                if (!output && net->spec.layers[l].type == EWC_LAYER_MAX_POOL)
                        continue;
                if (ewc_spec_tensor(&net->spec, tensor, &w) < 0)
                        return (double)NAN;
                bool conv = !output && net->spec.layers[l].type == EWC_LAYER_CONV;
                double places = conv ? (double)to.h * to.w : 1;
                sum += 2.0 * B * places * w.rows * w.cols * (tensor == 0 ? 2 : 3);
                tensor += 2;
        }
        return sum;
}

static void *block(size_t n, size_t size)
{
        void *p = mem_aligned(n, size, 64);
        if (p)
                memset(p, 0, n * size);
        return p;
}

static size_t workspace(const struct speed *s)
{
        const size_t sizes[] = {ewc_train_workspace(s->net, B), ewc_plan_workspace(s->plan, B),
            ewc_fisher_workspace(s->net, NULL, EWC_FISHER_EXACT, B),
            ewc_fisher_workspace(s->net, NULL, EWC_FISHER_BATCHED, B)};
        size_t most = 0;
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
                most = sizes[i] > most ? sizes[i] : most;
        return most;
}

static int open_blocks(struct speed *s, struct err *e)
{
        const size_t rows = s->of->rows;
        s->x = block(rows * s->n_inputs, sizeof(float));
        s->label = block(rows, sizeof(int32_t));
        s->y = block((size_t)B * CLASSES, sizeof(float));
        s->grad = block(s->P, sizeof(float));
        s->state = block(2 * s->P, sizeof(float));
        s->anchor = block(s->P, sizeof(float));
        s->fisher = block(s->P, sizeof(float));
        for (size_t i = 0; i < ARRAY_LEN(s->square); i++)
                s->square[i] = block((size_t)SQUARE * SQUARE, sizeof(float));
        s->sum = block(s->P, sizeof(double));
        s->ws = block(workspace(s), 1);
        if (!s->x || !s->label || !s->y || !s->grad || !s->state || !s->anchor || !s->fisher || !s->square[0] ||
            !s->square[1] || !s->square[2] || !s->sum || !s->ws)
                return err_oom(e);
        return 0;
}

static int open_speed(struct speed *s, struct err *e)
{
        struct ewc_rng r;
        if (ewc_team_new(&s->team, s->threads, NULL) < 0)
                return err_set(e, -EAGAIN, "cannot start %u threads", s->threads);
        if (ewc_net_new(&s->net, &s->of->spec, NULL) < 0 || ewc_net_new(&s->served, &s->of->spec, NULL) < 0)
                return err_oom(e);
        ewc_net_team(s->net, s->team);
        ewc_rng_seed(&r, 1, 0);
        ewc_net_init(s->net, &r);
        s->P = ewc_net_params(s->net);
        memcpy(ewc_net_theta(s->served), ewc_net_theta(s->net), s->P * sizeof(float));
        if (ewc_plan_new(&s->plan, s->served, NULL) < 0)
                return err_oom(e);
        s->n_inputs = s->of->spec.n_inputs;
        s->optim =
            (struct ewc_optim){.type = EWC_OPTIM_ADAM, .rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f};
        if (open_blocks(s, e) < 0)
                return e->code;
        for (size_t i = 0; i < s->of->rows * s->n_inputs; i++)
                s->x[i] = ewc_rng_unit(&r);
        for (size_t i = 0; i < s->of->rows; i++)
                s->label[i] = (int32_t)ewc_rng_below(&r, CLASSES);
        for (size_t i = 0; i < s->P; i++) {
                s->anchor[i] = ewc_net_theta(s->net)[i];
                s->fisher[i] = 2 * ewc_rng_unit(&r);
        }
        for (size_t i = 0; i < (size_t)SQUARE * SQUARE; i++)
                s->square[0][i] = s->square[1][i] = ewc_rng_unit(&r);
        return 0;
}

static void close_speed(struct speed *s)
{
        void *blocks[] = {s->x, s->label, s->y, s->grad, s->state, s->anchor, s->fisher, s->square[0], s->square[1],
            s->square[2], s->sum, s->ws};
        for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
                free(blocks[i]);
        ewc_plan_free(s->plan);
        ewc_net_free(s->served);
        ewc_net_free(s->net);
        ewc_team_free(s->team);
}

static double units_of(const struct speed *s, enum unit per)
{
        return per == STEP ? s->of->steps : per == ROW ? s->of->rows : 1;
}

static int measure(struct speed *s, struct speed_times *t, struct err *e)
{
        for (int round = -1; round < (int)s->of->rounds; round++) /* the first one warms up */
                for (size_t k = 0; k < N_PARTS; k++) {
                        if (runner_stopped())
                                return err_set(e, RUNNER_STOPPED, "interrupted");
                        if (!t->has[k])
                                continue;
                        uint64_t began = clock_mono_ns(&clock_system);
                        parts[k].run(s);
                        if (round >= 0)
                                t->ms[k][round] =
                                    (double)(clock_mono_ns(&clock_system) - began) / 1e6 / units_of(s, parts[k].per);
                }
        return s->failed ? err_set(e, -EIO, "a step of the measurement failed") : 0;
}

static double allocations_of(struct speed *s)
{
        if (!speed_allocations)
                return (double)NAN;
        step_ewc(s);
        unsigned long before = speed_allocations();
        step_ewc(s);
        unsigned long after = speed_allocations();
        return (double)(after - before) / s->of->steps;
}

int speed_measure(const struct speed_net *net, unsigned threads, struct speed_times *ret, struct err *e)
{
        struct speed s = {.of = net, .threads = threads};
        struct speed_times t = {
            .rounds = net->rounds, .rows = net->rows, .flops = speed_flops(net), .allocations = (double)NAN};
        for (size_t k = 0; k < N_PARTS; k++)
                t.has[k] = net->dense || parts[k].any;
        int r = open_speed(&s, e);
        if (r == 0)
                r = measure(&s, &t, e);
        if (r == 0)
                t.allocations = allocations_of(&s);
        close_speed(&s);
        if (r == 0)
                *ret = t;
        return r;
}

/* cmd_speed.c: time of the parts of learning on made data: 784-400-400-10, batch 128, Adam 1e-3, the net of Split
 * MNIST.
 *
 * All parts take turns within every round, so that a busy machine slows them alike; a figure is the median over
 * rounds, a ratio the median of the rounds' ratios.
 * sgemm_step is the time that a step's eight matrix products alone take. Ratios of times: step_ewc_over_plain,
 * train_over_sgemm, exact_over_empirical. Speed-ups: sampled_speedup (EXACT over all rows against a tenth of them);
 * train_over_torch and fisher_over_torch, the time PyTorch takes over ours, from a script that prints
 * "name value unit" lines. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "bench/gemm.h"
#include "bench/runner.h"
#include <errno.h>
#include <ewc/fisher.h>
#include <ewc/train.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { I = 784, U = 400, O = 10, B = 128, ROUNDS = 21, STEPS = 10, ROWS = 2048, TENTH = ROWS / 10 };

struct speed {
        struct ewc_net *net;
        size_t P;
        float *x, *y, *grad, *state, *anchor, *fisher, *product;
        int32_t *label;
        double *sum;
        void *ws;
        struct ewc_optim optim;
        uint64_t t;
        int failed;
};

static double now(void)
{
        return (double)clock_mono_ns(&clock_system) / 1e9;
}

static void step(struct speed *s, const struct ewc_penalty *pen)
{
        for (size_t i = 0; i < STEPS; i++) {
                size_t at = i % (ROWS / B) * B;
                struct ewc_batch batch = {.n = B, .x = s->x + at * I, .label = s->label + at};
                double loss;
                s->failed |= ewc_train_grad(s->net, NULL, &batch, 1.0, false, s->grad, &loss, s->ws);
                s->failed |= ewc_optim_step(&s->optim, s->P, ewc_net_theta(s->net), s->grad, s->state, ++s->t, pen);
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

static void sgemm_step(struct speed *s)
{
        static const int shapes[][3] = {
            {B, U, I}, {B, U, U}, {B, O, U}, {B, U, O}, {B, U, U}, {O, U, B}, {U, U, B}, {U, I, B}};
        for (size_t i = 0; i < STEPS; i++)
                for (size_t k = 0; k < ARRAY_LEN(shapes); k++)
                        gemm(shapes[k][0], shapes[k][1], shapes[k][2], s->x, s->anchor, s->product);
}

static void pass(struct speed *s, enum ewc_fisher kind, size_t rows)
{
        struct ewc_rng r;
        ewc_rng_seed(&r, 3, 0);
        for (size_t at = 0; at < rows; at += B) {
                size_t n = rows - at < B ? rows - at : B;
                struct ewc_batch batch = {.n = n, .x = s->x + at * I, .label = s->label + at};
                s->failed |= ewc_fisher_add(s->net, kind, NULL, &batch, &r, s->sum, s->ws);
        }
}

static void fisher_exact(struct speed *s)
{
        pass(s, EWC_FISHER_EXACT, ROWS);
}

static void fisher_tenth(struct speed *s)
{
        pass(s, EWC_FISHER_EXACT, TENTH);
}

static void fisher_sample(struct speed *s)
{
        pass(s, EWC_FISHER_SAMPLE, ROWS);
}

static void fisher_empirical(struct speed *s)
{
        pass(s, EWC_FISHER_EMPIRICAL, ROWS);
}

static void fisher_batched(struct speed *s)
{
        pass(s, EWC_FISHER_BATCHED, ROWS);
}

static void infer_one(struct speed *s)
{
        for (size_t i = 0; i < STEPS; i++)
                s->failed |= ewc_net_forward(s->net, 1, s->x + i * I, s->y, s->ws);
}

static void infer_batch(struct speed *s)
{
        for (size_t i = 0; i < STEPS; i++)
                s->failed |= ewc_net_forward(s->net, B, s->x + i % (ROWS / B) * B * I, s->y, s->ws);
}

enum {
        STEP_PLAIN,
        STEP_EWC,
        SGEMM_STEP,
        EXACT,
        EXACT_TENTH,
        SAMPLE,
        EMPIRICAL,
        BATCHED,
        INFER_ONE,
        INFER_BATCH,
        N_PARTS
};

static const struct part {
        const char *name;
        void (*run)(struct speed *s);
        double per; /* units of work in one call: a figure is milliseconds of one */
} parts[N_PARTS] = {
    [STEP_PLAIN] = {"step_plain", step_plain, STEPS},
    [STEP_EWC] = {"step_ewc", step_ewc, STEPS},
    [SGEMM_STEP] = {"sgemm_step", sgemm_step, STEPS},
    [EXACT] = {"fisher_exact_row", fisher_exact, ROWS},
    [EXACT_TENTH] = {"fisher_exact_tenth_pass", fisher_tenth, 1},
    [SAMPLE] = {"fisher_sample_row", fisher_sample, ROWS},
    [EMPIRICAL] = {"fisher_empirical_row", fisher_empirical, ROWS},
    [BATCHED] = {"fisher_batched_row", fisher_batched, ROWS},
    [INFER_ONE] = {"infer_1_row", infer_one, STEPS},
    [INFER_BATCH] = {"infer_128_rows", infer_batch, STEPS},
};

static void *block(size_t n, size_t size)
{
        void *p = mem_aligned(n, size, 64);
        if (p)
                memset(p, 0, n * size);
        return p;
}

static size_t largest(size_t a, size_t b)
{
        return a > b ? a : b;
}

static int open_speed(struct speed *s, struct err *e)
{
        struct ewc_spec spec = {.n_inputs = I, .n_outputs = O, .loss = EWC_LOSS_SOFTMAX, .n_layers = 2};
        struct ewc_rng r;
        for (size_t i = 0; i < 2; i++) {
                spec.layers[i].type = EWC_LAYER_DENSE;
                spec.layers[i].activation = EWC_ACT_RELU;
                spec.layers[i].units = U;
        }
        if (ewc_net_new(&s->net, &spec, NULL) < 0)
                return err_oom(e);
        ewc_rng_seed(&r, 1, 0);
        ewc_net_init(s->net, &r);
        s->P = ewc_net_params(s->net);
        s->optim =
            (struct ewc_optim){.type = EWC_OPTIM_ADAM, .rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f};
        size_t ws = ewc_train_workspace(s->net, B);
        ws = largest(ws, ewc_fisher_workspace(s->net, NULL, EWC_FISHER_EXACT, B));
        s->x = block((size_t)ROWS * I, sizeof(float));
        s->label = block(ROWS, sizeof(int32_t));
        s->y = block((size_t)B * O, sizeof(float));
        s->grad = block(s->P, sizeof(float));
        s->state = block(2 * s->P, sizeof(float));
        s->anchor = block(s->P, sizeof(float));
        s->fisher = block(s->P, sizeof(float));
        s->product = block((size_t)U * I, sizeof(float));
        s->sum = block(s->P, sizeof(double));
        s->ws = block(ws, 1);
        if (!s->x || !s->label || !s->y || !s->grad || !s->state || !s->anchor || !s->fisher || !s->product ||
            !s->sum || !s->ws)
                return err_oom(e);
        for (size_t i = 0; i < (size_t)ROWS * I; i++)
                s->x[i] = ewc_rng_unit(&r);
        for (size_t i = 0; i < ROWS; i++)
                s->label[i] = (int32_t)ewc_rng_below(&r, O);
        for (size_t i = 0; i < s->P; i++) {
                s->anchor[i] = ewc_net_theta(s->net)[i];
                s->fisher[i] = 2 * ewc_rng_unit(&r);
        }
        return 0;
}

static void close_speed(struct speed *s)
{
        void *blocks[] = {s->x, s->label, s->y, s->grad, s->state, s->anchor, s->fisher, s->product, s->sum, s->ws};
        for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
                free(blocks[i]);
        ewc_net_free(s->net);
}

static double median(double *v, size_t n)
{
        for (size_t i = 1; i < n; i++)
                for (size_t k = i; k > 0 && v[k - 1] > v[k]; k--) {
                        double t = v[k];
                        v[k] = v[k - 1];
                        v[k - 1] = t;
                }
        return v[n / 2];
}

struct times {
        double ms[N_PARTS][ROUNDS];
};

static double part_ms(const struct times *t, size_t part)
{
        double v[ROUNDS];
        memcpy(v, t->ms[part], sizeof(v));
        return median(v, ROUNDS);
}

static double part_ratio(const struct times *t, size_t over, size_t under)
{
        double v[ROUNDS];
        for (size_t i = 0; i < ROUNDS; i++)
                v[i] = t->ms[over][i] / t->ms[under][i];
        return median(v, ROUNDS);
}

static int measure(struct speed *s, struct times *t, struct err *e)
{
        for (int round = -1; round < ROUNDS; round++) /* the first one warms up */
                for (size_t k = 0; k < N_PARTS; k++) {
                        if (runner_stopped())
                                return err_set(e, RUNNER_STOPPED, "interrupted");
                        double began = now();
                        parts[k].run(s);
                        if (round >= 0)
                                t->ms[k][round] = 1e3 * (now() - began) / parts[k].per;
                }
        return s->failed ? err_set(e, -EIO, "a step of the measurement failed") : 0;
}

static void say(const struct options *o, const char *name, double value, const char *unit)
{
        if (!isfinite(value))
                return;
        if (o->json)
                printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n", name, value, unit);
        else
                printf("%-26s %10.4f %s\n", name, value, unit);
}

struct torch {
        double step_ewc, step_plain, fisher_row; /* ms; NaN if not said */
};

static int run_torch(const struct options *o, struct torch *ret, struct err *e)
{
        char threads[16], name[64];
        double value;
        int pipes[2], status;
        pid_t pid;
        posix_spawn_file_actions_t actions;
        char *argv[] = {NULL, NULL, threads, NULL};
        static const char python[] = "python3";
        const char *words[] = {python, o->torch};
        memcpy(argv, words, sizeof(words));
        snprintf(threads, sizeof(threads), "%u", o->threads);
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return err_errno(e, errno, "pipe");
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
        int code = posix_spawn(&pid, "/usr/bin/python3", &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(pipes[1]);
        FILE *in = fdopen(pipes[0], "r");
        if (code != 0 || !in) {
                close(pipes[0]);
                return err_errno(e, code ? code : ENOMEM, "start python3");
        }
        while (fscanf(in, "%63s %lf %*s", name, &value) == 2) {
                if (strcmp(name, "step_ewc") == 0)
                        ret->step_ewc = value;
                else if (strcmp(name, "step_plain") == 0)
                        ret->step_plain = value;
                else if (strcmp(name, "fisher_empirical_row") == 0)
                        ret->fisher_row = value;
        }
        fclose(in);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                continue;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return err_field(e, -EIO, "--torch", "%s failed; does python3 have torch?", o->torch);
        return 0;
}

static void print(const struct options *o, const struct times *t, const struct torch *torch)
{
        double flops = 2.0 * B * (2.0 * I * U + 3.0 * U * U + 3.0 * U * O);
        for (size_t k = 0; k < N_PARTS; k++)
                say(o, parts[k].name, part_ms(t, k), "ms");
        say(o, "sgemm_rate", flops / part_ms(t, SGEMM_STEP) / 1e6, "gflops");
        say(o, "step_ewc_over_plain", part_ratio(t, STEP_EWC, STEP_PLAIN), "ratio");
        say(o, "train_over_sgemm", part_ratio(t, STEP_PLAIN, SGEMM_STEP), "ratio");
        say(o, "exact_over_empirical", part_ratio(t, EXACT, EMPIRICAL), "ratio");
        say(o, "sampled_speedup", ROWS * part_ratio(t, EXACT, EXACT_TENTH), "speedup");
        say(o, "torch_step_plain", torch->step_plain, "ms");
        say(o, "torch_step_ewc", torch->step_ewc, "ms");
        say(o, "torch_fisher_row", torch->fisher_row, "ms");
        say(o, "train_over_torch", torch->step_ewc / part_ms(t, STEP_EWC), "speedup");
        say(o, "fisher_over_torch", torch->fisher_row / part_ms(t, EMPIRICAL), "speedup");
}

int cmd_speed(const struct options *o)
{
        struct err e = ERR_NULL;
        struct speed s = {0};
        struct torch torch = {(double)NAN, (double)NAN, (double)NAN};
        struct times t;
        unsigned threads = ewc_threads_set(o->threads);
        int r = open_speed(&s, &e);
        if (r == 0)
                r = measure(&s, &t, &e);
        if (r == 0 && o->torch)
                r = run_torch(o, &torch, &e);
        if (r == 0) {
                say(o, "threads", threads, "count");
                print(o, &t, &torch);
        }
        close_speed(&s);
        return command_end(r, &e);
}

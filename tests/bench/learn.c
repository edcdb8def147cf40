/* learn.c: time of one training step and of a Fisher pass on made data, one line a figure: "name value unit".
 *
 *   learn [THREADS]
 * The net, the batch and the data's shape are those of peers/torch_learn.py: 784-400-400-10, batch 128, Adam 1e-3.
 * Every figure is the median of several rounds. sgemm_step is the time that the step's matrix products alone take. */
#include <ewc/fisher.h>
#include <ewc/train.h>

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INPUTS = 784, U = 400, O = 10, B = 128, ROUNDS = 15, STEPS = 40, FISHER_ROWS = 2048 };

struct bench {
        struct ewc_net *net;
        size_t P;
        float *x, *grad, *state, *anchor, *fisher;
        int32_t *label;
        double *sum;
        void *ws;
        struct ewc_optim optim;
        uint64_t t;
};

static double now(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static void *block(size_t bytes)
{
        void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

        if (!p)
                exit(1);
        memset(p, 0, bytes);
        return p;
}

static void check(int r)
{
        if (r == 0)
                return;
        fprintf(stderr, "%s\n", ewc_strerror(r));
        exit(1);
}

static void setup(struct bench *b)
{
        struct ewc_spec s = {.n_inputs = INPUTS,
            .n_outputs = O,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 2,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = U},
                {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = U}}};
        struct ewc_rng r;
        size_t ws, fisher_ws;

        check(ewc_net_new(&b->net, &s, NULL));
        ewc_rng_seed(&r, 1, 0);
        ewc_net_init(b->net, &r);
        b->P = ewc_net_params(b->net);
        b->optim =
            (struct ewc_optim){.type = EWC_OPTIM_ADAM, .rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f};
        b->x = block(sizeof(float) * FISHER_ROWS * INPUTS);
        b->label = block(sizeof(int32_t) * FISHER_ROWS);
        for (size_t i = 0; i < (size_t)FISHER_ROWS * INPUTS; i++)
                b->x[i] = ewc_rng_unit(&r);
        for (size_t i = 0; i < FISHER_ROWS; i++)
                b->label[i] = (int32_t)ewc_rng_below(&r, O);
        b->grad = block(sizeof(float) * b->P);
        b->state = block(sizeof(float) * ewc_optim_state(&b->optim, b->P));
        b->anchor = block(sizeof(float) * b->P);
        b->fisher = block(sizeof(float) * b->P);
        b->sum = block(sizeof(double) * b->P);
        for (size_t i = 0; i < b->P; i++) {
                b->anchor[i] = ewc_net_theta(b->net)[i];
                b->fisher[i] = 2 * ewc_rng_unit(&r);
        }
        ws = ewc_train_workspace(b->net, B);
        fisher_ws = ewc_fisher_workspace(b->net, NULL, EWC_FISHER_EXACT, B);
        b->ws = block(ws > fisher_ws ? ws : fisher_ws);
}

static double step(struct bench *b, const struct ewc_penalty *pen)
{
        double start = now();

        for (int i = 0; i < STEPS; i++) {
                size_t at = (size_t)(i % (FISHER_ROWS / B)) * B;
                struct ewc_batch batch = {.n = B, .x = b->x + at * INPUTS, .label = b->label + at};
                double loss;

                check(ewc_train_grad(b->net, NULL, &batch, 1.0, false, b->grad, &loss, b->ws));
                check(ewc_optim_step(&b->optim, b->P, ewc_net_theta(b->net), b->grad, b->state, ++b->t, pen));
        }
        return (now() - start) / STEPS;
}

/* The eight products of a step: three forward, two back through weights, three weight gradients. */
static double sgemm_step(struct bench *b)
{
        static const int shapes[][3] = {
            {B, U, INPUTS}, {B, U, U}, {B, O, U}, {B, U, O}, {B, U, U}, {O, U, B}, {U, U, B}, {U, INPUTS, B}};
        float *c = block(sizeof(float) * U * INPUTS);
        double start = now();

        for (int i = 0; i < STEPS; i++)
                for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
                        int m = shapes[k][0], n = shapes[k][1], d = shapes[k][2];

                        cblas_sgemm(
                            CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, d, 1, b->x, d, b->anchor, n, 0, c, n);
                }
        free(c);
        return (now() - start) / STEPS;
}

static double fisher(struct bench *b, enum ewc_fisher kind)
{
        double start = now();
        struct ewc_rng r;

        ewc_rng_seed(&r, 3, 0);
        for (size_t at = 0; at < FISHER_ROWS; at += B) {
                struct ewc_batch batch = {.n = B, .x = b->x + at * INPUTS, .label = b->label + at};

                check(ewc_fisher_add(b->net, kind, NULL, &batch, &r, b->sum, b->ws));
        }
        return (now() - start) / FISHER_ROWS;
}

int main(int argc, char **argv)
{
        unsigned threads = ewc_threads_set(argc > 1 ? (unsigned)atoi(argv[1]) : 1);
        struct bench b = {0};
        struct ewc_penalty pen;
        double t[5][ROUNDS];
        static const char *const names[] = {
            "step_plain", "step_ewc", "sgemm_step", "fisher_empirical_row", "fisher_exact_row"};

        setup(&b);
        pen = (struct ewc_penalty){.lambda = 0.01, .fisher = b.fisher, .anchor = b.anchor};
        for (int i = -1; i < ROUNDS; i++) { /* the first round warms up */
                int k = i < 0 ? 0 : i;

                t[0][k] = step(&b, NULL);
                t[1][k] = step(&b, &pen);
                t[2][k] = sgemm_step(&b);
                t[3][k] = fisher(&b, EWC_FISHER_EMPIRICAL);
                t[4][k] = fisher(&b, EWC_FISHER_EXACT);
        }
        printf("threads %u count\n", threads);
        for (int k = 0; k < 5; k++) {
                qsort(t[k], ROUNDS, sizeof(double), by_value);
                printf("%s %.6f ms\n", names[k], 1e3 * t[k][ROUNDS / 2]);
        }
        return 0;
}

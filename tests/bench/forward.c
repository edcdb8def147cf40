/* forward.c: time of a prediction by batch size, one line a net and batch: "net batch plan blas products", us a row.
 *
 *   forward
 * plan: ewc_plan_run. blas: the whole pass on the library's BLAS path. products: the matrix products of that pass
 * alone, without bias, activation, pooling and the copying of windows, by sgemv for a single row: what a pass on the
 * BLAS cannot beat. One thread; medians of rounds in which the three take turns. */
#include <ewc/forward.h>
#include <ewc/laplace.h>
#include <ewc/team.h>

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 41, MOST = 128, WAYS = 3, ENOUGH_US = 300 };

static const struct {
        const char *name;
        struct ewc_spec spec;
} nets[] = {
    {"784-256-128-10", {.n_inputs = 784,
                           .n_outputs = 10,
                           .loss = EWC_LOSS_SOFTMAX,
                           .n_layers = 2,
                           .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 256},
                               {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 128}}}},
    {"784-400-400-10", {.n_inputs = 784,
                           .n_outputs = 10,
                           .loss = EWC_LOSS_SOFTMAX,
                           .n_layers = 2,
                           .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 400},
                               {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 400}}}},
    {"conv16-conv32-128-10",
        {.n_inputs = 784,
            .input = {28, 28, 1},
            .n_outputs = 10,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 5,
            .layers = {{.type = EWC_LAYER_CONV, .activation = EWC_ACT_RELU, .units = 16, .kernel = 3, .stride = 1},
                {.type = EWC_LAYER_MAX_POOL, .kernel = 2, .stride = 2},
                {.type = EWC_LAYER_CONV, .activation = EWC_ACT_RELU, .units = 32, .kernel = 3, .stride = 1},
                {.type = EWC_LAYER_MAX_POOL, .kernel = 2, .stride = 2},
                {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 128}}}},
};

struct bench {
        const struct ewc_spec *spec;
        struct ewc_net *net;
        struct ewc_plan *plan;
        float *x, *y, *phi, *in, *out; /* in, out: of any product */
        void *plan_ws, *blas_ws;
};

/* Processor time, so that a neighbour on the machine does not count. */
static double now_us(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
        return 1e6 * (double)ts.tv_sec + 1e-3 * (double)ts.tv_nsec;
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

static size_t places(const struct ewc_spec *s, uint32_t l)
{
        const struct ewc_shape shape = ewc_spec_shape(s, l);

        return l < s->n_layers && s->layers[l].type == EWC_LAYER_CONV ? (size_t)shape.h * shape.w : 1;
}

static bool has_product(const struct ewc_spec *s, uint32_t l)
{
        return l == s->n_layers || s->layers[l].type == EWC_LAYER_DENSE || s->layers[l].type == EWC_LAYER_CONV;
}

static void setup(struct bench *b, const struct ewc_spec *s)
{
        size_t in = 0, out = 0, i = 0;
        struct ewc_rng r;

        b->spec = s;
        check(ewc_net_new(&b->net, s, NULL));
        ewc_rng_seed(&r, 1, 0);
        ewc_net_init(b->net, &r);
        check(ewc_plan_new(&b->plan, b->net, NULL));
        for (uint32_t l = 0; l <= s->n_layers; l++) {
                struct ewc_tensor w;

                if (!has_product(s, l))
                        continue;
                check(ewc_spec_tensor(s, i, &w));
                i += 2;
                in = w.cols * places(s, l) > in ? w.cols * places(s, l) : in;
                out = w.rows * places(s, l) > out ? w.rows * places(s, l) : out;
        }
        b->x = block(sizeof(float) * MOST * s->n_inputs);
        b->y = block(sizeof(float) * MOST * s->n_outputs);
        b->phi = block(sizeof(float) * MOST * ewc_laplace_inputs(s));
        b->in = block(sizeof(float) * MOST * in);
        b->out = block(sizeof(float) * MOST * out);
        b->plan_ws = block(ewc_plan_workspace(b->plan, MOST));
        b->blas_ws = block(ewc_laplace_workspace(b->net, MOST));
        for (size_t k = 0; k < (size_t)MOST * s->n_inputs; k++)
                b->x[k] = ewc_rng_unit(&r);
        for (size_t k = 0; k < MOST * in; k++)
                b->in[k] = ewc_rng_unit(&r);
}

static void teardown(struct bench *b)
{
        ewc_plan_free(b->plan);
        ewc_net_free(b->net);
        free(b->x);
        free(b->y);
        free(b->phi);
        free(b->in);
        free(b->out);
        free(b->plan_ws);
        free(b->blas_ws);
}

static void products(const struct bench *b, size_t rows)
{
        size_t i = 0;

        for (uint32_t l = 0; l <= b->spec->n_layers; l++) {
                struct ewc_tensor t;

                if (!has_product(b->spec, l))
                        continue;
                check(ewc_spec_tensor(b->spec, i, &t));
                i += 2;
                const float *w = ewc_net_theta_const(b->net) + t.offset;
                int M = (int)(rows * places(b->spec, l)), N = (int)t.rows, K = (int)t.cols;

                if (M == 1)
                        cblas_sgemv(CblasRowMajor, CblasNoTrans, N, K, 1, w, K, b->in, 1, 0, b->out, 1);
                else
                        cblas_sgemm(
                            CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1, b->in, K, w, K, 0, b->out, N);
        }
}

static void once(const struct bench *b, int way, size_t rows)
{
        if (way == 0)
                check(ewc_plan_run(b->plan, rows, b->x, b->y, NULL, b->plan_ws));
        else if (way == 1)
                check(ewc_laplace_features(b->net, rows, b->x, b->phi, b->y, b->blas_ws));
        else
                products(b, rows);
}

static void measure(const struct bench *b, const char *name, size_t rows)
{
        double t[WAYS][ROUNDS];
        int repeat = 1;

        for (double start = now_us(); now_us() - start < ENOUGH_US; repeat++)
                once(b, 0, rows);
        for (int i = 0; i < ROUNDS; i++) {
                for (int way = 0; way < WAYS; way++) {
                        double start;

                        once(b, way, rows);
                        start = now_us();
                        for (int k = 0; k < repeat; k++)
                                once(b, way, rows);
                        t[way][i] = (now_us() - start) / repeat;
                }
        }
        printf("%s %zu", name, rows);
        for (int way = 0; way < WAYS; way++) {
                qsort(t[way], ROUNDS, sizeof(double), by_value);
                printf(" %.3f", t[way][ROUNDS / 2] / (double)rows);
        }
        printf("\n");
}

int main(void)
{
        ewc_blas_alone();
        for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
                struct bench b = {0};

                setup(&b, &nets[i].spec);
                for (size_t rows = 1; rows <= MOST; rows *= 2)
                        measure(&b, nets[i].name, rows);
                teardown(&b);
        }
        return 0;
}

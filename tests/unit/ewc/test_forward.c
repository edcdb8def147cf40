/* test_forward.c: plans of nets of every layer: against an independent forward pass in double, against the BLAS path,
 * and to the bit over batch sizes, positions, instruction sets, threads and a second plan. */
#include "deep.h"

#include <ewc/forward.h>
#include <ewc/laplace.h>
#include <pthread.h>

#include "ewc/panel.h"

enum { B = 128, LOOSE = 48 };

static const struct ewc_spec nets[] = {
    {.n_inputs = 13, .n_outputs = 3, .loss = EWC_LOSS_SOFTMAX},
    {.n_inputs = 70,
        .n_outputs = 10,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 3,
        .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 83},
            {.type = EWC_LAYER_DROPOUT, .rate = 0.5f},
            {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_GELU, .units = 33}}},
    {.n_inputs = 20,
        .n_outputs = 17,
        .loss = EWC_LOSS_SIGMOID,
        .n_layers = 3,
        .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 16},
            {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_SIGMOID, .units = 129},
            {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_NONE, .units = 1}}},
    {.n_inputs = 11 * 9 * 2,
        .input = {11, 9, 2},
        .n_outputs = 5,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 6,
        .layers = {{.type = EWC_LAYER_CONV, .activation = EWC_ACT_RELU, .units = 18, .kernel = 3, .stride = 1},
            {.type = EWC_LAYER_MAX_POOL, .kernel = 2, .stride = 2},
            {.type = EWC_LAYER_GROUP_NORM, .activation = EWC_ACT_RELU, .groups = 3},
            {.type = EWC_LAYER_CONV, .activation = EWC_ACT_TANH, .units = 7, .kernel = 3, .stride = 2, .padding = 2},
            {.type = EWC_LAYER_FLATTEN}, {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 12}}},
    {.n_inputs = 8 * 8 * 3,
        .input = {8, 8, 3},
        .n_outputs = 4,
        .loss = EWC_LOSS_SQUARED,
        .n_layers = 5,
        .layers = {{.type = EWC_LAYER_CONV, .activation = EWC_ACT_GELU, .units = 20, .kernel = 1, .stride = 3},
            {.type = EWC_LAYER_CONV, .activation = EWC_ACT_RELU, .units = 5, .kernel = 3, .stride = 1, .padding = 1},
            {.type = EWC_LAYER_LAYER_NORM}, {.type = EWC_LAYER_AVG_POOL, .kernel = 2, .stride = 1},
            {.type = EWC_LAYER_GLOBAL_AVG_POOL}}},
    {.n_inputs = 6,
        .n_outputs = 3,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 2,
        .layers = {{.type = EWC_LAYER_EMBEDDING, .units = 5, .count = 11},
            {.type = EWC_LAYER_CONV, .activation = EWC_ACT_RELU, .units = 9, .kernel = 1, .stride = 1}}},
};
enum { NETS = sizeof(nets) / sizeof(nets[0]) };

struct planned {
        struct fixture f;
        struct ewc_plan *plan;
        size_t I, O, D;
        float *y, *phi; /* of the batch in one call */
        void *ws;
};

static void planned_init(struct planned *p, size_t i)
{
        fixture_init(&p->f, &nets[i], NULL, B, 1.5, 300 + i);
        if (nets[i].layers[0].type == EWC_LAYER_EMBEDDING) {
                struct ewc_rng r;

                ewc_rng_seed(&r, 5, 0);
                for (size_t k = 0; k < (size_t)B * nets[i].n_inputs; k++)
                        p->f.x[k] = (float)ewc_rng_below(&r, nets[i].layers[0].count);
        }
        p->I = nets[i].n_inputs;
        p->O = nets[i].n_outputs;
        p->D = ewc_laplace_inputs(&nets[i]);
        p->y = test_alloc(B * p->O, sizeof(float));
        p->phi = test_alloc(B * p->D, sizeof(float));
        assert_int_equal(ewc_plan_new(&p->plan, p->f.net, NULL), 0);
        p->ws = test_alloc(ewc_plan_workspace(p->plan, B), 1);
        assert_int_equal(ewc_plan_run(p->plan, B, p->f.x, p->y, p->phi, p->ws), 0);
}

static void planned_deinit(struct planned *p)
{
        ewc_plan_free(p->plan);
        fixture_deinit(&p->f);
        free(p->y);
        free(p->phi);
        free(p->ws);
}

static void expect_close(size_t n, const float *a, const float *b)
{
        double size = 0;

        for (size_t i = 0; i < n; i++)
                size = fmax(size, fabs((double)b[i]));
        for (size_t i = 0; i < n; i++)
                assert_true(fabs((double)a[i] - (double)b[i]) <= 1e-5 * fmax(size, 1e-3));
}

static void equals_oracle_and_blas(void **state)
{
        (void)state;
        for (size_t i = 0; i < NETS; i++) {
                struct planned p;
                float *y, *phi;
                void *ws;

                planned_init(&p, i);
                for (size_t n = 0; n < B; n++) {
                        double z[ORACLE_UNITS];

                        deep_forward(&nets[i], p.f.theta, p.f.x + n * p.I, z);
                        for (size_t o = 0; o < p.O; o++)
                                assert_true(fabs((double)p.y[n * p.O + o] - z[o]) <= 2e-5 * (1 + fabs(z[o])));
                }
                y = test_alloc(B * p.O, sizeof(float));
                phi = test_alloc(B * p.D, sizeof(float));
                ws = test_alloc(ewc_laplace_workspace(p.f.net, B), 1);
                assert_int_equal(ewc_laplace_features(p.f.net, B, p.f.x, phi, y, ws), 0);
                expect_close(B * p.O, p.y, y);
                expect_close(B * p.D, p.phi, phi);
                planned_deinit(&p);
                free(y);
                free(phi);
                free(ws);
        }
}

/* Every batch size from 1 on, at a random place, among the rows that happen to be there. */
static void any_batch_any_place(void **state)
{
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 301, 0);
        for (size_t i = 0; i < NETS; i++) {
                struct planned p;
                float *x, *y, *phi;

                planned_init(&p, i);
                x = test_alloc(B * p.I, sizeof(float));
                y = test_alloc(B * p.O, sizeof(float));
                phi = test_alloc(B * p.D, sizeof(float));
                for (uint32_t n = 1; n <= B; n++) {
                        uint32_t from[B];

                        for (uint32_t k = 0; k < n; k++) {
                                from[k] = ewc_rng_below(&r, B);
                                memcpy(x + k * p.I, p.f.x + from[k] * p.I, p.I * sizeof(float));
                        }
                        assert_int_equal(ewc_plan_run(p.plan, n, x, y, n % 2 ? phi : NULL, p.ws), 0);
                        for (uint32_t k = 0; k < n; k++) {
                                assert_memory_equal(y + k * p.O, p.y + from[k] * p.O, p.O * sizeof(float));
                                if (n % 2)
                                        assert_memory_equal(
                                            phi + k * p.D, p.phi + from[k] * p.D, p.D * sizeof(float));
                        }
                }
                planned_deinit(&p);
                free(x);
                free(y);
                free(phi);
        }
}

/* The net alone, another plan of it, and every instruction set. */
static void same_bits_by_every_way(void **state)
{
        (void)state;
        for (size_t i = 0; i < NETS; i++) {
                struct planned p;
                struct ewc_plan *again;
                float *y;
                void *ws;

                planned_init(&p, i);
                y = test_alloc(B * p.O, sizeof(float));
                ws = test_alloc(ewc_net_workspace(p.f.net, B), 1);
                assert_int_equal(ewc_net_forward(p.f.net, B, p.f.x, y, ws), 0);
                assert_memory_equal(y, p.y, B * p.O * sizeof(float));
                assert_int_equal(ewc_plan_new(&again, p.f.net, NULL), 0);
                for (enum ewc_panel_form f = 0; f < EWC_PANEL_FORMS; f++) {
                        if (!ewc_panel_has(f))
                                continue;
                        again->form = f;
                        memset(y, 0, B * p.O * sizeof(float));
                        assert_int_equal(ewc_plan_run(again, B - 1, p.f.x, y, NULL, p.ws), 0);
                        assert_memory_equal(y, p.y, (B - 1) * p.O * sizeof(float));
                }
                ewc_plan_free(again);
                planned_deinit(&p);
                free(y);
                free(ws);
        }
}

struct job {
        const struct planned *p;
        uint64_t seed;
        size_t wrong;
};

static void *predict(void *arg)
{
        struct job *job = arg;
        const struct planned *p = job->p;
        void *ws = test_alloc(ewc_plan_workspace(p->plan, 16), 1);
        float *y = test_alloc(16 * p->O, sizeof(float));
        struct ewc_rng r;

        ewc_rng_seed(&r, job->seed, 0);
        for (int round = 0; round < 200; round++) {
                const size_t n = 1 + ewc_rng_below(&r, 16), at = ewc_rng_below(&r, (uint32_t)(B - n));

                if (ewc_plan_run(p->plan, n, p->f.x + at * p->I, y, NULL, ws) != 0 ||
                    memcmp(y, p->y + at * p->O, n * p->O * sizeof(float)) != 0)
                        job->wrong++;
        }
        free(ws);
        free(y);
        return NULL;
}

static void threads(void **state)
{
        (void)state;
        for (size_t i = 1; i < NETS; i++) {
                struct job job[4];
                pthread_t thread[4];
                struct planned p;

                planned_init(&p, i);
                for (size_t k = 0; k < 4; k++) {
                        job[k] = (struct job){&p, k, 0};
                        assert_int_equal(pthread_create(&thread[k], NULL, predict, &job[k]), 0);
                }
                for (size_t k = 0; k < 4; k++) {
                        assert_int_equal(pthread_join(thread[k], NULL), 0);
                        assert_int_equal(job[k].wrong, 0);
                }
                planned_deinit(&p);
        }
}

/* Nothing behind the workspace is touched, and its content before does not matter. */
static void workspace(void **state)
{
        static const size_t rows[] = {1, 2, 9, B};

        (void)state;
        for (size_t i = 0; i < NETS; i++) {
                struct planned p;

                planned_init(&p, i);
                for (size_t k = 0; k < sizeof(rows) / sizeof(*rows); k++) {
                        const size_t size = ewc_plan_workspace(p.plan, rows[k]);
                        unsigned char *ws = test_alloc(size + LOOSE, 1);
                        float *y = test_alloc(B * p.O, sizeof(float));

                        memset(ws, 0xff, size + LOOSE);
                        assert_int_equal(ewc_plan_run(p.plan, rows[k], p.f.x, y, NULL, ws), 0);
                        assert_memory_equal(y, p.y, rows[k] * p.O * sizeof(float));
                        for (size_t at = size; at < size + LOOSE; at++)
                                assert_int_equal(ws[at], 0xff);
                        free(ws);
                        free(y);
                }
                planned_deinit(&p);
        }
}

/* A batch of a wide image net runs in several blocks. */
static void blocks(void **state)
{
        enum { ROWS = 2 * 17 };
        const struct ewc_spec s = {.n_inputs = 32 * 32,
            .input = {32, 32, 1},
            .n_outputs = 2,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 2,
            .layers = {{.type = EWC_LAYER_CONV, .activation = EWC_ACT_RELU, .units = 32, .kernel = 3, .stride = 1},
                {.type = EWC_LAYER_GLOBAL_AVG_POOL}}};
        float y[ROWS * 2], one[2], phi[ROWS * 32], one_phi[32];
        struct ewc_plan *plan;
        struct fixture f;
        void *ws;

        (void)state;
        fixture_init(&f, &s, NULL, ROWS, 1, 310);
        assert_int_equal(ewc_plan_new(&plan, f.net, NULL), 0);
        assert_true(ewc_plan_workspace(plan, ROWS) < 12 * ewc_plan_workspace(plan, 1));
        ws = test_alloc(ewc_plan_workspace(plan, ROWS), 1);
        assert_int_equal(ewc_plan_run(plan, ROWS, f.x, y, phi, ws), 0);
        for (size_t n = 0; n < ROWS; n++) {
                assert_int_equal(ewc_plan_run(plan, 1, f.x + n * s.n_inputs, one, one_phi, ws), 0);
                assert_memory_equal(one, y + n * 2, sizeof(one));
                assert_memory_equal(one_phi, phi + n * 32, sizeof(one_phi));
        }
        ewc_plan_free(plan);
        fixture_deinit(&f);
        free(ws);
}

struct counter {
        size_t left, in_use, size;
};

static void *counted_alloc(void *arg, size_t size)
{
        struct counter *c = arg;

        if (c->left == 0)
                return NULL;
        c->left--;
        c->in_use++;
        c->size += size;
        return test_alloc(size, 1);
}

static void counted_free(void *arg, void *p)
{
        struct counter *c = arg;

        c->in_use--;
        free(p);
}

/* One block, a little larger than the weights rounded up to 16 outputs. */
static void allocator(void **state)
{
        struct counter c = {.left = 0};
        const struct ewc_allocator a = {counted_alloc, counted_free, &c};
        struct ewc_plan *plan = NULL;
        struct fixture f;

        (void)state;
        fixture_init(&f, &nets[1], NULL, 1, 1, 311);
        assert_int_equal(ewc_plan_new(&plan, f.net, &a), EWC_E_NOMEM);
        assert_null(plan);
        c.left = 1;
        assert_int_equal(ewc_plan_new(&plan, f.net, &a), 0);
        assert_int_equal(c.in_use, 1);
        assert_int_equal(ewc_plan_bytes(plan), c.size);
        assert_true(c.size >= (71 * 96 + 84 * 48 + 34 * 16) * sizeof(float));
        assert_true(c.size <= (71 * 96 + 84 * 48 + 34 * 16) * sizeof(float) + 1024);
        ewc_plan_free(plan);
        assert_int_equal(c.in_use, 0);
        ewc_plan_free(NULL);
        fixture_deinit(&f);
}

static void refusals(void **state)
{
        struct planned p;
        float y[B * 17], keep;

        (void)state;
        planned_init(&p, 1);
        assert_int_equal(ewc_plan_run(p.plan, 0, p.f.x, y, NULL, p.ws), EWC_E_DIM);
        assert_int_equal(ewc_plan_run(p.plan, EWC_MAX_BATCH + 1, p.f.x, y, NULL, p.ws), EWC_E_DIM);
        keep = p.f.x[2 * 70 + 69];
        p.f.x[2 * 70 + 69] = NAN;
        assert_int_equal(ewc_plan_run(p.plan, 3, p.f.x, y, NULL, p.ws), EWC_E_NONFINITE);
        assert_memory_equal(y, p.y, 2 * 10 * sizeof(float)); /* the other rows are as they were */
        p.f.x[2 * 70 + 69] = keep;
        planned_deinit(&p);
        planned_init(&p, 2);
        p.f.x[7] = INFINITY; /* which tanh would hide */
        assert_int_equal(ewc_plan_run(p.plan, 1, p.f.x, y, NULL, p.ws), EWC_E_NONFINITE);
        planned_deinit(&p);
        planned_init(&p, 5);
        memset(y, 0, sizeof(y));
        p.f.x[4] = 11.0f;
        assert_int_equal(ewc_plan_run(p.plan, 2, p.f.x, y, NULL, p.ws), EWC_E_INVAL);
        assert_true(y[0] == 0.0f && y[3] == 0.0f);
        planned_deinit(&p);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(equals_oracle_and_blas),
            cmocka_unit_test(any_batch_any_place),
            cmocka_unit_test(same_bits_by_every_way),
            cmocka_unit_test(threads),
            cmocka_unit_test(workspace),
            cmocka_unit_test(blocks),
            cmocka_unit_test(allocator),
            cmocka_unit_test(refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

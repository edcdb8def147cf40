/* test_tape.c: nets of every kind of layer: gradients and Fishers of the whole, blocks of rows, a row alone and among
 * others, workspaces. */
#include "deep_check.h"

#include "ewc/internal.h"

static const struct ewc_spec nets[] = {
    {.n_inputs = 6 * 6 * 2,
        .n_outputs = 4,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 8,
        .layers = {DEEP_CONV(4, 3, 1, 1, EWC_ACT_NONE),
            {.type = EWC_LAYER_GROUP_NORM, .groups = 2, .activation = EWC_ACT_RELU},
            DEEP_POOL(EWC_LAYER_MAX_POOL, 2, 2), DEEP_CONV(6, 2, 1, 1, EWC_ACT_GELU),
            DEEP_POOL(EWC_LAYER_AVG_POOL, 2, 2), {.type = EWC_LAYER_FLATTEN},
            {.type = EWC_LAYER_DROPOUT, .rate = 0.3f}, DEEP_DENSE(7, EWC_ACT_TANH)},
        .input = {6, 6, 2}},
    {.n_inputs = 9,
        .n_outputs = 5,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 4,
        .layers = {{.type = EWC_LAYER_EMBEDDING, .units = 3, .count = 8}, {.type = EWC_LAYER_LAYER_NORM},
            {.type = EWC_LAYER_GLOBAL_AVG_POOL}, DEEP_DENSE(6, EWC_ACT_RELU)}},
    /* layers without parameters at the bottom, in the middle and at the top */
    {.n_inputs = 5 * 5 * 2,
        .n_outputs = 3,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 7,
        .layers = {{.type = EWC_LAYER_DROPOUT, .rate = 0.5f}, DEEP_POOL(EWC_LAYER_AVG_POOL, 2, 1),
            DEEP_CONV(3, 2, 1, 0, EWC_ACT_SIGMOID), {.type = EWC_LAYER_FLATTEN}, {.type = EWC_LAYER_FLATTEN},
            {.type = EWC_LAYER_LAYER_NORM}, {.type = EWC_LAYER_FLATTEN}},
        .input = {5, 5, 2}},
    /* a flattened image into a norm, nothing below it */
    {.n_inputs = 12,
        .n_outputs = 3,
        .loss = EWC_LOSS_SOFTMAX,
        .n_layers = 2,
        .layers = {{.type = EWC_LAYER_FLATTEN}, {.type = EWC_LAYER_GROUP_NORM, .groups = 3}},
        .input = {2, 3, 2}},
};
enum { N_NETS = sizeof(nets) / sizeof(nets[0]) };

static void whole_nets(void **state)
{
        static const uint32_t some[] = {0, 2};
        const struct ewc_head head = {2, some};

        (void)state;
        for (size_t k = 0; k < N_NETS; k++) {
                deep_check_net(&nets[k], NULL, 5, 130 + k);
                deep_check_net(&nets[k], &head, 5, 140 + k);
        }
}

/* A net so wide that a batch runs in blocks of rows: as its rows one by one. */
static void blocks_of_rows(void **state)
{
        enum { B = 11 };
        const struct ewc_spec s = {.n_inputs = 64 * 64,
            .n_outputs = 3,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 4,
            .layers = {DEEP_CONV(48, 2, 1, 1, EWC_ACT_NONE), {.type = EWC_LAYER_GROUP_NORM, .groups = 4},
                DEEP_POOL(EWC_LAYER_AVG_POOL, 5, 3), {.type = EWC_LAYER_GLOBAL_AVG_POOL}},
            .input = {64, 64, 1}};
        const float weight[B] = {1, 0.5f, 2, 1, 1, 3, 1, 0, 1, 1, 0.25f};
        struct fixture f;
        float *grad, *sum, *one, *y, *z;
        double *got, *want, loss, part, parts = 0;
        struct ewc_rng a, b;
        void *ws;

        (void)state;
        deep_init(&f, &s, NULL, B, 150);
        assert_true(f.net->block < B && f.net->block > 1);
        assert_int_equal(ewc_train_workspace(f.net, B), ewc_train_workspace(f.net, 10 * B)); /* it is bounded */
        assert_int_equal(ewc_net_workspace(f.net, B), ewc_net_workspace(f.net, 10 * B));
        assert_int_equal(ewc_fisher_workspace(f.net, NULL, EWC_FISHER_EXACT, B),
            ewc_fisher_workspace(f.net, NULL, EWC_FISHER_EXACT, 10 * B));
        grad = test_alloc(f.P, sizeof(float));
        sum = test_alloc(f.P, sizeof(float));
        one = test_alloc(f.P, sizeof(float));
        got = test_alloc(f.P, sizeof(double));
        want = test_alloc(f.P, sizeof(double));
        y = test_alloc(B * 3, sizeof(float));
        z = test_alloc(B * 3, sizeof(float));
        ws = test_alloc(ewc_fisher_workspace(f.net, NULL, EWC_FISHER_EXACT, B) + ewc_train_workspace(f.net, B), 1);
        f.batch.weight = weight;
        for (size_t i = 0; i < f.P; i++)
                grad[i] = 1; /* added to */
        assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 2, true, grad, &loss, ws), 0);
        for (size_t i = 0; i < f.P; i++)
                one[i] = NAN; /* not read */
        assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 2, false, one, &loss, ws), 0);
        ewc_rng_seed(&a, 9, 0);
        b = a;
        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_SAMPLE, NULL, &f.batch, &a, got, ws), 0);
        for (size_t n = 0; n < B; n++) {
                struct ewc_batch row = {
                    .n = 1, .x = f.x + n * s.n_inputs, .label = f.label + n, .weight = weight + n};

                assert_int_equal(ewc_train_grad(f.net, NULL, &row, 2.0 / B, n > 0, sum, &part, ws), 0);
                parts += part / B;
                assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_SAMPLE, NULL, &row, &b, want, ws), 0);
                assert_int_equal(ewc_net_forward(f.net, 1, row.x, z + n * 3, ws), 0);
        }
        assert_memory_equal(&a, &b, sizeof(a));
        assert_true(fabs(loss - parts) < 1e-5);
        for (size_t i = 0; i < f.P; i++)
                assert_true(fabsf(grad[i] - 1 - sum[i]) < 1e-4f && fabsf(one[i] - sum[i]) < 1e-4f);
        assert_true(deep_error(f.P, got, want, want) < 1e-3);
        assert_int_equal(ewc_net_forward(f.net, B, f.x, y, ws), 0);
        assert_memory_equal(y, z, B * 3 * sizeof(float));
        /* a late row spoils nothing: finite inputs, but its first channel overflows in the last block */
        memcpy(want, got, f.P * sizeof(double));
        for (size_t i = 0; i < 4; i++)
                ewc_net_theta(f.net)[i] = 2;
        for (size_t i = 0; i < s.n_inputs; i++)
                f.x[(B - 1) * s.n_inputs + i] = 3e38f;
        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EXACT, NULL, &f.batch, NULL, got, ws), EWC_E_NONFINITE);
        assert_memory_equal(got, want, f.P * sizeof(double));
        f.batch.n = B - 1;
        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EXACT, NULL, &f.batch, NULL, got, ws), 0);
        fixture_deinit(&f);
        free(grad);
        free(sum);
        free(one);
        free(got);
        free(want);
        free(y);
        free(z);
        free(ws);
}

/* More rows than are back-propagated at a time: as the rows one by one. */
static void many_rows(void **state)
{
        enum { B = 600 };

        (void)state;
        for (size_t k = 0; k < N_NETS; k++) {
                struct fixture f;
                double *whole, *parts;
                void *ws;

                deep_init(&f, &nets[k], NULL, B, 190 + k);
                whole = test_alloc(f.P, sizeof(double));
                parts = test_alloc(f.P, sizeof(double));
                ws = test_alloc(ewc_fisher_workspace(f.net, NULL, EWC_FISHER_EXACT, B), 1);
                assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EXACT, NULL, &f.batch, NULL, whole, ws), 0);
                for (size_t n = 0; n < B; n++) {
                        struct ewc_batch row = {.n = 1, .x = f.x + n * f.spec.n_inputs};

                        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EXACT, NULL, &row, NULL, parts, ws), 0);
                }
                assert_true(deep_error(f.P, whole, parts, parts) < 1e-4);
                fixture_deinit(&f);
                free(whole);
                free(parts);
                free(ws);
        }
}

static void one_row_alone_and_among_others(void **state)
{
        enum { B = 67 };

        (void)state;
        for (size_t k = 0; k < N_NETS; k++) {
                const uint32_t O = nets[k].n_outputs;
                struct fixture f;
                float *alone, *among;
                void *ws;

                deep_init(&f, &nets[k], NULL, B, 160 + k);
                alone = test_alloc(B * O, sizeof(float));
                among = test_alloc(B * O, sizeof(float));
                ws = test_alloc(ewc_net_workspace(f.net, B), 1);
                for (size_t n = 0; n < B; n++)
                        assert_int_equal(ewc_net_forward(f.net, 1, f.x + n * f.spec.n_inputs, alone + n * O, ws), 0);
                for (size_t n = 1; n <= B; n++) {
                        assert_int_equal(ewc_net_forward(f.net, n, f.x, among, ws), 0);
                        assert_memory_equal(alone, among, n * O * sizeof(float));
                }
                fixture_deinit(&f);
                free(alone);
                free(among);
                free(ws);
        }
}

/* A workspace query names every byte used: a canary behind the block survives. */
static void workspace_is_enough(void **state)
{
        static const size_t rows[] = {1, 3, 16};

        (void)state;
        for (size_t k = 0; k < N_NETS; k++) {
                struct fixture f;
                float *grad, y[16 * 5];
                double *sum, loss;
                struct ewc_rng r;

                deep_init(&f, &nets[k], NULL, 16, 170 + k);
                ewc_rng_seed(&r, 1, 0);
                f.batch.rng = &r;
                grad = test_alloc(f.P, sizeof(float));
                sum = test_alloc(f.P, sizeof(double));
                for (int what = -1; what <= EWC_FISHER_BATCHED; what++) {
                        for (size_t i = 0; i < 3; i++) {
                                size_t n = rows[i];
                                size_t size = what == -1 ? ewc_net_workspace(f.net, n)
                                              : what == 0
                                                  ? ewc_train_workspace(f.net, n)
                                                  : ewc_fisher_workspace(f.net, NULL, (enum ewc_fisher)what, n);
                                unsigned char *ws = test_alloc(size + 64, 1);
                                int got;

                                memset(ws, 0xa5, size + 64); /* what lies there does not matter either */
                                f.batch.n = n;
                                if (what == -1)
                                        got = ewc_net_forward(f.net, n, f.x, y, ws);
                                else if (what == 0)
                                        got = ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, ws);
                                else
                                        got =
                                            ewc_fisher_add(f.net, (enum ewc_fisher)what, NULL, &f.batch, &r, sum, ws);
                                assert_int_equal(got, 0);
                                for (size_t c = 0; c < 64; c++)
                                        assert_int_equal(ws[size + c], 0xa5);
                                free(ws);
                        }
                }
                fixture_deinit(&f);
                free(grad);
                free(sum);
        }
}

/* Plain gradient descent on two kinds of pictures: a stripe across and a stripe down. */
static void a_convolution_learns(void **state)
{
        enum { B = 64, SIDE = 6 };
        const struct ewc_spec s = {.n_inputs = SIDE * SIDE,
            .n_outputs = 2,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 4,
            .layers = {DEEP_CONV(4, 3, 1, 1, EWC_ACT_RELU), DEEP_POOL(EWC_LAYER_MAX_POOL, 2, 2),
                {.type = EWC_LAYER_DROPOUT, .rate = 0.1f}, {.type = EWC_LAYER_GLOBAL_AVG_POOL}},
            .input = {SIDE, SIDE, 1}};
        const struct ewc_optim adam = {EWC_OPTIM_ADAM, 0.02f, 0.0f, 0.9f, 0.999f, 1e-8f};
        struct ewc_score score = {0};
        struct fixture f;
        float *grad, *slots;
        struct ewc_rng r;
        double loss;
        void *ws;

        (void)state;
        deep_init(&f, &s, NULL, B, 180);
        ewc_rng_seed(&r, 2, 0);
        grad = test_alloc(f.P, sizeof(float));
        slots = test_alloc(2 * f.P, sizeof(float));
        ws = test_alloc(ewc_train_workspace(f.net, B), 1);
        for (uint32_t n = 0; n < B; n++) {
                for (uint32_t i = 0; i < SIDE * SIDE; i++)
                        f.x[n * SIDE * SIDE + i] =
                            (n % 2 ? i / SIDE : i % SIDE) == n / 2 % SIDE ? 1.0f : 0.1f * f.x[n * SIDE * SIDE + i];
                f.label[n] = (int32_t)(n % 2);
        }
        f.batch.rng = &r;
        for (uint64_t t = 1; t <= 300; t++) {
                assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, ws), 0);
                assert_int_equal(ewc_optim_step(&adam, f.P, ewc_net_theta(f.net), grad, slots, t, NULL), 0);
        }
        assert_int_equal(ewc_train_score(f.net, NULL, &f.batch, &score, ws), 0);
        assert_int_equal(score.correct, B);
        fixture_deinit(&f);
        free(grad);
        free(slots);
        free(ws);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(whole_nets),
            cmocka_unit_test(blocks_of_rows),
            cmocka_unit_test(many_rows),
            cmocka_unit_test(one_row_alone_and_among_others),
            cmocka_unit_test(workspace_is_enough),
            cmocka_unit_test(a_convolution_learns),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

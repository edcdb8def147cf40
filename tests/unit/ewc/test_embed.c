/* test_embed.c: look-up, gradients and Fishers with ids that repeat in a row, ids that are refused. */
#include "deep_check.h"

static const struct ewc_spec base = {.n_inputs = 6,
    .n_outputs = 3,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 2,
    .layers = {{.type = EWC_LAYER_EMBEDDING, .units = 4, .count = 7}, DEEP_DENSE(5, EWC_ACT_TANH)}};

static void nets(void **state)
{
        struct ewc_spec s = base;

        (void)state;
        deep_check_net(&s, NULL, 5, 110);
        s.layers[1] = (struct ewc_layer){.type = EWC_LAYER_LAYER_NORM};
        deep_check_net(&s, NULL, 5, 111);
        s.layers[1] = (struct ewc_layer){.type = EWC_LAYER_GLOBAL_AVG_POOL}; /* a bag of words */
        deep_check_net(&s, NULL, 5, 112);
        s.n_layers = 1;
        deep_check_net(&s, NULL, 5, 113);
}

/* A row that is one id six times: the square is taken of the sum. A row nobody looks up has none. */
static void repeated_id(void **state)
{
        const struct ewc_spec s = {.n_inputs = 6,
            .n_outputs = 2,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_EMBEDDING, .units = 1, .count = 3}}};
        struct fixture f;
        double sum[3 + 12 + 2] = {0}, gap = 0, p;
        float y[2];
        void *ws;

        (void)state;
        deep_init(&f, &s, NULL, 1, 114);
        for (int i = 0; i < 6; i++) {
                f.x[i] = 1;
                gap += f.theta[3 + i] - f.theta[3 + 6 + i]; /* d (z_0 - z_1) / d table[1] */
        }
        ws = test_alloc(ewc_fisher_workspace(f.net, NULL, EWC_FISHER_EXACT, 1), 1);
        assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EXACT, NULL, &f.batch, NULL, sum, ws), 0);
        assert_int_equal(ewc_net_forward(f.net, 1, f.x, y, ws), 0);
        p = 1 / (1 + exp((double)y[1] - (double)y[0]));
        assert_true(sum[0] == 0 && sum[2] == 0);
        assert_true(fabs(sum[1] - p * (1 - p) * gap * gap) < 1e-5 * sum[1]);
        fixture_deinit(&f);
        free(ws);
}

static void gradients_add_up(void **state)
{
        struct fixture f;
        float *once, *twice;
        double loss;
        void *ws;

        (void)state;
        deep_init(&f, &base, NULL, 4, 116);
        once = test_alloc(f.P, sizeof(float));
        twice = test_alloc(f.P, sizeof(float));
        ws = test_alloc(ewc_train_workspace(f.net, 4), 1);
        for (size_t i = 0; i < f.P; i++)
                once[i] = twice[i] = 3; /* overwritten, then added to */
        assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, once, &loss, ws), 0);
        assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 2, true, twice, &loss, ws), 0);
        for (size_t i = 0; i < f.P; i++)
                assert_true(fabsf(twice[i] - 3 - 2 * once[i]) < 1e-5f);
        fixture_deinit(&f);
        free(once);
        free(twice);
        free(ws);
}

static void refused_ids(void **state)
{
        static const struct {
                float id;
                int error;
        } cases[] = {{-1, EWC_E_INVAL}, {7, EWC_E_INVAL}, {1e9f, EWC_E_INVAL}, {1.5f, EWC_E_INVAL},
            {6.9999995f, EWC_E_INVAL}, {NAN, EWC_E_NONFINITE}, {INFINITY, EWC_E_NONFINITE}};
        struct ewc_score score = {0};
        struct fixture f;
        float *grad, y[6] = {0};
        double *sum, loss = 5;
        struct ewc_rng r;
        void *ws;

        (void)state;
        ewc_rng_seed(&r, 1, 1);
        deep_init(&f, &base, NULL, 2, 115);
        grad = test_alloc(f.P, sizeof(float));
        sum = test_alloc(f.P, sizeof(double));
        ws = test_alloc(ewc_fisher_workspace(f.net, NULL, EWC_FISHER_EXACT, 2) +
                            ewc_fisher_workspace(f.net, NULL, EWC_FISHER_BATCHED, 2),
            1);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                f.x[11] = cases[i].id;
                assert_int_equal(ewc_net_forward(f.net, 2, f.x, y, ws), cases[i].error);
                assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, ws), cases[i].error);
                assert_int_equal(ewc_train_score(f.net, NULL, &f.batch, &score, ws), cases[i].error);
                for (int kind = EWC_FISHER_EXACT; kind <= EWC_FISHER_BATCHED; kind++)
                        assert_int_equal(ewc_fisher_add(f.net, (enum ewc_fisher)kind, NULL, &f.batch, &r, sum, ws),
                            cases[i].error);
        }
        assert_true(loss == 5 && score.n == 0 && y[0] == 0.0f);
        for (size_t i = 0; i < f.P; i++)
                assert_true(sum[i] == 0 && grad[i] == 0.0f);
        f.x[11] = 6;
        assert_int_equal(ewc_net_forward(f.net, 2, f.x, y, ws), 0);
        fixture_deinit(&f);
        free(grad);
        free(sum);
        free(ws);
}

static void layout(void **state)
{
        struct ewc_tensor t;

        (void)state;
        assert_int_equal(ewc_spec_tensors(&base), 5);
        assert_int_equal(ewc_spec_tensor(&base, 0, &t), 0);
        assert_true(strcmp(t.name, "0.w") == 0 && t.rows == 7 && t.cols == 4 && t.offset == 0);
        assert_int_equal(ewc_spec_tensor(&base, 1, &t), 0);
        assert_true(strcmp(t.name, "1.w") == 0 && t.rows == 5 && t.cols == 24 && t.offset == 28);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(nets),
            cmocka_unit_test(repeated_id),
            cmocka_unit_test(gradients_add_up),
            cmocka_unit_test(refused_ids),
            cmocka_unit_test(layout),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

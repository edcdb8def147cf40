/* test_train.c: gradient of the full net by finite differences of the oracle's loss along random directions, for
 * every activation, loss and kind of head; weights, scale, sums; scores; refusals. */
#include "fixture.h"

static const uint32_t some[] = {0, 3, 4};
static const struct ewc_head sub_head = {3, some};

static struct ewc_spec deep(enum ewc_activation act, enum ewc_loss loss)
{
        return (struct ewc_spec){.n_inputs = 7,
            .n_outputs = 6,
            .loss = loss,
            .n_layers = 3,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = act, .units = 11},
                {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 9},
                {.type = EWC_LAYER_DENSE, .activation = act, .units = 8}}};
}

/* Relative error of the directional derivative; also checks the loss itself to 1e-5. */
static double gradient_error(const struct ewc_spec *s, const struct ewc_head *head, bool weighted, uint64_t seed)
{
        enum { B = 10 };
        const double h = 1e-6;
        float weight[B];
        double *up, *down, got = 0, want, size = 0, loss;
        struct fixture f;
        struct ewc_rng r;
        float *grad;
        void *ws;

        fixture_init(&f, s, head, B, 1.5, seed);
        ewc_rng_seed(&r, seed, 9);
        for (int n = 0; n < B; n++)
                weight[n] = ewc_rng_unit(&r) * 2.0f;
        f.batch.weight = weighted ? weight : NULL;
        grad = test_alloc(f.P, sizeof(float));
        up = test_alloc(f.P, sizeof(double));
        down = test_alloc(f.P, sizeof(double));
        ws = test_alloc(ewc_train_workspace(f.net, B), 1);
        assert_int_equal(ewc_train_grad(f.net, head, &f.batch, 1, false, grad, &loss, ws), 0);
        assert_true(fabs(loss - fixture_loss(&f, f.theta)) < 1e-5 * fmax(1, loss));
        for (size_t i = 0; i < f.P; i++) {
                double u = ewc_rng_normal(&r);

                up[i] = f.theta[i] + h * u;
                down[i] = f.theta[i] - h * u;
                got += (double)grad[i] * u;
                size += (double)grad[i] * u * (double)grad[i] * u;
        }
        want = (fixture_loss(&f, up) - fixture_loss(&f, down)) / (2 * h);
        fixture_deinit(&f);
        free(grad);
        free(up);
        free(down);
        free(ws);
        return fabs(got - want) / sqrt(size);
}

static void full_net(void **state)
{
        (void)state;
        for (int act = EWC_ACT_NONE; act <= EWC_ACT_SIGMOID; act++) {
                for (int loss = EWC_LOSS_SOFTMAX; loss <= EWC_LOSS_SQUARED; loss++) {
                        for (uint64_t k = 0; k < 8; k++) {
                                struct ewc_spec s = deep((enum ewc_activation)act, (enum ewc_loss)loss);
                                double e = gradient_error(&s, k & 1 ? &sub_head : NULL, k & 2, 100 + k);

                                if (!(e < 1e-3))
                                        fail_msg("%s, %s, case %d: error %g",
                                            ewc_activation_name(s.layers[0].activation), ewc_loss_name(s.loss),
                                            (int)k, e);
                        }
                }
        }
}

static void linear_model(void **state)
{
        (void)state;
        for (int loss = EWC_LOSS_SOFTMAX; loss <= EWC_LOSS_SQUARED; loss++) {
                struct ewc_spec s = {.n_inputs = 7, .n_outputs = 6, .loss = (enum ewc_loss)loss, .n_layers = 0};

                assert_true(gradient_error(&s, NULL, false, 5) < 1e-3);
        }
}

/* Inactive rows of the output layer have gradient exactly 0. */
static void inactive_rows(void **state)
{
        struct ewc_spec s = deep(EWC_ACT_RELU, EWC_LOSS_SOFTMAX);
        struct ewc_tensor w, b;
        struct fixture f;
        double loss;
        float *grad;
        void *ws;

        (void)state;
        fixture_init(&f, &s, &sub_head, 8, 1, 3);
        grad = test_alloc(f.P, sizeof(float));
        ws = test_alloc(ewc_train_workspace(f.net, 8), 1);
        assert_int_equal(ewc_train_grad(f.net, &sub_head, &f.batch, 1, false, grad, &loss, ws), 0);
        assert_int_equal(ewc_spec_tensor(&s, 6, &w), 0);
        assert_int_equal(ewc_spec_tensor(&s, 7, &b), 0);
        for (uint32_t o = 0; o < 6; o++) {
                bool active = o == 0 || o == 3 || o == 4;

                assert_true((grad[b.offset + o] != 0.0f) == active);
                for (uint32_t i = 0; i < w.cols; i++)
                        assert_true(active || grad[w.offset + o * w.cols + i] == 0.0f);
        }
        fixture_deinit(&f);
        free(grad);
        free(ws);
}

/* Two halves added with scale 1/2 equal the whole. */
static void scale_and_add(void **state)
{
        struct ewc_spec s = deep(EWC_ACT_GELU, EWC_LOSS_SOFTMAX);
        struct fixture f;
        struct ewc_batch half;
        float *whole, *parts;
        double loss, first, second;
        void *ws;

        (void)state;
        fixture_init(&f, &s, NULL, 20, 1, 4);
        whole = test_alloc(f.P, sizeof(float));
        parts = test_alloc(f.P, sizeof(float));
        ws = test_alloc(ewc_train_workspace(f.net, 20), 1);
        for (size_t i = 0; i < f.P; i++)
                parts[i] = NAN; /* not read without add */
        assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, whole, &loss, ws), 0);
        half = f.batch;
        half.n = 10;
        assert_int_equal(ewc_train_grad(f.net, NULL, &half, 0.5, false, parts, &first, ws), 0);
        half.x += 10 * 7;
        half.label += 10;
        assert_int_equal(ewc_train_grad(f.net, NULL, &half, 0.5, true, parts, &second, ws), 0);
        assert_true(fabs(loss - (first + second) / 2) < 1e-6);
        for (size_t i = 0; i < f.P; i++)
                assert_true(fabsf(whole[i] - parts[i]) < 1e-6f);
        fixture_deinit(&f);
        free(whole);
        free(parts);
        free(ws);
}

static void refusals(void **state)
{
        struct ewc_spec s = deep(EWC_ACT_RELU, EWC_LOSS_SOFTMAX);
        struct ewc_score score = {5, 3, 1.5};
        struct fixture f;
        double loss = 123;
        float *grad;
        void *ws;

        (void)state;
        fixture_init(&f, &s, NULL, 4, 1, 5);
        grad = test_alloc(f.P, sizeof(float));
        ws = test_alloc(ewc_train_workspace(f.net, 4), 1);
        f.label[3] = 1;
        assert_int_equal(ewc_train_grad(f.net, &sub_head, &f.batch, 1, false, grad, &loss, ws), EWC_E_LABEL);
        assert_int_equal(ewc_train_score(f.net, &sub_head, &f.batch, &score, ws), EWC_E_LABEL);
        f.label[3] = 6;
        assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, ws), EWC_E_LABEL);
        f.label[3] = 0;
        f.x[9] = NAN;
        assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, ws), EWC_E_NONFINITE);
        assert_int_equal(ewc_train_score(f.net, NULL, &f.batch, &score, ws), EWC_E_NONFINITE);
        f.x[9] = 1;
        ewc_net_theta(f.net)[f.P - 2] = INFINITY;
        assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, ws), EWC_E_NONFINITE);
        assert_true(loss == 123);
        assert_true(score.n == 5 && score.correct == 3 && score.loss_sum == 1.5);
        fixture_deinit(&f);
        free(grad);
        free(ws);
}

static void targets_and_weights(void **state)
{
        struct ewc_spec s = deep(EWC_ACT_RELU, EWC_LOSS_SIGMOID);
        static const float bad[] = {-0.25f, 1.25f, INFINITY};
        float weight[4] = {1, 1, 1, 1};
        struct ewc_score score = {0};
        struct fixture f;
        double loss;
        float *grad;
        void *ws;

        (void)state;
        fixture_init(&f, &s, NULL, 4, 1, 6);
        grad = test_alloc(f.P, sizeof(float));
        ws = test_alloc(ewc_train_workspace(f.net, 4), 1);
        for (size_t i = 0; i < 3; i++) {
                f.target[s.n_outputs + 3] = bad[i];
                assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, ws), EWC_E_INVAL);
                assert_int_equal(ewc_train_score(f.net, &sub_head, &f.batch, &score, ws), EWC_E_INVAL);
        }
        f.target[s.n_outputs + 3] = 0.75f;
        f.target[s.n_outputs + 1] = 7; /* outside the head, hence ignored */
        assert_int_equal(ewc_train_grad(f.net, &sub_head, &f.batch, 1, false, grad, &loss, ws), 0);
        f.batch.weight = weight;
        weight[2] = INFINITY;
        assert_int_equal(ewc_train_grad(f.net, &sub_head, &f.batch, 1, false, grad, &loss, ws), EWC_E_INVAL);
        weight[2] = -1;
        assert_int_equal(ewc_train_grad(f.net, &sub_head, &f.batch, 1, false, grad, &loss, ws), EWC_E_INVAL);
        fixture_deinit(&f);
        free(grad);
        free(ws);
}

static void scores(void **state)
{
        enum { B = 25 };

        (void)state;
        for (int loss = EWC_LOSS_SOFTMAX; loss <= EWC_LOSS_SQUARED; loss++) {
                struct ewc_spec s = deep(EWC_ACT_TANH, (enum ewc_loss)loss);
                struct ewc_score score = {100, 10, 1000};
                struct ewc_answer answer[B], want[B];
                struct ewc_score same = {100, 10, 1000};
                struct oracle_trace t;
                struct fixture f;
                size_t correct = 0;
                float weight[B];
                void *ws;

                fixture_init(&f, &s, &sub_head, B, 2, 6);
                ws = test_alloc(ewc_train_workspace(f.net, B), 1);
                for (size_t n = 0; n < B; n++) {
                        uint32_t top = 0;
                        double p[6];
                        bool right = true;

                        weight[n] = 7;
                        oracle_forward(&s, f.theta, f.x + n * 7, &t);
                        for (uint32_t h = 0; h < 3; h++) {
                                if (t.z[3][some[h]] > t.z[3][top])
                                        top = some[h];
                                right = right && (f.target[n * 6 + some[h]] > 0.5f) == (t.z[3][some[h]] > 0);
                        }
                        want[n].right = loss == EWC_LOSS_SOFTMAX ? top == (uint32_t)f.label[n]
                                                                 : loss == EWC_LOSS_SIGMOID && right;
                        want[n].top = top;
                        oracle_probs(&s, &sub_head, t.z[3], p);
                        want[n].probability = p[top];
                        correct += want[n].right;
                }
                assert_true(loss == EWC_LOSS_SQUARED ? correct == 0 : correct > 0 && correct < B);
                f.batch.weight = weight; /* ignored by scores */
                assert_int_equal(ewc_train_score(f.net, &sub_head, &f.batch, &score, ws), 0);
                assert_int_equal(score.n, 100 + B);
                assert_int_equal(score.correct, 10 + correct);
                assert_int_equal(ewc_train_answers(f.net, &sub_head, &f.batch, &same, answer, ws), 0);
                assert_memory_equal(&same, &score, sizeof(same));
                for (size_t n = 0; n < B; n++) {
                        assert_int_equal(answer[n].right, want[n].right);
                        assert_int_equal(answer[n].top, loss == EWC_LOSS_SOFTMAX ? want[n].top : 0);
                        assert_true(loss == EWC_LOSS_SOFTMAX
                                        ? fabs(answer[n].probability - want[n].probability) < 1e-5
                                        : isnan(answer[n].probability));
                }
                f.batch.weight = NULL;
                assert_true(fabs(score.loss_sum - 1000 - B * fixture_loss(&f, f.theta)) < 1e-3);
                fixture_deinit(&f);
                free(ws);
        }
}

/* A net that takes a batch in blocks gives every row the answer it gets alone. */
static void answers_of_blocks(void **state)
{
        enum { B = 600 };
        struct ewc_spec s = {.n_inputs = 32 * 32,
            .n_outputs = 6,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 2,
            .layers = {{.type = EWC_LAYER_CONV, .units = 8, .kernel = 3, .stride = 1, .padding = 1},
                {.type = EWC_LAYER_GLOBAL_AVG_POOL}},
            .input = {32, 32, 1}};
        static struct ewc_answer all[B], one;
        struct ewc_score score = {0};
        struct fixture f;
        size_t right = 0;
        void *ws;

        (void)state;
        fixture_init(&f, &s, &sub_head, B, 2, 6);
        ws = test_alloc(ewc_train_workspace(f.net, B), 1);
        assert_true(ewc_train_workspace(f.net, B) == ewc_train_workspace(f.net, B / 2)); /* more than one block */
        assert_int_equal(ewc_train_answers(f.net, &sub_head, &f.batch, &score, all, ws), 0);
        for (size_t n = 0; n < B; n++) {
                struct ewc_batch b = {.n = 1, .x = f.x + n * s.n_inputs, .label = f.label + n};

                assert_int_equal(ewc_train_answers(f.net, &sub_head, &b, &score, &one, ws), 0);
                assert_true(one.top == all[n].top && one.right == all[n].right);
                assert_true(fabs(one.probability - all[n].probability) < 1e-6);
                right += one.right;
        }
        assert_int_equal(score.correct, 2 * right);
        assert_in_range(right, 1, B - 1);
        fixture_deinit(&f);
        free(ws);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(full_net),
            cmocka_unit_test(linear_model),
            cmocka_unit_test(inactive_rows),
            cmocka_unit_test(scale_and_add),
            cmocka_unit_test(refusals),
            cmocka_unit_test(targets_and_weights),
            cmocka_unit_test(scores),
            cmocka_unit_test(answers_of_blocks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

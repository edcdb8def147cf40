/* test_distill.c: distillation and stored logits: the loss by definition, its gradient by finite differences of the
 * oracle net, weights, and plain training when there is nothing to distil. */
#include "fixture.h"

#include <ewc/distill.h>

#include "ewc/internal.h"

enum { B = 11, O = 5, I = 6 };
static const uint32_t old_outs[] = {0, 1}, new_outs[] = {2, 3, 4};
static const struct ewc_head old_head = {2, old_outs}, new_head = {3, new_outs};

static struct ewc_spec spec_of(enum ewc_loss loss)
{
        struct ewc_spec s = {.n_inputs = I, .n_outputs = O, .loss = loss, .n_layers = 1};

        s.layers[0] = (struct ewc_layer){.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 8};
        return s;
}

/* A term by its definition, over the batch, in double. */
static double term(const struct fixture *f, const struct ewc_distill *t, const double *theta)
{
        const uint32_t H = t->head ? t->head->n : O;
        double sum = 0, T = t->temperature;

        for (size_t n = 0; n < B; n++) {
                struct oracle_trace trace;
                double zn = 0, qn = 0;

                oracle_forward(&f->spec, theta, f->x + n * I, &trace);
                for (uint32_t h = 0; h < H; h++) {
                        uint32_t o = t->head ? t->head->out[h] : h;

                        zn += exp(trace.z[1][o] / T);
                        qn += exp((double)t->logits[n * O + o] / T);
                }
                for (uint32_t h = 0; h < H; h++) {
                        uint32_t o = t->head ? t->head->out[h] : h;
                        double z = trace.z[1][o], old = (double)t->logits[n * O + o];

                        if (t->kind == EWC_DISTILL_LOGITS) {
                                sum += (z - old) * (z - old) / H;
                        } else if (f->spec.loss == EWC_LOSS_SOFTMAX) {
                                sum -= exp(old / T) / qn * log(exp(z / T) / zn);
                        } else {
                                double q = 1 / (1 + exp(-old / T)), p = 1 / (1 + exp(-z / T));

                                sum -= q * log(p) + (1 - q) * log(1 - p);
                        }
                }
        }
        return sum / B * (t->kind == EWC_DISTILL_KD && t->times_t2 ? T * T : 1);
}

static double total(
    const struct fixture *f, double label_weight, size_t n, const struct ewc_distill *terms, const double *theta)
{
        double sum = label_weight > 0 ? label_weight * fixture_loss(f, theta) : 0;

        for (size_t t = 0; t < n; t++)
                sum += terms[t].weight * term(f, &terms[t], theta);
        return sum;
}

struct kit {
        struct fixture f;
        float logits[2][B * O], weight[B], *grad;
        void *ws;
};

static void kit_init(struct kit *k, enum ewc_loss loss, const struct ewc_head *head)
{
        const struct ewc_spec s = spec_of(loss);
        struct ewc_rng r;

        fixture_init(&k->f, &s, head, B, 1.5, 171);
        ewc_rng_seed(&r, 172, 0);
        for (size_t i = 0; i < B * O; i++) {
                k->logits[0][i] = 2.0f * (float)ewc_rng_normal(&r);
                k->logits[1][i] = 2.0f * (float)ewc_rng_normal(&r);
        }
        for (size_t n = 0; n < B; n++)
                k->weight[n] = n == 3 ? 0.0f : 0.5f + ewc_rng_unit(&r);
        k->grad = test_alloc(k->f.P, sizeof(float));
        k->ws = test_alloc(ewc_distill_workspace(k->f.net, B), 1);
}

static void kit_deinit(struct kit *k)
{
        free(k->grad);
        free(k->ws);
        fixture_deinit(&k->f);
}

static void check(struct kit *k, double label_weight, size_t n, const struct ewc_distill *terms)
{
        const double scale = 0.7, h = 1e-5;
        double loss, each[4], *theta = test_alloc(k->f.P, sizeof(double));

        for (size_t i = 0; i < k->f.P; i++)
                k->grad[i] = 0.25f;
        assert_int_equal(ewc_distill_grad(k->f.net, k->f.head, &k->f.batch, label_weight, n, terms, scale, true,
                             k->grad, &loss, each, k->ws),
            0);
        memcpy(theta, k->f.theta, k->f.P * sizeof(double));
        assert_true(fabs(loss - total(&k->f, label_weight, n, terms, theta)) < 1e-5 * (1 + fabs(loss)));
        for (size_t t = 0; t < n; t++)
                assert_true(fabs(each[t] - term(&k->f, &terms[t], theta)) < 1e-5 * (1 + fabs(each[t])));
        for (size_t i = 0; i < k->f.P; i++) {
                double up, down, want;

                theta[i] = k->f.theta[i] + h;
                up = total(&k->f, label_weight, n, terms, theta);
                theta[i] = k->f.theta[i] - h;
                down = total(&k->f, label_weight, n, terms, theta);
                theta[i] = k->f.theta[i];
                want = 0.25 + scale * (up - down) / (2 * h);
                if (fabs((double)k->grad[i] - want) > 1e-5 * (1 + fabs(want)))
                        fail_msg("parameter %zu: %g, not %g", i, (double)k->grad[i], want);
        }
        free(theta);
}

static void lwf(void **state)
{
        static struct kit k;

        (void)state;
        kit_init(&k, EWC_LOSS_SOFTMAX, &new_head);
        k.f.batch.weight = k.weight;
        for (int t2 = 0; t2 < 2; t2++) {
                const struct ewc_distill terms[] = {
                    {EWC_DISTILL_KD, &old_head, k.logits[0], 1.5, 2, t2},
                    {EWC_DISTILL_KD, NULL, k.logits[1], 0.5, 0.7, t2},
                };

                check(&k, 1, 1, terms);
                check(&k, 0.25, 2, terms);
                check(&k, 0, 2, terms);
        }
        kit_deinit(&k);
}

static void der_plus_plus(void **state)
{
        static struct kit k;
        const struct ewc_distill terms[] = {
            {EWC_DISTILL_LOGITS, NULL, k.logits[0], 0.5, 0, false},
            {EWC_DISTILL_LOGITS, &old_head, k.logits[1], 2, 0, true}, /* T is KD's */
            {EWC_DISTILL_KD, &old_head, k.logits[1], 0.5, 2, false},
        };

        (void)state;
        kit_init(&k, EWC_LOSS_SOFTMAX, NULL);
        check(&k, 0, 1, terms);
        check(&k, 1, 1, terms);
        check(&k, 0.5, 3, terms);
        kit_deinit(&k);
}

static void other_losses(void **state)
{
        static struct kit k;
        const struct ewc_distill terms[] = {
            {EWC_DISTILL_LOGITS, NULL, k.logits[0], 0.5, 0, false},
            {EWC_DISTILL_KD, &old_head, k.logits[1], 0.8, 2, true},
        };

        (void)state;
        kit_init(&k, EWC_LOSS_SIGMOID, NULL);
        check(&k, 0.5, 2, terms);
        kit_deinit(&k);
        kit_init(&k, EWC_LOSS_SQUARED, NULL);
        check(&k, 0.5, 1, terms);
        kit_deinit(&k);
}

static void nothing_to_distil_is_plain_training(void **state)
{
        (void)state;
        for (int loss = EWC_LOSS_SOFTMAX; loss <= EWC_LOSS_SQUARED; loss++) {
                for (int weighted = 0; weighted < 2; weighted++) {
                        static struct kit k;
                        float *plain;
                        double a, b;
                        void *ws;

                        kit_init(&k, (enum ewc_loss)loss, NULL);
                        k.f.batch.weight = weighted ? k.weight : NULL;
                        plain = test_alloc(k.f.P, sizeof(float));
                        ws = test_alloc(ewc_train_workspace(k.f.net, B), 1);
                        assert_int_equal(ewc_train_grad(k.f.net, NULL, &k.f.batch, 0.5, false, plain, &a, ws), 0);
                        assert_int_equal(ewc_distill_grad(k.f.net, NULL, &k.f.batch, 1, 0, NULL, 0.5, false, k.grad,
                                             &b, NULL, k.ws),
                            0);
                        assert_memory_equal(plain, k.grad, k.f.P * sizeof(float));
                        assert_true(fabs(a - b) < 1e-12);
                        free(plain);
                        free(ws);
                        kit_deinit(&k);
                }
        }
}

/* The same for a net that takes its batch in blocks and drops values at random. */
static void blocks_and_dropout(void **state)
{
        enum { ROWS = 700 };
        const struct ewc_spec s = {.n_inputs = 32 * 32,
            .n_outputs = 3,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 3,
            .layers = {{.type = EWC_LAYER_CONV, .activation = EWC_ACT_TANH, .units = 8, .kernel = 3, .stride = 1},
                {.type = EWC_LAYER_MAX_POOL, .kernel = 3, .stride = 3}, {.type = EWC_LAYER_DROPOUT, .rate = 0.25f}},
            .input = {32, 32, 1}};
        struct ewc_rng seed, r;
        struct fixture f;
        float *plain, *got;
        double a, b;
        void *ws;

        (void)state;
        fixture_init(&f, &s, NULL, ROWS, 1, 173);
        assert_true(f.net->block < ROWS);
        plain = test_alloc(f.P, sizeof(float));
        got = test_alloc(f.P, sizeof(float));
        ewc_rng_seed(&seed, 174, 0);
        f.batch.rng = &r;
        r = seed;
        ws = test_alloc(ewc_train_workspace(f.net, ROWS), 1);
        assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, plain, &a, ws), 0);
        free(ws);
        r = seed;
        ws = test_alloc(ewc_distill_workspace(f.net, ROWS), 1);
        assert_int_equal(ewc_distill_grad(f.net, NULL, &f.batch, 1, 0, NULL, 1, false, got, &b, NULL, ws), 0);
        assert_memory_equal(plain, got, f.P * sizeof(float));
        assert_true(fabs(a - b) < 1e-12);
        free(ws);
        free(plain);
        free(got);
        fixture_deinit(&f);
}

/* At its own logits the old model has no gradient: logits exactly, KD to rounding. */
static void at_rest(void **state)
{
        static struct kit k;
        struct ewc_distill t = {EWC_DISTILL_KD, NULL, k.logits[0], 1, 2, false};
        struct ewc_batch unlabelled;
        double loss, entropy = 0;
        void *ws;

        (void)state;
        kit_init(&k, EWC_LOSS_SOFTMAX, NULL);
        unlabelled = (struct ewc_batch){.n = B, .x = k.f.x};
        ws = test_alloc(ewc_net_workspace(k.f.net, B), 1);
        assert_int_equal(ewc_net_forward(k.f.net, B, k.f.x, k.logits[0], ws), 0);
        assert_int_equal(
            ewc_distill_grad(k.f.net, NULL, &unlabelled, 0, 1, &t, 1, false, k.grad, &loss, NULL, k.ws), 0);
        for (size_t i = 0; i < k.f.P; i++)
                assert_true(fabsf(k.grad[i]) < 1e-6f);
        for (size_t n = 0; n < B; n++) {
                double sum = 0;

                for (size_t o = 0; o < O; o++)
                        sum += exp((double)k.logits[0][n * O + o] / 2);
                for (size_t o = 0; o < O; o++) {
                        double q = exp((double)k.logits[0][n * O + o] / 2) / sum;

                        entropy -= q * log(q) / B;
                }
        }
        assert_true(fabs(loss - entropy) < 1e-5);
        t.kind = EWC_DISTILL_LOGITS;
        assert_int_equal(
            ewc_distill_grad(k.f.net, NULL, &unlabelled, 0, 1, &t, 1, false, k.grad, &loss, NULL, k.ws), 0);
        assert_true(loss < 1e-10);
        free(ws);
        kit_deinit(&k);
}

static void weights(void **state)
{
        double a = 9, b = 9;

        (void)state;
        assert_int_equal(ewc_distill_weigh(EWC_DISTILL_LWF, 4, &a, &b), 0);
        assert_true(a == 1 && b == 3);
        assert_int_equal(ewc_distill_weigh(EWC_DISTILL_SHARE, 4, &a, &b), 0);
        assert_true(a == 0.25 && b == 0.75);
        assert_int_equal(ewc_distill_weigh(EWC_DISTILL_EQUAL, 4, &a, &b), 0);
        assert_true(a == 1 && b == 1);
        for (int rule = EWC_DISTILL_LWF; rule <= EWC_DISTILL_EQUAL; rule++) {
                assert_int_equal(ewc_distill_weigh((enum ewc_distill_weights)rule, 1, &a, &b), 0);
                assert_true(a == 1 && b == 0);
                assert_int_equal(ewc_distill_weigh((enum ewc_distill_weights)rule, 0, &a, &b), EWC_E_INVAL);
        }
        assert_int_equal(ewc_distill_weigh((enum ewc_distill_weights)4, 2, &a, &b), EWC_E_INVAL);
}

static void refusals(void **state)
{
        static struct kit k;
        static const uint32_t unordered[] = {2, 1};
        const struct ewc_head bad_head = {2, unordered};
        const struct ewc_distill good = {EWC_DISTILL_KD, NULL, k.logits[0], 1, 2, false};
        struct ewc_distill bad[7] = {good, good, good, good, good, good, good};
        struct ewc_batch b;
        double loss;

        (void)state;
        kit_init(&k, EWC_LOSS_SOFTMAX, NULL);
        bad[0].kind = (enum ewc_distill_kind)3;
        bad[1].logits = NULL;
        bad[2].weight = -1;
        bad[3].weight = INFINITY;
        bad[4].temperature = 0;
        bad[5].temperature = NAN;
        bad[6].head = &bad_head;
        for (size_t i = 0; i < 7; i++)
                assert_int_equal(
                    ewc_distill_grad(k.f.net, NULL, &k.f.batch, 1, 1, &bad[i], 1, false, k.grad, &loss, NULL, k.ws),
                    EWC_E_INVAL);
        b = k.f.batch;
        assert_int_equal(
            ewc_distill_grad(k.f.net, NULL, &b, -1, 1, &good, 1, false, k.grad, &loss, NULL, k.ws), EWC_E_INVAL);
        b.label = NULL;
        assert_int_equal(
            ewc_distill_grad(k.f.net, NULL, &b, 1, 1, &good, 1, false, k.grad, &loss, NULL, k.ws), EWC_E_INVAL);
        assert_int_equal(ewc_distill_grad(k.f.net, NULL, &b, 0, 1, &good, 1, false, k.grad, &loss, NULL, k.ws), 0);
        b.n = 0;
        assert_int_equal(
            ewc_distill_grad(k.f.net, NULL, &b, 0, 1, &good, 1, false, k.grad, &loss, NULL, k.ws), EWC_E_DIM);
        b = k.f.batch;
        assert_int_equal(
            ewc_distill_grad(k.f.net, NULL, &b, 1, 1, &good, NAN, false, k.grad, &loss, NULL, k.ws), EWC_E_NONFINITE);
        k.logits[0][7] = NAN;
        assert_int_equal(
            ewc_distill_grad(k.f.net, NULL, &b, 1, 1, &good, 1, false, k.grad, &loss, NULL, k.ws), EWC_E_NONFINITE);
        k.f.x[3] = INFINITY;
        assert_int_equal(
            ewc_distill_grad(k.f.net, NULL, &b, 1, 0, NULL, 1, false, k.grad, &loss, NULL, k.ws), EWC_E_NONFINITE);
        kit_deinit(&k);
        kit_init(&k, EWC_LOSS_SQUARED, NULL);
        assert_int_equal(
            ewc_distill_grad(k.f.net, NULL, &k.f.batch, 1, 1, &good, 1, false, k.grad, &loss, NULL, k.ws),
            EWC_E_INVAL);
        kit_deinit(&k);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(lwf),
            cmocka_unit_test(der_plus_plus),
            cmocka_unit_test(other_losses),
            cmocka_unit_test(nothing_to_distil_is_plain_training),
            cmocka_unit_test(blocks_and_dropout),
            cmocka_unit_test(at_rest),
            cmocka_unit_test(weights),
            cmocka_unit_test(refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

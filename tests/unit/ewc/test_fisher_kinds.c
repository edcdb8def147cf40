/* test_fisher_kinds.c: ARGMAX, TRUNCATED, MIXED and REVERSED against explicit loops over samples, for dense nets by
 * back-propagation and for a convolutional one by central differences; MIXED in the mean; what a squared loss
 * refuses.
 *
 * The oracle of MIXED builds S as a Cholesky factor of diag(p) - p p^T, element by element, instead of by the
 * formula of its columns, and draws signs by the documented order. */
#include "deep_check.h"

static const uint32_t some[] = {1, 4, 6};
static const struct ewc_head sub_head = {3, some};
static const enum ewc_fisher kinds[] = {
    EWC_FISHER_ARGMAX, EWC_FISHER_TRUNCATED, EWC_FISHER_MIXED, EWC_FISHER_REVERSED};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* y (n) = lower Cholesky factor of A (n,n) times r; A is positive semidefinite, of rank n - 1. */
static void cholesky_times(uint32_t n, double *A, const double *r, double *y)
{
        for (uint32_t j = 0; j < n; j++) {
                double root = A[j * n + j] > 1e-14 ? sqrt(A[j * n + j]) : 0;

                for (uint32_t i = j; i < n; i++)
                        A[i * n + j] = root > 0 ? A[i * n + j] / root : 0;
                A[j * n + j] = root;
                for (uint32_t c = j + 1; c < n; c++) {
                        for (uint32_t i = c; i < n; i++)
                                A[i * n + c] -= A[i * n + j] * A[c * n + j];
                }
        }
        for (uint32_t i = 0; i < n; i++) {
                y[i] = 0;
                for (uint32_t j = 0; j <= i; j++)
                        y[i] += A[i * n + j] * r[j];
        }
}

static double sign_of(struct ewc_rng *r, uint32_t k, uint64_t *bits)
{
        *bits = k % 64 == 0 ? ewc_rng_u64(r) : *bits >> 1;
        return *bits & 1 ? -1 : 1;
}

static void mixed_delta(const struct fixture *f, const double *z, struct ewc_rng *r, double *delta)
{
        const uint32_t H = f->head ? f->head->n : f->spec.n_outputs;
        double p[ORACLE_UNITS], A[ORACLE_UNITS * ORACLE_UNITS], signs[ORACLE_UNITS] = {0}, y[ORACLE_UNITS];
        uint32_t order[ORACLE_UNITS], top = 0, n = 0;
        uint64_t bits = 0;

        oracle_probs(&f->spec, f->head, z, p);
        for (uint32_t h = 0; h < H; h++)
                top = p[f->head ? f->head->out[h] : h] > p[f->head ? f->head->out[top] : top] ? h : top;
        for (uint32_t h = 0; h < H; h++)
                order[h == top ? H - 1 : n++] = f->head ? f->head->out[h] : h;
        for (uint32_t k = 0; k + 1 < H; k++)
                signs[k] = sign_of(r, k, &bits);
        for (uint32_t i = 0; i < H; i++) {
                for (uint32_t j = 0; j < H; j++)
                        A[i * H + j] = (i == j ? p[order[i]] : 0) - p[order[i]] * p[order[j]];
        }
        cholesky_times(H, A, signs, y);
        for (uint32_t i = 0; i < H; i++)
                delta[order[i]] = y[i];
}

/* What is back-propagated for one sample, sign aside. */
static void delta_of(
    const struct fixture *f, enum ewc_fisher kind, size_t row, const double *z, struct ewc_rng *r, double *delta)
{
        const struct ewc_spec *s = &f->spec;
        const uint32_t O = s->n_outputs, H = f->head ? f->head->n : O;
        const float *target = f->target + row * O;
        double p[ORACLE_UNITS], turned[ORACLE_UNITS], root;
        uint64_t bits = 0;
        float sure[ORACLE_UNITS];
        int32_t top = -1;

        memset(delta, 0, O * sizeof(*delta));
        oracle_probs(s, f->head, z, p);
        for (uint32_t h = 0; h < H; h++) {
                uint32_t o = f->head ? f->head->out[h] : h;

                top = top < 0 || z[o] > z[top] ? (int32_t)o : top;
                sure[o] = p[o] >= 0.5;
        }
        switch (kind) {
        case EWC_FISHER_ARGMAX:
                oracle_delta(s, f->head, z, top, sure, delta);
                break;
        case EWC_FISHER_TRUNCATED:
                oracle_delta(s, f->head, z, f->label[row], target, delta);
                root = sqrt(exp(-oracle_loss(s, f->head, z, f->label[row], target)));
                for (uint32_t o = 0; o < O; o++)
                        delta[o] *= root;
                break;
        case EWC_FISHER_REVERSED:
                for (uint32_t o = 0; o < O; o++)
                        turned[o] = -z[o];
                oracle_delta(s, f->head, turned, f->label[row], target, delta);
                break;
        default:
                if (s->loss == EWC_LOSS_SOFTMAX) {
                        mixed_delta(f, z, r, delta);
                        return;
                }
                for (uint32_t h = 0; h < H; h++) {
                        uint32_t o = f->head ? f->head->out[h] : h;

                        delta[o] = sign_of(r, h, &bits) * (s->loss == EWC_LOSS_SQUARED ? 1 : sqrt(p[o] * (1 - p[o])));
                }
        }
}

static int add(const struct fixture *f, enum ewc_fisher kind, struct ewc_rng *r, double *sum)
{
        void *ws = test_alloc(ewc_fisher_workspace(f->net, f->head, kind, f->batch.n), 1);
        int ret = ewc_fisher_add(f->net, kind, f->head, &f->batch, r, sum, ws);

        free(ws);
        return ret;
}

/* want (P) for a net of dense layers, or (deep) of any. */
static void explicit_sum(const struct fixture *f, bool deep, enum ewc_fisher kind, struct ewc_rng *r, double *want)
{
        const uint32_t O = f->spec.n_outputs;
        double *g = test_alloc(f->P, sizeof(double)), *J = test_alloc(f->P * O, sizeof(double));

        for (size_t n = 0; n < f->batch.n; n++) {
                const float *x = f->x + n * f->spec.n_inputs;
                double z[ORACLE_UNITS], delta[ORACLE_UNITS];
                struct oracle_trace t;

                if (deep) {
                        deep_forward(&f->spec, f->theta, x, z);
                        deep_jacobian(f, x, J);
                } else {
                        oracle_forward(&f->spec, f->theta, x, &t);
                        memcpy(z, t.z[f->spec.n_layers], O * sizeof(*z));
                }
                delta_of(f, kind, n, z, r, delta);
                if (!deep)
                        oracle_backward(&f->spec, f->theta, x, &t, delta, g);
                for (size_t i = 0; i < f->P; i++) {
                        for (uint32_t o = 0; deep && o < O; o++)
                                g[i] = (o > 0 ? g[i] : 0) + delta[o] * J[i * O + o];
                        want[i] += g[i] * g[i];
                }
        }
        free(g);
        free(J);
}

static void check(const struct fixture *f, bool deep, enum ewc_fisher kind, double most)
{
        double *got = test_alloc(f->P, sizeof(double)), *want = test_alloc(f->P, sizeof(double)), mean = 0;
        struct ewc_rng a, b;

        ewc_rng_seed(&a, 81, 0);
        b = a;
        assert_int_equal(add(f, kind, &a, got), 0);
        explicit_sum(f, deep, kind, &b, want);
        assert_memory_equal(&a, &b, sizeof(a)); /* both drew the same numbers */
        for (size_t i = 0; i < f->P; i++)
                mean += want[i] / (double)f->P;
        assert_true(mean > 0);
        for (size_t i = 0; i < f->P; i++)
                if (!(fabs(got[i] - want[i]) <= most * fmax(want[i], (deep ? 1e-3 : 1e-6) * mean)))
                        fail_msg("%s, parameter %zu: %g, not %g", ewc_fisher_name(kind), i, got[i], want[i]);
        free(got);
        free(want);
}

static void dense_nets(void **state)
{
        static const struct ewc_spec specs[] = {
            {.n_inputs = 6, .n_outputs = 2, .n_layers = 1, .layers = {DEEP_DENSE(9, EWC_ACT_RELU)}},
            {.n_inputs = 8, .n_outputs = 10, .n_layers = 1, .layers = {DEEP_DENSE(7, EWC_ACT_TANH)}},
            {.n_inputs = 7,
                .n_outputs = 10,
                .n_layers = 2,
                .layers = {DEEP_DENSE(12, EWC_ACT_RELU), DEEP_DENSE(9, EWC_ACT_SIGMOID)}},
            {.n_inputs = 5, .n_outputs = 7},
        };

        (void)state;
        for (int v = 0; v < 4 * 4 * KINDS; v++) {
                struct ewc_spec s = specs[v / KINDS % 4];
                enum ewc_fisher kind = kinds[v % KINDS];
                int how = v / KINDS / 4; /* shared head, own head, sigmoid, squared */
                struct fixture f;

                s.loss = how < 2 ? EWC_LOSS_SOFTMAX : how == 2 ? EWC_LOSS_SIGMOID : EWC_LOSS_SQUARED;
                if (!ewc_fisher_defined(kind, s.loss))
                        continue;
                fixture_init(&f, &s, how == 1 && s.n_outputs > 6 ? &sub_head : NULL, 64, 2.5, 82 + (uint64_t)v);
                check(&f, false, kind, 1e-4);
                fixture_deinit(&f);
        }
}

static void conv_net(void **state)
{
        const struct ewc_spec s = {.n_inputs = 5 * 5 * 2,
            .input = {5, 5, 2},
            .n_outputs = 7,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 3,
            .layers = {DEEP_CONV(3, 3, 1, 1, EWC_ACT_TANH), DEEP_POOL(EWC_LAYER_AVG_POOL, 2, 2),
                DEEP_CONV(4, 2, 1, 0, EWC_ACT_GELU)}};

        (void)state;
        for (int v = 0; v < 2 * KINDS; v++) {
                struct fixture f;

                deep_init(&f, &s, v < KINDS ? NULL : &sub_head, 5, 90 + (uint64_t)v);
                check(&f, true, kinds[v % KINDS], 1e-3);
                fixture_deinit(&f);
        }
}

/* Columns beyond the first word of signs: 70 outputs draw two words for each row. */
static void many_signs(void **state)
{
        const struct ewc_spec s = {.n_inputs = 2, .n_outputs = 70, .loss = EWC_LOSS_SQUARED};
        struct ewc_rng a, b;
        struct fixture f;
        double *sum;

        (void)state;
        fixture_init(&f, &s, NULL, 3, 1, 83);
        sum = test_alloc(f.P, sizeof(double));
        ewc_rng_seed(&a, 84, 0);
        b = a;
        assert_int_equal(add(&f, EWC_FISHER_MIXED, &a, sum), 0);
        for (int i = 0; i < 6; i++)
                ewc_rng_u64(&b);
        assert_memory_equal(&a, &b, sizeof(a));
        for (uint32_t o = 0; o < 70; o++) /* (+-1)^2 for each of three rows */
                assert_true(sum[140 + o] == 3);
        free(sum);
        fixture_deinit(&f);
}

/* The mean of many draws is EXACT, and for two classes every single draw is. */
static void mixed_is_unbiased(void **state)
{
        enum { DRAWS = 4000 };

        (void)state;
        for (int two = 0; two < 2; two++) {
                const struct ewc_spec s = {.n_inputs = 3,
                    .n_outputs = two ? 2 : 5,
                    .loss = EWC_LOSS_SOFTMAX,
                    .n_layers = 1,
                    .layers = {DEEP_DENSE(4, EWC_ACT_TANH)}};
                const int draws = two ? 1 : DRAWS;
                double *exact, *mixed;
                struct ewc_rng r;
                struct fixture f;

                fixture_init(&f, &s, NULL, 6, 1.5, 85);
                exact = test_alloc(f.P, sizeof(double));
                mixed = test_alloc(f.P, sizeof(double));
                ewc_rng_seed(&r, 86, 0);
                assert_int_equal(add(&f, EWC_FISHER_EXACT, NULL, exact), 0);
                for (int i = 0; i < draws; i++)
                        assert_int_equal(add(&f, EWC_FISHER_MIXED, &r, mixed), 0);
                for (size_t i = 0; i < f.P;
                     i++) /* a draw's deviation is of the size of the value; 4000 of six rows */
                        assert_true(fabs(mixed[i] / draws - exact[i]) < (two ? 1e-5 : 0.06) * exact[i]);
                free(exact);
                free(mixed);
                fixture_deinit(&f);
        }
}

/* The kinds that vanish with confidence and the one that does not: logits twenty times as large. */
static void reversed_does_not_vanish(void **state)
{
        const struct ewc_spec s = {.n_inputs = 4, .n_outputs = 3, .loss = EWC_LOSS_SOFTMAX};
        double *empirical, *reversed, trace[2] = {0};
        struct fixture f;

        (void)state;
        fixture_init(&f, &s, NULL, 16, 60, 87);
        for (size_t n = 0; n < 16; n++) { /* every label the one the net is sure of */
                struct oracle_trace t;

                oracle_forward(&s, f.theta, f.x + n * 4, &t);
                f.label[n] = t.z[0][0] > t.z[0][1] ? 0 : 1;
                f.label[n] = t.z[0][2] > t.z[0][f.label[n]] ? 2 : f.label[n];
        }
        empirical = test_alloc(f.P, sizeof(double));
        reversed = test_alloc(f.P, sizeof(double));
        assert_int_equal(add(&f, EWC_FISHER_EMPIRICAL, NULL, empirical), 0);
        assert_int_equal(add(&f, EWC_FISHER_REVERSED, NULL, reversed), 0);
        for (size_t i = 0; i < f.P; i++) {
                trace[0] += empirical[i];
                trace[1] += reversed[i];
        }
        assert_true(trace[1] > 100 * trace[0]);
        free(empirical);
        free(reversed);
        fixture_deinit(&f);
}

static void names_and_refusals(void **state)
{
        static const char *const names[] = {"argmax", "truncated", "mixed", "reversed"};
        struct ewc_spec s = {.n_inputs = 4, .n_outputs = 3, .loss = EWC_LOSS_SQUARED};
        struct fixture f;
        struct ewc_rng r;
        double *sum;

        (void)state;
        ewc_rng_seed(&r, 88, 0);
        for (int i = 0; i < KINDS; i++) {
                enum ewc_fisher kind;

                assert_int_equal(kinds[i], 5 + i); /* on disk */
                assert_string_equal(ewc_fisher_name(kinds[i]), names[i]);
                assert_int_equal(ewc_fisher_parse(names[i], &kind), 0);
                assert_int_equal(kind, kinds[i]);
        }
        for (int kind = 0; kind < 10; kind++) {
                bool known = kind >= 1 && kind <= 8, rows = kind == 5 || kind == 6 || kind == 8;

                assert_int_equal(ewc_fisher_defined((enum ewc_fisher)kind, EWC_LOSS_SOFTMAX), known);
                assert_int_equal(ewc_fisher_defined((enum ewc_fisher)kind, EWC_LOSS_SQUARED), known && !rows);
                assert_int_equal(
                    ewc_fisher_labels((enum ewc_fisher)kind), kind == 2 || kind == 4 || kind == 6 || kind == 8);
        }
        fixture_init(&f, &s, NULL, 4, 1, 89);
        sum = test_alloc(f.P, sizeof(double));
        assert_int_equal(add(&f, EWC_FISHER_ARGMAX, &r, sum), EWC_E_INVAL);
        assert_int_equal(add(&f, EWC_FISHER_TRUNCATED, &r, sum), EWC_E_INVAL);
        assert_int_equal(add(&f, EWC_FISHER_REVERSED, &r, sum), EWC_E_INVAL);
        assert_int_equal(add(&f, EWC_FISHER_MIXED, NULL, sum), EWC_E_INVAL); /* no generator */
        fixture_deinit(&f);
        s.loss = EWC_LOSS_SOFTMAX;
        fixture_init(&f, &s, NULL, 4, 1, 89);
        f.label[3] = 3;
        assert_int_equal(add(&f, EWC_FISHER_TRUNCATED, &r, sum), EWC_E_LABEL);
        assert_int_equal(add(&f, EWC_FISHER_REVERSED, &r, sum), EWC_E_LABEL);
        f.batch.label = NULL;
        assert_int_equal(add(&f, EWC_FISHER_TRUNCATED, &r, sum), EWC_E_INVAL);
        for (size_t i = 0; i < f.P; i++)
                assert_true(sum[i] == 0);
        assert_int_equal(add(&f, EWC_FISHER_ARGMAX, &r, sum), 0); /* reads none */
        free(sum);
        fixture_deinit(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(dense_nets),
            cmocka_unit_test(conv_net),
            cmocka_unit_test(many_signs),
            cmocka_unit_test(mixed_is_unbiased),
            cmocka_unit_test(reversed_does_not_vanish),
            cmocka_unit_test(names_and_refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

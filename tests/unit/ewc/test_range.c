/* test_range.c: finite inputs whose squared gradients leave the range of float. No sum may take them in: it stays as
 * it was, to the bit. Where they just fit they count. */
#include "fixture.h"

#include <ewc/mas.h>
#include <float.h>

enum { B = 5, KINDS = 8 };

static const struct ewc_spec nets[] = {
    {.n_inputs = 6, .n_outputs = 3, .n_layers = 0},
    {.n_inputs = 6,
        .n_outputs = 3,
        .n_layers = 2,
        .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 7},
            {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 5}}},
    {.n_inputs = 32,
        .input = {4, 4, 2},
        .n_outputs = 3,
        .n_layers = 2,
        .layers =
            {{.type = EWC_LAYER_CONV, .activation = EWC_ACT_RELU, .units = 4, .kernel = 3, .stride = 1, .padding = 1},
                {.type = EWC_LAYER_FLATTEN}}},
};
#define N_NETS (sizeof(nets) / sizeof(nets[0]))

static void fill_sum(size_t P, double *sum)
{
        for (size_t i = 0; i < P; i++)
                sum[i] = 0.5 + (double)i;
}

static bool untouched(size_t P, const double *sum)
{
        for (size_t i = 0; i < P; i++) {
                if (sum[i] != 0.5 + (double)i)
                        return false;
        }
        return true;
}

static int add(const struct fixture *f, enum ewc_fisher kind, double *sum)
{
        void *ws = test_alloc(ewc_fisher_workspace(f->net, NULL, kind, f->batch.n), 1);
        struct ewc_rng r;
        int code;

        ewc_rng_seed(&r, 7, 0);
        code = ewc_fisher_add(f->net, kind, NULL, &f->batch, &r, sum, ws);
        free(ws);
        return code;
}

static void check(const struct ewc_spec *s, enum ewc_fisher kind)
{
        /* the square of a softmax's mean gradient is taken in double, and the gradient fits float */
        const bool fits = kind == EWC_FISHER_BATCHED && s->loss == EWC_LOSS_SOFTMAX;
        struct fixture f;
        double *sum;
        int code;

        fixture_init(&f, s, NULL, B, 1, 300 + (uint64_t)kind);
        sum = test_alloc(f.P, sizeof(double));
        fill_sum(f.P, sum);
        f.x[2 * s->n_inputs + 1] = 1e22f;
        code = add(&f, kind, sum);
        if (fits ? code != 0 : code != EWC_E_NONFINITE)
                fail_msg("%s, loss %d, %u layers: %d", ewc_fisher_name(kind), (int)s->loss, s->n_layers, code);
        if (!fits && !untouched(f.P, sum))
                fail_msg(
                    "%s, loss %d, %u layers: the sum has changed", ewc_fisher_name(kind), (int)s->loss, s->n_layers);
        for (size_t i = 0; i < f.P; i++)
                assert_true(isfinite(sum[i]));
        f.x[2 * s->n_inputs + 1] = 1e6f;
        assert_int_equal(add(&f, kind, sum), 0);
        free(sum);
        fixture_deinit(&f);
}

static void every_kind_and_net(void **state)
{
        static const enum ewc_loss losses[] = {EWC_LOSS_SOFTMAX, EWC_LOSS_SQUARED};

        (void)state;
        for (size_t n = 0; n < 2 * N_NETS; n++) {
                struct ewc_spec s = nets[n / 2];

                s.loss = losses[n % 2];
                for (int k = 1; k <= KINDS; k++) {
                        if (ewc_fisher_defined((enum ewc_fisher)k, s.loss))
                                check(&s, (enum ewc_fisher)k);
                }
        }
}

/* One layer, squared loss: the EXACT sum of a weight is the sum of its squared inputs. */
static void to_the_end_of_float(void **state)
{
        struct ewc_spec s = nets[0];
        const float big = sqrtf(0.8f * FLT_MAX);
        struct fixture f;
        double *sum;

        (void)state;
        s.loss = EWC_LOSS_SQUARED;
        fixture_init(&f, &s, NULL, B, 1, 320);
        sum = test_alloc(f.P, sizeof(double));
        memset(f.x, 0, B * 6 * sizeof(float));
        memset(ewc_net_theta(f.net), 0, f.P * sizeof(float));
        f.x[1] = big;
        f.x[6 + 2] = big; /* the bound of both rows is too large, no entry is */
        assert_int_equal(add(&f, EWC_FISHER_EXACT, sum), 0);
        assert_true(fabs(sum[1] - (double)big * (double)big) < 1e-6 * sum[1]);
        assert_true(sum[0] == 0 && sum[2] == sum[1]);
        fill_sum(f.P, sum);
        f.x[12 + 2] = big; /* each square fits, their sum does not */
        assert_int_equal(add(&f, EWC_FISHER_EXACT, sum), EWC_E_NONFINITE);
        assert_true(untouched(f.P, sum));
        free(sum);
        fixture_deinit(&f);
}

static void absolute_gradients(void **state)
{
        (void)state;
        for (size_t n = 0; n < N_NETS; n++) {
                struct ewc_spec s = nets[n];
                struct fixture f;
                double *sum;
                void *ws;

                s.loss = EWC_LOSS_SQUARED;
                fixture_init(&f, &s, NULL, B, 1, 330);
                sum = test_alloc(f.P, sizeof(double));
                ws = test_alloc(ewc_mas_workspace(f.net, B), 1);
                fill_sum(f.P, sum);
                for (size_t i = 0; i < s.n_inputs; i++)
                        f.x[3 * s.n_inputs + i] = 1e25f;
                assert_int_equal(ewc_mas_add(f.net, NULL, B, f.x, sum, ws), EWC_E_NONFINITE);
                assert_true(untouched(f.P, sum));
                free(sum);
                free(ws);
                fixture_deinit(&f);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_kind_and_net),
            cmocka_unit_test(to_the_end_of_float),
            cmocka_unit_test(absolute_gradients),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

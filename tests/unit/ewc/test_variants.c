/* test_variants.c: how the kinds of Fisher relate in the mean, and the two forms of the penalty at their minimum.
 *
 * BATCHED squares a mean of b independent gradients of mean 0, so it is b times too small; EXACT on a random part of
 * the rows estimates EXACT on all of them, and a tenth of the rows ranks a trained net's parameters as all do. */
#include "claim.h"

enum { I = 6, H = 9, O = 3, ROWS = 3000, P = I * H + H + H * O + O };

static const struct ewc_spec spec = {.n_inputs = I,
    .n_outputs = O,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 1,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = H}}};

static double trace(const struct fixture *f, enum ewc_fisher kind, size_t at, size_t n, size_t batch)
{
        double sum[P] = {0}, ret = 0;
        void *ws = test_alloc(ewc_fisher_workspace(f->net, NULL, kind, batch), 1);

        for (size_t n0 = at; n0 < at + n; n0 += batch) {
                struct ewc_batch b = {.n = batch, .x = f->x + n0 * I, .label = f->label + n0};

                assert_int_equal(ewc_fisher_add(f->net, kind, NULL, &b, NULL, sum, ws), 0);
        }
        for (size_t i = 0; i < P; i++)
                ret += sum[i] / (double)(kind == EWC_FISHER_BATCHED ? n / batch : n);
        free(ws);
        return ret;
}

static void batched_is_b_times_too_small(void **state)
{
        struct fixture f;
        struct ewc_rng r;
        float *z, *p;
        void *ws;
        double per_sample;

        (void)state;
        fixture_init(&f, &spec, NULL, ROWS, 1, 191);
        z = test_alloc(ROWS * O, sizeof(float));
        p = test_alloc(ROWS * O, sizeof(float));
        ws = test_alloc(ewc_net_workspace(f.net, ROWS), 1);
        assert_int_equal(ewc_net_forward(f.net, ROWS, f.x, z, ws), 0);
        assert_int_equal(ewc_net_probs(f.net, NULL, ROWS, z, p), 0);
        ewc_rng_seed(&r, 192, 0);
        for (size_t n = 0; n < ROWS; n++) { /* labels drawn from the model: gradients of mean 0 */
                float u = ewc_rng_unit(&r);

                f.label[n] = u < p[n * O] ? 0 : u < p[n * O] + p[n * O + 1] ? 1 : 2;
        }
        per_sample = trace(&f, EWC_FISHER_EMPIRICAL, 0, ROWS, 100);
        for (size_t b = 4; b <= 20; b += 4) {
                size_t rows = ROWS / b * b;

                assert_true(fabs((double)b * trace(&f, EWC_FISHER_BATCHED, 0, rows, b) / per_sample - 1) < 0.15);
        }
        free(z);
        free(p);
        free(ws);
        fixture_deinit(&f);
}

static void exact_on_a_part_is_unbiased(void **state)
{
        struct fixture f;
        struct ewc_rng r;
        double whole, mean = 0;

        (void)state;
        fixture_init(&f, &spec, NULL, ROWS, 1, 193);
        whole = trace(&f, EWC_FISHER_EXACT, 0, ROWS, 500);
        ewc_rng_seed(&r, 194, 0);
        for (int draw = 0; draw < 20; draw++) {
                for (size_t n = 0; n < 500; n++) { /* a random 500 to the front */
                        size_t other = n + ewc_rng_below(&r, (uint32_t)(ROWS - n));

                        for (size_t i = 0; i < I; i++) {
                                float x = f.x[n * I + i];

                                f.x[n * I + i] = f.x[other * I + i];
                                f.x[other * I + i] = x;
                        }
                }
                mean += trace(&f, EWC_FISHER_EXACT, 0, 500, 500) / 20;
        }
        assert_true(fabs(mean / whole - 1) < 0.02);
        fixture_deinit(&f);
}

/* 1/2 h (theta - b)^2 + lambda F (theta - a)^2, by the proximal step and by adding the gradient of the penalty. */
static void both_forms_agree(void **state)
{
        static const struct ewc_optim optims[] = {
            {.type = EWC_OPTIM_SGD, .rate = 0.1f},
            {.type = EWC_OPTIM_SGD, .rate = 0.02f, .momentum = 0.9f},
            {.type = EWC_OPTIM_ADAM, .rate = 0.01f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f},
        };

        (void)state;
        for (int k = 0; k < 3; k++) {
                float theta[2][P], grad[P], slots[2][2 * P] = {{0}}, fisher[P], anchor[P];
                const struct ewc_penalty pen = {0.7, fisher, anchor};
                double h[P], b[P];
                struct ewc_rng r;

                ewc_rng_seed(&r, 195, 0);
                for (int i = 0; i < P; i++) {
                        theta[0][i] = theta[1][i] = (float)ewc_rng_normal(&r);
                        anchor[i] = (float)ewc_rng_normal(&r);
                        fisher[i] = i % 5 ? 3.0f * ewc_rng_unit(&r) : 0.0f;
                        h[i] = 0.2 + (double)ewc_rng_unit(&r);
                        b[i] = ewc_rng_normal(&r);
                }
                for (int form = 0; form < 2; form++) {
                        struct ewc_optim o = optims[k];

                        for (uint64_t t = 1; t <= 6000; t++) {
                                if (t % 1500 == 0)
                                        o.rate *= 0.2f;
                                for (int i = 0; i < P; i++)
                                        grad[i] = (float)(h[i] * ((double)theta[form][i] - b[i]));
                                if (form == 1)
                                        ewc_penalty_grad(P, theta[form], &pen, grad);
                                assert_int_equal(
                                    ewc_optim_step(&o, P, theta[form], grad, slots[form], t, form ? NULL : &pen), 0);
                        }
                }
                for (int i = 0; i < P; i++)
                        assert_true(fabs((double)theta[0][i] - (double)theta[1][i]) < 2e-3);
        }
}

struct ranked {
        double value, rank;
        size_t at;
};

static int by_value(const void *a, const void *b)
{
        double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;

        return (x > y) - (x < y);
}

static int by_place(const void *a, const void *b)
{
        size_t x = ((const struct ranked *)a)->at, y = ((const struct ranked *)b)->at;

        return (x > y) - (x < y);
}

/* Ranks of v (n), equal values sharing their mean rank. */
static struct ranked *rank(size_t n, const float *v)
{
        struct ranked *r = test_alloc(n, sizeof(*r));

        for (size_t i = 0; i < n; i++)
                r[i] = (struct ranked){.value = (double)v[i], .at = i};
        qsort(r, n, sizeof(*r), by_value);
        for (size_t i = 0, end; i < n; i = end) {
                for (end = i; end < n && !(r[end].value > r[i].value); end++)
                        ;
                for (size_t k = i; k < end; k++)
                        r[k].rank = (double)(i + end - 1) / 2;
        }
        qsort(r, n, sizeof(*r), by_place);
        return r;
}

static double spearman(size_t n, const float *a, const float *b)
{
        struct ranked *x = rank(n, a), *y = rank(n, b);
        double mean = (double)(n - 1) / 2, xy = 0, xx = 0, yy = 0;

        for (size_t i = 0; i < n; i++) {
                xy += (x[i].rank - mean) * (y[i].rank - mean);
                xx += (x[i].rank - mean) * (x[i].rank - mean);
                yy += (y[i].rank - mean) * (y[i].rank - mean);
        }
        free(x);
        free(y);
        return xy / sqrt(xx * yy);
}

/* Ten times the rows of a task, and one part of the ten. */
static void a_tenth_ranks_as_all_do(void **state)
{
        static struct claim_task part[10];
        double mean = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= 5; seed++) {
                struct claim c;
                struct ewc_fisher_info info;
                float *tenth, *all, *one;
                struct ewc_rng r;
                double rho;

                claim_task_make(&part[0], seed, 1);
                ewc_rng_seed(&r, seed, 2);
                for (int k = 1; k < 10; k++) {
                        memcpy(part[k].prototype, part[0].prototype, sizeof(part[0].prototype));
                        claim_rows(&part[k], &r);
                }
                claim_open(&c, 32, seed);
                for (int k = 0; k < 10; k++)
                        claim_train(&c, &part[k], 0, CLAIM_ROWS, 3, NULL);
                tenth = test_alloc(c.P, sizeof(float));
                one = test_alloc(c.P, sizeof(float));
                all = test_alloc(c.P, sizeof(float));
                claim_fisher(&c, EWC_FISHER_EXACT, &part[0], 0, CLAIM_ROWS, tenth, &info);
                for (int k = 0; k < 10; k++) {
                        claim_fisher(&c, EWC_FISHER_EXACT, &part[k], 0, CLAIM_ROWS, one, &info);
                        for (size_t i = 0; i < c.P; i++)
                                all[i] += (float)info.factor * one[i];
                }
                rho = spearman(c.P, tenth, all);
                print_message("seed %d: rank correlation of a tenth %.4f\n", (int)seed, rho);
                mean += rho / 5;
                free(tenth);
                free(one);
                free(all);
                claim_close(&c);
        }
        assert_true(mean >= 0.9); /* seen: 0.93, the seeds 0.78 to 0.99 */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(batched_is_b_times_too_small),
            cmocka_unit_test(exact_on_a_part_is_unbiased),
            cmocka_unit_test(both_forms_agree),
            cmocka_unit_test(a_tenth_ranks_as_all_do),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

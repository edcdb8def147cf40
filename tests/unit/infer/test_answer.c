/* test_answer.c: how sure an answer is, by the formulas in double; the choice of a task; and that nothing of it
 * touches the probabilities. */
#include "infer/answer.h"
#include "infer/evidence.h"
#include "house.h"
#include "infer/served.h"
#include <ewc/laplace.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { N = 150 }; /* more than two tiles */

static const struct output_row shared[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};

struct kit {
        struct house h;
        model_id m;
        float fisher[HOUSE_P], x[N][HOUSE_I];
};

static void kit_open(struct kit *k, enum scenario s)
{
        house_open(&k->h);
        k->m = house_model(&k->h, "m", s);
        for (int i = 0; i < HOUSE_P; i++)
                k->fisher[i] = (float)((i * 5) % 7) / 4.0f;
        for (int i = 0; i < N * HOUSE_I; i++)
                k->x[i / HOUSE_I][i % HOUSE_I] = (float)((i * 37) % 101) / 50.0f - 1.0f;
}

static struct served *load(struct kit *k, uint64_t number, const struct served *donor)
{
        struct served *s;
        if (served_load(k->h.s, &(struct served_want){k->m, number, donor}, &s, &k->h.e) != 0)
                fail_msg("%s", k->h.e.msg);
        return s;
}

static void close_task(
    struct kit *k, size_t n, const struct output_row *outputs, enum ewc_fisher kind, const char *next)
{
        house_feedback(&k->h, k->m, 1, 1);
        house_step(&k->h, &(struct house_step){.model = k->m,
                              .n_outputs = n,
                              .outputs = outputs,
                              .theta = k->h.theta,
                              .fisher = k->fisher,
                              .kind = kind,
                              .next_task = next});
}

/* Of head outputs out (H) of a net of O outputs whose Fisher rows are at from[o], -1: none. */
static double expected(const struct kit *k, size_t O, const int *from, size_t fisher_O, size_t H, const size_t *out,
    const float *raw, double *plain)
{
        double v[HOUSE_O], z[HOUSE_O], sum = 0, sum_plain = 0, u = 0;
        for (size_t h = 0; h < H; h++) {
                size_t o = out[h];
                double var = 0, w = HOUSE_N * HOUSE_FACTOR;
                z[h] = (double)k->h.theta[O * HOUSE_I + o];
                for (size_t i = 0; i < HOUSE_I; i++) {
                        double phi = 2.0 * (double)raw[i] + 1.0;
                        double f = from[o] < 0 ? 0 : (double)k->fisher[(size_t)from[o] * HOUSE_I + i];
                        z[h] += (double)k->h.theta[o * HOUSE_I + i] * phi;
                        var += phi * phi / (w * f + EVIDENCE_PRIOR);
                }
                double f = from[o] < 0 ? 0 : (double)k->fisher[fisher_O * HOUSE_I + (size_t)from[o]];
                var += 1 / (w * f + EVIDENCE_PRIOR);
                v[h] = exp(z[h] / sqrt(1 + M_PI / 8 * var));
                sum += v[h];
                sum_plain += exp(z[h]);
        }
        *plain = 0;
        for (size_t h = 0; h < H; h++) {
                u -= v[h] / sum * log(v[h] / sum);
                *plain -= exp(z[h]) / sum_plain * log(exp(z[h]) / sum_plain);
        }
        *plain /= log((double)H);
        return u / log((double)H);
}

static void *workspace(const struct served *s)
{
        size_t n = served_answer_workspace(s, N), plain = served_workspace(s, N);
        void *ws = aligned_alloc(64, ((n > plain ? n : plain) + 63) / 64 * 64);
        assert_non_null(ws);
        return ws;
}

static void uncertainty_by_definition(void **state)
{
        (void)state;
        static const size_t all[] = {0, 1, 2, 3};
        static const int same[] = {0, 1, 2, 3};
        struct kit k;
        const char *why = NULL;
        kit_open(&k, SCENARIO_DOMAIN);
        close_task(&k, 4, shared, EWC_FISHER_EXACT, "two");
        struct served *s = load(&k, 0, NULL);
        assert_non_null(s->evidence);
        assert_true(served_has_uncertainty(s, s->open, &why));
        void *ws = workspace(s);
        float plain[N][HOUSE_O], probs[N][HOUSE_O], u[N];
        struct served_answer a = {.stride = HOUSE_O, .probs = probs[0], .uncertainty = u};
        assert_int_equal(served_predict(s, s->open, N, k.x[0], plain[0], ws), 0);
        assert_int_equal(served_answer(s, s->open, N, k.x[0], &a, ws), 0);
        assert_memory_equal(plain, probs, sizeof(plain));
        for (int i = 0; i < N; i++) {
                double entropy, want = expected(&k, 4, same, 4, 4, all, k.x[i], &entropy);
                assert_true(fabs((double)u[i] - want) < 1e-6);
                assert_true(want > entropy); /* doubt is added, never taken away */
        }
        memset(probs, 0, sizeof(probs));
        a.uncertainty = NULL;
        assert_int_equal(served_answer(s, s->open, N, k.x[0], &a, ws), 0);
        assert_memory_equal(plain, probs, sizeof(plain));
        free(ws);
        served_unref(s);
        house_close(&k.h);
}

static void without_evidence_it_is_not_made_up(void **state)
{
        (void)state;
        struct kit k;
        const char *why = NULL;
        kit_open(&k, SCENARIO_DOMAIN);
        struct served *s = load(&k, 0, NULL);
        assert_null(s->evidence);
        assert_false(served_has_uncertainty(s, s->open, &why));
        assert_non_null(strstr(why, "no task of this version is closed"));
        float probs[HOUSE_O], u[1] = {7};
        struct served_answer a = {.stride = HOUSE_O, .probs = probs, .uncertainty = u};
        void *ws = workspace(s);
        assert_int_equal(served_answer(s, s->open, 1, k.x[0], &a, ws), 0);
        assert_true(isnan(u[0]));
        free(ws);
        served_unref(s);
        close_task(&k, 4, shared, EWC_FISHER_EMPIRICAL, "two");
        s = load(&k, 0, NULL);
        assert_false(served_has_uncertainty(s, s->open, &why));
        assert_non_null(strstr(why, "the Fisher of task one is empirical"));
        served_unref(s);
        s = load(&k, 1, NULL); /* before the task was closed */
        assert_false(served_has_uncertainty(s, s->open, &why));
        assert_non_null(strstr(why, "no task of this version is closed"));
        served_unref(s);
        house_close(&k.h);
}

static void evidence_is_shared_while_it_is_the_same(void **state)
{
        (void)state;
        struct kit k;
        kit_open(&k, SCENARIO_DOMAIN);
        close_task(&k, 4, shared, EWC_FISHER_EXACT, "two");
        struct served *first = load(&k, 0, NULL);
        house_feedback(&k.h, k.m, 4, 4);
        house_step(&k.h, &(struct house_step){.model = k.m, .n_outputs = 4, .outputs = shared, .theta = k.h.theta});
        struct served *second = load(&k, 0, first);
        assert_ptr_equal(second->evidence, first->evidence);
        served_unref(first);
        close_task(&k, 4, shared, EWC_FISHER_EXACT, "three");
        struct served *third = load(&k, 0, second);
        assert_ptr_not_equal(third->evidence, second->evidence);
        assert_int_equal(third->evidence->n_tasks, 2);
        for (int i = 0; i < HOUSE_P; i++) {
                double want = 1 / (2 * HOUSE_N * HOUSE_FACTOR * (double)k.fisher[i] + EVIDENCE_PRIOR);
                assert_true(fabs((double)third->evidence->variance[i] - want) < 1e-6 * want);
        }
        served_unref(second);
        served_unref(third);
        house_close(&k.h);
}

static void assert_variance(struct kit *k, const struct evidence *v, double prior)
{
        struct ewc_spec net = {.n_inputs = HOUSE_I, .n_outputs = HOUSE_O, .loss = EWC_LOSS_SOFTMAX};
        const struct ewc_evidence rec = {HOUSE_N, HOUSE_FACTOR, k->fisher};
        double precision[HOUSE_P];
        float want[HOUSE_P];
        assert_int_equal(ewc_laplace_precision(&net, 1, &rec, precision), 0);
        assert_int_equal(ewc_laplace_variance(&net, precision, prior, want), 0);
        assert_true(v->prior == prior);
        assert_memory_equal(v->precision, precision, sizeof(precision));
        assert_memory_equal(v->variance, want, sizeof(want));
}

/* A version's own prior, or 1 where it chose none; the sum of a donor with another prior is the same. */
static void the_prior_is_the_versions(void **state)
{
        (void)state;
        static const double priors[] = {40, 40, 0.25, 0};
        struct served *s[4], *fresh;
        struct kit k;
        kit_open(&k, SCENARIO_DOMAIN);
        close_task(&k, 4, shared, EWC_FISHER_EXACT, "two");
        struct house_step step = {.model = k.m, .n_outputs = 4, .outputs = shared, .theta = k.h.theta};
        for (int i = 0; i < 4; i++) {
                house_feedback(&k.h, k.m, 4, 4);
                step.prior = priors[i];
                house_step(&k.h, &step);
                s[i] = load(&k, 0, i > 0 ? s[i - 1] : NULL);
                assert_variance(&k, s[i]->evidence, priors[i] > 0 ? priors[i] : EVIDENCE_PRIOR);
                fresh = load(&k, 0, NULL);
                assert_variance(&k, fresh->evidence, priors[i] > 0 ? priors[i] : EVIDENCE_PRIOR);
                served_unref(fresh);
        }
        assert_ptr_equal(s[1]->evidence, s[0]->evidence);
        assert_ptr_not_equal(s[2]->evidence, s[1]->evidence);
        assert_ptr_not_equal(s[3]->evidence, s[2]->evidence);
        void *ws = workspace(s[0]);
        float probs[2][HOUSE_O], u[2];
        for (int i = 0; i < 2; i++) { /* the weaker prior leaves more doubt, and the same probabilities */
                struct served_answer a = {.stride = HOUSE_O, .probs = probs[i], .uncertainty = &u[i]};
                assert_int_equal(served_answer(s[2 * i], s[2 * i]->open, 1, k.x[1], &a, ws), 0);
        }
        assert_memory_equal(probs[0], probs[1], sizeof(probs[0]));
        assert_true(u[1] > u[0] + 0.01f);
        free(ws);
        for (int i = 0; i < 4; i++)
                served_unref(s[i]);
        house_close(&k.h);
}

/* Two heads of two; the second one's rows stand behind the first's. */
static void a_task_is_inferred(void **state)
{
        (void)state;
        static const int low_from[] = {0, 1, -1, -1}, both_from[] = {0, 1, 2, 3};
        static const size_t low_out[] = {0, 1}, high_out[] = {2, 3};
        struct kit k;
        const char *why = NULL;
        kit_open(&k, SCENARIO_TASK);
        task_id low = house_task(&k.h, k.m, "one");
        struct output_row outputs[] = {{low, 0}, {low, 2}, {0, 1}, {0, 3}};
        close_task(&k, 2, outputs, EWC_FISHER_EXACT, "two");
        outputs[2].task = outputs[3].task = house_task(&k.h, k.m, "two");
        house_feedback(&k.h, k.m, 1, 2);
        for (int closed = 0; closed < 2; closed++) {
                if (closed)
                        close_task(&k, 4, outputs, EWC_FISHER_EXACT, "three");
                else
                        house_step(&k.h, &(struct house_step){
                                             .model = k.m, .n_outputs = 4, .outputs = outputs, .theta = k.h.theta});
                struct served *s = load(&k, 0, NULL);
                const struct served_task *one = served_task(s, "one"), *two = served_task(s, "two"), *chosen[N];
                assert_true(served_can_infer(s));
                assert_int_equal(served_widest(s), 2);
                assert_true(served_has_uncertainty(s, one, &why));
                assert_int_equal(served_has_uncertainty(s, two, &why), closed);
                float probs[N][2], want_probs[2], u[N];
                struct served_answer a = {.stride = 2, .probs = probs[0], .uncertainty = u, .chosen = chosen};
                void *ws = workspace(s);
                assert_int_equal(served_answer(s, NULL, N, k.x[0], &a, ws), 0);
                int n_one = 0;
                for (int i = 0; i < N; i++) {
                        double plain_one, plain_two;
                        const int *from = closed ? both_from : low_from;
                        /* rows of the first task are in both records, those of the second in its own */
                        double sure_one = expected(&k, 4, from, closed ? 4 : 2, 2, low_out, k.x[i], &plain_one);
                        double sure_two = expected(&k, 4, from, 4, 2, high_out, k.x[i], &plain_two);
                        if (!closed) {
                                assert_ptr_equal(chosen[i], plain_one <= plain_two ? one : two);
                                if (chosen[i] == one)
                                        assert_true(fabs((double)u[i] - sure_one) < 1e-6);
                                else
                                        assert_true(isnan(u[i]));
                        } else {
                                assert_true(u[i] >= 0 && u[i] <= 1);
                                if (chosen[i] == two)
                                        assert_true(fabs((double)u[i] - sure_two) < 1e-6);
                        }
                        assert_int_equal(served_predict(s, chosen[i], 1, k.x[i], want_probs, ws), 0);
                        assert_memory_equal(probs[i], want_probs, sizeof(want_probs));
                        n_one += chosen[i] == one;
                }
                assert_true(n_one > 0 && n_one < N);
                free(ws);
                served_unref(s);
        }
        house_close(&k.h);
}

static void one_trained_head_is_no_choice_but_an_answer(void **state)
{
        (void)state;
        struct kit k;
        kit_open(&k, SCENARIO_TASK);
        struct served *s = load(&k, 0, NULL);
        const struct served_task *chosen[1] = {NULL};
        float probs[2];
        struct served_answer a = {.stride = 2, .probs = probs, .chosen = chosen};
        void *ws = workspace(s);
        assert_true(served_can_infer(s));
        assert_int_equal(served_answer(s, NULL, 1, k.x[0], &a, ws), 0);
        assert_ptr_equal(chosen[0], s->open);
        float huge[HOUSE_I] = {3e38f, 3e38f, 3e38f};
        assert_int_equal(served_answer(s, NULL, 1, huge, &a, ws), EWC_E_NONFINITE);
        free(ws);
        served_unref(s);
        house_close(&k.h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(uncertainty_by_definition),
            cmocka_unit_test(without_evidence_it_is_not_made_up),
            cmocka_unit_test(evidence_is_shared_while_it_is_the_same),
            cmocka_unit_test(the_prior_is_the_versions),
            cmocka_unit_test(a_task_is_inferred),
            cmocka_unit_test(one_trained_head_is_no_choice_but_an_answer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

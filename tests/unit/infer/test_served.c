/* test_served.c: a champion read from the store answers as its numbers say, whatever the batch. */
#include "infer/served.h"
#include "house.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const float rows[][HOUSE_I] = {{1, 0.5f, -1}, {0.25f, 0, 3}, {-2, 1, 1}};

/* Softmax of W (2x + 1) + b over the outputs, in double: the oracle. */
static void expected(const float *theta, size_t O, const float *x, double *ret)
{
        double sum = 0;
        for (size_t o = 0; o < O; o++) {
                ret[o] = (double)theta[O * HOUSE_I + o];
                for (size_t i = 0; i < HOUSE_I; i++)
                        ret[o] += (double)theta[o * HOUSE_I + i] * (2.0 * (double)x[i] + 1.0);
                ret[o] = exp(ret[o]);
                sum += ret[o];
        }
        for (size_t o = 0; o < O; o++)
                ret[o] /= sum;
}

static struct served *load(struct house *h, model_id m)
{
        struct served *s;
        if (served_load(h->s, &(struct served_want){.model = m}, &s, &h->e) != 0)
                fail_msg("%s", h->e.msg);
        return s;
}

static void *workspace(const struct served *s, size_t n)
{
        void *ws = aligned_alloc(64, (served_workspace(s, n) + 63) / 64 * 64);
        assert_non_null(ws);
        return ws;
}

static void answers_as_its_numbers_say(void **state)
{
        (void)state;
        struct house h;
        house_open(&h);
        struct served *s = load(&h, house_model(&h, "m", SCENARIO_DOMAIN));
        void *ws = workspace(s, 3);
        float probs[3][HOUSE_O];
        assert_int_equal(served_predict(s, s->open, 3, rows[0], probs[0], ws), 0);
        for (int i = 0; i < 3; i++) {
                double want[HOUSE_O];
                expected(h.theta, HOUSE_O, rows[i], want);
                for (int o = 0; o < HOUSE_O; o++)
                        assert_true(fabs((double)probs[i][o] - want[o]) < 1e-6); /* float32 softmax of four logits */
        }
        free(ws);
        served_unref(s);
        house_close(&h);
}

static void describes_itself(void **state)
{
        (void)state;
        struct house h;
        char hex[DIGEST_HEX];
        struct digest d;
        house_open(&h);
        struct served *s = load(&h, house_model(&h, "m", SCENARIO_DOMAIN));
        digest_of(h.theta, sizeof(h.theta), &d);
        digest_hex(&d, hex);
        assert_string_equal(s->digest, hex);
        assert_string_equal(s->spec.name, "m");
        assert_string_equal(s->number_text, "1");
        assert_int_equal(s->spec.net.n_outputs, HOUSE_O);
        assert_true(s->learning.holdout == 0.25);
        assert_int_equal(s->n_tasks, 1);
        assert_ptr_equal(s->open, &s->tasks[0]);
        assert_ptr_equal(served_task(s, "one"), s->open);
        assert_null(served_task(s, "two"));
        assert_string_equal(s->open->head_classes[3], "d");
        served_unref(s);
        house_close(&h);
}

static void a_head_of_its_own(void **state)
{
        (void)state;
        struct house h;
        house_open(&h);
        struct served *s = load(&h, house_model(&h, "m", SCENARIO_TASK));
        float probs[2];
        double want[2];
        void *ws = workspace(s, 1);
        assert_int_equal(s->open->head.n, 2);
        assert_true(s->open->classes_fixed);
        assert_string_equal(s->open->head_classes[0], "a");
        assert_string_equal(s->open->head_classes[1], "c");
        assert_int_equal(served_predict(s, s->open, 1, rows[1], probs, ws), 0);
        expected(h.theta, 2, rows[1], want);
        assert_true(fabs((double)probs[1] - want[1]) < 1e-6);
        free(ws);
        served_unref(s);
        house_close(&h);
}

static void bits_do_not_depend_on_the_batch(void **state)
{
        (void)state;
        enum { N = 150 }; /* more than two tiles */
        struct house h;
        house_open(&h);
        struct served *s = load(&h, house_model(&h, "m", SCENARIO_DOMAIN));
        float x[N][HOUSE_I], all[N][HOUSE_O], one[HOUSE_O];
        for (int i = 0; i < N * HOUSE_I; i++)
                x[i / HOUSE_I][i % HOUSE_I] = (float)((i * 37) % 101) / 50.0f - 1.0f;
        void *ws = workspace(s, N);
        assert_int_equal(served_predict(s, s->open, N, x[0], all[0], ws), 0);
        for (int i = 0; i < N; i++) {
                assert_int_equal(served_predict(s, s->open, 1, x[i], one, ws), 0);
                assert_memory_equal(one, all[i], sizeof(one));
        }
        free(ws);
        served_unref(s);
        house_close(&h);
}

static void what_is_not_finite_is_said(void **state)
{
        (void)state;
        struct house h;
        house_open(&h);
        struct served *s = load(&h, house_model(&h, "m", SCENARIO_DOMAIN));
        float huge[HOUSE_I] = {3e38f, 3e38f, 3e38f}, probs[HOUSE_O];
        void *ws = workspace(s, 1);
        assert_int_equal(served_predict(s, s->open, 1, huge, probs, ws), EWC_E_NONFINITE);
        free(ws);
        served_unref(s);
        house_close(&h);
}

static void no_such_model(void **state)
{
        (void)state;
        struct house h;
        struct served *s = NULL;
        house_open(&h);
        assert_int_equal(served_load(h.s, &(struct served_want){.model = 99}, &s, &h.e), STORE_NOT_FOUND);
        assert_null(s);
        house_close(&h);
}

static void a_version_that_cannot_answer_is_not_served(void **state)
{
        (void)state;
        struct house h;
        struct served *s = NULL;
        house_open(&h);
        for (int i = 0; i < HOUSE_P; i++)
                h.theta[i] = 3e38f; /* the logits of a zero row overflow */
        model_id m = house_model(&h, "m", SCENARIO_DOMAIN);
        assert_true(served_load(h.s, &(struct served_want){.model = m}, &s, &h.e) < 0);
        assert_non_null(strstr(h.e.msg, "champion of model m"));
        assert_null(s);
        house_close(&h);
}

static void the_last_reference_frees(void **state)
{
        (void)state;
        struct house h;
        house_open(&h);
        struct served *s = load(&h, house_model(&h, "m", SCENARIO_DOMAIN));
        assert_ptr_equal(served_ref(s), s);
        served_unref(s);
        assert_string_equal(s->spec.name, "m");
        served_unref(s);
        served_unref(NULL);
        house_close(&h);
}

static void a_version_by_number(void **state)
{
        (void)state;
        static const struct output_row all[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};
        struct house h;
        struct served *s;
        float theta[HOUSE_P];
        double want[HOUSE_O];
        float probs[HOUSE_O];
        house_open(&h);
        model_id m = house_model(&h, "m", SCENARIO_DOMAIN);
        for (int i = 0; i < HOUSE_P; i++)
                theta[i] = -h.theta[i];
        house_feedback(&h, m, 4, 4);
        assert_int_equal(
            house_step(&h, &(struct house_step){.model = m, .n_outputs = 4, .outputs = all, .theta = theta}), 2);
        for (uint64_t number = 0; number <= 2; number++) { /* 0: the champion, which is 2 */
                assert_int_equal(served_load(h.s, &(struct served_want){m, number, NULL}, &s, &h.e), 0);
                assert_int_equal(s->number, number == 1 ? 1 : 2);
                assert_int_equal(s->stands_in_for, 0);
                assert_true(s->bytes >= HOUSE_P * sizeof(float));
                void *ws = workspace(s, 1);
                expected(number == 1 ? h.theta : theta, HOUSE_O, rows[0], want);
                assert_int_equal(served_predict(s, s->open, 1, rows[0], probs, ws), 0);
                assert_true(fabs((double)probs[1] - want[1]) < 1e-6);
                free(ws);
                served_unref(s);
        }
        assert_int_equal(served_load(h.s, &(struct served_want){m, 3, NULL}, &s, &h.e), STORE_NOT_FOUND);
        house_close(&h);
}

/* Its numbers overflow, as those of a damaged champion do not load: the one before stands in. */
static void a_champion_that_cannot_answer_has_a_stand_in(void **state)
{
        (void)state;
        static const struct output_row all[] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}};
        struct house h;
        struct served *s;
        float broken[HOUSE_P];
        house_open(&h);
        model_id m = house_model(&h, "m", SCENARIO_DOMAIN);
        for (int i = 0; i < HOUSE_P; i++)
                broken[i] = 3e38f;
        struct house_step good = {.model = m, .n_outputs = 4, .outputs = all, .theta = h.theta}, bad = good;
        bad.theta = broken;
        house_feedback(&h, m, 4, 4);
        house_step(&h, &good);
        house_step(&h, &bad);
        house_step(&h, &bad);
        assert_int_equal(served_load(h.s, &(struct served_want){.model = m}, &s, &h.e), 0);
        assert_int_equal(s->number, 2);
        assert_int_equal(s->stands_in_for, 4);
        served_unref(s);
        assert_true(served_load(h.s, &(struct served_want){m, 4, NULL}, &s, &h.e) < 0); /* asked for by number: no */
        assert_non_null(strstr(h.e.msg, "version 4 of model m"));
        house_close(&h);
}

static void uses_are_counted_per_loop(void **state)
{
        (void)state;
        struct house h;
        house_open(&h);
        struct served *s = load(&h, house_model(&h, "m", SCENARIO_DOMAIN));
        assert_int_equal(served_use_count(s), 0);
        served_used(s, 0);
        served_used(s, SERVED_LANES - 1);
        served_used(s, SERVED_LANES - 1);
        assert_int_equal(served_use_count(s), 3);
        assert_int_equal((uintptr_t)s->uses % SERVED_LINE, 0);
        served_unref(s);
        house_close(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(answers_as_its_numbers_say),
            cmocka_unit_test(describes_itself),
            cmocka_unit_test(a_head_of_its_own),
            cmocka_unit_test(bits_do_not_depend_on_the_batch),
            cmocka_unit_test(what_is_not_finite_is_said),
            cmocka_unit_test(no_such_model),
            cmocka_unit_test(a_version_that_cannot_answer_is_not_served),
            cmocka_unit_test(the_last_reference_frees),
            cmocka_unit_test(a_version_by_number),
            cmocka_unit_test(a_champion_that_cannot_answer_has_a_stand_in),
            cmocka_unit_test(uses_are_counted_per_loop),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

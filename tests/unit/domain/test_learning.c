/* Keys, defaults, ranges and the plan made of them. */
#include "base/err.h"
#include "domain/model.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_defaults(void **state)
{
        (void)state;
        struct learning l;
        struct err e = ERR_NULL;
        learning_defaults(&l);
        assert_int_equal(l.method, LEARN_EWC);
        assert_true(l.lambda == 0.01 && !l.lambda_auto);
        assert_int_equal(l.fisher_variant, EWC_FISHER_EXACT);
        assert_int_equal(l.fisher_samples, 0);
        assert_int_equal(l.optimizer_type, EWC_OPTIM_ADAM);
        assert_true(l.optimizer_rate == 1e-3 && l.optimizer_beta1 == 0.9 && l.optimizer_beta2 == 0.999);
        assert_int_equal(l.epochs, 10);
        assert_int_equal(l.steps, 0);
        assert_int_equal(l.batch, 64);
        assert_int_equal(l.seed, 1);
        assert_true(l.holdout == 0.10 && l.gate_max_forgetting == 0.02 && l.gate_min_gain == 0.0);
        assert_int_equal(l.trigger_min_feedback, 500);
        assert_int_equal(l.trigger_interval_s, 0);
        assert_int_equal(l.replay_per_class, 0);
        assert_int_equal(learning_check(&l, &e), 0);
}

static void test_table(void **state)
{
        (void)state;
        assert_int_equal(n_learning_keys, 20);
        for (size_t i = 0; i < n_learning_keys; i++) {
                const struct learning_key *k = &learning_keys[i];
                assert_true(k->offset + k->size <= sizeof(struct learning));
                assert_true(strlen(k->help) > 0);
                for (size_t j = 0; j < i; j++) {
                        assert_string_not_equal(k->path, learning_keys[j].path);
                        assert_int_not_equal(k->offset, learning_keys[j].offset);
                }
                if (k->type == LEARNING_UINT || k->type == LEARNING_REAL || k->type == LEARNING_LAMBDA) {
                        double v = strtod(k->fallback, NULL);
                        assert_true(v >= k->lo && v <= k->hi);
                } else {
                        assert_int_equal(k->fallback[0], '"');
                }
        }
}

static void set_batch(struct learning *l)
{
        l->batch = 0;
}
static void set_batch_big(struct learning *l)
{
        l->batch = EWC_MAX_BATCH + 1;
}
static void set_rate(struct learning *l)
{
        l->optimizer_rate = 0;
}
static void set_nan(struct learning *l)
{
        l->lambda = NAN;
}
static void set_negative(struct learning *l)
{
        l->lambda = -1e-9;
}
static void set_holdout(struct learning *l)
{
        l->holdout = 1.0;
}
static void set_idle(struct learning *l)
{
        l->epochs = 0;
}
static void set_method(struct learning *l)
{
        l->method = (enum learn_method)9;
}
static void set_fisher(struct learning *l)
{
        l->fisher_variant = (enum ewc_fisher)0;
}
static void set_optimizer(struct learning *l)
{
        l->optimizer_type = (enum ewc_optimizer)0;
}
static void set_replay(struct learning *l)
{
        l->method = LEARN_JOINT, l->replay_per_class = 1;
}
static void set_momentum(struct learning *l)
{
        l->optimizer_momentum = 1.0;
}

static void test_refusals(void **state)
{
        (void)state;
        static const struct {
                void (*set)(struct learning *);
                const char *field;
        } cases[] = {
            {set_batch, "/learning/batch"},
            {set_batch_big, "/learning/batch"},
            {set_rate, "/learning/optimizer/rate"},
            {set_nan, "/learning/lambda"},
            {set_negative, "/learning/lambda"},
            {set_holdout, "/learning/holdout"},
            {set_idle, "/learning/epochs"},
            {set_method, "/learning/method"},
            {set_fisher, "/learning/fisher/variant"},
            {set_optimizer, "/learning/optimizer/type"},
            {set_replay, "/learning/replay/per_class"},
            {set_momentum, "/learning/optimizer/momentum"},
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct learning l;
                struct err e = ERR_NULL;
                learning_defaults(&l);
                cases[i].set(&l);
                assert_true(learning_check(&l, &e) < 0);
                assert_string_equal(e.field, cases[i].field);
        }
}

static void test_edges_allowed(void **state)
{
        (void)state;
        struct learning l;
        learning_defaults(&l);
        l.batch = EWC_MAX_BATCH;
        l.lambda = 0;
        l.holdout = 0;
        l.epochs = 0;
        l.steps = 1;
        assert_int_equal(learning_check(&l, NULL), 0);
        l.lambda = 1e13;
        l.lambda_auto = true;
        assert_int_equal(learning_check(&l, NULL), 0);
}

static void test_plan(void **state)
{
        (void)state;
        struct learning l;
        struct learn_plan p;
        learning_defaults(&l);
        l.optimizer_momentum = 0.5;
        l.lambda_auto = true;
        l.steps = 7;
        l.replay_per_class = 3;
        learning_plan(&l, 99, 2, &p);
        assert_int_equal(p.method, LEARN_EWC);
        assert_int_equal(p.optim.type, EWC_OPTIM_ADAM);
        assert_true(p.optim.rate == 1e-3f && p.optim.momentum == 0.0f && p.optim.eps == 1e-8f);
        assert_true(p.lambda_auto && p.lambda == 0.01);
        assert_int_equal(p.seed, 99);
        assert_int_equal(p.threads, 2);
        assert_int_equal(p.steps, 7);
        assert_int_equal(p.replay_per_class, 3);
        l.method = LEARN_PLAIN;
        l.optimizer_type = EWC_OPTIM_SGD;
        learning_plan(&l, 1, 1, &p);
        assert_false(p.lambda_auto);
        assert_true(p.optim.momentum == 0.5f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_defaults), cmocka_unit_test(test_table),
            cmocka_unit_test(test_refusals), cmocka_unit_test(test_edges_allowed), cmocka_unit_test(test_plan)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

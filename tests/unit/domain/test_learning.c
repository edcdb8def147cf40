/* Keys, defaults, ranges and the plan made of them. */
#include "base/err.h"
#include "domain/model.h"
#include <errno.h>
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
        assert_int_equal(l.lambda_start, LEARN_START_SIMILARITY);
        assert_int_equal(l.fisher_encoding, EWC_PACK_DENSE32);
        assert_true(l.fisher_keep == 1 && l.fisher_floor && l.fisher_fraction == 0 && l.fisher_damping == 0);
        assert_int_equal(l.importance_type, LEARN_IMPORTANCE_FISHER);
        assert_int_equal(l.merge_rule, LEARN_MERGE_SEPARATE);
        assert_int_equal(l.penalty_form, LEARN_FORM_PROX);
        assert_int_equal(l.penalty_scale, LEARN_SCALE_UNIT);
        assert_true(l.rates_new_task == 1 && l.rates_floor == 0 && l.rates_layers.n == 0);
        assert_true(l.distill_weight == 0 && l.distill_temperature == 2 && l.replay_derpp == 0);
        /* Everything that came later is off, so that an older section means what it meant. */
        assert_true(
            l.gate_floor == 0 && l.gate_class_floor == 0 && l.gate_max_ece_rise == 1 && l.gate_confidence == 0);
        assert_true(l.trigger_accuracy == 0 && l.trigger_inputs == 0 && l.trigger_cool_down_s == 0);
        assert_int_equal(l.trigger_daily_min, TRIGGER_DAILY_OFF);
        assert_int_equal(l.task_boundary, BOUNDARY_OFF);
        assert_int_equal(l.strategy, STRATEGY_MODE_FIXED);
        assert_int_equal(l.promotion, PROMOTION_GATE);
        assert_int_equal(l.feedback_on_conflict, CONFLICT_EARLIEST);
        assert_int_equal(l.feedback_window_s, 0);
        assert_int_equal(l.retention_features, RETAIN_FOREVER);
        assert_true(l.retention_holdout_per_class == 0 && l.retention_versions == 0);
        assert_int_equal(learning_check(&l, &e), 0);
}

static void test_table(void **state)
{
        (void)state;
        assert_int_equal(n_learning_keys, 66);
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
                } else if (k->type == LEARNING_WORD) {
                        struct learning l;
                        learning_defaults(&l);
                        const char *word = k->word(*(const int *)(const void *)((const char *)&l + k->offset));
                        assert_non_null(word);
                        assert_int_equal(strlen(k->fallback), strlen(word) + 2);
                        assert_memory_equal(k->fallback + 1, word, strlen(word));
                        assert_non_null(strstr(k->help, word)); /* what it is without being told */
                        assert_null(k->word(LEARNING_WORDS_MAX));
                        assert_null(k->word(-1));
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

#define SET(name, ...)                                                                                               \
        static void name(struct learning *l)                                                                         \
        {                                                                                                            \
                __VA_ARGS__;                                                                                         \
        }
SET(set_start, l->lambda_start = LEARN_START_TASKS)
SET(set_start_plain, (l->lambda_start = LEARN_START_TOP, l->lambda_auto = true, l->method = LEARN_PLAIN))
SET(set_two_shares, (l->fisher_samples = 5, l->fisher_fraction = 0.1))
SET(set_si_samples, (l->importance_type = LEARN_IMPORTANCE_SI, l->fisher_samples = 5))
SET(set_si_fraction, (l->importance_type = LEARN_IMPORTANCE_SI, l->fisher_fraction = 0.1))
SET(set_si_search, (l->importance_type = LEARN_IMPORTANCE_SI, l->lambda_auto = true))
SET(set_si_damping, l->importance_damping = 0)
SET(set_importance, l->importance_type = (enum learn_importance)7)
SET(set_keep_dense, l->fisher_keep = 0.2)
SET(set_keep_log, (l->fisher_keep = 0.2, l->fisher_encoding = EWC_PACK_LOG8))
SET(set_keep_none, (l->fisher_keep = 0, l->fisher_encoding = EWC_PACK_CSR16))
SET(set_floor_dense, l->fisher_floor = false)
SET(set_damping_mas, (l->importance_type = LEARN_IMPORTANCE_MAS, l->fisher_damping = 1e-3))
SET(set_encoding, l->fisher_encoding = (enum ewc_pack_encoding)0)
SET(set_rule_plain, (l->merge_rule = LEARN_MERGE_SUM, l->method = LEARN_PLAIN))
SET(set_decay, l->merge_decay = 0.5)
SET(set_decay_sum, (l->merge_decay = 0.5, l->merge_rule = LEARN_MERGE_SUM))
SET(set_decay_none, l->merge_rule = LEARN_MERGE_ONLINE)
SET(set_decay_ema, (l->merge_rule = LEARN_MERGE_EMA, l->merge_decay = 1))
SET(set_form_joint, (l->penalty_form = LEARN_FORM_GRAD, l->method = LEARN_JOINT))
SET(set_scale_search, (l->penalty_scale = LEARN_SCALE_RAW, l->lambda_auto = true))
SET(set_scale_plain, (l->penalty_scale = LEARN_SCALE_L2, l->method = LEARN_PLAIN))
SET(set_huber_plain, (l->penalty_huber = 0.1, l->method = LEARN_PLAIN))
SET(set_rates_both, (l->rates_floor = 0.01, l->rates_layers.n = 1, l->rates_layers.v[0] = 1))
SET(set_rates_plain, (l->rates_floor = 0.01, l->method = LEARN_PLAIN))
SET(set_rates_many, l->rates_layers.n = EWC_MAX_LAYERS + 2)
SET(set_rates_nan, (l->rates_layers.n = 2, l->rates_layers.v[1] = NAN))
SET(set_rates_negative, (l->rates_layers.n = 1, l->rates_layers.v[0] = -1))
SET(set_new_task, l->rates_new_task = 0)
SET(set_derpp, l->replay_derpp = 0.5)
SET(set_distill_joint, (l->distill_weight = 0.5, l->method = LEARN_JOINT))
SET(set_temperature, l->distill_temperature = 0)
SET(set_auto_plain, (l->strategy = STRATEGY_MODE_AUTO, l->method = LEARN_PLAIN))
SET(set_boundary_blind, l->task_boundary = BOUNDARY_PROPOSE)
SET(set_boundary_shadow,
    (l->task_boundary = BOUNDARY_AUTO, l->trigger_inputs = 0.01, l->promotion = PROMOTION_SHADOW))
SET(set_boundary_manual,
    (l->task_boundary = BOUNDARY_AUTO, l->trigger_inputs = 0.01, l->promotion = PROMOTION_MANUAL))
SET(set_shadow_short, (l->shadow_min_rows = 200, l->shadow_max_rows = 199))
SET(set_joint_used, (l->method = LEARN_JOINT, l->retention_features = RETAIN_USED))
SET(set_joint_rollover, (l->method = LEARN_JOINT, l->retention_features = RETAIN_ROLLOVER))
SET(set_replay_used, (l->replay_per_class = 5, l->retention_features = RETAIN_USED))
SET(set_daily, l->trigger_daily_min = 1441)
SET(set_promotion, l->promotion = (enum promotion_mode)3)
SET(set_inputs, l->trigger_inputs = 0.51)
SET(set_retained, l->retention_days = 0)

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
            {set_start, "/learning/lambda_start"},
            {set_start_plain, "/learning/lambda_start"},
            {set_two_shares, "/learning/fisher/fraction"},
            {set_si_samples, "/learning/fisher/samples"},
            {set_si_fraction, "/learning/fisher/fraction"},
            {set_si_search, "/learning/importance/type"},
            {set_si_damping, "/learning/importance/damping"},
            {set_importance, "/learning/importance/type"},
            {set_keep_dense, "/learning/fisher/keep"},
            {set_keep_log, "/learning/fisher/keep"},
            {set_keep_none, "/learning/fisher/keep"},
            {set_floor_dense, "/learning/fisher/floor"},
            {set_damping_mas, "/learning/fisher/damping"},
            {set_encoding, "/learning/fisher/encoding"},
            {set_rule_plain, "/learning/merge/rule"},
            {set_decay, "/learning/merge/decay"},
            {set_decay_sum, "/learning/merge/decay"},
            {set_decay_none, "/learning/merge/decay"},
            {set_decay_ema, "/learning/merge/decay"},
            {set_form_joint, "/learning/penalty/form"},
            {set_scale_search, "/learning/penalty/scale"},
            {set_scale_plain, "/learning/penalty/scale"},
            {set_huber_plain, "/learning/penalty/huber"},
            {set_rates_both, "/learning/rates/layers"},
            {set_rates_plain, "/learning/rates/floor"},
            {set_rates_many, "/learning/rates/layers"},
            {set_rates_nan, "/learning/rates/layers"},
            {set_rates_negative, "/learning/rates/layers"},
            {set_new_task, "/learning/rates/new_task"},
            {set_derpp, "/learning/replay/derpp"},
            {set_distill_joint, "/learning/distill/weight"},
            {set_temperature, "/learning/distill/temperature"},
            {set_auto_plain, "/learning/strategy"},
            {set_boundary_blind, "/learning/task/boundary"},
            {set_boundary_shadow, "/learning/promotion"},
            {set_boundary_manual, "/learning/promotion"},
            {set_shadow_short, "/learning/shadow/max_rows"},
            {set_joint_used, "/learning/retention/features"},
            {set_joint_rollover, "/learning/retention/features"},
            {set_replay_used, "/learning/retention/replay_per_class"},
            {set_daily, "/learning/trigger/daily_min"},
            {set_promotion, "/learning/promotion"},
            {set_inputs, "/learning/trigger/inputs"},
            {set_retained, "/learning/retention/days"},
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

SET(allow_boundary, (l->task_boundary = BOUNDARY_AUTO, l->trigger_inputs = 0.01))
SET(allow_boundary_answers, (l->task_boundary = BOUNDARY_PROPOSE, l->trigger_accuracy = 25))
SET(allow_boundary_manual,
    (l->task_boundary = BOUNDARY_PROPOSE, l->trigger_accuracy = 25, l->promotion = PROMOTION_MANUAL))
SET(allow_shadow_endless, (l->shadow_min_rows = 200, l->shadow_max_rows = 0))
SET(allow_shadow_equal, (l->shadow_min_rows = 200, l->shadow_max_rows = 200))
SET(allow_auto_all, (l->strategy = STRATEGY_MODE_AUTO, l->replay_per_class = 5, l->distill_weight = 1))
SET(allow_auto_dropping, (l->strategy = STRATEGY_MODE_AUTO, l->retention_features = RETAIN_USED))
SET(allow_joint_days, (l->method = LEARN_JOINT, l->retention_features = RETAIN_DAYS))
SET(allow_joint_kept,
    (l->method = LEARN_JOINT, l->retention_features = RETAIN_USED, l->retention_replay_per_class = 9))
SET(allow_replay_kept,
    (l->replay_per_class = 50, l->retention_features = RETAIN_ROLLOVER, l->retention_replay_per_class = 1))
SET(allow_midnight, l->trigger_daily_min = 0)

static void test_rules_allow(void **state)
{
        (void)state;
        static void (*const cases[])(struct learning *) = {allow_boundary, allow_boundary_answers,
            allow_boundary_manual, allow_shadow_endless, allow_shadow_equal, allow_auto_all, allow_auto_dropping,
            allow_joint_days, allow_joint_kept, allow_replay_kept, allow_midnight};
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct learning l;
                learning_defaults(&l);
                cases[i](&l);
                assert_int_equal(learning_check(&l, NULL), 0);
        }
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
        assert_true(p.lambda_auto && p.lambda == 0.01 && p.brake == 0.02 && p.fisher_damping == 0);
        assert_int_equal(p.seed, 99);
        assert_int_equal(p.threads, 2);
        assert_int_equal(p.steps, 7);
        assert_int_equal(p.replay_per_class, 3);
        l.gate_max_forgetting = 0; /* the strictest gate brakes too */
        l.fisher_damping = 1e-3;
        learning_plan(&l, 1, 1, &p);
        assert_true(p.brake > 0 && p.brake < 1e-6 && p.fisher_damping == 1e-3);
        l.method = LEARN_PLAIN;
        l.optimizer_type = EWC_OPTIM_SGD;
        learning_plan(&l, 1, 1, &p);
        assert_true(!p.lambda_auto && p.brake == 0);
        assert_true(p.optim.momentum == 0.5f);
}

/* What a section says about layers and losses is compared with the net. */
static void test_net(void **state)
{
        (void)state;
        struct ewc_spec net = {.n_inputs = 4, .loss = EWC_LOSS_SQUARED, .n_layers = 2};
        struct learning l;
        struct err e = ERR_NULL;
        learning_defaults(&l);
        assert_int_equal(learning_check_net(&l, &net, &e), 0);
        l.rates_layers.n = 2;
        assert_int_equal(learning_check_net(&l, &net, &e), -EINVAL);
        assert_string_equal(e.field, "/learning/rates/layers");
        assert_non_null(strstr(e.msg, "give 3"));
        l.rates_layers.n = 3;
        assert_int_equal(learning_check_net(&l, &net, &e), 0);
        l.distill_weight = 0.5;
        assert_int_equal(learning_check_net(&l, &net, &e), -EINVAL);
        assert_string_equal(e.field, "/learning/distill/weight");
        l.distill_weight = 0;
        l.fisher_variant = EWC_FISHER_ARGMAX;
        assert_int_equal(learning_check_net(&l, &net, &e), -EINVAL);
        assert_string_equal(e.field, "/learning/fisher/variant");
        l.distill_weight = 0.5;
        net.loss = EWC_LOSS_SOFTMAX;
        assert_int_equal(learning_check_net(&l, &net, &e), 0);
        learning_defaults(&l);
        l.trigger_accuracy = 25; /* softmax and sigmoid have right answers, a majority only softmax */
        l.feedback_on_conflict = CONFLICT_MAJORITY;
        assert_int_equal(learning_check_net(&l, &net, &e), 0);
        net.loss = EWC_LOSS_SIGMOID;
        assert_int_equal(learning_check_net(&l, &net, &e), -EINVAL);
        assert_string_equal(e.field, "/learning/feedback/on_conflict");
        l.feedback_on_conflict = CONFLICT_LATEST;
        assert_int_equal(learning_check_net(&l, &net, &e), 0);
        net.loss = EWC_LOSS_SQUARED;
        assert_int_equal(learning_check_net(&l, &net, &e), -EINVAL);
        assert_string_equal(e.field, "/learning/trigger/accuracy");
}

/* Each key reaches the plan, and the defaults leave every place that only papers' protocols used as it was. */
static void test_plan_of_all(void **state)
{
        (void)state;
        struct learning l;
        struct learn_plan p;
        learning_defaults(&l);
        learning_plan(&l, 1, 1, &p);
        assert_true(p.form == LEARN_FORM_PROX && p.merge == LEARN_MERGE_SEPARATE && p.scale == LEARN_SCALE_UNIT);
        assert_true(p.importance == LEARN_IMPORTANCE_FISHER && p.si_damping == 0 && !p.final_theta);
        assert_true(p.merge_decay == 0 && p.distill == 0 && p.distill_temperature == 0 && p.derpp == 0);
        assert_true(p.huber == 0 && p.rate_new == 0 && p.rate_floor == 0 && p.n_rates == 0 && !p.rates);
        assert_true(p.fisher_fraction == 0 && p.lambda_start == LEARN_START_SIMILARITY);
        l.fisher_variant = EWC_FISHER_EMPIRICAL;
        l.fisher_fraction = 0.1;
        l.importance_type = LEARN_IMPORTANCE_SI;
        l.importance_damping = 0.25;
        l.merge_rule = LEARN_MERGE_ONLINE;
        l.merge_decay = 0.75;
        l.penalty_form = LEARN_FORM_GRAD;
        l.penalty_scale = LEARN_SCALE_MINMAX;
        l.penalty_huber = 0.125;
        l.rates_new_task = 0.1;
        l.rates_floor = 0.01;
        l.rates_layers = (struct learning_list){2, {0.5f, 1}};
        l.replay_derpp = 0.375;
        l.distill_weight = 0.5;
        l.lambda_auto = true;
        l.lambda_start = LEARN_START_TOP;
        learning_plan(&l, 1, 1, &p);
        assert_true(p.fisher == EWC_FISHER_EMPIRICAL && p.fisher_fraction == 0.1);
        assert_true(p.importance == LEARN_IMPORTANCE_SI && p.si_damping == 0.25 && p.final_theta);
        assert_true(p.merge == LEARN_MERGE_ONLINE && p.merge_decay == 0.75);
        assert_true(p.form == LEARN_FORM_GRAD && p.scale == LEARN_SCALE_MINMAX && p.huber == 0.125);
        assert_true(p.rate_new == 0.1 && p.rate_floor == 0.01 && p.n_rates == 2 && p.rates == l.rates_layers.v);
        assert_true(p.derpp == 0.375 && p.distill == 0.5 && p.distill_temperature == 2);
        assert_true(p.lambda_auto && p.lambda_start == LEARN_START_TOP);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_defaults), cmocka_unit_test(test_table),
            cmocka_unit_test(test_refusals), cmocka_unit_test(test_edges_allowed), cmocka_unit_test(test_rules_allow),
            cmocka_unit_test(test_plan), cmocka_unit_test(test_net), cmocka_unit_test(test_plan_of_all)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

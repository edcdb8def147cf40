/* A result that lies is refused: one honest result, spoiled in every way a learner could. */
#include "base/err.h"
#include "super/settle.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { P = 9 }; /* 2 inputs, 3 outputs, no hidden layer */

struct pair {
        struct learn_job job;
        struct learn_rows holdout[2];
        struct learn_result r;
        float theta[P], fisher[P];
        struct evaluation before[2], after[2];
        struct output_score outputs[2][2];
};

static const uint32_t own[] = {1, 2}, both[] = {0, 2};
static const int32_t labels[10];

static void honest(struct pair *p, enum job_kind kind)
{
        memset(p, 0, sizeof(*p));
        p->holdout[0] = (struct learn_rows){.task = 4, .n = 10, .head = {2, both}, .label = labels};
        p->holdout[1] = (struct learn_rows){.task = 5, .n = 0, .head = {2, own}, .label = labels};
        p->job = (struct learn_job){.kind = kind,
            .net = {.n_inputs = 2, .n_outputs = 3, .loss = EWC_LOSS_SOFTMAX},
            .train = {.task = 5, .head = {2, own}},
            .n_holdout = 2,
            .holdout = p->holdout,
            .plan = {.fisher = EWC_FISHER_EXACT}};
        p->outputs[0][0] = p->outputs[1][0] = (struct output_score){0, 7, 3};
        p->outputs[0][1] = p->outputs[1][1] = (struct output_score){2, 3, 2};
        p->outputs[1][0].n_right = 5;
        p->before[0] = (struct evaluation){
            .task = 4, .n = 10, .accuracy = 0.5, .loss = 0.7, .ece = 0.2, .n_outputs = 2, .outputs = p->outputs[0]};
        p->after[0] = p->before[0];
        p->after[0].accuracy = 0.7;
        p->after[0].n_won = 3;
        p->after[0].n_lost = 1;
        p->after[0].outputs = p->outputs[1];
        p->before[1] = p->after[1] = (struct evaluation){.task = 5, .n = 0, .accuracy = NAN, .loss = NAN, .ece = NAN};
        /* weights of output 0 and its bias are not of the head: 6 protected parameters, mean 1 over them */
        static const float f[P] = {0, 0, 3, 0, 1, 1, 0, 0.5f, 0.5f};
        memcpy(p->fisher, f, sizeof(f));
        p->r = (struct learn_result){.n_params = P,
            .theta = p->theta,
            .lambda = 2,
            .n_evaluations = 2,
            .before = p->before,
            .after = p->after};
        if (kind == JOB_ROLLOVER) {
                p->r.fisher = p->fisher;
                p->r.fisher_info = (struct ewc_fisher_info){EWC_FISHER_EXACT, 30, 6, 0.25, 1.5};
        }
}

#define SPOIL(name, code)                                                                                            \
        static void name(struct pair *p)                                                                             \
        {                                                                                                            \
                code;                                                                                                \
        }
SPOIL(stopped, p->r.outcome = LEARN_STOPPED)
SPOIL(diverged, p->r.outcome = LEARN_DIVERGED)
SPOIL(lambda_nan, p->r.lambda = NAN)
SPOIL(lambda_negative, p->r.lambda = -1)
SPOIL(lambda_inf, p->r.lambda = INFINITY)
SPOIL(no_theta, p->r.theta = NULL)
SPOIL(few_params, p->r.n_params = P - 1)
SPOIL(theta_nan, p->theta[8] = NAN)
SPOIL(no_before, p->r.before = NULL)
SPOIL(one_evaluation, p->r.n_evaluations = 1)
SPOIL(other_task, p->after[0].task = 5)
SPOIL(swapped, (p->after[0] = p->before[1], p->after[1] = p->before[0]))
SPOIL(fewer_rows, p->after[0].n = 9)
SPOIL(rows_from_nowhere, p->before[1].n = 1)
SPOIL(no_rows_claimed, p->after[0].n = 0)
SPOIL(accuracy_high, p->after[0].accuracy = 1.01)
SPOIL(accuracy_nan, p->after[0].accuracy = NAN)
SPOIL(accuracy_negative, p->before[0].accuracy = -0.01)
SPOIL(loss_negative, p->after[0].loss = -1)
SPOIL(loss_inf, p->after[0].loss = INFINITY)
SPOIL(ece_high, p->after[0].ece = 1.1)
SPOIL(ece_nan, p->before[0].ece = NAN)
SPOIL(won_too_many, p->after[0].n_won = 11)
SPOIL(lost_too_many, (p->after[0].n_won = 10, p->after[0].n_lost = 8))
SPOIL(won_more_than_gained, p->after[0].n_won = 4)
SPOIL(won_before, p->before[0].n_won = 1)
SPOIL(won_of_none, p->after[1].n_won = 1)
SPOIL(label_of_another, p->outputs[1][1].output = 1)
SPOIL(label_right_too_often, (p->outputs[0][0].n_right = 1, p->outputs[0][1].n_right = 4))
SPOIL(label_rows_missing, p->outputs[0][0].n = 6)
SPOIL(label_rows_added, (p->outputs[0][0].n = UINT64_MAX, p->outputs[0][1].n = 11))
SPOIL(label_not_right, p->outputs[1][0].n_right = 4)
SPOIL(labels_gone, p->after[0].n_outputs = 0)
SPOIL(labels_of_none, (p->outputs[0][1].n = p->outputs[0][1].n_right = 0, p->after[1].n_outputs = 1,
                          p->after[1].outputs = &p->outputs[0][1], p->before[0].n_outputs = 1,
                          p->outputs[0][0].n = 10, p->outputs[0][0].n_right = 5))
SPOIL(no_fisher, p->r.fisher = NULL)
SPOIL(fisher_negative, (p->fisher[2] = -3, p->fisher[4] = 7))
SPOIL(fisher_nan, p->fisher[0] = NAN)
SPOIL(fisher_mean, p->fisher[4] = 1.1f)
SPOIL(fisher_scaled_down, memset(p->fisher, 0, sizeof(p->fisher)))
SPOIL(fisher_kind, p->r.fisher_info.kind = EWC_FISHER_BATCHED)
SPOIL(fisher_samples, p->r.fisher_info.n_samples = 0)
SPOIL(fisher_protected, p->r.fisher_info.n_protected = 9)
SPOIL(fisher_factor, p->r.fisher_info.factor = NAN)
SPOIL(fisher_trace, p->r.fisher_info.trace = -1)
SPOIL(fisher_unasked, p->r.fisher = p->fisher)

static void test_lies(void **state)
{
        (void)state;
        static const struct {
                enum job_kind kind;
                void (*spoil)(struct pair *);
        } rows[] = {
            {1, stopped},
            {1, diverged},
            {1, lambda_nan},
            {1, lambda_negative},
            {1, lambda_inf},
            {1, no_theta},
            {1, few_params},
            {1, theta_nan},
            {1, no_before},
            {1, one_evaluation},
            {1, other_task},
            {1, swapped},
            {1, fewer_rows},
            {1, rows_from_nowhere},
            {1, no_rows_claimed},
            {1, accuracy_high},
            {1, accuracy_nan},
            {1, accuracy_negative},
            {1, loss_negative},
            {1, loss_inf},
            {1, ece_high},
            {1, ece_nan},
            {1, won_too_many},
            {1, lost_too_many},
            {1, won_more_than_gained},
            {1, won_before},
            {1, won_of_none},
            {1, label_of_another},
            {1, label_right_too_often},
            {1, label_rows_missing},
            {1, label_rows_added},
            {1, label_not_right},
            {1, labels_gone},
            {1, labels_of_none},
            {2, no_fisher},
            {2, fisher_negative},
            {2, fisher_nan},
            {2, fisher_mean},
            {2, fisher_scaled_down},
            {2, fisher_kind},
            {2, fisher_samples},
            {2, fisher_protected},
            {2, fisher_factor},
            {2, fisher_trace},
            {1, fisher_unasked},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct pair p;
                struct err e = ERR_NULL;
                honest(&p, rows[i].kind);
                rows[i].spoil(&p);
                if (settle_check(&p.job, &p.r, &e) >= 0)
                        fail_msg("row %zu was believed", i);
                assert_true(strlen(e.msg) > 0);
        }
}

static void test_honest(void **state)
{
        (void)state;
        struct pair p;
        struct err e = ERR_NULL;
        honest(&p, JOB_CONSOLIDATE);
        assert_int_equal(settle_check(&p.job, &p.r, &e), 0);
        honest(&p, JOB_ROLLOVER);
        if (settle_check(&p.job, &p.r, &e) != 0)
                fail_msg("%s", e.msg);
        p.fisher[4] = 1.005f; /* rounding */
        assert_int_equal(settle_check(&p.job, &p.r, &e), 0);
        memset(p.fisher, 0, sizeof(p.fisher)); /* nothing to protect: factor 0 says so */
        p.r.fisher_info.factor = 0;
        assert_int_equal(settle_check(&p.job, &p.r, &e), 0);
}

/* What no Fisher is has no variant; all else about it is looked at. */
static void test_other_importances(void **state)
{
        (void)state;
        for (int k = LEARN_IMPORTANCE_SI; k <= LEARN_IMPORTANCE_MAS; k++) {
                struct pair p;
                struct err e = ERR_NULL;
                honest(&p, JOB_ROLLOVER);
                p.job.plan.importance = (enum learn_importance)k;
                p.r.fisher_info.kind = EWC_FISHER_BATCHED;
                if (settle_check(&p.job, &p.r, &e) != 0)
                        fail_msg("%s", e.msg);
                p.r.fisher_info.n_samples = 0;
                assert_true(settle_check(&p.job, &p.r, &e) < 0);
                p.r.fisher_info.n_samples = 1;
                p.fisher[4] = 1.5f;
                assert_true(settle_check(&p.job, &p.r, &e) < 0);
        }
}

/* What the learner said, and advice only where the rate can be to blame. */
static void test_divergence_says_what_to_do(void **state)
{
        (void)state;
        static const char *const words[][2] = {
            {"", "training diverged: a loss, a gradient or the Fisher was not finite"},
            {"step 12 of 40: x", "training diverged: step 12 of 40: x; lower optimizer.rate"},
            {"Fisher: z", "not finite: Fisher: z"},
        };
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                struct pair p;
                struct err e = ERR_NULL;
                honest(&p, JOB_ROLLOVER);
                p.r.outcome = LEARN_DIVERGED;
                p.r.loss = 0.31;
                strcpy(p.r.reason, words[i][0]);
                assert_true(settle_check(&p.job, &p.r, &e) < 0);
                assert_string_equal(e.msg, words[i][1]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_lies), cmocka_unit_test(test_honest),
            cmocka_unit_test(test_other_importances), cmocka_unit_test(test_divergence_says_what_to_do)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

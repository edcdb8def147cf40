/* A net that gains outputs: what is measured before training is the champion's answer, not that of untrained rows. */
#include "domain/gate.h"
#include "made.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const uint32_t all[] = {0, 1, 2, 3};

struct grown { /* task A closed with two outputs of four, all active for both tasks from now on */
        struct made_pair pair;
        float theta[MADE_PARAMS_MAX];
        struct learn_job job;
};

/* The untrained rows are made to win wherever they are heard. */
static void open_grown(struct grown *g, enum ewc_loss loss)
{
        struct ewc_tensor bias;
        made_pair_open(&g->pair, loss, true, 1);
        g->job = made_pair_job(&g->pair, LEARN_PLAIN, 0, 1);
        memcpy(g->theta, g->job.theta, ewc_spec_params(&g->pair.net) * sizeof(float));
        assert_int_equal(ewc_spec_tensor(&g->pair.net, ewc_spec_tensors(&g->pair.net) - 1, &bias), 0);
        g->theta[bias.offset + 2] = 40;
        g->job.theta = g->theta;
        g->job.train.head = g->pair.holdout[0].head = g->pair.holdout[1].head = (struct ewc_head){4, all};
        g->job.n_fresh = 2;
}

/* The champion with its own two outputs on task A's holdout; by the forward pass alone. */
static struct evaluation champion(const struct grown *g)
{
        static const uint32_t two[] = {0, 1};
        struct ewc_spec narrow = g->pair.net;
        const struct learn_rows *rows = &g->pair.holdout[0];
        float y[2];
        struct evaluation v = {.n = rows->n, .loss = 0};
        struct ewc_net *net;
        narrow.n_outputs = 2;
        assert_int_equal(ewc_net_new(&net, &narrow, NULL), 0);
        assert_int_equal(ewc_spec_map(&g->pair.net, &narrow, two, g->theta, NULL, ewc_net_theta(net)), 0);
        void *ws = test_malloc(ewc_net_workspace(net, 1) + 64);
        void *aligned = (void *)(((uintptr_t)ws + 63) & ~(uintptr_t)63);
        size_t right = 0;
        for (size_t i = 0; i < rows->n; i++) {
                assert_int_equal(ewc_net_forward(net, 1, rows->x + i * MADE_INPUTS, y, aligned), 0);
                int label = g->pair.a.label[MADE_ROWS + i];
                double own = (double)y[label], other = (double)y[1 - label];
                right += own > other;
                if (narrow.loss == EWC_LOSS_SOFTMAX)
                        v.loss += log1p(exp(other - own));
                else if (narrow.loss == EWC_LOSS_SIGMOID)
                        v.loss += log1p(exp(-own)) + log1p(exp(other));
                else
                        v.loss += 0.5 * ((own - 1) * (own - 1) + other * other);
        }
        v.accuracy = (double)right / (double)rows->n;
        v.loss /= (double)rows->n;
        test_free(ws);
        ewc_net_free(net);
        return v;
}

static void test_before_is_the_champion(void **state)
{
        (void)state;
        static const enum ewc_loss losses[] = {EWC_LOSS_SOFTMAX, EWC_LOSS_SIGMOID, EWC_LOSS_SQUARED};
        for (size_t i = 0; i < 3; i++) {
                static struct grown g;
                struct learn_result silent = {0}, heard = {0};
                open_grown(&g, losses[i]);
                struct evaluation want = champion(&g);
                assert_true(want.accuracy == 1);
                made_run(&g.job, NULL, LEARN_DONE, &silent);
                if (losses[i] == EWC_LOSS_SOFTMAX)
                        assert_true(silent.before[0].accuracy == want.accuracy);
                assert_true(fabs(silent.before[0].loss - want.loss) < 1e-5 * (1 + want.loss));
                g.job.n_fresh = 0;
                made_run(&g.job, NULL, LEARN_DONE, &heard);
                assert_true(heard.before[0].loss > 10 * want.loss);
                assert_memory_equal(silent.theta, heard.theta, silent.n_params * sizeof(float)); /* only looked at */
                for (size_t k = 0; k < 2; k++) /* what was won and lost is against different answers */
                        silent.after[k].n_won = silent.after[k].n_lost = heard.after[k].n_won =
                            heard.after[k].n_lost = 0;
                made_same_evaluations(silent.after, heard.after, 2);
                learn_result_free(&silent);
                learn_result_free(&heard);
                made_pair_close(&g.pair);
        }
}

/* Plain training on the new classes alone forgets the old ones; the gate sees how much. */
static void test_what_forgets_is_rejected(void **state)
{
        (void)state;
        static struct grown g;
        struct learn_result r = {0};
        const struct gate_conf conf = {.max_forgetting = 0.02, .max_ece_rise = 1};
        struct gate_check checks[2];
        open_grown(&g, EWC_LOSS_SOFTMAX);
        made_run(&g.job, NULL, LEARN_DONE, &r);
        assert_true(r.before[0].accuracy == 1 && r.after[0].accuracy < 0.9);
        assert_true(r.before[1].accuracy == 0 && r.after[1].accuracy > 0.9); /* it had no such output */
        struct gate_task tasks[] = {{.name = "a", .before = r.before[0], .after = r.after[0]},
            {.name = "b", .open = true, .before = r.before[1], .after = r.after[1]}};
        struct verdict v = gate_judge(tasks, 2, &conf, EWC_LOSS_SOFTMAX, checks);
        assert_false(v.promote);
        assert_int_equal(v.deciding, 0);
        learn_result_free(&r);
        made_pair_close(&g.pair);
}

/* A rollover keeps its training's end: the net it started from answers otherwise than what was measured. */
static void test_rollover_keeps_what_was_trained(void **state)
{
        (void)state;
        static struct grown g;
        struct learn_result plain = {0}, r = {0};
        open_grown(&g, EWC_LOSS_SOFTMAX);
        g.pair.holdout[0].task = g.job.train.task; /* the open task's holdout gets worse */
        g.job.n_holdout = 1;
        made_run(&g.job, NULL, LEARN_DONE, &plain);
        assert_true(plain.after[0].accuracy < plain.before[0].accuracy);
        g.job.kind = JOB_ROLLOVER;
        made_run(&g.job, NULL, LEARN_DONE, &r);
        assert_memory_equal(r.theta, plain.theta, r.n_params * sizeof(float));
        made_same_evaluations(r.after, plain.after, 1);
        learn_result_free(&plain);
        learn_result_free(&r);
        made_pair_close(&g.pair);
}

static void test_more_than_there_are(void **state)
{
        (void)state;
        static struct grown g;
        struct learn_result r = {0};
        open_grown(&g, EWC_LOSS_SOFTMAX);
        g.job.n_fresh = 5;
        assert_true(learn_run(&g.job, NULL, &r, NULL) < 0);
        g.job.n_fresh = 4;
        made_run(&g.job, NULL, LEARN_DONE, &r);
        learn_result_free(&r);
        made_pair_close(&g.pair);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_before_is_the_champion),
            cmocka_unit_test(test_what_forgets_is_rejected),
            cmocka_unit_test(test_rollover_keeps_what_was_trained),
            cmocka_unit_test(test_more_than_there_are),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

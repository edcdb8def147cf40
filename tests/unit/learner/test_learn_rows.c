/* test_learn_rows.c: which rows teach what: the logits of closed tasks beside replayed labels (DER++), rows without
 * labels in a measurement, and the share of rows that a measurement takes. */
#include "base/err.h"
#include "base/mem.h"
#include "learner/learn_in.h"
#include "made.h"
#include <errno.h>
#include <ewc/mas.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct made_pair pair;

static int setup(void **state)
{
        (void)state;
        made_pair_open(&pair, EWC_LOSS_SOFTMAX, true, 1);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        made_pair_close(&pair);
        return 0;
}

/* Loss of both tasks' rows and the distance to the logits at A's anchor, in double, by forward passes only. */
static double whole_loss(const float *theta, const struct learn_rows *old, const float *anchor, double derpp)
{
        double sum = 0;
        struct ewc_net *n[2];
        static float z[2][MADE_ROWS * MADE_OUTPUTS_MAX];
        for (int k = 0; k < 2; k++) {
                assert_int_equal(ewc_net_new(&n[k], &pair.net, NULL), 0);
                memcpy(ewc_net_theta(n[k]), k ? anchor : theta, ewc_net_params(n[k]) * sizeof(float));
        }
        void *ws = mem_aligned(ewc_train_workspace(n[0], MADE_ROWS), 1, 64);
        const struct learn_rows *sets[2] = {&pair.b.train, old};
        for (int s = 0; s < 2; s++) { /* two tasks: half of the labels' weight each */
                struct ewc_score score = {0};
                struct ewc_batch b = {.n = sets[s]->n, .x = sets[s]->x, .label = sets[s]->label};
                assert_int_equal(ewc_train_score(n[0], &sets[s]->head, &b, &score, ws), 0);
                sum += 0.5 * score.loss_sum / (double)b.n;
        }
        for (int k = 0; k < 2; k++)
                assert_int_equal(ewc_net_forward(n[k], old->n, old->x, z[k], ws), 0);
        for (size_t i = 0; i < old->n; i++)
                for (uint32_t h = 0; h < old->head.n; h++) {
                        size_t at = i * pair.net.n_outputs + old->head.out[h];
                        double d = (double)z[0][at] - (double)z[1][at];
                        sum += derpp * d * d / old->head.n / (double)old->n;
                }
        free(ws);
        ewc_net_free(n[0]);
        ewc_net_free(n[1]);
        return sum;
}

/* One SGD step moves theta by the differences of that loss. The replayed row is one and the same, so that it does not
 * matter which are drawn; the anchor is another theta than the job's. */
static void test_derpp_step(void **state)
{
        (void)state;
        struct learn_result r = {0};
        struct learn_rows old = pair.a.train;
        struct learn_past past = pair.past;
        float anchor[MADE_PARAMS_MAX], theta[MADE_PARAMS_MAX];
        old.n = 1;
        size_t P = pair.closed.n_params;
        for (size_t i = 0; i < P; i++)
                anchor[i] = pair.closed.theta[i] + 0.4f * (float)(i % 3);
        past.anchor = anchor;
        struct learn_job job = made_pair_job(&pair, LEARN_PLAIN, 0, 1);
        job.past = &past;
        job.replay = &old;
        job.n_replay = 1;
        job.plan.replay_per_class = 10;
        job.plan.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = 1};
        job.plan.batch = MADE_ROWS;
        job.plan.steps = 1;
        job.plan.derpp = 0.8;
        made_run(&job, NULL, LEARN_DONE, &r);
        assert_true(fabs(r.loss - whole_loss(job.theta, &old, anchor, 0.8)) < 1e-5);
        memcpy(theta, job.theta, P * sizeof(float));
        for (size_t i = 0; i < P; i++) {
                const float h = 2e-3f;
                theta[i] = job.theta[i] + h;
                double up = whole_loss(theta, &old, anchor, 0.8);
                theta[i] = job.theta[i] - h;
                double down = whole_loss(theta, &old, anchor, 0.8);
                theta[i] = job.theta[i];
                double want = (up - down) / (2 * (double)h), got = (double)job.theta[i] - (double)r.theta[i];
                if (!(fabs(got - want) < 2e-3 * (1 + fabs(want))))
                        fail_msg("parameter %zu: %g, not %g", i, got, want);
        }
        learn_result_free(&r);
}

static double loss_with(const struct learn_job *job)
{
        struct learn_result r = {0};
        made_run(job, NULL, LEARN_DONE, &r);
        double loss = r.loss;
        learn_result_free(&r);
        return loss;
}

/* Several closed tasks with heads of their own, records in another order than rows: each row meets the logits of its
 * own task's anchor, over its own head. Where that is the job's theta the distance is 0. */
static void test_derpp_pairs_rows_with_their_tasks(void **state)
{
        (void)state;
        struct made_task c;
        struct ewc_tensor out;
        float anchor[MADE_PARAMS_MAX];
        made_task(&c, 'A', 3, &pair.net, 2, 9);
        struct learn_rows replay[2] = {pair.a.train, c.train};
        struct learn_past past[2] = {{3, 1, pair.closed.fisher, pair.closed.theta, 1, 0}, pair.past};
        struct learn_job job = made_pair_job(&pair, LEARN_PLAIN, 0, 1);
        job.past = past;
        job.n_past = 2;
        job.replay = replay;
        job.n_replay = 2;
        job.plan.replay_per_class = 3;
        job.plan.steps = 1;
        double plain = loss_with(&job);
        job.plan.derpp = 2;
        assert_true(fabs(loss_with(&job) / plain - 1) < 1e-6);
        assert_int_equal(ewc_spec_tensor(&pair.net, 3, &out), 0); /* biases: 0 and 1 are task 1's, 2 and 3 task 3's */
        for (uint32_t k = 0; k < 4; k++) {
                size_t record = k / 2; /* 0: task 3's; 1: task 1's */
                bool own = k % 2;
                memcpy(anchor, pair.closed.theta, pair.closed.n_params * sizeof(float));
                for (uint32_t o = 0; o < 4; o++)
                        anchor[out.offset + o] += (o < 2) == (record == 1) && own ? 1 : 0;
                for (uint32_t o = 0; o < 4; o++)
                        anchor[out.offset + o] += (o < 2) == (record == 0) && !own ? 1 : 0;
                past[record].anchor = anchor;
                double more = loss_with(&job) - plain;
                past[record].anchor = pair.closed.theta;
                if (own) /* distance 1 for the share of the replayed rows that are its own: somewhere inside (0, 1) */
                        assert_true(more > 0.2 && more < 1.8);
                else
                        assert_true(fabs(more) < 1e-6 * plain);
        }
}

/* It keeps A's logits closer to what they were than replay of the labels alone. */
static void test_derpp_keeps_logits(void **state)
{
        (void)state;
        double distance[2];
        for (int derpp = 0; derpp < 2; derpp++) {
                struct learn_result r = {0};
                struct learn_job job = made_pair_job(&pair, LEARN_EWC, 1e-4, 1);
                job.replay = &pair.a.train;
                job.n_replay = 1;
                job.plan.replay_per_class = 20;
                job.plan.derpp = derpp;
                made_run(&job, NULL, LEARN_DONE, &r);
                assert_true(r.after[0].accuracy > 0.9 && r.after[1].accuracy > 0.9);
                distance[derpp] = whole_loss(r.theta, &pair.a.train, pair.closed.theta, 1) -
                                  whole_loss(r.theta, &pair.a.train, pair.closed.theta, 0);
                learn_result_free(&r);
        }
        assert_true(distance[1] < 0.25 * distance[0]);
}

static struct learn_job measuring(enum ewc_fisher kind)
{
        struct learn_job job = made_pair_job(&pair, LEARN_PLAIN, 0, 1);
        job.kind = JOB_ROLLOVER;
        job.plan.fisher = kind;
        job.plan.epochs = 0; /* at the job's theta */
        job.plan.final_theta = true;
        return job;
}

/* Importance over train and seen is that of one set that holds both: no label of the second part is missed. */
static void test_seen_rows_are_measured(void **state)
{
        (void)state;
        static float x[2 * MADE_ROWS * MADE_INPUTS];
        static int32_t label[2 * MADE_ROWS];
        memcpy(x, pair.b.train.x, MADE_ROWS * MADE_INPUTS * sizeof(float));
        for (size_t i = 0; i < MADE_ROWS * MADE_INPUTS; i++)
                x[MADE_ROWS * MADE_INPUTS + i] = 3 * pair.a.train.x[i];
        for (size_t i = 0; i < 2 * MADE_ROWS; i++)
                label[i] = pair.b.train.label[i % MADE_ROWS];
        for (int k = 0; k < 3; k++) {
                struct learn_result both = {0}, whole = {0}, alone = {0};
                struct learn_job job = measuring(k ? EWC_FISHER_ARGMAX : EWC_FISHER_EXACT);
                job.plan.importance = k == 2 ? LEARN_IMPORTANCE_MAS : LEARN_IMPORTANCE_FISHER;
                made_run(&job, NULL, LEARN_DONE, &alone);
                job.seen = (struct learn_rows){
                    .task = 2, .head = pair.b.train.head, .n = MADE_ROWS, .x = x + MADE_ROWS * MADE_INPUTS};
                made_run(&job, NULL, LEARN_DONE, &both);
                job = measuring(job.plan.fisher);
                job.plan.importance = k == 2 ? LEARN_IMPORTANCE_MAS : LEARN_IMPORTANCE_FISHER;
                job.train.x = x;
                job.train.label = label;
                job.train.n = 2 * MADE_ROWS;
                made_run(&job, NULL, LEARN_DONE, &whole);
                assert_int_equal(both.fisher_info.n_samples, 2 * MADE_ROWS);
                assert_true(fabs(both.fisher_info.factor / whole.fisher_info.factor - 1) < 1e-6);
                assert_true(fabs(both.fisher_info.factor / alone.fisher_info.factor - 1) > 0.1);
                for (size_t i = 0; i < both.n_params; i++)
                        assert_true(fabsf(both.fisher[i] - whole.fisher[i]) <= 1e-5f * (whole.fisher[i] + 1));
                learn_result_free(&both);
                learn_result_free(&whole);
                learn_result_free(&alone);
        }
}

/* They teach nothing: training and everything but the importance is as without them. */
static void test_seen_rows_are_not_trained_on(void **state)
{
        (void)state;
        struct learn_result with = {0}, without = {0};
        struct learn_job job = made_pair_job(&pair, LEARN_EWC, 0.1, 1);
        made_run(&job, NULL, LEARN_DONE, &without);
        job.seen = (struct learn_rows){.task = 2, .n = MADE_ROWS, .x = pair.a.train.x};
        made_run(&job, NULL, LEARN_DONE, &with); /* a consolidation measures nothing */
        made_same(&with, &without);
        learn_result_free(&with);
        job.kind = JOB_ROLLOVER;
        job.plan.final_theta = true;
        made_run(&job, NULL, LEARN_DONE, &with);
        assert_memory_equal(with.theta, without.theta, with.n_params * sizeof(float));
        learn_result_free(&with);
        learn_result_free(&without);
}

static void test_fraction(void **state)
{
        (void)state;
        static const struct {
                double fraction;
                uint64_t want;
        } rows[] = {{1, 30}, {0.1, 3}, {0.11, 4}, {0.5, 15}, {1e-9, 1}, {0.3, 9}, {0.7, 21}, {0.999, 30}};
        struct learn_job job = measuring(EWC_FISHER_EXACT);
        struct learn_result a = {0}, b = {0};
        job.train.n = 30;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                job.plan.fisher_fraction = rows[i].fraction;
                assert_int_equal(learn_fisher_total(&job), rows[i].want);
        }
        job.train.n = 20;
        job.seen.n = 10; /* of both together */
        job.plan.fisher_fraction = 0.1;
        assert_int_equal(learn_fisher_total(&job), 3);
        job = measuring(EWC_FISHER_EXACT); /* the same rows as a number of them */
        job.plan.fisher_fraction = 0.25;
        made_run(&job, NULL, LEARN_DONE, &a);
        job.plan.fisher_fraction = 0;
        job.plan.fisher_samples = MADE_ROWS / 4;
        made_run(&job, NULL, LEARN_DONE, &b);
        made_same(&a, &b);
        learn_result_free(&a);
        learn_result_free(&b);
}

/* A sample of both parts has each of them in its share, train's evenly over classes. */
static void test_pick(void **state)
{
        (void)state;
        enum { TRAIN = 60, SEEN = 40, ALL = TRAIN + SEEN };
        int32_t label[TRAIN];
        uint32_t order[ALL], rank[TRAIN], count[3], out[3] = {0, 1, 2};
        for (int i = 0; i < TRAIN; i++)
                label[i] = i < 40 ? 0 : i < 55 ? 1 : 2;
        struct learn_job job = {.net = {.n_outputs = 3},
            .train = {.head = {3, out}, .n = TRAIN, .label = label},
            .seen = {.n = SEEN},
            .plan = {.seed = 4}};
        struct learner l = {.job = &job, .count = count, .order = order, .rank = rank};
        for (size_t want = 1; want <= ALL; want++) {
                size_t got[4] = {0};
                bool taken[ALL] = {false};
                learn_fisher_pick(&l, STREAM_FISHER, want, true);
                for (size_t i = 0; i < want; i++) {
                        assert_true(order[i] < ALL && !taken[order[i]]);
                        taken[order[i]] = true;
                        got[order[i] < TRAIN ? label[order[i]] : 3]++;
                }
                assert_true(got[3] * ALL >= want * SEEN && (got[3] - 1) * ALL < want * SEEN);
                assert_true(got[2] + 1 >= got[1] || got[2] == 5);
                assert_true(got[1] + 1 >= got[0] || got[1] == 15);
        }
        learn_fisher_pick(&l, STREAM_FISHER, 9, false);
        for (size_t i = 0; i < 9; i++)
                assert_true(order[i] < TRAIN);
}

static void refused(const struct learn_job *job, const char *field)
{
        struct learn_result r;
        struct err e = ERR_NULL;
        assert_int_equal(learn_run(job, NULL, &r, &e), -EINVAL);
        assert_string_equal(e.field, field);
}

static void test_contradictions(void **state)
{
        (void)state;
        static const enum ewc_fisher labelled[] = {
            EWC_FISHER_EMPIRICAL, EWC_FISHER_BATCHED, EWC_FISHER_TRUNCATED, EWC_FISHER_REVERSED};
        const struct learn_rows seen = {.task = 2, .n = 4, .x = pair.b.train.x};
        const struct learn_job good = measuring(EWC_FISHER_EXACT);
        struct learn_job j = good;
        j.seen = seen;
        for (size_t i = 0; i < ARRAY_LEN(labelled); i++) {
                j.plan.fisher = labelled[i];
                refused(&j, "seen");
        }
        j.plan.fisher = EWC_FISHER_EXACT;
        j.plan.importance = LEARN_IMPORTANCE_SI;
        j.plan.si_damping = 0.1;
        refused(&j, "seen");
        j = good;
        j.seen = seen;
        j.seen.label = pair.b.train.label;
        refused(&j, "seen");
        j.seen.label = NULL;
        j.seen.x = NULL;
        refused(&j, "seen");
        j.seen = seen;
        j.seen.head = pair.a.train.head;
        refused(&j, "seen");
        j.seen = seen;
        j.seen.n = INT32_MAX;
        refused(&j, "seen");
        static const double bad[] = {-0.1, 1.1, (double)NAN};
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                j = good;
                j.plan.fisher_fraction = bad[i];
                refused(&j, "fisher_fraction");
        }
        j.plan.fisher_fraction = 0.5;
        j.plan.fisher_samples = 5;
        refused(&j, "fisher_fraction");
        j = good;
        j.plan.lambda_start = (enum learn_start)3;
        refused(&j, "lambda_start");
        j = good;
        j.plan.derpp = 1;
        refused(&j, "derpp"); /* without replay */
        j.plan.replay_per_class = 3;
        j.replay = &pair.a.train;
        j.n_replay = 1;
        j.n_past = 0;
        refused(&j, "derpp"); /* rows of a task without a record */
        j.n_past = 1;
        j.plan.derpp = -1;
        refused(&j, "derpp");
        j.plan.derpp = 1;
        j.plan.replay_per_class = 0;
        j.plan.method = LEARN_JOINT;
        refused(&j, "derpp");
        j = good;
        j.net.loss = EWC_LOSS_SQUARED;
        float target[MADE_ROWS * MADE_OUTPUTS_MAX] = {0};
        j.train.target = target;
        j.n_holdout = 0;
        j.plan.fisher = EWC_FISHER_ARGMAX;
        refused(&j, "fisher");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_derpp_step),
            cmocka_unit_test(test_derpp_pairs_rows_with_their_tasks),
            cmocka_unit_test(test_derpp_keeps_logits),
            cmocka_unit_test(test_seen_rows_are_measured),
            cmocka_unit_test(test_seen_rows_are_not_trained_on),
            cmocka_unit_test(test_fraction),
            cmocka_unit_test(test_pick),
            cmocka_unit_test(test_contradictions),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}

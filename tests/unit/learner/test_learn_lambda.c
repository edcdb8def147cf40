/* test_learn_lambda.c: the merged penalty, and a whole search inside one job. */
#include "base/err.h"
#include "base/mem.h"
#include "domain/lambda.h"
#include "made.h"
#include <errno.h>
#include <ewc/similarity.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* sum_k alpha_k F_k (theta - anchor_k)^2 and U (theta - c)^2 differ by a constant, whatever theta is. */
static void test_merge_against_the_sum(void **state)
{
        (void)state;
        enum { T = 3 };
        static float fisher[T][MADE_PARAMS_MAX], anchor[T][MADE_PARAMS_MAX], U[MADE_PARAMS_MAX], c[MADE_PARAMS_MAX];
        const double alpha[T] = {1.0, 0.25, 3.0};
        struct ewc_spec net = made_net(EWC_LOSS_SOFTMAX, 2);
        size_t P = ewc_spec_params(&net);
        struct learn_past past[T];
        struct ewc_rng r;
        ewc_rng_seed(&r, 5, 0);
        for (size_t k = 0; k < T; k++) {
                for (size_t i = 0; i < P; i++) {
                        fisher[k][i] = i % 7 == k ? 0.0f : ewc_rng_unit(&r);
                        anchor[k][i] = (float)ewc_rng_normal(&r);
                }
                past[k] = (struct learn_past){.task = k, .alpha = alpha[k], .fisher = fisher[k], .anchor = anchor[k]};
        }
        struct learn_job job = {.net = net, .past = past, .n_past = T};
        assert_true(made_merge(&job, U, c) == 4.25);
        for (size_t i = 0; i < P; i++) {
                double want = 0, gap[2];
                for (size_t k = 0; k < T; k++)
                        want += alpha[k] * (double)fisher[k][i];
                assert_true(fabs(want - (double)U[i]) <= 1e-6 * want); /* rounding to float, three times */
                for (int j = 0; j < 2; j++) {
                        double theta = j ? -1.5 : 2.0, sum = 0, d = theta - (double)c[i];
                        for (size_t k = 0; k < T; k++)
                                sum += alpha[k] * (double)fisher[k][i] * (theta - (double)anchor[k][i]) *
                                       (theta - (double)anchor[k][i]);
                        gap[j] = sum - (double)U[i] * d * d;
                }
                assert_true(fabs(gap[0] - gap[1]) < 1e-4);
        }
        job.n_past = 0;
        assert_true(made_merge(&job, U, c) == 0.0);
        for (size_t i = 0; i < P; i++)
                assert_true(U[i] == 0.0f && c[i] == 0.0f);
}

struct fixture {
        struct ewc_spec net;
        struct made_task a, b;
        float theta[MADE_PARAMS_MAX];
        struct learn_result closed;
        struct learn_past past;
        struct learn_rows holdout[2];
        struct learn_job job;
};

static void open_search(struct fixture *f, enum ewc_loss loss)
{
        memset(f, 0, sizeof(*f));
        f->net = made_net(loss, 2);
        made_task(&f->a, 'A', 1, &f->net, 0, 1);
        made_task(&f->b, 'B', 2, &f->net, 0, 1);
        made_theta(&f->net, 1, f->theta);
        struct learn_job first = made_job(&f->net, f->theta, &f->a, LEARN_PLAIN, 1);
        first.kind = JOB_ROLLOVER;
        made_run(&first, NULL, LEARN_DONE, &f->closed);
        f->past = (struct learn_past){.task = 1, .alpha = 1, .fisher = f->closed.fisher, .anchor = f->closed.theta};
        f->holdout[0] = f->a.holdout;
        f->holdout[1] = f->b.holdout;
        f->job = made_job(&f->net, f->closed.theta, &f->b, LEARN_EWC, 9);
        f->job.past = &f->past;
        f->job.n_past = 1;
        f->job.holdout = f->holdout;
        f->job.n_holdout = 2;
        f->job.plan.lambda_auto = true;
        f->job.plan.epochs = 30;
}

/* The search as it was made: its start is the first lambda above 0. */
static struct lambda_conf conf_of(const struct learn_result *r)
{
        struct lambda_conf conf = lambda_conf_default;
        assert_true(r->n_tries > 1);
        conf.start = r->tries[1].lambda;
        return conf;
}

/* Every try was recorded as domain/lambda.h prescribes, and the result is the one it chooses. */
static void check_tries(const struct learn_result *r)
{
        const struct lambda_conf conf = conf_of(r);
        assert_in_range(r->n_tries, 2, conf.max_tries);
        for (uint32_t n = 0; n < r->n_tries; n++) {
                struct lambda_next next = lambda_next(r->tries, n, &conf);
                assert_false(next.stop);
                assert_true(next.lambda == r->tries[n].lambda);
                assert_true(r->tries[n].accuracy >= 0 && r->tries[n].accuracy <= 1);
                assert_true(r->tries[n].past_accuracy >= 0 && r->tries[n].past_accuracy <= 1);
        }
        struct lambda_next last = lambda_next(r->tries, r->n_tries, &conf);
        assert_true(last.stop);
        assert_true(r->lambda == last.lambda);
        assert_true(r->loss == r->tries[last.chosen].loss);
        assert_true(r->penalty == r->tries[last.chosen].penalty);
}

/* theta is that of the chosen try: it scores as the try did, and lies where the try's penalty says. */
static void check_theta(const struct learn_job *job, const struct learn_result *r)
{
        float U[MADE_PARAMS_MAX], centre[MADE_PARAMS_MAX];
        const struct lambda_conf conf = conf_of(r);
        struct lambda_next last = lambda_next(r->tries, r->n_tries, &conf);
        assert_true(r->after[0].accuracy == r->tries[last.chosen].past_accuracy);
        assert_true(r->after[1].accuracy == r->tries[last.chosen].accuracy);
        made_merge(job, U, centre);
        struct ewc_penalty pen = {last.lambda, U, centre};
        assert_true(ewc_penalty_value(r->n_params, r->theta, &pen) == r->tries[last.chosen].penalty);
}

static void test_search(void **state)
{
        (void)state;
        struct fixture f;
        struct learn_result r = {0};
        open_search(&f, EWC_LOSS_SOFTMAX);
        made_run(&f.job, NULL, LEARN_DONE, &r);
        check_tries(&r);
        assert_true(
            r.after[1].accuracy >= (1 - lambda_conf_default.drop) * r.tries[0].accuracy); /* the search's promise */
        assert_true(r.after[0].accuracy > 0.9);
        check_theta(&f.job, &r);
        learn_result_free(&r);
        learn_result_free(&f.closed);
}

/* A past so heavy that no lambda in reach lets the new task in: all tries are used and the best one is taken. */
static void test_search_uses_all_tries(void **state)
{
        (void)state;
        struct fixture f;
        struct learn_result r = {0};
        open_search(&f, EWC_LOSS_SOFTMAX);
        f.past.alpha = 1e9;
        made_run(&f.job, NULL, LEARN_DONE, &r);
        check_tries(&r);
        assert_int_equal(r.n_tries, lambda_conf_default.max_tries);
        assert_true(lambda_best(r.tries, r.n_tries, &lambda_conf_default) != r.n_tries - 1); /* brought back */
        check_theta(&f.job, &r);
        learn_result_free(&r);
        learn_result_free(&f.closed);
}

struct keeper { /* the optimiser as each try ended with it */
        const struct learn_job *job;
        size_t n;
        float optim[LEARN_MAX_TRIES][2 * MADE_PARAMS_MAX];
};

static int keep_optim(void *arg, const struct learn_progress *p)
{
        struct keeper *k = arg;
        if (p->state && p->phase == LEARN_PHASE_TRAIN && p->epoch == p->epochs) {
                memcpy(k->optim[p->try], p->state->optim, p->state->n_optim * sizeof(float));
                k->n = p->state->n_optim;
        }
        return 0;
}

/* The optimiser that is handed over belongs to the theta beside it, not to the try that happened to be last. */
static void test_optimiser_of_the_chosen(void **state)
{
        (void)state;
        struct fixture f;
        static struct keeper k;
        struct learn_result r = {0};
        const struct learn_callbacks cb = {keep_optim, NULL, &k};
        open_search(&f, EWC_LOSS_SOFTMAX);
        f.past.alpha = 1e9;
        f.job.plan.keep_optim = true;
        made_run(&f.job, &cb, LEARN_DONE, &r);
        const struct lambda_conf conf = conf_of(&r);
        uint32_t chosen = lambda_best(r.tries, r.n_tries, &conf);
        assert_true(chosen != r.n_tries - 1 && k.n == r.n_optim && k.n > 0);
        assert_memory_equal(r.optim, k.optim[chosen], k.n * sizeof(float));
        assert_memory_not_equal(r.optim, k.optim[r.n_tries - 1], k.n * sizeof(float));
        learn_result_free(&r);
        learn_result_free(&f.closed);
}

/* The closed task with its classes exchanged: what lets the new task in costs the old one as much. Without a brake
 * the search keeps a lambda that the new task can be learned under; with one lambda rises until the closed task
 * stays. */
static void test_brake(void **state)
{
        (void)state;
        const double brake = 0.02;
        struct fixture f;
        struct learn_result loose = {0}, braked = {0};
        open_search(&f, EWC_LOSS_SOFTMAX);
        int32_t other[MADE_ROWS + MADE_HOLDOUT];
        for (size_t i = 0; i < MADE_ROWS + MADE_HOLDOUT; i++)
                other[i] = 1 - f.a.label[i];
        f.job.train.x = f.a.x;
        f.holdout[1].x = f.a.holdout.x;
        f.job.train.label = other;
        f.holdout[1].label = other + MADE_ROWS;
        f.past.alpha = 100;
        made_run(&f.job, NULL, LEARN_DONE, &loose);
        f.job.plan.brake = brake;
        made_run(&f.job, NULL, LEARN_DONE, &braked);
        struct lambda_conf conf = conf_of(&braked);
        conf.past_floor = braked.before[0].accuracy - brake;
        assert_true(loose.after[0].accuracy < conf.past_floor);
        assert_true(braked.tries[1].past_accuracy < conf.past_floor);
        for (uint32_t n = 0; n < braked.n_tries; n++)
                assert_true(lambda_next(braked.tries, n, &conf).lambda == braked.tries[n].lambda);
        struct lambda_next last = lambda_next(braked.tries, braked.n_tries, &conf);
        assert_true(last.stop && braked.lambda == last.lambda && braked.lambda > loose.lambda);
        assert_true(braked.after[0].accuracy > loose.after[0].accuracy);
        learn_result_free(&loose);
        learn_result_free(&braked);
        f.job.plan.lambda_auto = false; /* no search, no brake */
        struct err e = ERR_NULL;
        assert_int_equal(learn_run(&f.job, NULL, &loose, &e), -EINVAL);
        assert_string_equal(e.field, "brake");
        learn_result_free(&f.closed);
}

/* Values instead of classes: the closed task's loss may rise by that share. Again the targets are exchanged. */
static void test_brake_by_loss(void **state)
{
        (void)state;
        struct fixture f;
        struct learn_result loose = {0}, r = {0};
        open_search(&f, EWC_LOSS_SQUARED);
        static float other[(MADE_ROWS + MADE_HOLDOUT) * 2];
        for (size_t i = 0; i < MADE_ROWS + MADE_HOLDOUT; i++)
                for (size_t k = 0; k < 2; k++)
                        other[2 * i + k] = f.a.target[2 * i + 1 - k];
        f.job.train.x = f.a.x;
        f.holdout[1].x = f.a.holdout.x;
        f.job.train.target = other;
        f.holdout[1].target = other + 2 * MADE_ROWS;
        f.past.alpha = 300;
        made_run(&f.job, NULL, LEARN_DONE, &loose);
        f.job.plan.brake = 0.5;
        made_run(&f.job, NULL, LEARN_DONE, &r);
        struct lambda_conf conf = conf_of(&r);
        conf.past_floor = 1 / (1 + 1.5 * r.before[0].loss);
        for (uint32_t n = 0; n < r.n_tries; n++)
                assert_true(lambda_next(r.tries, n, &conf).lambda == r.tries[n].lambda);
        assert_true(lambda_next(r.tries, r.n_tries, &conf).stop);
        assert_true(r.tries[1].past_accuracy < conf.past_floor && r.lambda > loose.lambda);
        learn_result_free(&loose);
        learn_result_free(&r);
        learn_result_free(&f.closed);
}

static void test_search_by_loss(void **state)
{
        (void)state;
        struct fixture f;
        struct learn_result r = {0};
        open_search(&f, EWC_LOSS_SQUARED);
        made_run(&f.job, NULL, LEARN_DONE, &r);
        check_tries(&r);
        assert_true(r.tries[0].accuracy > 0); /* 1 / (1 + loss) */
        learn_result_free(&r);
        learn_result_free(&f.closed);
}

/* Where the search begins, by each rule; similarity against one call over the same rows, chosen by the same draw when
 * there are few. */
static void test_starts(void **state)
{
        (void)state;
        const struct lambda_conf *conf = &lambda_conf_default;
        struct fixture f;
        struct learn_result r = {0};
        struct learn_past past[4];
        struct made_task again;
        float fisher[MADE_PARAMS_MAX];
        double sum[MADE_PARAMS_MAX] = {0};
        struct ewc_fisher_info info;
        struct ewc_net *n;
        open_search(&f, EWC_LOSS_SOFTMAX);
        for (int i = 0; i < 4; i++) {
                past[i] = f.past;
                past[i].alpha = 0.25 + i;
        }
        f.job.past = past;
        f.job.n_past = 4;
        f.job.plan.lambda_start = LEARN_START_TOP;
        made_run(&f.job, NULL, LEARN_DONE, &r);
        assert_true(r.tries[0].lambda == 0 && r.tries[1].lambda == conf->high);
        learn_result_free(&r);
        f.job.plan.lambda_start = LEARN_START_TASKS;
        made_run(&f.job, NULL, LEARN_DONE, &r);
        assert_true(r.tries[1].lambda == lambda_start_tasks(4, conf));
        learn_result_free(&r);
        f.job.plan.lambda_start = LEARN_START_SIMILARITY;
        made_task(&again, 'A', 3, &f.net, 0, 1); /* rows of the closed task's kind: inside the band */
        f.job.train = again.train;
        made_run(&f.job, NULL, LEARN_DONE, &r);
        assert_int_equal(ewc_net_new(&n, &f.net, NULL), 0);
        memcpy(ewc_net_theta(n), f.job.theta, r.n_params * sizeof(float)); /* the net that the closed tasks know */
        struct ewc_batch b = {.n = MADE_ROWS, .x = again.train.x};
        const struct ewc_head *head = &again.train.head;
        void *ws = mem_aligned(ewc_fisher_workspace(n, head, EWC_FISHER_EXACT, MADE_ROWS), 1, 64);
        assert_int_equal(ewc_fisher_add(n, EWC_FISHER_EXACT, head, &b, NULL, sum, ws), 0);
        assert_int_equal(ewc_fisher_finish(&f.net, EWC_FISHER_EXACT, head, MADE_ROWS, sum, fisher, &info), 0);
        double s = ewc_similarity(&f.net, ewc_spec_tensors(&f.net), fisher, f.closed.fisher);
        double want = lambda_start_similarity(s, conf);
        assert_true(s > 0.7 && s < 0.999);
        assert_true(fabs(r.tries[1].lambda / want - 1) < 1e-4);
        learn_result_free(&r);
        free(ws);
        ewc_net_free(n);
        learn_result_free(&f.closed);
}

/* A thousand rows and no more: the rows over and over begin where they do once as long as all are taken. */
static void test_start_rows(void **state)
{
        (void)state;
        enum { MORE = 20 * MADE_ROWS };
        static const struct {
                size_t n;
                bool all;
        } sizes[] = {{MADE_ROWS, true}, {10 * MADE_ROWS, true}, {MORE, false}};
        static float x[MORE * MADE_INPUTS];
        static int32_t label[MORE];
        struct fixture f;
        struct made_task again;
        double first = 0;
        open_search(&f, EWC_LOSS_SOFTMAX);
        made_task(&again, 'A', 3, &f.net, 0, 1);
        for (size_t i = 0; i < MORE; i++) {
                memcpy(x + i * MADE_INPUTS, again.train.x + i % MADE_ROWS * MADE_INPUTS, MADE_INPUTS * sizeof(float));
                label[i] = again.train.label[i % MADE_ROWS];
        }
        f.job.train.x = x;
        f.job.train.label = label;
        f.job.plan.epochs = 1;
        for (size_t i = 0; i < 3; i++) {
                struct learn_result r = {0};
                f.job.train.n = sizes[i].n;
                made_run(&f.job, NULL, LEARN_DONE, &r);
                first = i == 0 ? r.tries[1].lambda : first;
                double off = fabs(r.tries[1].lambda / first - 1);
                assert_true(sizes[i].all ? off < 1e-6 : off > 1e-5);
                learn_result_free(&r);
        }
        learn_result_free(&f.closed);
}

/* New rows of the closed task's own kind against a task of another kind: the first needs less protection. */
static void test_like_tasks_start_lower(void **state)
{
        (void)state;
        int right = 0;
        for (uint64_t seed = 1; seed <= 10; seed++) {
                struct made_task again;
                struct made_pair p;
                struct learn_result like = {0}, other = {0};
                made_pair_open(&p, EWC_LOSS_SOFTMAX, false, seed);
                made_task(&again, 'A', 3, &p.net, 0, seed);
                struct learn_job job = made_pair_job(&p, LEARN_EWC, 0, seed);
                job.plan.lambda_auto = true;
                made_run(&job, NULL, LEARN_DONE, &other);
                job.train = again.train;
                job.n_holdout = 1; /* the closed task's */
                made_run(&job, NULL, LEARN_DONE, &like);
                right += like.tries[1].lambda < other.tries[1].lambda;
                learn_result_free(&like);
                learn_result_free(&other);
                made_pair_close(&p);
        }
        assert_true(right >= 9);
}

/* More rows than it needs: the pass leaves nothing behind in a rollover's own pass. */
static void test_start_leaves_no_trace(void **state)
{
        (void)state;
        enum { N = 1100 };
        static float x[N * MADE_INPUTS];
        static int32_t label[N];
        struct fixture f;
        struct learn_result found = {0}, fixed = {0};
        open_search(&f, EWC_LOSS_SOFTMAX);
        for (size_t i = 0; i < N; i++) {
                memcpy(x + i * MADE_INPUTS, f.b.x + i % MADE_ROWS * MADE_INPUTS, MADE_INPUTS * sizeof(float));
                label[i] = f.b.label[i % MADE_ROWS];
        }
        f.job.train.x = x;
        f.job.train.label = label;
        f.job.train.n = N;
        f.job.kind = JOB_ROLLOVER;
        f.job.plan.epochs = 2;
        f.job.plan.final_theta = true;
        made_run(&f.job, NULL, LEARN_DONE, &found);
        f.job.plan.lambda_auto = false;
        f.job.plan.lambda = found.lambda;
        f.job.plan.fisher_samples = 0;
        made_run(&f.job, NULL, LEARN_DONE, &fixed);
        for (size_t i = 0; i < fixed.n_params; i++) /* other draws, the same task */
                assert_true(isfinite(found.fisher[i]));
        assert_int_equal(found.fisher_info.n_samples, N);
        assert_true(fabs(found.fisher_info.factor / fixed.fisher_info.factor - 1) < 0.5);
        learn_result_free(&found);
        learn_result_free(&fixed);
        learn_result_free(&f.closed);
}

static void test_nothing_to_search(void **state)
{
        (void)state;
        struct fixture f;
        struct learn_result r = {0};
        open_search(&f, EWC_LOSS_SOFTMAX);
        f.job.n_past = 0;
        made_run(&f.job, NULL, LEARN_DONE, &r);
        assert_int_equal(r.n_tries, 1);
        assert_true(r.lambda == 0);
        learn_result_free(&r);
        learn_result_free(&f.closed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_merge_against_the_sum),
            cmocka_unit_test(test_search),
            cmocka_unit_test(test_search_uses_all_tries),
            cmocka_unit_test(test_optimiser_of_the_chosen),
            cmocka_unit_test(test_brake),
            cmocka_unit_test(test_brake_by_loss),
            cmocka_unit_test(test_search_by_loss),
            cmocka_unit_test(test_starts),
            cmocka_unit_test(test_start_rows),
            cmocka_unit_test(test_like_tasks_start_lower),
            cmocka_unit_test(test_start_leaves_no_trace),
            cmocka_unit_test(test_nothing_to_search),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

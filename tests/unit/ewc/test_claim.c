/* test_claim.c: the claim itself. A net learns task A, then task B; with EWC it keeps A, without it does not.
 *
 * Both tasks sort noisy points around four random prototypes in 8 dimensions into the same four classes; the
 * prototypes of B are others. Five seeds; margins stated at the asserts. */
#include "fixture.h"

enum { DIM = 8, CLASSES = 4, ROWS = 400, BATCH = 40, EPOCHS = 30, SEEDS = 5 };

struct task {
        float x[ROWS * DIM];
        int32_t label[ROWS];
};

static void task_make(struct task *t, uint64_t seed, uint64_t stream)
{
        float prototype[CLASSES][DIM];
        struct ewc_rng r;

        ewc_rng_seed(&r, seed, stream);
        for (int c = 0; c < CLASSES; c++) {
                for (int i = 0; i < DIM; i++)
                        prototype[c][i] = (float)ewc_rng_normal(&r);
        }
        for (int n = 0; n < ROWS; n++) {
                t->label[n] = (int32_t)ewc_rng_below(&r, CLASSES);
                for (int i = 0; i < DIM; i++)
                        t->x[n * DIM + i] = prototype[t->label[n]][i] + 0.5f * (float)ewc_rng_normal(&r);
        }
}

struct bench {
        struct ewc_net *net;
        size_t P;
        float *grad, *slots;
        void *ws;
};

static void train(struct bench *b, const struct task *task, const struct ewc_penalty *pen)
{
        const struct ewc_optim adam = {EWC_OPTIM_ADAM, 2e-3f, 0.0f, 0.9f, 0.999f, 1e-8f};
        uint64_t t = 0;
        double loss;

        memset(b->slots, 0, 2 * b->P * sizeof(float));
        for (int e = 0; e < EPOCHS; e++) {
                for (size_t n = 0; n < ROWS; n += BATCH) {
                        const struct ewc_batch batch = {.n = BATCH, .x = task->x + n * DIM, .label = task->label + n};

                        assert_int_equal(ewc_train_grad(b->net, NULL, &batch, 1, false, b->grad, &loss, b->ws), 0);
                        assert_int_equal(
                            ewc_optim_step(&adam, b->P, ewc_net_theta(b->net), b->grad, b->slots, ++t, pen), 0);
                }
        }
}

static double accuracy(const struct bench *b, const struct task *task)
{
        const struct ewc_batch batch = {.n = ROWS, .x = task->x, .label = task->label};
        struct ewc_score score = {0};

        assert_int_equal(ewc_train_score(b->net, NULL, &batch, &score, b->ws), 0);
        return (double)score.correct / (double)score.n;
}

static void keeps_a_with_loses_it_without(void **state)
{
        const struct ewc_spec s = {.n_inputs = DIM,
            .n_outputs = CLASSES,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 128}}};
        static struct task A, B;
        double kept = 0, lost = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                const struct ewc_batch all = {.n = ROWS, .x = A.x, .label = A.label};
                struct ewc_penalty pen = {.lambda = 0.3};
                struct ewc_fisher_info info;
                struct bench b = {0};
                double *sum, first, without, with, learnt_without, learnt_with;
                float *fisher, *anchor;
                struct ewc_rng r;
                void *ws;

                task_make(&A, seed, 1);
                task_make(&B, seed, 2);
                assert_int_equal(ewc_net_new(&b.net, &s, NULL), 0);
                ewc_rng_seed(&r, seed, 0);
                ewc_net_init(b.net, &r);
                b.P = ewc_net_params(b.net);
                b.grad = test_alloc(b.P, sizeof(float));
                b.slots = test_alloc(2 * b.P, sizeof(float));
                b.ws = test_alloc(ewc_train_workspace(b.net, ROWS), 1);
                pen.fisher = fisher = test_alloc(b.P, sizeof(float));
                pen.anchor = anchor = test_alloc(b.P, sizeof(float));
                sum = test_alloc(b.P, sizeof(double));
                ws = test_alloc(ewc_fisher_workspace(b.net, NULL, EWC_FISHER_EXACT, ROWS), 1);

                train(&b, &A, NULL);
                first = accuracy(&b, &A);
                memcpy(anchor, ewc_net_theta(b.net), b.P * sizeof(float));
                assert_int_equal(ewc_fisher_add(b.net, EWC_FISHER_EXACT, NULL, &all, NULL, sum, ws), 0);
                assert_int_equal(ewc_fisher_finish(&s, EWC_FISHER_EXACT, NULL, ROWS, sum, fisher, &info), 0);
                train(&b, &B, NULL);
                without = accuracy(&b, &A);
                learnt_without = accuracy(&b, &B);
                memcpy(ewc_net_theta(b.net), anchor, b.P * sizeof(float));
                train(&b, &B, &pen);
                with = accuracy(&b, &A);
                learnt_with = accuracy(&b, &B);
                print_message("seed %d: A %.3f, after B without %.3f with %.3f; B without %.3f with %.3f; m %.2e\n",
                    (int)seed, first, without, with, learnt_without, learnt_with, info.factor);
                assert_true(first > 0.95 && learnt_without > 0.95);
                assert_true(with > first - 0.1);    /* kept; seen: at most 0.08 lost */
                assert_true(learnt_with > 0.8);     /* and still learning; seen: 0.86 and more */
                assert_true(without < first - 0.2); /* lost; seen: 0.23 to 0.58 */
                assert_true(without < with - 0.15);
                kept += with / SEEDS;
                lost += without / SEEDS;
                ewc_net_free(b.net);
                free(b.grad);
                free(b.slots);
                free(b.ws);
                free(fisher);
                free(anchor);
                free(sum);
                free(ws);
        }
        assert_true(kept > 0.92 && lost < 0.7);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(keeps_a_with_loses_it_without)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* claim.h: what the tests of whole claims share: made-up tasks, a net that learns them, and its Fisher.
 *
 * A task sorts noisy points around random prototypes, one a class. Tasks of one family keep the noise and the classes
 * and differ in their prototypes. */
#pragma once
#include "fixture.h"

enum { CLAIM_DIM = 8, CLAIM_CLASSES = 4, CLAIM_ROWS = 400, CLAIM_BATCH = 40, CLAIM_EPOCHS = 30 };

struct claim_task {
        float prototype[CLAIM_CLASSES][CLAIM_DIM];
        float x[CLAIM_ROWS * CLAIM_DIM];
        int32_t label[CLAIM_ROWS];
};

/* Rows around the prototypes: 0.5 of noise in every input. */
static inline void claim_rows(struct claim_task *t, struct ewc_rng *r)
{
        for (int n = 0; n < CLAIM_ROWS; n++) {
                t->label[n] = (int32_t)ewc_rng_below(r, CLAIM_CLASSES);
                for (int i = 0; i < CLAIM_DIM; i++)
                        t->x[n * CLAIM_DIM + i] = t->prototype[t->label[n]][i] + 0.5f * (float)ewc_rng_normal(r);
        }
}

static inline void claim_task_make(struct claim_task *t, uint64_t seed, uint64_t stream)
{
        struct ewc_rng r;

        ewc_rng_seed(&r, seed, stream);
        for (int c = 0; c < CLAIM_CLASSES; c++) {
                for (int i = 0; i < CLAIM_DIM; i++)
                        t->prototype[c][i] = (float)ewc_rng_normal(&r);
        }
        claim_rows(t, &r);
}

struct claim {
        struct ewc_spec spec;
        struct ewc_net *net;
        size_t P;
        float *grad, *slots;
        double *sum;
        void *ws;
};

static inline void claim_open(struct claim *c, uint32_t units, uint64_t seed)
{
        struct ewc_rng r;
        size_t train, fisher = 0;

        memset(c, 0, sizeof(*c));
        c->spec = (struct ewc_spec){.n_inputs = CLAIM_DIM,
            .n_outputs = CLAIM_CLASSES,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 1,
            .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = units}}};
        assert_int_equal(ewc_net_new(&c->net, &c->spec, NULL), 0);
        ewc_rng_seed(&r, seed, 0);
        ewc_net_init(c->net, &r);
        c->P = ewc_net_params(c->net);
        c->grad = test_alloc(c->P, sizeof(float));
        c->slots = test_alloc(2 * c->P, sizeof(float));
        c->sum = test_alloc(c->P, sizeof(double));
        train = ewc_train_workspace(c->net, CLAIM_ROWS);
        for (int k = EWC_FISHER_EXACT; k <= EWC_FISHER_REVERSED; k++) {
                size_t n = ewc_fisher_workspace(c->net, NULL, (enum ewc_fisher)k, CLAIM_ROWS);

                fisher = n > fisher ? n : fisher;
        }
        c->ws = test_alloc(train > fisher ? train : fisher, 1);
}

static inline void claim_close(struct claim *c)
{
        ewc_net_free(c->net);
        free(c->grad);
        free(c->slots);
        free(c->sum);
        free(c->ws);
}

/* Rows [from, from + n) of the task, `epochs` times in order, with a fresh Adam. */
static inline void claim_train(
    struct claim *c, const struct claim_task *task, size_t from, size_t n, int epochs, const struct ewc_penalty *pen)
{
        const struct ewc_optim adam = {EWC_OPTIM_ADAM, 2e-3f, 0.0f, 0.9f, 0.999f, 1e-8f};
        uint64_t t = 0;
        double loss;

        memset(c->slots, 0, 2 * c->P * sizeof(float));
        for (int e = 0; e < epochs; e++) {
                for (size_t at = from; at < from + n; at += CLAIM_BATCH) {
                        const struct ewc_batch batch = {
                            .n = CLAIM_BATCH, .x = task->x + at * CLAIM_DIM, .label = task->label + at};

                        assert_int_equal(ewc_train_grad(c->net, NULL, &batch, 1, false, c->grad, &loss, c->ws), 0);
                        assert_int_equal(
                            ewc_optim_step(&adam, c->P, ewc_net_theta(c->net), c->grad, c->slots, ++t, pen), 0);
                }
        }
}

static inline double claim_accuracy(const struct claim *c, const struct claim_task *task)
{
        const struct ewc_batch batch = {.n = CLAIM_ROWS, .x = task->x, .label = task->label};
        struct ewc_score score = {0};

        assert_int_equal(ewc_train_score(c->net, NULL, &batch, &score, c->ws), 0);
        return (double)score.correct / (double)score.n;
}

/* The Fisher of rows [from, from + n) of the task at the present theta, into fisher (P). */
static inline void claim_fisher(struct claim *c, enum ewc_fisher kind, const struct claim_task *task, size_t from,
    size_t n, float *fisher, struct ewc_fisher_info *info)
{
        const struct ewc_batch rows = {.n = n, .x = task->x + from * CLAIM_DIM, .label = task->label + from};
        struct ewc_rng r;

        ewc_rng_seed(&r, 7, 7);
        memset(c->sum, 0, c->P * sizeof(double));
        for (size_t i = 0; i < n; i += CLAIM_BATCH) { /* BATCHED squares the mean of a batch */
                struct ewc_batch b = rows;

                b.n = n - i < CLAIM_BATCH ? n - i : CLAIM_BATCH;
                b.x = rows.x + i * CLAIM_DIM;
                b.label = rows.label + i;
                assert_int_equal(ewc_fisher_add(c->net, kind, NULL, &b, &r, c->sum, c->ws), 0);
        }
        n = kind == EWC_FISHER_BATCHED ? (n + CLAIM_BATCH - 1) / CLAIM_BATCH : n;
        assert_int_equal(ewc_fisher_finish(&c->spec, kind, NULL, n, c->sum, fisher, info), 0);
}

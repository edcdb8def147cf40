/* fixture.h: what the tests of libewc work on: a net with random parameters beside the same in double, and a
 * batch. */
#pragma once
#include "oracle.h"

/* A net with random parameters, a batch with random rows, labels inside the head and targets in 0..1. */
struct fixture {
        struct ewc_spec spec;
        const struct ewc_head *head;
        struct ewc_net *net;
        size_t P;
        double *theta; /* (P) */
        struct ewc_batch batch;
        float *x, *target;
        int32_t *label;
};

static inline void *test_alloc(size_t n, size_t size)
{
        void *p = aligned_alloc(64, (n * size + 64) / 64 * 64);

        assert_non_null(p);
        memset(p, 0, (n * size + 64) / 64 * 64);
        return p;
}

static inline void fixture_theta(struct fixture *f)
{
        for (size_t i = 0; i < f->P; i++)
                f->theta[i] = (double)ewc_net_theta(f->net)[i];
}

static inline void fixture_init(
    struct fixture *f, const struct ewc_spec *s, const struct ewc_head *head, size_t B, double gain, uint64_t seed)
{
        struct ewc_rng r;

        memset(f, 0, sizeof(*f));
        f->spec = *s;
        f->head = head;
        assert_int_equal(ewc_net_new(&f->net, s, NULL), 0);
        ewc_rng_seed(&r, seed, 0);
        ewc_net_init(f->net, &r);
        f->P = ewc_net_params(f->net);
        f->theta = test_alloc(f->P, sizeof(double));
        for (size_t i = 0; i < f->P; i++)
                ewc_net_theta(f->net)[i] *= (float)gain;
        fixture_theta(f);
        f->x = test_alloc(B * s->n_inputs, sizeof(float));
        f->target = test_alloc(B * s->n_outputs, sizeof(float));
        f->label = test_alloc(B, sizeof(int32_t));
        for (size_t i = 0; i < B * s->n_inputs; i++)
                f->x[i] = (float)ewc_rng_normal(&r);
        for (size_t i = 0; i < B * s->n_outputs; i++)
                f->target[i] = s->loss == EWC_LOSS_SIGMOID ? (float)ewc_rng_below(&r, 2) : (float)ewc_rng_normal(&r);
        for (size_t n = 0; n < B; n++) {
                uint32_t h = ewc_rng_below(&r, head ? head->n : s->n_outputs);

                f->label[n] = (int32_t)(head ? head->out[h] : h);
        }
        f->batch = (struct ewc_batch){.n = B, .x = f->x};
        if (s->loss == EWC_LOSS_SOFTMAX)
                f->batch.label = f->label;
        else
                f->batch.target = f->target;
}

static inline void fixture_deinit(struct fixture *f)
{
        ewc_net_free(f->net);
        free(f->theta);
        free(f->x);
        free(f->target);
        free(f->label);
}

/* Mean weighted loss of the batch at parameters theta (P). */
static inline double fixture_loss(const struct fixture *f, const double *theta)
{
        struct oracle_trace t;
        double sum = 0;

        for (size_t n = 0; n < f->batch.n; n++) {
                oracle_forward(&f->spec, theta, f->x + n * f->spec.n_inputs, &t);
                sum += (f->batch.weight ? (double)f->batch.weight[n] : 1) * oracle_loss(&f->spec, f->head,
                                                                                t.z[f->spec.n_layers], f->label[n],
                                                                                f->target + n * f->spec.n_outputs);
        }
        return sum / (double)f->batch.n;
}

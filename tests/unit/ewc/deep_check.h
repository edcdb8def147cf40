/* deep_check.h: the library against the oracle of deep.h for one net: both forward paths, the gradient of a batch,
 * and every Fisher. */
#pragma once
#include "deep.h"

/* A fixture whose gamma, beta and everything else are moved off their initial values, and whose inputs are ids where
 * an embedding wants them, some of them twice in a row. */
static inline void deep_init(
    struct fixture *f, const struct ewc_spec *s, const struct ewc_head *head, size_t B, uint64_t seed)
{
        char why[128] = "";
        struct ewc_rng r;

        if (ewc_spec_check(s, why, sizeof(why)) < 0)
                fail_msg("%s", why);
        fixture_init(f, s, head, B, 1, seed);
        ewc_rng_seed(&r, seed, 1);
        for (size_t i = 0; i < f->P; i++)
                ewc_net_theta(f->net)[i] += 0.1f * (float)ewc_rng_normal(&r);
        fixture_theta(f);
        for (size_t i = 0; s->layers[0].type == EWC_LAYER_EMBEDDING && i < B * s->n_inputs; i++)
                f->x[i] = (float)ewc_rng_below(&r, i % 3 == 0 ? 2 : s->layers[0].count);
}

/* Logits of both forward paths against the oracle. */
static inline void deep_check_forward(const struct fixture *f)
{
        const uint32_t O = f->spec.n_outputs;
        float *y = test_alloc(f->batch.n * O, sizeof(float));
        void *ws = test_alloc(ewc_net_workspace(f->net, f->batch.n), 1);
        void *train = test_alloc(ewc_train_workspace(f->net, f->batch.n), 1);
        struct ewc_score score = {0};
        double loss = 0;

        assert_int_equal(ewc_net_forward(f->net, f->batch.n, f->x, y, ws), 0);
        assert_int_equal(ewc_train_score(f->net, f->head, &f->batch, &score, train), 0);
        for (size_t n = 0; n < f->batch.n; n++) {
                double z[ORACLE_UNITS];

                deep_forward(&f->spec, f->theta, f->x + n * f->spec.n_inputs, z);
                loss += oracle_loss(&f->spec, f->head, z, f->label[n], f->target + n * O);
                for (uint32_t o = 0; o < O; o++)
                        if (!(fabs((double)y[n * O + o] - z[o]) < 1e-4 * (1 + fabs(z[o]))))
                                fail_msg("row %zu: logit %u is %g, not %g", n, o, (double)y[n * O + o], z[o]);
        }
        assert_true(fabs(score.loss_sum - loss) < 1e-4 * (1 + fabs(loss)));
        free(y);
        free(ws);
        free(train);
}

/* Worst |got - want| relative to max(size, 1e-6 mean), the measure of the reference. */
static inline double deep_error(size_t P, const double *got, const double *want, const double *size)
{
        double mean = 0, worst = 0;

        for (size_t i = 0; i < P; i++)
                mean += size[i] / (double)P;
        for (size_t i = 0; i < P; i++)
                worst = fmax(worst, fabs(got[i] - want[i]) / fmax(size[i], 1e-3 * mean));
        return worst;
}

/* Gradient of the batch and every Fisher against explicit loops over samples and outputs. */
static inline void deep_check(const struct fixture *f)
{
        const struct ewc_spec *s = &f->spec;
        const uint32_t O = s->n_outputs, H = f->head ? f->head->n : O;
        const size_t P = f->P, B = f->batch.n;
        double *J = test_alloc(P * O, sizeof(double)), *got = test_alloc(P, sizeof(double));
        double *want = test_alloc(5 * P, sizeof(double)), *size = test_alloc(5 * P, sizeof(double)), loss;
        float *grad = test_alloc(P, sizeof(float));
        struct ewc_rng draw, r;
        void *ws;

        ewc_rng_seed(&draw, 3, 3);
        for (size_t n = 0; n < B; n++) {
                double z[ORACLE_UNITS], p[ORACLE_UNITS], delta[ORACLE_UNITS] = {0}, sample[ORACLE_UNITS] = {0}, u;
                uint32_t y = 0;

                deep_forward(s, f->theta, f->x + n * s->n_inputs, z);
                deep_jacobian(f, f->x + n * s->n_inputs, J);
                oracle_probs(s, f->head, z, p);
                oracle_delta(s, f->head, z, f->label[n], f->target + n * O, delta);
                u = (double)(ewc_rng_u64(&draw) >> 11) * 0x1p-53;
                for (; y + 1 < H && (u -= p[f->head ? f->head->out[y] : y]) >= 0; y++)
                        ;
                oracle_delta(s, f->head, z, (int32_t)(f->head ? f->head->out[y] : y), NULL, sample);
                for (size_t i = 0; i < P; i++) {
                        double g = 0, g_sample = 0, exact = 0, mean = 0;

                        for (uint32_t o = 0; o < O; o++) {
                                bool active = delta[o] != 0;

                                g += delta[o] * J[i * O + o];
                                g_sample += sample[o] * J[i * O + o];
                                mean += active ? p[o] * J[i * O + o] : 0;
                        }
                        for (uint32_t o = 0; o < O; o++)
                                exact += p[o] * pow(J[i * O + o] - mean, 2);
                        want[i] += g / (double)B;
                        size[i] += fabs(g) / (double)B;
                        want[P + i] += exact;
                        want[2 * P + i] += g * g;
                        want[3 * P + i] += g_sample * g_sample;
                }
        }
        assert_int_equal(s->loss, EWC_LOSS_SOFTMAX);
        memcpy(size + P, want + P, 3 * P * sizeof(*size));
        for (size_t i = 0; i < P; i++) {
                want[4 * P + i] = want[i] * want[i];
                size[4 * P + i] = fabs(want[i]) * sqrt(want[2 * P + i] / (double)B);
        }
        ws = test_alloc(ewc_train_workspace(f->net, B), 1);
        assert_int_equal(ewc_train_grad(f->net, f->head, &f->batch, 1, false, grad, &loss, ws), 0);
        free(ws);
        for (int kind = 0; kind <= EWC_FISHER_BATCHED; kind++) {
                double e;

                memset(got, 0, P * sizeof(*got));
                ewc_rng_seed(&r, 3, 3);
                ws = test_alloc(ewc_fisher_workspace(f->net, f->head, (enum ewc_fisher)(kind > 0 ? kind : 1), B), 1);
                if (kind > 0)
                        assert_int_equal(
                            ewc_fisher_add(f->net, (enum ewc_fisher)kind, f->head, &f->batch, &r, got, ws), 0);
                for (size_t i = 0; kind == 0 && i < P; i++)
                        got[i] = (double)grad[i];
                free(ws);
                e = deep_error(P, got, want + (size_t)kind * P, size + (size_t)kind * P);
                if (!(e < 1e-3))
                        fail_msg("%s: error %g", kind > 0 ? ewc_fisher_name((enum ewc_fisher)kind) : "gradient", e);
        }
        free(J);
        free(got);
        free(want);
        free(size);
        free(grad);
}

/* Everything above for one net. */
static inline void deep_check_net(const struct ewc_spec *s, const struct ewc_head *head, size_t B, uint64_t seed)
{
        struct fixture f;

        deep_init(&f, s, head, B, seed);
        deep_check_forward(&f);
        deep_check(&f);
        fixture_deinit(&f);
}

#define DEEP_DENSE(n, act)                                                                                           \
        {                                                                                                            \
                .type = EWC_LAYER_DENSE, .units = (n), .activation = (act)                                           \
        }
#define DEEP_CONV(n, k, s, p, act)                                                                                   \
        {                                                                                                            \
                .type = EWC_LAYER_CONV, .units = (n), .kernel = (k), .stride = (s), .padding = (p),                  \
                .activation = (act)                                                                                  \
        }
#define DEEP_POOL(t, k, s)                                                                                           \
        {                                                                                                            \
                .type = (t), .kernel = (k), .stride = (s)                                                            \
        }

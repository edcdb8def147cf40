/* optim.c: SGD, SGD with momentum and Adam, each one pass over theta with the proximal step and the finite check
 * in it.
 *
 * The pass is bound by memory: fusing saves reading and writing theta again, and the moments see the data gradient
 * only. Each loop is written once and compiled with and without the penalty; without it no bit differs from plain
 * training. Step sizes of the penalty: reference Kingma and Ba 2015 for Adam's, eta/(1-momentum) for momentum
 * since that is the sum of the geometric series one gradient ends up moving theta by. */
#include "ewc/internal.h"
#include "ewc/prox.h"

#include <math.h>
#include <string.h>

static const struct ewc_name names[] = {{EWC_OPTIM_SGD, "sgd"}, {EWC_OPTIM_ADAM, "adam"}};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

const char *ewc_optimizer_name(enum ewc_optimizer o)
{
        return ewc_name_find(names, N_NAMES, (int)o);
}

int ewc_optimizer_parse(const char *name, enum ewc_optimizer *ret)
{
        int v, r = ewc_name_parse(names, N_NAMES, name, &v);

        if (r == 0)
                *ret = (enum ewc_optimizer)v;
        return r;
}

size_t ewc_optim_state(const struct ewc_optim *o, size_t P)
{
        if (o->type == EWC_OPTIM_ADAM)
                return 2 * P;
        return o->momentum > 0.0f ? P : 0;
}

/* What a loop needs, with the scalars of this step worked out. */
struct pass {
        size_t P;
        float *theta;
        const float *grad;
        float *m, *v; /* velocity in m; Adam's moments */
        const float *fisher, *anchor;
        float lambda2; /* 2 lambda */
        float rate, prox_rate, momentum;
        float beta1, beta2, fresh1, fresh2; /* fresh = 1 - beta */
        float unbias1, unbias2;             /* 1 / (1 - beta^t) */
        float eps;
};

EWC_INLINE uint32_t magnitude(float x)
{
        uint32_t bits;

        memcpy(&bits, &x, sizeof(bits));
        return bits & 0x7fffffffU;
}

EWC_INLINE uint32_t sgd_loop(const struct pass *p, bool penalty)
{
        float *restrict theta = p->theta;
        const float *restrict grad = p->grad, *restrict f = p->fisher, *restrict a = p->anchor;
        const float rate = p->rate, k = p->lambda2 * p->prox_rate;
        uint32_t top = 0;

        EWC_APART
        for (size_t i = 0; i < p->P; i++) {
                float t = theta[i] - rate * grad[i];

                if (penalty)
                        t = ewc_prox(t, a[i], k * f[i]);
                theta[i] = t;
                top = magnitude(t) > top ? magnitude(t) : top;
        }
        return top;
}

EWC_INLINE uint32_t momentum_loop(const struct pass *p, bool penalty)
{
        float *restrict theta = p->theta, *restrict velocity = p->m;
        const float *restrict grad = p->grad, *restrict f = p->fisher, *restrict a = p->anchor;
        const float rate = p->rate, momentum = p->momentum, k = p->lambda2 * p->prox_rate;
        uint32_t top = 0;

        EWC_APART
        for (size_t i = 0; i < p->P; i++) {
                float v = momentum * velocity[i] + grad[i], t = theta[i] - rate * v;

                if (penalty)
                        t = ewc_prox(t, a[i], k * f[i]);
                velocity[i] = v;
                theta[i] = t;
                top = magnitude(t) > top ? magnitude(t) : top;
        }
        return top;
}

EWC_INLINE uint32_t adam_loop(const struct pass *p, bool penalty)
{
        float *restrict theta = p->theta, *restrict first = p->m, *restrict second = p->v;
        const float *restrict grad = p->grad, *restrict f = p->fisher, *restrict a = p->anchor;
        const float beta1 = p->beta1, beta2 = p->beta2, fresh1 = p->fresh1, fresh2 = p->fresh2;
        const float unbias1 = p->unbias1, unbias2 = p->unbias2, rate = p->rate, eps = p->eps, lambda2 = p->lambda2;
        uint32_t top = 0;

        EWC_APART
        for (size_t i = 0; i < p->P; i++) {
                float g = grad[i];
                float m = beta1 * first[i] + fresh1 * g;
                float v = beta2 * second[i] + fresh2 * (g * g);
                float step = rate / (sqrtf(v * unbias2) + eps);
                float t = theta[i] - step * (m * unbias1);

                if (penalty)
                        t = ewc_prox(t, a[i], step * lambda2 * f[i]);
                first[i] = m;
                second[i] = v;
                theta[i] = t;
                top = magnitude(t) > top ? magnitude(t) : top;
        }
        return top;
}

EWC_CLONES static uint32_t sgd_plain(const struct pass *p)
{
        return sgd_loop(p, false);
}

EWC_CLONES static uint32_t sgd_penalty(const struct pass *p)
{
        return sgd_loop(p, true);
}

EWC_CLONES static uint32_t momentum_plain(const struct pass *p)
{
        return momentum_loop(p, false);
}

EWC_CLONES static uint32_t momentum_penalty(const struct pass *p)
{
        return momentum_loop(p, true);
}

EWC_CLONES static uint32_t adam_plain(const struct pass *p)
{
        return adam_loop(p, false);
}

EWC_CLONES static uint32_t adam_penalty(const struct pass *p)
{
        return adam_loop(p, true);
}

static bool unit_interval(float x) /* [0,1); false for NaN */
{
        return x >= 0.0f && x < 1.0f;
}

static int optim_check(const struct ewc_optim *o, uint64_t t, const struct ewc_penalty *pen)
{
        if (!(o->rate > 0.0f) || !isfinite(o->rate) || t == 0 || (pen && !(pen->lambda >= 0)))
                return EWC_E_INVAL;
        switch (o->type) {
        case EWC_OPTIM_SGD:
                return unit_interval(o->momentum) ? 0 : EWC_E_INVAL;
        case EWC_OPTIM_ADAM:
                return unit_interval(o->beta1) && unit_interval(o->beta2) && o->eps > 0.0f ? 0 : EWC_E_INVAL;
        }
        return EWC_E_INVAL;
}

int ewc_optim_step(const struct ewc_optim *o, size_t P, float *theta, const float *grad, float *state, uint64_t t,
    const struct ewc_penalty *pen)
{
        bool penalty = pen && pen->lambda > 0;
        struct pass p = {.P = P, .theta = theta, .grad = grad, .m = state, .rate = o->rate};
        uint32_t top;
        int r = optim_check(o, t, pen);

        if (r < 0)
                return r;
        if (penalty) {
                p.fisher = pen->fisher;
                p.anchor = pen->anchor;
                p.lambda2 = (float)(2 * pen->lambda);
        }
        if (o->type == EWC_OPTIM_ADAM) {
                p.v = state + P;
                p.beta1 = o->beta1;
                p.beta2 = o->beta2;
                p.fresh1 = 1.0f - o->beta1;
                p.fresh2 = 1.0f - o->beta2;
                p.unbias1 = (float)(1 / (1 - pow((double)o->beta1, (double)t)));
                p.unbias2 = (float)(1 / (1 - pow((double)o->beta2, (double)t)));
                p.eps = o->eps;
                top = penalty ? adam_penalty(&p) : adam_plain(&p);
        } else {
                p.momentum = o->momentum;
                p.prox_rate = o->rate / (1.0f - o->momentum);
                if (o->momentum > 0.0f)
                        top = penalty ? momentum_penalty(&p) : momentum_plain(&p);
                else
                        top = penalty ? sgd_penalty(&p) : sgd_plain(&p);
        }
        return top < 0x7f800000U ? 0 : EWC_E_NONFINITE;
}

/* optim.c: SGD, SGD with momentum and Adam, each one pass over theta with the proximal step and the finite check
 * in it.
 *
 * The pass is bound by memory: fusing saves reading and writing theta again, and the moments see the data gradient
 * only. Each loop is written once and compiled without a penalty, with it and with Huber's form of it; without it no
 * bit differs from plain training. Element by element, so a vector may be cut into tensors, each with its own rate,
 * and a long one shared among threads.
 * Step sizes of the penalty: Kingma and Ba 2015 for Adam's, eta/(1-momentum) for momentum since that is the sum of
 * the geometric series one gradient ends up moving theta by. */
#include <ewc/step.h>

#include "ewc/internal.h"
#include "ewc/prox.h"
#include "ewc/share.h"

#include <math.h>
#include <stdatomic.h>
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
        float knee; /* Huber's */
};

enum form { PLAIN, SQUARE, HUBER };

EWC_INLINE float pulled(enum form form, float t, float anchor, float k, float knee)
{
        return form == HUBER ? ewc_prox_huber(t, anchor, k, knee) : ewc_prox(t, anchor, k);
}

EWC_INLINE uint32_t magnitude(float x)
{
        uint32_t bits;

        memcpy(&bits, &x, sizeof(bits));
        return bits & 0x7fffffffU;
}

EWC_INLINE uint32_t sgd_loop(const struct pass *p, enum form form)
{
        float *restrict theta = p->theta;
        const float *restrict grad = p->grad, *restrict f = p->fisher, *restrict a = p->anchor;
        const float rate = p->rate, k = p->lambda2 * p->prox_rate, knee = p->knee;
        uint32_t top = 0;

        EWC_APART
        for (size_t i = 0; i < p->P; i++) {
                float t = theta[i] - rate * grad[i];

                if (form != PLAIN)
                        t = pulled(form, t, a[i], k * f[i], knee);
                theta[i] = t;
                top = magnitude(t) > top ? magnitude(t) : top;
        }
        return top;
}

EWC_INLINE uint32_t momentum_loop(const struct pass *p, enum form form)
{
        float *restrict theta = p->theta, *restrict velocity = p->m;
        const float *restrict grad = p->grad, *restrict f = p->fisher, *restrict a = p->anchor;
        const float rate = p->rate, momentum = p->momentum, k = p->lambda2 * p->prox_rate, knee = p->knee;
        uint32_t top = 0;

        EWC_APART
        for (size_t i = 0; i < p->P; i++) {
                float v = momentum * velocity[i] + grad[i], t = theta[i] - rate * v;

                if (form != PLAIN)
                        t = pulled(form, t, a[i], k * f[i], knee);
                velocity[i] = v;
                theta[i] = t;
                top = magnitude(t) > top ? magnitude(t) : top;
        }
        return top;
}

EWC_INLINE uint32_t adam_loop(const struct pass *p, enum form form)
{
        float *restrict theta = p->theta, *restrict first = p->m, *restrict second = p->v;
        const float *restrict grad = p->grad, *restrict f = p->fisher, *restrict a = p->anchor;
        const float beta1 = p->beta1, beta2 = p->beta2, fresh1 = p->fresh1, fresh2 = p->fresh2;
        const float unbias1 = p->unbias1, unbias2 = p->unbias2, rate = p->rate, eps = p->eps, lambda2 = p->lambda2;
        const float knee = p->knee;
        uint32_t top = 0;

        EWC_APART
        for (size_t i = 0; i < p->P; i++) {
                float g = grad[i];
                float m = beta1 * first[i] + fresh1 * g;
                float v = beta2 * second[i] + fresh2 * (g * g);
                float step = rate / (sqrtf(v * unbias2) + eps);
                float t = theta[i] - step * (m * unbias1);

                if (form != PLAIN)
                        t = pulled(form, t, a[i], step * lambda2 * f[i], knee);
                first[i] = m;
                second[i] = v;
                theta[i] = t;
                top = magnitude(t) > top ? magnitude(t) : top;
        }
        return top;
}

EWC_CLONES static uint32_t sgd_plain(const struct pass *p)
{
        return sgd_loop(p, PLAIN);
}

EWC_CLONES static uint32_t sgd_square(const struct pass *p)
{
        return sgd_loop(p, SQUARE);
}

EWC_CLONES static uint32_t sgd_huber(const struct pass *p)
{
        return sgd_loop(p, HUBER);
}

EWC_CLONES static uint32_t momentum_plain(const struct pass *p)
{
        return momentum_loop(p, PLAIN);
}

EWC_CLONES static uint32_t momentum_square(const struct pass *p)
{
        return momentum_loop(p, SQUARE);
}

EWC_CLONES static uint32_t momentum_huber(const struct pass *p)
{
        return momentum_loop(p, HUBER);
}

EWC_CLONES static uint32_t adam_plain(const struct pass *p)
{
        return adam_loop(p, PLAIN);
}

EWC_CLONES static uint32_t adam_square(const struct pass *p)
{
        return adam_loop(p, SQUARE);
}

EWC_CLONES static uint32_t adam_huber(const struct pass *p)
{
        return adam_loop(p, HUBER);
}

static bool unit_interval(float x) /* [0,1); false for NaN */
{
        return x >= 0.0f && x < 1.0f;
}

static int optim_check(const struct ewc_optim *o, uint64_t t, const struct ewc_penalty *pen, float knee)
{
        if (!(o->rate > 0.0f) || !isfinite(o->rate) || t == 0 || (pen && !(pen->lambda >= 0)) || !(knee > 0.0f))
                return EWC_E_INVAL;
        switch (o->type) {
        case EWC_OPTIM_SGD:
                return unit_interval(o->momentum) ? 0 : EWC_E_INVAL;
        case EWC_OPTIM_ADAM:
                return unit_interval(o->beta1) && unit_interval(o->beta2) && o->eps > 0.0f ? 0 : EWC_E_INVAL;
        }
        return EWC_E_INVAL;
}

/* The step over the whole vector; pass_part cuts a piece out of it. */
static struct pass pass_of(const struct ewc_optim *o, size_t P, float *theta, const float *grad, float *state,
    uint64_t t, const struct ewc_penalty *pen, float knee)
{
        struct pass p = {.P = P, .theta = theta, .grad = grad, .m = state, .rate = o->rate, .knee = knee};

        if (pen && pen->lambda > 0) {
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
        } else {
                p.momentum = o->momentum;
                p.prox_rate = o->rate / (1.0f - o->momentum);
        }
        return p;
}

static uint32_t pass_run(const struct ewc_optim *o, const struct pass *p)
{
        enum form form = !p->fisher ? PLAIN : isinf(p->knee) ? SQUARE : HUBER;

        if (o->type == EWC_OPTIM_ADAM)
                return form == PLAIN ? adam_plain(p) : form == SQUARE ? adam_square(p) : adam_huber(p);
        if (o->momentum > 0.0f)
                return form == PLAIN ? momentum_plain(p) : form == SQUARE ? momentum_square(p) : momentum_huber(p);
        return form == PLAIN ? sgd_plain(p) : form == SQUARE ? sgd_square(p) : sgd_huber(p);
}

static struct pass pass_part(const struct ewc_optim *o, const struct pass *p, size_t at, size_t n, float times)
{
        struct pass part = *p;

        part.P = n;
        part.theta += at;
        part.grad += at;
        if (part.m && (o->type == EWC_OPTIM_ADAM || o->momentum > 0.0f))
                part.m += at;
        if (part.v)
                part.v += at;
        if (part.fisher) {
                part.fisher += at;
                part.anchor += at;
        }
        part.rate *= times;
        part.prox_rate *= times;
        return part;
}

struct shared { /* a step on its way through the parts */
        const struct ewc_optim *o;
        const struct pass *whole;
        _Atomic uint32_t top;
};

static void run_part(void *arg, size_t from, size_t n)
{
        struct shared *s = arg;
        const struct pass part = pass_part(s->o, s->whole, from, n, 1.0f);
        const uint32_t got = pass_run(s->o, &part);
        uint32_t top = s->top;

        while (got > top && !atomic_compare_exchange_weak(&s->top, &top, got))
                continue;
}

/* The largest magnitude of the parameters after it. */
static uint32_t pass_shared(const struct ewc_optim *o, const struct pass *p, struct ewc_team *team)
{
        struct shared s = {.o = o, .whole = p};

        ewc_share(team, p->P, EWC_CUT_VECTOR, run_part, &s);
        return s.top;
}

int ewc_optim_step(const struct ewc_optim *o, size_t P, float *theta, const float *grad, float *state, uint64_t t,
    const struct ewc_penalty *pen)
{
        struct pass p;
        int r = optim_check(o, t, pen, INFINITY);

        if (r < 0)
                return r;
        p = pass_of(o, P, theta, grad, state, t, pen, INFINITY);
        return pass_run(o, &p) < 0x7f800000U ? 0 : EWC_E_NONFINITE;
}

int ewc_optim_step_with(const struct ewc_optim *o, const struct ewc_spec *s, float *theta, const float *grad,
    float *state, uint64_t t, const struct ewc_penalty *pen, const struct ewc_step *how)
{
        const float knee = how->knee == 0.0f ? INFINITY : how->knee;
        const size_t P = ewc_spec_params(s), n = how->rate ? ewc_spec_tensors(s) : 0;
        struct ewc_tensor tensor, next;
        struct pass p, part;
        uint32_t top = 0;
        int r = optim_check(o, t, pen, knee);

        for (size_t i = 0; r == 0 && i < n; i++)
                r = how->rate[i] >= 0.0f && isfinite(how->rate[i]) ? 0 : EWC_E_INVAL;
        if (r < 0)
                return r;
        p = pass_of(o, P, theta, grad, state, t, pen, knee);
        if (!how->rate)
                return pass_shared(o, &p, how->team) < 0x7f800000U ? 0 : EWC_E_NONFINITE;
        r = ewc_spec_tensor(s, 0, &tensor);
        for (size_t i = 0; r == 0 && i < n; i++, tensor = next) {
                uint32_t got;

                next.offset = P;
                if (i + 1 < n)
                        r = ewc_spec_tensor(s, i + 1, &next);
                part = pass_part(o, &p, tensor.offset, next.offset - tensor.offset, how->rate[i]);
                got = pass_shared(o, &part, how->team);
                top = got > top ? got : top;
        }
        return r < 0 ? r : top < 0x7f800000U ? 0 : EWC_E_NONFINITE;
}

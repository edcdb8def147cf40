/* prox.h: the proximal step of one parameter, shared by penalty.c, huber.c and optim.c.
 *
 * argmin_t lambda F (t - anchor)^2 + (t - theta)^2 / (2 step), k = 2 step lambda F. The division is always
 * computed and then chosen, so that loops vectorise. An infinite k gives the anchor; k = 0, or 0 times an infinite
 * factor, leaves theta untouched. */
#pragma once

static inline __attribute__((always_inline)) float ewc_prox(float theta, float anchor, float k)
{
        float moved = anchor + (theta - anchor) / (1.0f + k);

        return k > 0.0f ? moved : theta;
}

/* The same under Huber's penalty: inside knee of the anchor the square, beyond it a straight line of slope
 * 2 lambda F knee. The minimiser of the square applies while it lies inside the knee, |d| <= knee (1 + k); else the
 * line pulls by k * knee. An infinite knee gives the bits of ewc_prox. */
static inline __attribute__((always_inline)) float ewc_prox_huber(float theta, float anchor, float k, float knee)
{
        float d = theta - anchor, size = d < 0.0f ? -d : d, pull = k * knee;
        float near = anchor + d / (1.0f + k), far = d < 0.0f ? theta + pull : theta - pull;
        float moved = size <= knee * (1.0f + k) ? near : far;

        return k > 0.0f ? moved : theta;
}

/* prox.h: the proximal step of one parameter, shared by penalty.c and optim.c.
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

/* act.c: activations, each with its forward and its slope side by side.
 *
 * Forward adds the bias and applies the function in one pass. The slope of relu, tanh and sigmoid is read off the
 * output; GELU stores it during forward. All loops are free of branches and calls so that they vectorise: exp, tanh
 * and erf are polynomials in float, within a few units of the last place. A NaN passes through every one of them. */
#include "ewc/internal.h"

#include <string.h>

/* exp by 2^n * e^r, |r| <= ln(2)/2, polynomial of Cephes expf (Moshier); saturates outside +-88. */
EWC_INLINE float exp_f(float x)
{
        float n, r, y, scale;
        uint32_t bits;

        x = x < -87.0f ? -87.0f : x;
        x = x > 88.0f ? 88.0f : x;
        n = x * 1.44269504088896341f + 12582912.0f; /* 1.5 * 2^23: the sum rounds to an integer in its low bits */
        memcpy(&bits, &n, sizeof(bits));
        n -= 12582912.0f;
        r = x - n * 0.693359375f;
        r = r + n * 2.12194440e-4f;
        y = 1.9875691500e-4f;
        y = y * r + 1.3981999507e-3f;
        y = y * r + 8.3334519073e-3f;
        y = y * r + 4.1665795894e-2f;
        y = y * r + 1.6666665459e-1f;
        y = y * r + 5.0000001201e-1f;
        y = y * (r * r) + r + 1.0f;
        bits = (bits - 0x4b400000U + 127U) << 23;
        memcpy(&scale, &bits, sizeof(scale));
        return y * scale;
}

/* Odd rational approximations on a clamped argument, coefficients of Eigen's packet math. */
EWC_INLINE float tanh_f(float x)
{
        float s, p, q;

        x = x < -7.90531110763549805f ? -7.90531110763549805f : x;
        x = x > 7.90531110763549805f ? 7.90531110763549805f : x;
        s = x * x;
        p = -2.76076847742355e-16f;
        p = p * s + 2.00018790482477e-13f;
        p = p * s + -8.60467152213735e-11f;
        p = p * s + 5.12229709037114e-08f;
        p = p * s + 1.48572235717979e-05f;
        p = p * s + 6.37261928875436e-04f;
        p = p * s + 4.89352455891786e-03f;
        q = 1.19825839466702e-06f;
        q = q * s + 1.18534705686654e-04f;
        q = q * s + 2.26843463243900e-03f;
        q = q * s + 4.89352518554385e-03f;
        return x * p / q;
}

EWC_INLINE float erf_f(float x)
{
        float s, p, q;

        x = x < -4.0f ? -4.0f : x;
        x = x > 4.0f ? 4.0f : x;
        s = x * x;
        p = -2.72614225801306e-10f;
        p = p * s + 2.77068142495902e-08f;
        p = p * s + -2.10102402082508e-06f;
        p = p * s + -5.69250639462346e-05f;
        p = p * s + -7.34990630326855e-04f;
        p = p * s + -2.95459980854025e-03f;
        p = p * s + -1.60960333262415e-02f;
        q = -1.45660718464996e-05f;
        q = q * s + -2.13374055278905e-04f;
        q = q * s + -1.68282697438203e-03f;
        q = q * s + -7.37332916720468e-03f;
        q = q * s + -1.42647390514189e-02f;
        return x * p / q;
}

EWC_CLONES static void none_forward(size_t n, const float *restrict bias, float *restrict y)
{
        for (size_t i = 0; i < n; i++)
                y[i] += bias[i];
}

EWC_CLONES static void relu_forward(size_t n, const float *restrict bias, float *restrict y)
{
        for (size_t i = 0; i < n; i++) {
                float z = y[i] + bias[i];

                y[i] = z < 0.0f ? 0.0f : z;
        }
}

EWC_CLONES static void relu_backward(size_t n, const float *restrict y, float *restrict delta)
{
        for (size_t i = 0; i < n; i++)
                delta[i] = y[i] > 0.0f ? delta[i] : 0.0f;
}

EWC_CLONES static void tanh_forward(size_t n, const float *restrict bias, float *restrict y)
{
        for (size_t i = 0; i < n; i++)
                y[i] = tanh_f(y[i] + bias[i]);
}

EWC_CLONES static void tanh_backward(size_t n, const float *restrict y, float *restrict delta)
{
        for (size_t i = 0; i < n; i++)
                delta[i] *= 1.0f - y[i] * y[i];
}

EWC_CLONES static void sigmoid_forward(size_t n, const float *restrict bias, float *restrict y)
{
        for (size_t i = 0; i < n; i++)
                y[i] = 1.0f / (1.0f + exp_f(-(y[i] + bias[i])));
}

EWC_CLONES static void sigmoid_backward(size_t n, const float *restrict y, float *restrict delta)
{
        for (size_t i = 0; i < n; i++)
                delta[i] *= y[i] * (1.0f - y[i]);
}

/* x Phi(x) (Hendrycks and Gimpel 2016, arXiv:1606.08415) */
EWC_CLONES static void gelu_forward(size_t n, const float *restrict bias, float *restrict y)
{
        for (size_t i = 0; i < n; i++) {
                float z = y[i] + bias[i];

                y[i] = z * (0.5f + 0.5f * erf_f(z * 0.70710678118654752f));
        }
}

/* As gelu_forward, and slope = Phi(x) + x phi(x). */
EWC_CLONES static void gelu_forward_slope(
    size_t n, const float *restrict bias, float *restrict y, float *restrict slope)
{
        for (size_t i = 0; i < n; i++) {
                float z = y[i] + bias[i];
                float cdf = 0.5f + 0.5f * erf_f(z * 0.70710678118654752f);

                y[i] = z * cdf;
                slope[i] = cdf + z * 0.39894228040143268f * exp_f(-0.5f * z * z);
        }
}

EWC_CLONES static void slope_backward(size_t n, const float *restrict slope, float *restrict delta)
{
        for (size_t i = 0; i < n; i++)
                delta[i] *= slope[i];
}

bool ewc_act_keeps_slope(enum ewc_activation a)
{
        return a == EWC_ACT_GELU;
}

static void forward_row(enum ewc_activation a, size_t U, const float *bias, float *y, float *slope)
{
        switch (a) {
        case EWC_ACT_NONE:
                none_forward(U, bias, y);
                break;
        case EWC_ACT_RELU:
                relu_forward(U, bias, y);
                break;
        case EWC_ACT_TANH:
                tanh_forward(U, bias, y);
                break;
        case EWC_ACT_SIGMOID:
                sigmoid_forward(U, bias, y);
                break;
        case EWC_ACT_GELU:
                if (slope)
                        gelu_forward_slope(U, bias, y, slope);
                else
                        gelu_forward(U, bias, y);
                break;
        }
}

static void backward_row(enum ewc_activation a, size_t U, const float *y, const float *slope, float *delta)
{
        switch (a) {
        case EWC_ACT_NONE:
                break;
        case EWC_ACT_RELU:
                relu_backward(U, y, delta);
                break;
        case EWC_ACT_TANH:
                tanh_backward(U, y, delta);
                break;
        case EWC_ACT_SIGMOID:
                sigmoid_backward(U, y, delta);
                break;
        case EWC_ACT_GELU:
                slope_backward(U, slope, delta);
                break;
        }
}

void ewc_act_forward(enum ewc_activation a, size_t B, size_t U, const float *bias, float *y, float *slope)
{
        for (size_t n = 0; n < B; n++)
                forward_row(a, U, bias, y + n * U, slope ? slope + n * U : NULL);
}

void ewc_act_backward(
    enum ewc_activation a, size_t B, size_t U, size_t repeat, const float *y, const float *slope, float *delta)
{
        for (size_t n = 0; n < B; n++) {
                for (size_t k = 0; k < repeat; k++)
                        backward_row(a, U, y + n * U, slope ? slope + n * U : NULL, delta + (n * repeat + k) * U);
        }
}

void ewc_slope_backward(size_t B, size_t U, size_t repeat, const float *slope, float *delta)
{
        for (size_t r = 0; r < B * repeat; r++)
                slope_backward(U, slope + r / repeat * U, delta + r * U);
}

/* num_print.c: floats as the shortest text that reads back to the same bits.
 *
 * A float32 reads back from every decimal that lies nearer to it than halfway to its neighbours. It is scaled
 * once to an integer of nine digits, which always lies there, and then rounded to six, seven, eight digits (six
 * always survive in a normal float, fewer are six with zeros; below the normal range the tries start at one); the
 * first that lies inside is it. Scaling errs by far less than MARGIN, and what comes so near to the border is read
 * back exactly instead. Doubles go through printf. The decimal point is our own, whatever the locale. */
#include "proto/num.h"
#include "proto/num_in.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN 1e-5 /* in units of the ninth digit; the error is below 1e-6 */

enum { MAX_DIGITS = 17 };

struct decimal { /* d.ddd * 10^exponent */
        char digits[MAX_DIGITS + 1];
        int n, exponent;
};

static double scale10(double v, int k)
{
        for (; k > 22; k -= 22)
                v *= num_pow10[22];
        for (; k < -22; k += 22)
                v /= num_pow10[22];
        return k < 0 ? v / num_pow10[-k] : v * num_pow10[k];
}

/* w * 10^last_exponent, w > 0, without the zeros at its end. */
static void take_digits(uint32_t w, int last_exponent, struct decimal *ret)
{
        int n = 0;
        for (; w % 10 == 0; w /= 10)
                last_exponent++;
        for (uint32_t left = w; left > 0; left /= 10)
                n++;
        for (int i = n; i-- > 0; w /= 10)
                ret->digits[i] = (char)('0' + w % 10);
        ret->n = n;
        ret->exponent = last_exponent + n - 1;
}

static bool reads_back(const struct decimal *d, float v)
{
        uint64_t w = 0;
        for (int i = 0; i < d->n; i++)
                w = w * 10 + (uint64_t)(d->digits[i] - '0');
        int e = d->exponent - d->n + 1;
        float back;
        if (!num_f32_quick(w, e, &back))
                back = num_f32_exact(d->digits, d->n, e);
        return back == v;
}

/* v scaled to x = v * 10^k in [1e8, 1e9), and half the distance to its neighbour above in the same unit. */
struct scaled {
        double x, half;
        int k;
        bool normal;
        bool narrow; /* a power of two: its neighbour below is half as far away */
};

static struct scaled scale(float v)
{
        uint32_t bits;
        memcpy(&bits, &v, sizeof(bits));
        int e = (int)(bits >> 23);
        struct scaled s = {.normal = e > 0, .narrow = e > 1 && (bits & 0x7fffff) == 0};
        uint64_t half_bits = (uint64_t)((e > 0 ? e : 1) - 127 - 24 + 1023) << 52;
        memcpy(&s.half, &half_bits, sizeof(s.half));
        s.k = 8 - ((e - 127) * 1233 >> 12); /* log10(2); off by one, or more below the normal range */
        for (s.x = scale10((double)v, s.k); s.x >= 1e9; s.x /= 10)
                s.k--;
        for (; s.x < 1e8; s.x *= 10)
                s.k++;
        s.half *= s.x / (double)v;
        return s;
}

/* Whether the decimal c, in the unit of s, reads back to v. */
static bool inside(const struct scaled *s, double c, float v)
{
        double off = c < s->x ? s->x - c : c - s->x, half = s->narrow && c < s->x ? s->half / 2 : s->half;
        if (off < half - MARGIN)
                return true;
        if (off > half + MARGIN)
                return false;
        struct decimal d;
        take_digits((uint32_t)c, -s->k, &d);
        return reads_back(&d, v);
}

/* To a multiple of 10^dropped; halfway, either neighbour. */
static double round_to(double x, int dropped)
{
        static const double inverse[9] = {1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8};
        return (double)(int64_t)(x * inverse[dropped] + 0.5) * num_pow10[dropped];
}

static void shortest_f32(float v, struct decimal *ret)
{
        struct scaled s = scale(v);
        double c = round_to(s.x, 0);
        for (int dropped = s.normal ? 3 : 8; dropped > 0; dropped--) {
                double near = round_to(s.x, dropped);
                if (s.narrow && near < s.x && !inside(&s, near, v))
                        near += num_pow10[dropped]; /* farther away, but on the wider side */
                if (inside(&s, near, v)) {
                        c = near;
                        break;
                }
        }
        take_digits((uint32_t)c, -s.k, ret);
}

static void shortest_f64(double v, struct decimal *ret)
{
        char text[40];
        for (int p = v < 0x1p-1022 ? 1 : 15; p <= MAX_DIGITS; p++) {
                snprintf(text, sizeof(text), "%.*e", p - 1, v);
                if (p == MAX_DIGITS || strtod(text, NULL) == v)
                        break;
        }
        const char *at = text;
        ret->n = 0;
        for (; *at != 'e'; at++)
                if (*at >= '0' && *at <= '9')
                        ret->digits[ret->n++] = *at;
        ret->exponent = (int)strtol(at + 1, NULL, 10);
        while (ret->n > 1 && ret->digits[ret->n - 1] == '0')
                ret->n--;
}

static char *put_plain(char *at, const struct decimal *d)
{
        int whole = d->exponent + 1; /* digits before the point */
        if (whole <= 0) {
                *at++ = '0';
                *at++ = '.';
                for (int i = whole; i < 0; i++)
                        *at++ = '0';
        }
        for (int i = 0; i < d->n || i < whole; i++) {
                if (i == whole && i > 0)
                        *at++ = '.';
                *at++ = i < d->n ? d->digits[i] : '0';
        }
        return at;
}

static char *put_exponent(char *at, const struct decimal *d)
{
        *at++ = d->digits[0];
        if (d->n > 1)
                *at++ = '.';
        for (int i = 1; i < d->n; i++)
                *at++ = d->digits[i];
        *at++ = 'e';
        if (d->exponent < 0)
                *at++ = '-';
        int e = abs(d->exponent);
        if (e >= 100)
                *at++ = (char)('0' + e / 100);
        if (e >= 10)
                *at++ = (char)('0' + e / 10 % 10);
        *at++ = (char)('0' + e % 10);
        return at;
}

static size_t put(char *out, bool minus, bool zero, const struct decimal *d, int max_whole)
{
        char *at = out;
        if (minus)
                *at++ = '-';
        if (zero)
                *at++ = '0';
        else if (d->exponent >= -5 && d->exponent < max_whole)
                at = put_plain(at, d);
        else
                at = put_exponent(at, d);
        return (size_t)(at - out);
}

size_t num_print_f32(char *out, float v)
{
        struct decimal d = {.n = 0};
        if (v != 0)
                shortest_f32(fabsf(v), &d);
        return put(out, signbit(v), v == 0, &d, 9);
}

size_t num_print_f64(char *out, double v)
{
        struct decimal d = {.n = 0};
        if (v != 0)
                shortest_f64(fabs(v), &d);
        return put(out, signbit(v), v == 0, &d, MAX_DIGITS);
}

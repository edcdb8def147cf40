/* num_print.c: floats as the shortest text that reads back to the same bits.
 *
 * A float32 has 6 digits that always survive, and 9 that always suffice: those counts in between are tried, each by
 * scaling to an integer in double and reading that integer back. Scaling errs by far less than a unit of the ninth
 * digit, so nothing wrong can pass the check and nine digits always do. Numbers below the normal range have fewer
 * digits, so there the tries start at one. Doubles take the same way through printf. The decimal point is our own,
 * whatever the locale. */
#include "proto/num.h"
#include "proto/num_in.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void take_digits(uint64_t w, int last_exponent, struct decimal *ret)
{
        int n = 0;
        char text[20];
        while (w > 0 && w % 10 == 0) {
                w /= 10;
                last_exponent++;
        }
        do
                text[n++] = (char)('0' + w % 10);
        while ((w /= 10) > 0);
        for (int i = 0; i < n; i++)
                ret->digits[i] = text[n - 1 - i];
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

static void shortest_f32(float v, struct decimal *ret)
{
        double d = v;
        int exponent = (int)floor(log10(d)); /* may be one off at powers of ten, which costs or spares one digit */
        if (scale10(d, -exponent) >= 10)
                exponent++;
        else if (scale10(d, -exponent) < 1)
                exponent--;
        for (int p = v < 0x1p-126f ? 1 : 6; p <= 9; p++) {
                int k = p - 1 - exponent;
                take_digits((uint64_t)rint(scale10(d, k)), -k, ret);
                if (reads_back(ret, v))
                        return;
        }
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

/* num.c: reading float32 text, bit-equal to strtof.
 *
 * Three steps, each for what the one before cannot prove. Quick: up to 19 digits as an integer, one or two exact
 * powers of ten, at most three roundings in double; good unless the result lies within a few ulp of the point halfway
 * between two floats (serving reference 5.2). Scaled: any exponent, digits cut at 19, error still far below the
 * distance checked. Exact: near a halfway point the digits are compared with it as big integers. No locale, no state,
 * no allocation. */
#include "proto/num.h"
#include "proto/num_in.h"
#include <math.h>
#include <string.h>

enum { BIG_WORDS = 40 }; /* 1280 bits; the largest operand has about 1000 */

struct big {
        uint32_t w[BIG_WORDS]; /* least significant first */
        int n;
};

const double num_pow10[23] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Each operation errs by less than one ulp of d, and there are three at most. */
bool num_f32_quick(uint64_t w, int e, float *ret)
{
        if (e == 0 || w == 0) {
                *ret = (float)w; /* one rounding */
                return true;
        }
        double d = (double)w;
        if (e < -22) {
                d /= num_pow10[22];
                e += 22;
        } else if (e > 22) {
                d *= num_pow10[22];
                e -= 22;
        }
        if (e < -22 || e > 22)
                return false;
        d = e < 0 ? d / num_pow10[-e] : d * num_pow10[e];
        if (!(d >= 0x1p-126 && d < 0x1.fffffep+127))
                return false;
        uint64_t bits;
        memcpy(&bits, &d, sizeof(bits));
        uint64_t low = bits & 0x1fffffff; /* what a float drops */
        if (low >= 0x10000000 - 4 && low <= 0x10000000 + 4)
                return false;
        *ret = (float)d;
        return true;
}

static void big_mul_add(struct big *b, uint32_t by, uint32_t add)
{
        uint64_t carry = add;
        for (int i = 0; i < b->n; i++) {
                carry += (uint64_t)b->w[i] * by;
                b->w[i] = (uint32_t)carry;
                carry >>= 32;
        }
        if (carry)
                b->w[b->n++] = (uint32_t)carry;
}

static void big_pow10(struct big *b, int e)
{
        for (; e >= 9; e -= 9)
                big_mul_add(b, 1000000000, 0);
        for (; e > 0; e--)
                big_mul_add(b, 10, 0);
}

static void big_pow2(struct big *b, int e)
{
        for (; e >= 31; e -= 31)
                big_mul_add(b, (uint32_t)1 << 31, 0);
        big_mul_add(b, (uint32_t)1 << e, 0);
}

static int big_compare(const struct big *a, const struct big *b)
{
        if (a->n != b->n)
                return a->n < b->n ? -1 : 1;
        for (int i = a->n; i-- > 0;)
                if (a->w[i] != b->w[i])
                        return a->w[i] < b->w[i] ? -1 : 1;
        return 0;
}

/* digits * 10^e against m * 2^p: negative, 0, positive. */
static int compare(const char *digits, int n, int e, uint32_t m, int p)
{
        struct big a = {{0}, 0}, b = {{m}, 1};
        for (int i = 0; i < n; i++)
                big_mul_add(&a, 10, (uint32_t)(digits[i] - '0'));
        if (e > 0)
                big_pow10(&a, e);
        else
                big_pow10(&b, -e);
        if (p < 0)
                big_pow2(&a, -p);
        else
                big_pow2(&b, p);
        return big_compare(&a, &b);
}

/* Of the first 19 digits, within 2^-45 of the true value. */
static double approximate(const char *digits, int n, int e)
{
        uint64_t w = 0;
        int used = n < 19 ? n : 19;
        for (int i = 0; i < used; i++)
                w = w * 10 + (uint64_t)(digits[i] - '0');
        double d = (double)w;
        for (e += n - used; e > 22; e -= 22)
                d *= num_pow10[22];
        for (; e < -22; e += 22)
                d /= num_pow10[22];
        return e < 0 ? d / num_pow10[-e] : d * num_pow10[e];
}

float num_f32_exact(const char *digits, int n, int e)
{
        if (n + e > 39)
                return INFINITY;
        if (n + e < -45)
                return 0.0f;
        double d = approximate(digits, n, e);
        int q = ilogb(d) - 23; /* exponent of the last place of a float there */
        if (q < -149)
                q = -149;
        double x = ldexp(d, -q), whole = floor(x), frac = x - whole;
        bool up = frac > 0.5;
        if (fabs(frac - 0.5) < 0x1p-16) {
                uint32_t m = (uint32_t)whole;
                int c = compare(digits, n, e, 2 * m + 1, q - 1);
                up = c > 0 || (c == 0 && (m & 1));
        }
        return (float)ldexp(whole + (up ? 1 : 0), q); /* a float, or infinity past the largest */
}

static inline bool is_digit(const char *p, const char *end)
{
        return p < end && (unsigned char)(*p - '0') < 10;
}

/* The exponent part at p, if one is there. NULL when it is cut short. The value saturates. */
static const char *scan_exponent(const char *p, const char *end, int64_t *e)
{
        if (p == end || (*p != 'e' && *p != 'E'))
                return p;
        p++;
        bool minus = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+'))
                p++;
        if (!is_digit(p, end))
                return NULL;
        int64_t v = 0;
        for (; is_digit(p, end); p++)
                if (v < (int64_t)1 << 40)
                        v = v * 10 + (*p - '0');
        *e += minus ? -v : v;
        return p;
}

/* Gathers the digits of the number at p (sign taken off) again, now all that can matter, and settles it exactly.
 * What lies past the limit can only say "a little more", which one last digit 1 says as well. */
static float slow(const char *p, const char *stop, int64_t e)
{
        char digits[NUM_MAX_DIGITS + 1];
        int n = 0;
        bool point = false, more = false;
        for (; p < stop && *p != 'e' && *p != 'E'; p++) {
                if (*p == '.') {
                        point = true;
                } else if (n == 0 && *p == '0') {
                        e -= point;
                } else if (n < NUM_MAX_DIGITS) {
                        digits[n++] = *p;
                        e -= point;
                } else {
                        more = more || *p != '0';
                        e += !point;
                }
        }
        if (n == 0)
                return 0.0f;
        if (more) {
                digits[n++] = '1';
                e--;
        }
        for (; digits[n - 1] == '0'; n--)
                e++;
        e = e < -1000000 ? -1000000 : e > 1000000 ? 1000000 : e;
        return num_f32_exact(digits, n, (int)e);
}

/* Eight digits at p, if there are eight, as a number: neighbours are joined to pairs, pairs to fours, fours to eight
 * (the byte that comes first counts most, which is why the byte order matters). */
static inline bool take_eight(const char *p, const char *end, uint64_t *w)
{
        uint64_t v;
        if (end - p < 8 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
                return false;
        memcpy(&v, p, sizeof(v));
        if (((v & 0xf0f0f0f0f0f0f0f0) | ((v + 0x0606060606060606) & 0xf0f0f0f0f0f0f0f0) >> 4) != 0x3333333333333333)
                return false;
        v -= 0x3030303030303030;
        v = v * 10 + (v >> 8);
        v = ((v & 0x000000ff000000ff) * 0x000f424000000064 + (v >> 16 & 0x000000ff000000ff) * 0x0000271000000001) >>
            32;
        *w = *w * 100000000 + v;
        return true;
}

/* Digits onto w, as far as they go; past 19 of them it is only their count that is still right. */
static inline const char *take_digits(const char *p, const char *end, uint64_t *w)
{
        while (take_eight(p, end, w))
                p += 8;
        for (; is_digit(p, end); p++)
                *w = *w * 10 + (uint64_t)(*p - '0');
        return p;
}

/* The fraction behind a point, onto w; *n is how many digits of w count so far. NULL: there is none. */
static inline const char *scan_fraction(const char *p, const char *end, uint64_t *w, ptrdiff_t *n)
{
        if (!is_digit(p, end))
                return NULL;
        if (*w == 0 && *n == 1) { /* "0.": it and the zeros that follow are no digits to keep */
                *n = 0;
                while (p < end && *p == '0')
                        p++;
        }
        const char *from = p;
        p = take_digits(p, end, w);
        *n += p - from;
        return p;
}

const char *num_scan_f32(const char *p, const char *end, float *ret)
{
        bool minus = p < end && *p == '-';
        p += minus;
        const char *start = p;
        if (!is_digit(p, end))
                return NULL;
        uint64_t w = 0;
        if (*p == '0')
                p++;
        else
                for (; is_digit(p, end); p++)
                        w = w * 10 + (uint64_t)(*p - '0');
        ptrdiff_t n_digits = p - start;
        int64_t e = 0, shift = 0;
        if (p < end && *p == '.') {
                const char *fraction = ++p;
                if (!(p = scan_fraction(p, end, &w, &n_digits)))
                        return NULL;
                e = fraction - p;
        }
        if (!(p = scan_exponent(p, end, &shift)))
                return NULL;
        float v;
        e += shift;
        if (n_digits > 19 || e < -44 || e > 44 || !num_f32_quick(w, (int)e, &v))
                v = slow(start, p, shift);
        if (!isfinite(v))
                return NULL;
        *ret = minus ? -v : v;
        return p;
}

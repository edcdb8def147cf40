/* test_num.c: reading float32 text against strtof, on random values in several formats and on the hard cases.
 *
 * An argument "long" (or a count) raises the number of random values from 10^6 to 10^8. */
#include "proto/num.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t rounds = 1000000;

static uint64_t next(uint64_t *s) /* splitmix64 */
{
        uint64_t z = *s += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
}

static float float_of(uint32_t bits)
{
        float f;
        memcpy(&f, &bits, sizeof(f));
        return f;
}

static uint32_t bits_of(float f)
{
        uint32_t u;
        memcpy(&u, &f, sizeof(u));
        return u;
}

/* What num_scan_f32 says about text must be what strtof says; infinity is a refusal. */
static void check(const char *text)
{
        float want = strtof(text, NULL), got = 12345.0f;
        size_t n = strlen(text);
        const char *after = num_scan_f32(text, text + n, &got);
        if (isinf(want)) {
                if (after)
                        fail_msg("%s: read as %a, is out of range", text, got);
        } else if (after != text + n || bits_of(got) != bits_of(want)) {
                fail_msg("%s: got %a, strtof says %a", text, got, want);
        }
}

static void random_values(void **state)
{
        (void)state;
        uint64_t s = 42;
        char text[128];
        for (uint64_t i = 0; i < rounds; i++) {
                uint64_t r = next(&s);
                float f = float_of((uint32_t)r);
                if (!isfinite(f))
                        continue;
                unsigned how = (unsigned)(r >> 32) % 6;
                double unit = (double)(next(&s) >> 11) * 0x1p-53;
                if (how == 0)
                        snprintf(text, sizeof(text), "%.17g", (double)f);
                else if (how == 1)
                        snprintf(text, sizeof(text), "%.9g", (double)f);
                else if (how == 2)
                        snprintf(text, sizeof(text), "%.6f", (unit - 0.5) * 200);
                else if (how == 3)
                        snprintf(text, sizeof(text), "%.17g", unit);
                else if (how == 4)
                        snprintf(text, sizeof(text), "%llue%d", (unsigned long long)next(&s) >> (r >> 40) % 64,
                            (int)((r >> 48) % 90) - 60);
                else
                        snprintf(text, sizeof(text), "%.35e", unit * pow(10, (double)((r >> 48) % 80) - 45));
                check(text);
        }
}

/* The point halfway between two floats, cut, exact, and with a last digit that tips it. */
static void halfway(void **state)
{
        (void)state;
        uint64_t s = 7;
        char text[400];
        for (int i = 0; i < 100000; i++) {
                uint32_t bits = (uint32_t)next(&s) & 0x7fffffff;
                if (i < 1000)
                        bits = (uint32_t)i; /* below the normal range */
                else if (i < 2000)
                        bits = 0x00800000 - 500 + (uint32_t)(i - 1000); /* across its edge */
                if (bits >= 0x7f7fffff)
                        continue;
                double middle = ((double)float_of(bits) + (double)float_of(bits + 1)) / 2;
                int n = snprintf(text, sizeof(text), "%.*e", 120, middle); /* exact */
                check(text);
                char *e = strchr(text, 'e');
                e[-1] = '1'; /* a hair above */
                check(text);
                snprintf(text, sizeof(text), "%.*e", 16 + i % 30, middle); /* near */
                check(text);
                (void)n;
        }
}

static void hard_cases(void **state)
{
        (void)state;
        static const char *const texts[] = {"0", "-0", "0.0", "-0.0e5", "0e999999999999", "1", "16777216", "16777217",
            "16777218", "16777219", "33554434", "33554435", "9007199254740993", "18446744073709551615",
            "18446744073709551616", "99999999999999999999", "3.4028234663852886e38", "3.4028235677973366e38",
            "3.4028235677973365e38", "3.4028235e38", "3.4028236e38", "3.5e38", "1e38", "1e39", "1e400", "-1e400",
            "1e-45", "0.7e-45", "0.70064923216240853e-45", "7.006492321624085354618e-46", "7.0064923216240854e-46",
            "1.4e-45", "1e-46", "1e-400", "-1e-400", "1.1754943508222875e-38", "1.1754942807573643e-38",
            "1.17549428e-38", "1.17549432e-38", "0.1", "0.10000000149011612", "123456789012345678901234567890",
            "0.00000000000000000000000000000000000000000000001", "1e0000000000000000000000005", "1E+5", "1E-5",
            "1e22", "1e23", "1e-22", "1e-23", "8388608.5", "8388609.5",
            /* whole parts that are 0 in 64 bits; leading zeros; eight digits at a time, and one digit more or less */
            "18446744073709551616.5", "18446744073709551616.25e-30", "36893488147419103232.0001e3",
            "0.00000000000000000000000012345678901234567", "0.0000000000000000000000000000000000000001e41",
            "0.1234567", "0.12345678", "0.123456789", "0.1234567812345678", "0.12345678123456789",
            "8388608.49999999999999999999999999999999999999999999999999",
            "8388608.50000000000000000000000000000000000000000000000001",
            "1.00000005960464477539062499999999999999999999999", "1.000000059604644775390625",
            "1.00000005960464477539062500000000000000000000001", "4.35e2", "2.5e-1"};
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                check(texts[i]);
}

/* Digits by the hundred: only what lies beyond tells the side of the halfway point. */
static void long_texts(void **state)
{
        (void)state;
        static char text[5000];
        for (int zeros = 0; zeros < 2000; zeros += 37) {
                snprintf(text, sizeof(text), "16777217.%0*d1", zeros ? zeros : 1, 0);
                check(text);
                snprintf(text, sizeof(text), "16777217.%0*d", zeros ? zeros : 1, 0);
                check(text);
                snprintf(text, sizeof(text), "0.%0*d1e%d", zeros ? zeros : 1, 0, zeros + 3);
                check(text);
                snprintf(text, sizeof(text), "1%0*de-%d", zeros ? zeros : 1, 0, zeros + 3);
                check(text);
                snprintf(text, sizeof(text), "16777217%0*d1e-%d", zeros ? zeros : 1, 0, (zeros ? zeros : 1) + 1);
                check(text);
        }
}

static void grammar(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int used; /* bytes taken, -1: no number */
        } cases[] = {{"", -1}, {"-", -1}, {"+1", -1}, {".5", -1}, {"5.", -1}, {"5.e1", -1}, {"1e", -1}, {"1e+", -1},
            {"-.5", -1}, {"01", 1}, {"-01", 2}, {"1.5,", 3}, {"1e5]", 3}, {"0x10", 1}, {"NaN", -1}, {"Infinity", -1},
            {"-Infinity", -1}, {"inf", -1}, {"1 2", 1}, {"1.2.3", 3}, {"0.1234567/01234567", 9},
            {"0.1234567:01234567", 9}, {"0.1234567a01234567", 9}, {"--1", -1}, {"1e5.5", 3}, {"1f", 1}, {" 1", -1}};
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                float v = 7;
                const char *p = cases[i].text, *after = num_scan_f32(p, p + strlen(p), &v);
                if ((after ? after - p : -1) != cases[i].used)
                        fail_msg("'%s': took %td", p, after ? after - p : -1);
                if (!after)
                        assert_true(v == 7);
        }
}

static void reads_no_further_than_end(void **state)
{
        (void)state;
        static const char text[] = "-123.456e-2";
        for (size_t n = 0; n < sizeof(text); n++) {
                char *exact = malloc(n ? n : 1); /* a sanitizer sees a byte too far */
                float v;
                memcpy(exact, text, n);
                const char *after = num_scan_f32(exact, exact + n, &v);
                assert_true(!after || after <= exact + n);
                free(exact);
        }
}

int main(int argc, char **argv)
{
        if (argc > 1)
                rounds = strcmp(argv[1], "long") == 0 ? 100000000 : strtoull(argv[1], NULL, 10);
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(random_values),
            cmocka_unit_test(halfway),
            cmocka_unit_test(hard_cases),
            cmocka_unit_test(long_texts),
            cmocka_unit_test(grammar),
            cmocka_unit_test(reads_no_further_than_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

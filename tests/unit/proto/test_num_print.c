/* test_num_print.c: printed numbers read back to the same bits, are as short as printf's best try, and are JSON.
 *
 * An argument "long" (or a count) raises the number of random bit patterns from 10^6 to 10^8. */
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

/* Significant digits of text. */
static int digits_of(const char *text)
{
        int n = 0, zeros = 0;
        for (; *text && *text != 'e'; text++) {
                if (*text < '0' || *text > '9' || (n == 0 && *text == '0'))
                        continue;
                zeros = *text == '0' ? zeros + 1 : 0;
                n++;
        }
        return n - zeros > 0 ? n - zeros : 1;
}

static int best_f32(float v)
{
        char text[64];
        for (int p = 1; p < 9; p++) {
                snprintf(text, sizeof(text), "%.*e", p - 1, (double)v);
                if (strtof(text, NULL) == v)
                        return digits_of(text);
        }
        return 9;
}

static void check_f32(float v)
{
        char text[NUM_F32_MAX + 1];
        size_t n = num_print_f32(text, v);
        assert_true(n > 0 && n <= NUM_F32_MAX);
        text[n] = '\0';
        char *end;
        float back = strtof(text, &end), scanned = 0;
        if (*end || memcmp(&back, &v, sizeof(v)) != 0)
                fail_msg("%a printed as %s, which is %a", v, text, back);
        if (num_scan_f32(text, text + n, &scanned) != text + n || memcmp(&scanned, &v, sizeof(v)) != 0)
                fail_msg("%s is read as %a", text, scanned);
        if (v != 0 && digits_of(text) > best_f32(v))
                fail_msg("%a printed as %s, %d digits do", v, text, best_f32(v));
}

static void random_floats(void **state)
{
        (void)state;
        uint64_t s = 3;
        for (uint64_t i = 0; i < rounds; i++) {
                uint32_t bits = (uint32_t)next(&s);
                float v;
                if (i % 4 == 1) /* what predictions look like */
                        v = (float)(bits >> 8) * 0x1p-24f;
                else
                        memcpy(&v, &bits, sizeof(v));
                if (isfinite(v))
                        check_f32(v);
        }
}

static void edges(void **state)
{
        (void)state;
        for (int e = -149; e <= 127; e++)
                for (int d = -2; d <= 2; d++) {
                        float v = ldexpf(1, e);
                        for (int i = 0; i < abs(d); i++)
                                v = nextafterf(v, d < 0 ? 0 : INFINITY);
                        check_f32(v);
                        check_f32(-v);
                }
        for (uint32_t bits = 0; bits < 5000; bits++) {
                float v;
                memcpy(&v, &bits, sizeof(v));
                check_f32(v);
        }
        for (int e = -45; e <= 38; e++)
                check_f32(powf(10, (float)e));
}

/* The lower neighbour of a power of two is nearer than the upper, so the shortest decimal that reads back need not be
 * the nearest of its length: its neighbours are tried as well. */
static int best_near_power(float v)
{
        for (int p = 1; p < 9; p++)
                for (int d = -1; d <= 1; d++) {
                        char text[64], *e;
                        snprintf(text, sizeof(text), "%.*e", p - 1, (double)v);
                        long exponent = strtol(strchr(text, 'e') + 1, NULL, 10), digits = 0;
                        for (e = text; *e != 'e'; e++)
                                digits = *e == '.' ? digits : digits * 10 + (*e - '0');
                        snprintf(text, sizeof(text), "%lde%ld", digits + d, exponent - p + 1);
                        if (strtof(text, NULL) == v)
                                return p;
                }
        return 9;
}

static void powers_of_two(void **state)
{
        (void)state;
        int shorter = 0;
        for (int e = -149; e <= 127; e++) {
                char text[NUM_F32_MAX + 1];
                float v = ldexpf(1, e);
                text[num_print_f32(text, v)] = '\0';
                if (digits_of(text) > best_near_power(v))
                        fail_msg("2^%d printed as %s, %d digits do", e, text, best_near_power(v));
                shorter += digits_of(text) < best_f32(v);
        }
        assert_true(shorter > 0); /* there are such */
}

static void forms(void **state)
{
        (void)state;
        static const struct {
                double v;
                const char *f32, *f64;
        } cases[] = {
            {0, "0", "0"},
            {-0.0, "-0", "-0"},
            {1, "1", "1"},
            {-10, "-10", "-10"},
            {784, "784", "784"},
            {100000, "100000", "100000"},
            {0.5, "0.5", "0.5"},
            {0.1, "0.1", "0.1"},
            {0.981, "0.981", "0.981"},
            {0.0004, "0.0004", "0.0004"},
            {0.00001, "0.00001", "0.00001"},
            {0.000001, "1e-6", "1e-6"},
            {1.5e-7, "1.5e-7", "1.5e-7"},
            {123456789, "123456790", "123456789"},
            {1e9, "1e9", "1000000000"},
            {1e16, "1e16", "10000000000000000"},
            {1e17, "1e17", "1e17"},
            {3.5e30, "3.5e30", "3.5e30"},
            {16777216, "16777216", "16777216"},
            {12.75, "12.75", "12.75"},
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char text[NUM_F64_MAX + 1];
                text[num_print_f32(text, (float)cases[i].v)] = '\0';
                assert_string_equal(text, cases[i].f32);
                text[num_print_f64(text, cases[i].v)] = '\0';
                assert_string_equal(text, cases[i].f64);
        }
}

static void random_doubles(void **state)
{
        (void)state;
        uint64_t s = 5;
        for (uint64_t i = 0; i < rounds / 10; i++) {
                uint64_t bits = next(&s);
                double v, back;
                char text[NUM_F64_MAX + 1], best[64];
                if (i % 3 == 1)
                        v = (double)(bits >> 11) * 0x1p-53;
                else
                        memcpy(&v, &bits, sizeof(v));
                if (!isfinite(v))
                        continue;
                size_t n = num_print_f64(text, v);
                assert_true(n <= NUM_F64_MAX);
                text[n] = '\0';
                back = strtod(text, NULL);
                if (memcmp(&back, &v, sizeof(v)) != 0)
                        fail_msg("%a printed as %s", v, text);
                for (int p = 1; p <= 17; p++) {
                        snprintf(best, sizeof(best), "%.*e", p - 1, v);
                        if (strtod(best, NULL) == v)
                                break;
                }
                assert_true(digits_of(text) <= digits_of(best));
        }
        char text[NUM_F64_MAX + 1];
        text[num_print_f64(text, 5e-324)] = '\0';
        assert_string_equal(text, "5e-324");
        text[num_print_f64(text, -1.7976931348623157e308)] = '\0';
        assert_string_equal(text, "-1.7976931348623157e308");
}

int main(int argc, char **argv)
{
        if (argc > 1)
                rounds = strcmp(argv[1], "long") == 0 ? 100000000 : strtoull(argv[1], NULL, 10);
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(random_floats),
            cmocka_unit_test(edges),
            cmocka_unit_test(powers_of_two),
            cmocka_unit_test(forms),
            cmocka_unit_test(random_doubles),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

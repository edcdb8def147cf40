/* numbers.c: nanoseconds per number, reading and printing, beside the C library's, in one run: numbers [COUNT].
 *
 * The values are what requests carry: pixels scaled to [0, 1) as %.4f, float32 as %.9g, float32 printed as double by
 * %.17g (tritonclient's JSON mode), small integers. Read ratios; the third digit is noise. */
#include "base/clock.h"
#include "proto/num.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 15, TEXT_MAX = 32 };

static const char *const formats[] = {"%.4f", "%.9g", "%.17g", "%.0f"};

static uint64_t next(uint64_t *s) /* splitmix64 */
{
        uint64_t z = *s += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
}

static uint64_t least(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

/* The best round of each of the two readers over the same text, "v,v,v,". */
static void time_reading(const char *format, const char *text, size_t n, size_t count)
{
        uint64_t ours = UINT64_MAX, theirs = UINT64_MAX;
        float sum = 0, other = 0, v;
        for (int round = 0; round < ROUNDS; round++) {
                uint64_t start = clock_mono_ns(&clock_system);
                for (const char *p = text, *end = text + n; p < end; p++, sum += v)
                        p = num_scan_f32(p, end, &v);
                uint64_t middle = clock_mono_ns(&clock_system);
                for (char *p = (char *)(uintptr_t)text, *end = p + n; p < end; p++, other += v)
                        v = strtof(p, &p);
                ours = least(ours, middle - start);
                theirs = least(theirs, clock_mono_ns(&clock_system) - middle);
        }
        printf("read  %-6s %6.1f ns, strtof %6.1f ns, ratio %4.1f%s\n", format, (double)ours / (double)count,
            (double)theirs / (double)count, (double)theirs / (double)ours, sum == other ? "" : " SUMS DIFFER");
}

static void time_printing(const float *v, size_t count, const char *what)
{
        uint64_t ours = UINT64_MAX, theirs = UINT64_MAX;
        char text[TEXT_MAX];
        size_t total = 0;
        for (int round = 0; round < ROUNDS; round++) {
                uint64_t start = clock_mono_ns(&clock_system);
                for (size_t i = 0; i < count; i++)
                        total += num_print_f32(text, v[i]);
                uint64_t middle = clock_mono_ns(&clock_system);
                for (size_t i = 0; i < count; i++)
                        total += (size_t)snprintf(text, sizeof(text), "%.9g", (double)v[i]);
                ours = least(ours, middle - start);
                theirs = least(theirs, clock_mono_ns(&clock_system) - middle);
        }
        printf("print %-6s %6.1f ns, %%.9g   %6.1f ns, ratio %4.1f (%zu bytes)\n", what, (double)ours / (double)count,
            (double)theirs / (double)count, (double)theirs / (double)ours, total);
}

int main(int argc, char **argv)
{
        size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 78400;
        float *v = calloc(count, sizeof(*v));
        char *text = calloc(count, TEXT_MAX);
        uint64_t s = 1;
        if (!v || !text || count == 0)
                return 1;
        for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
                size_t n = 0;
                for (size_t i = 0; i < count; i++) {
                        v[i] = (float)(next(&s) >> 40) * 0x1p-24f * (f == 3 ? 255 : 1);
                        n += (size_t)snprintf(text + n, TEXT_MAX, formats[f], (double)v[i]);
                        text[n++] = ',';
                }
                time_reading(formats[f], text, n, count);
        }
        for (size_t i = 0; i < count; i++)
                v[i] = (float)(next(&s) >> 40) * 0x1p-24f;
        time_printing(v, count, "[0,1)");
        for (size_t i = 0; i < count; i++)
                v[i] = (float)(next(&s) % 10000) / 10000;
        time_printing(v, count, "0.1234");
        free(v);
        free(text);
        return 0;
}

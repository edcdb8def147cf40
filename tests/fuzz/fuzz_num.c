/* Fuzz target of the number scanner: it takes exactly the JSON numbers, and reads them to the bit as strtof does.
 *
 * The first four bytes are a float as well, which must survive being printed and read. */
#include "fuzz.h"
#include "proto/num.h"
#include <math.h>

static const char *digits(const char *p, const char *end)
{
        const char *from = p;
        while (p < end && *p >= '0' && *p <= '9')
                p++;
        return p > from ? p : NULL;
}

/* The number's end by the grammar of RFC 8259, section 6; NULL if none starts here. */
static const char *grammar(const char *p, const char *end)
{
        if (p < end && *p == '-')
                p++;
        p = p < end && *p == '0' ? p + 1 : digits(p, end);
        if (p && p < end && *p == '.')
                p = digits(p + 1, end);
        if (p && p < end && (*p == 'e' || *p == 'E')) {
                p++;
                p = digits(p < end && (*p == '+' || *p == '-') ? p + 1 : p, end);
        }
        return p;
}

static void compare(const char *p, size_t n)
{
        float got = 7, want = 0;
        const char *end = num_scan_f32(p, p + n, &got), *there = grammar(p, p + n);
        if (there) {
                char *z = calloc((size_t)(there - p) + 1, 1);
                memcpy(z, p, (size_t)(there - p));
                want = strtof(z, NULL);
                free(z);
                if (isinf(want))
                        there = NULL;
        }
        fuzz_check(end == there);
        fuzz_check(!there || memcmp(&got, &want, sizeof(got)) == 0);
}

static void there_and_back(const uint8_t *data)
{
        float v, again;
        char text[NUM_F32_MAX];
        memcpy(&v, data, sizeof(v));
        if (!isfinite(v))
                return;
        size_t n = num_print_f32(text, v);
        fuzz_check(n <= sizeof(text) && num_scan_f32(text, text + n, &again) == text + n);
        fuzz_check(memcmp(&v, &again, sizeof(v)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 4 || size > 4096)
                return 0;
        there_and_back(data);
        char *p = fuzz_copy(data + 4, size - 4);
        compare(p, size - 4);
        free(p);
        return 0;
}

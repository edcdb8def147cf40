/* floats.c: the search for numbers that are none. It is done for every row that is predicted, so it must cost less
 * than the row's way through memory: blocks of a fixed length have no branch inside, which compilers turn into
 * vectors. */
#include "base/floats.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 16 };

static bool block_is_finite(const float *v)
{
        uint32_t bits[BLOCK], bad = 0;
        memcpy(bits, v, sizeof(bits));
        for (int i = 0; i < BLOCK; i++)
                bad |= (bits[i] & 0x7f800000) == 0x7f800000; /* all ones in the exponent: IEEE 754, 3.4 */
        return bad == 0;
}

size_t floats_not_finite(const float *v, size_t n)
{
        size_t i = 0;
        while (n - i >= BLOCK && block_is_finite(v + i))
                i += BLOCK;
        while (i < n && isfinite(v[i]))
                i++;
        return i;
}

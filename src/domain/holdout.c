/* holdout.c: which rows are never trained on.
 *
 * The side is the first 53 bits of SHA-256 over source, a NUL and the event's id, read as a number in [0,1), against
 * the share. It depends on the event's key alone, so a repeated event falls on the same side, and raising the share
 * only moves rows into the holdout. A source cannot contain NUL, so no two keys give the same bytes. */
#include "domain/holdout.h"
#include "base/digest.h"
#include <string.h>

enum { HASHED_MAX = 512 };

bool holdout_split(const char *source, const char *event_id, double share)
{
        char key[HASHED_MAX];
        size_t n = strnlen(source, HASHED_MAX / 2 - 1), m = strnlen(event_id, HASHED_MAX / 2);
        memcpy(key, source, n);
        key[n] = '\0';
        memcpy(key + n + 1, event_id, m);
        struct digest d;
        digest_of(key, n + 1 + m, &d);
        return (double)(digest_u64(&d) >> 11) * 0x1p-53 < share;
}

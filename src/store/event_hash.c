/* event_hash.c: see event_hash.h.
 *
 * The lowest hashes of a growing set are a uniform sample of it at any time, and a row that was dropped never comes
 * back into it: the choice does not depend on how often or when it is made. */
#include "store/event_hash.h"
#include "domain/types.h"
#include <string.h>

uint64_t event_hash(const char *event_id, const char *source)
{
        char both[2 * KEY_SIZE];
        struct digest d;
        size_t n = strnlen(event_id, KEY_SIZE - 1), k = strnlen(source, KEY_SIZE - 1);

        memcpy(both, event_id, n);
        both[n] = '\0';
        memcpy(both + n + 1, source, k);
        digest_of(both, n + 1 + k, &d);
        return digest_u64(&d) >> 1;
}

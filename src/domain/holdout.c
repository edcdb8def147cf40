/* holdout.c: which rows are never trained on.
 *
 * The side is the first 53 bits of SHA-256 over the event's id, read as a number in [0,1), against the share. It
 * depends on the event alone, so a repeated event falls on the same side, whoever tells of it: where several sources
 * label one event, none of its rows is trained on while another judges. Raising the share only moves rows into the
 * holdout. */
#include "domain/holdout.h"
#include "base/digest.h"
#include <string.h>

bool holdout_split(const char *event_id, double share)
{
        struct digest d;
        digest_of(event_id, strlen(event_id), &d);
        return (double)(digest_u64(&d) >> 11) * 0x1p-53 < share;
}

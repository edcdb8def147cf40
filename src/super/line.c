/* line.c: lines out of a non-blocking descriptor.
 *
 * One buffer of fixed size: whoever writes without end costs no memory. A line that does not fit is dropped up to its
 * newline. */
#include "super/line.h"
#include <errno.h>
#include <unistd.h>

enum { READS_PER_CALL = 64 }; /* a stream that never stops leaves the loop its turn */

static void put_bytes(struct line_reader *r, const char *p, size_t n, void (*line)(void *, struct slice),
    void (*too_long)(void *), void *arg)
{
        for (size_t i = 0; i < n; i++) {
                if (p[i] == '\n') {
                        if (!r->skipping)
                                line(arg, (struct slice){r->data, r->n});
                        r->n = 0;
                        r->skipping = false;
                } else if (!r->skipping && r->n == LINE_CAP) {
                        r->skipping = true;
                        if (too_long)
                                too_long(arg);
                } else if (!r->skipping) {
                        r->data[r->n++] = p[i];
                }
        }
}

bool line_read(
    struct line_reader *r, int fd, void (*line)(void *arg, struct slice l), void (*too_long)(void *arg), void *arg)
{
        char chunk[LINE_CAP];
        for (int i = 0; i < READS_PER_CALL; i++) {
                ssize_t got = read(fd, chunk, sizeof(chunk));
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0 && errno == EAGAIN)
                        return true;
                if (got <= 0) {
                        if (r->n > 0 && !r->skipping)
                                line(arg, (struct slice){r->data, r->n});
                        r->n = 0;
                        return false;
                }
                put_bytes(r, chunk, (size_t)got, line, too_long, arg);
        }
        return true;
}

/* words.c: the buffer sentences are put together in. A sentence that is too long is cut where the buffer ends;
 * sentences are written to fit, and their tests see the last word. */
#include "domain/words.h"
#include <stdarg.h>
#include <stdio.h>

struct words words_in(char at[REASON_SIZE])
{
        at[0] = '\0';
        return (struct words){.at = at};
}

void words_put(struct words *w, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        int m = vsnprintf(w->at + w->n, REASON_SIZE - w->n, format, ap);
        va_end(ap);
        size_t room = REASON_SIZE - 1 - w->n;
        w->n += m < 0 ? 0 : (size_t)m < room ? (size_t)m : room;
}

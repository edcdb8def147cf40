/* bar.c: see bar.h. The time left follows from this run's own speed. */
#include "bench/bar.h"
#include "base/clock.h"
#include <stdio.h>
#include <unistd.h>

enum { BAR_WIDTH = 30 };
#define REDRAW_TTY_NS 100000000ull
#define REDRAW_LOG_NS 10000000000ull

void bar_start(struct bar *b, double fraction)
{
        uint64_t now = clock_mono_ns(&clock_system);
        *b = (struct bar){.started_ns = now, .first = fraction, .tty = isatty(STDERR_FILENO) == 1};
        b->shown_ns = b->tty ? 0 : now;
}

void bar_show(struct bar *b, double fraction, const char *text)
{
        uint64_t now = clock_mono_ns(&clock_system);
        char drawn[BAR_WIDTH + 1];
        double done = fraction - b->first;
        if (b->shown_ns != 0 && now - b->shown_ns < (b->tty ? REDRAW_TTY_NS : REDRAW_LOG_NS))
                return;
        b->shown_ns = now;
        for (int i = 0; i < BAR_WIDTH; i++)
                drawn[i] = i < (int)(fraction * BAR_WIDTH) ? '#' : '.';
        drawn[BAR_WIDTH] = '\0';
        fprintf(stderr, "%s[%s] %3.0f %%  %s", b->tty ? "\r\033[K" : "", drawn, 100 * fraction, text);
        if (done > 0.005) {
                double left = (double)(now - b->started_ns) / 1e9 * (1 - fraction) / done;
                unsigned seconds = left < 1e6 ? (unsigned)left : 999999;
                fprintf(stderr, "  %u:%02u left", seconds / 60, seconds % 60);
        }
        if (!b->tty)
                fputc('\n', stderr);
}

void bar_end(struct bar *b)
{
        if (b->tty && b->shown_ns != 0)
                fputs("\r\033[K", stderr);
}

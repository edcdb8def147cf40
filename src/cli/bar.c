/* bar.c: progress on stderr; silent between two redraws that are too close. */
#include "base/clock.h"
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { BAR_WIDTH = 32 };
#define REDRAW_TTY_NS 100000000ull
#define REDRAW_LOG_NS 5000000000ull

void bar_start(struct cli *c, const char *what)
{
        c->bar = (struct bar){.what = what,
            .started_ns = clock_mono_ns(&clock_system),
            .tty = isatty(STDERR_FILENO) == 1,
            .quiet = c->opt.json};
}

static void draw(struct bar *b, uint64_t now, double fraction, const char *fmt, va_list ap)
{
        char drawn[BAR_WIDTH + 1];
        double left;

        b->shown_ns = now;
        for (int i = 0; i < BAR_WIDTH; i++)
                drawn[i] = i < (int)(fraction * BAR_WIDTH) ? '#' : '.';
        drawn[BAR_WIDTH] = 0;
        left = fraction > 0.01 ? (double)(now - b->started_ns) / 1e9 * (1 - fraction) / fraction : -1;
        fprintf(stderr, "%s%s [%s] %3.0f %%  ", b->tty ? "\r\033[K" : "", b->what, drawn, 100 * fraction);
        vfprintf(stderr, fmt, ap);
        if (left >= 0.5)
                fprintf(stderr, "  %.0f s left", left);
        b->open = b->tty;
        if (!b->tty)
                fputc('\n', stderr);
}

void bar_show(struct cli *c, double fraction, const char *fmt, ...)
{
        struct bar *b = &c->bar;
        uint64_t now = clock_mono_ns(&clock_system);
        uint64_t since = b->shown_ns ? b->shown_ns : b->started_ns;
        va_list ap;

        if (b->quiet || now - since < (b->tty ? REDRAW_TTY_NS : REDRAW_LOG_NS))
                return;
        va_start(ap, fmt);
        draw(b, now, fraction < 0 ? 0 : fraction > 1 ? 1 : fraction, fmt, ap);
        va_end(ap);
}

void bar_end(struct cli *c, const char *fmt, ...)
{
        struct bar *b = &c->bar;
        va_list ap;

        if (b->quiet)
                return;
        va_start(ap, fmt);
        draw(b, clock_mono_ns(&clock_system), 1, fmt, ap);
        va_end(ap);
        bar_break(b);
}

void bar_break(struct bar *b)
{
        if (b->open)
                fputc('\n', stderr);
        b->open = false;
}

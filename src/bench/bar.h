/* bar.h: progress on stderr, with the time left; a line every few seconds where stderr is no terminal. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct bar {
        uint64_t started_ns, shown_ns;
        double first; /* fraction at the start: what was kept from earlier cost no time now */
        bool tty;
};
void bar_start(struct bar *b, double fraction);
void bar_show(struct bar *b, double fraction, const char *text);
void bar_end(struct bar *b); /* clears a terminal's line */

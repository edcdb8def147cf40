/* line.h: lines out of a non-blocking descriptor, with a ceiling. */
#pragma once
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>

enum { LINE_CAP = 4096 };

struct line_reader {
        char data[LINE_CAP];
        size_t n;
        bool skipping; /* inside a line that was too long */
};

/* Reads what is there and hands out each line without its newline. too_long (may be NULL) is told once per line of
 * LINE_CAP bytes or more, which is dropped. Returns false at the end of the stream or when reading fails; what is
 * left then, without a newline, is handed out as a line. */
bool line_read(
    struct line_reader *r, int fd, void (*line)(void *arg, struct slice l), void (*too_long)(void *arg), void *arg);

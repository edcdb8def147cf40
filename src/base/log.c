/* log.c: one event, one line, one write.
 *
 * The line is built on the stack and written by a single write(2), which keeps the lines of several threads whole;
 * a full or closed stderr loses the line rather than holding up the program. Control characters become '?', so that
 * text from outside can neither forge a second line nor reach a terminal. Time stamps are the journal's business. */
#include "base/log.h"
#include "base/str.h"
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static atomic_int threshold = LOG_LEVEL_INFO;
static atomic_bool to_journal;

static const struct {
        enum log_level level;
        const char *name;
} levels[] = {
    {LOG_LEVEL_ERROR, "error"},
    {LOG_LEVEL_WARNING, "warning"},
    {LOG_LEVEL_INFO, "info"},
    {LOG_LEVEL_DEBUG, "debug"},
};

enum { N_LEVELS = sizeof(levels) / sizeof(levels[0]) };

void log_init(enum log_level level, bool journal)
{
        atomic_store(&threshold, (int)level);
        atomic_store(&to_journal, journal);
}

bool log_level_parse(const char *name, enum log_level *ret)
{
        for (size_t i = 0; i < N_LEVELS; i++) {
                if (strcmp(levels[i].name, name) == 0) {
                        *ret = levels[i].level;
                        return true;
                }
        }
        return false;
}

static const char *level_name(enum log_level level)
{
        for (size_t i = 0; i < N_LEVELS; i++) {
                if (levels[i].level == level)
                        return levels[i].name;
        }
        return "note";
}

void log_line(enum log_level level, const char *fmt, ...)
{
        if ((int)level > atomic_load_explicit(&threshold, memory_order_relaxed))
                return;
        int saved = errno;
        char line[LINE_MAX_BYTES + 1]; /* one for the newline */
        int head = atomic_load(&to_journal) ? snprintf(line, sizeof(line), "<%d>", (int)level)
                                            : snprintf(line, sizeof(line), "%s: ", level_name(level));
        size_t start = head > 0 ? (size_t)head : 0, room = LINE_MAX_BYTES - start;
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(line + start, room, fmt, ap);
        va_end(ap);
        size_t len = start + (n < 0 ? 0 : (size_t)n < room ? (size_t)n : str_utf8_cut(line + start, room - 1));
        for (size_t i = start; i < len; i++) {
                if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
                        line[i] = '?';
        }
        line[len++] = '\n';
        ssize_t put = write(STDERR_FILENO, line, len);
        (void)put; /* nobody is left to be told */
        errno = saved;
}

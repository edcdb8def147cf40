/* log.h: one line per event on stderr, with a syslog priority prefix when the journal listens.
 *
 * Only daemon, super, server and the main.c files log; libraries return errors. The level is the only global of the
 * program. Thread-safe: one write(2) per line. Never log inputs or credentials. */
#pragma once
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

void log_init(enum log_level level, bool journal); /* journal: prefix lines with "<N>" as sd-daemon(3) wants */
bool log_level_parse(const char *name, enum log_level *ret); /* "error" "warning" "info" "debug" */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* notify.h: what the service manager is told, and the sockets it hands over. Without one every call does nothing.
 * Main thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { NOTIFY_MAX_FDS = 16 };

void notify_ready(const char *status);
void notify_status(const char *status); /* one line */
void notify_reloading(uint64_t mono_us);
void notify_stopping(void);
void notify_watchdog(void);

uint64_t notify_watchdog_ms(void);              /* 0: the manager does not watch */
size_t notify_sockets(int ret[NOTIFY_MAX_FDS]); /* listening sockets passed in; once */

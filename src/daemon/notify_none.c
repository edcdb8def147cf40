/* notify_none.c: no service manager to tell; notify.c is the one that speaks to systemd. */
#include "daemon/notify.h"

void notify_ready(const char *status)
{
        (void)status;
}

void notify_status(const char *status)
{
        (void)status;
}

void notify_reloading(uint64_t mono_us)
{
        (void)mono_us;
}

void notify_stopping(void)
{
}

void notify_watchdog(void)
{
}

uint64_t notify_watchdog_ms(void)
{
        return 0;
}

size_t notify_sockets(int ret[NOTIFY_MAX_FDS])
{
        (void)ret;
        return 0;
}

/* notify.c: the service manager is systemd, through libsystemd. notify_none.c stands in where that is not there. */
#include "daemon/notify.h"
#include <inttypes.h>
#include <systemd/sd-daemon.h>

void notify_ready(const char *status)
{
        sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_status(const char *status)
{
        sd_notifyf(0, "STATUS=%s", status);
}

void notify_reloading(uint64_t mono_us)
{
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, mono_us);
}

void notify_stopping(void)
{
        sd_notify(0, "STOPPING=1");
}

void notify_watchdog(void)
{
        sd_notify(0, "WATCHDOG=1");
}

uint64_t notify_watchdog_ms(void)
{
        uint64_t us = 0;
        return sd_watchdog_enabled(0, &us) > 0 ? us / 1000 : 0;
}

size_t notify_sockets(int ret[NOTIFY_MAX_FDS])
{
        int n = sd_listen_fds(1); /* also unsets the variables, so that no child takes them for its own */
        size_t found = 0;
        for (int i = 0; i < n && found < NOTIFY_MAX_FDS; i++) {
                int fd = SD_LISTEN_FDS_START + i;
                if (sd_is_socket(fd, 0, 0, 1) > 0)
                        ret[found++] = fd;
        }
        return found;
}

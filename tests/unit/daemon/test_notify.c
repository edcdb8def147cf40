/* test_notify.c: what reaches $NOTIFY_SOCKET, and sockets passed in. */
#include "daemon/notify.h"
#include "lib/tmpdir.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

static int manager(const char *path)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        setenv("NOTIFY_SOCKET", path, 1);
        return fd;
}

static void expect(int fd, const char *want)
{
        char got[512];
        ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
        assert_true(n > 0);
        got[n] = '\0';
        assert_string_equal(got, want);
}

static void tells_the_manager(void **state)
{
        (void)state;
        char *dir = tmpdir_new(), path[256];
        int fd = manager(tmpdir_path(path, sizeof(path), dir, "notify"));
        notify_ready("idle");
        expect(fd, "READY=1\nSTATUS=idle");
        notify_status("model m: consolidating");
        expect(fd, "STATUS=model m: consolidating");
        notify_reloading(17);
        expect(fd, "RELOADING=1\nMONOTONIC_USEC=17");
        notify_watchdog();
        expect(fd, "WATCHDOG=1");
        notify_stopping();
        expect(fd, "STOPPING=1");
        unsetenv("NOTIFY_SOCKET");
        close(fd);
        tmpdir_remove(dir);
}

static void nobody_to_tell(void **state)
{
        (void)state;
        unsetenv("NOTIFY_SOCKET");
        unsetenv("WATCHDOG_USEC");
        notify_ready("idle");
        notify_stopping();
        assert_int_equal(notify_watchdog_ms(), 0);
}

static void knows_the_watchdog(void **state)
{
        (void)state;
        char pid[32];
        snprintf(pid, sizeof(pid), "%ld", (long)getpid());
        setenv("WATCHDOG_PID", pid, 1);
        setenv("WATCHDOG_USEC", "3000000", 1);
        assert_int_equal(notify_watchdog_ms(), 3000);
        unsetenv("WATCHDOG_PID");
        unsetenv("WATCHDOG_USEC");
}

static void takes_listening_sockets_only(void **state)
{
        (void)state;
        char pid[32];
        int got[NOTIFY_MAX_FDS], saved[2];
        int listening = socket(AF_INET, SOCK_STREAM, 0), plain = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in any = {.sin_family = AF_INET};
        assert_int_equal(bind(listening, (struct sockaddr *)&any, sizeof(any)), 0);
        assert_int_equal(listen(listening, 1), 0);
        int high = dup2(listening, 100), high_plain = dup2(plain, 101);
        close(listening);
        close(plain);
        saved[0] = dup2(3, 110); /* whoever has 3 and 4 gets them back */
        saved[1] = dup2(4, 111);
        dup2(high, 3);
        dup2(high_plain, 4);
        snprintf(pid, sizeof(pid), "%ld", (long)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "2", 1);
        size_t n = notify_sockets(got);
        for (int i = 0; i < 2; i++) {
                close(3 + i);
                if (saved[i] >= 0) {
                        dup2(saved[i], 3 + i);
                        close(saved[i]);
                }
        }
        close(high);
        close(high_plain);
        assert_int_equal(n, 1);
        assert_int_equal(got[0], 3);
        assert_null(getenv("LISTEN_FDS")); /* no child takes them for its own */
        assert_int_equal(notify_sockets(got), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(tells_the_manager),
            cmocka_unit_test(nobody_to_tell),
            cmocka_unit_test(knows_the_watchdog),
            cmocka_unit_test(takes_listening_sockets_only),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

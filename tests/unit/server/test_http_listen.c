/* Listening sockets: mode, dead and living socket files, other files in the way, long paths; TCP on port 0. */
#include "base/err.h"
#include "server/http.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64], path[96];

static int setup(void **state)
{
        (void)state;
        strcpy(dir, "/tmp/ewcd-listen-XXXXXX");
        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/s", dir);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        unlink(path);
        return rmdir(dir);
}

static unsigned mode_of(const char *p)
{
        struct stat st;
        assert_int_equal(stat(p, &st), 0);
        return st.st_mode & 0777;
}

static void test_mode_despite_umask(void **state)
{
        (void)state;
        struct err e;
        int fd;
        mode_t old = umask(077);
        assert_int_equal(http_listen_unix(path, 0660, &fd, &e), 0);
        umask(old);
        assert_int_equal(mode_of(path), 0660);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        close(fd);
}

static void test_dead_socket_is_replaced(void **state)
{
        (void)state;
        struct err e;
        int fd;
        for (int i = 0; i < 2; i++) {
                assert_int_equal(http_listen_unix(path, 0600, &fd, &e), 0);
                close(fd);
        }
}

static void test_living_socket_is_not(void **state)
{
        (void)state;
        struct err e;
        int fd, second = -7;
        assert_int_equal(http_listen_unix(path, 0600, &fd, &e), 0);
        assert_int_equal(http_listen_unix(path, 0600, &second, &e), -EADDRINUSE);
        assert_int_equal(second, -7);
        assert_non_null(strstr(e.msg, "another process listens"));
        close(fd);
}

static void test_other_file_is_left_alone(void **state)
{
        (void)state;
        struct err e;
        int fd = open(path, O_CREAT | O_WRONLY, 0600), other;
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(http_listen_unix(path, 0600, &other, &e), -EADDRINUSE);
        assert_non_null(strstr(e.msg, "no socket"));
        assert_int_equal(access(path, F_OK), 0);
}

static void test_path_too_long(void **state)
{
        (void)state;
        struct err e;
        int fd;
        char text[109] = "";
        memset(text, 'a', 108);
        assert_int_equal(http_listen_unix(text, 0600, &fd, &e), -ENAMETOOLONG);
        assert_non_null(strstr(e.msg, "108 bytes"));
        assert_int_equal(http_listen_unix("", 0600, &fd, &e), -ENAMETOOLONG);
        assert_int_equal(http_listen_unix("/tmp/no-such-directory-here/s", 0600, &fd, &e), -ENOENT);
}

static void test_tcp(void **state)
{
        (void)state;
        struct err e;
        int fd, second = -7;
        uint16_t port = 0;
        assert_int_equal(http_listen_tcp("127.0.0.1", 0, &fd, &port, &e), 0);
        assert_true(port > 0);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_int_equal(http_listen_tcp("127.0.0.1", port, &second, NULL, &e), -EADDRINUSE);
        assert_int_equal(second, -7);
        struct sockaddr_in a = {
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
        close(client);
        close(fd);
        assert_true(http_listen_tcp("not an address", 0, &fd, &port, &e) < 0);
        assert_non_null(strstr(e.msg, "not an address"));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(test_mode_despite_umask, setup, teardown),
            cmocka_unit_test_setup_teardown(test_dead_socket_is_replaced, setup, teardown),
            cmocka_unit_test_setup_teardown(test_living_socket_is_not, setup, teardown),
            cmocka_unit_test_setup_teardown(test_other_file_is_left_alone, setup, teardown),
            cmocka_unit_test(test_path_too_long),
            cmocka_unit_test(test_tcp),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

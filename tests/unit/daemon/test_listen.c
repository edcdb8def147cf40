/* test_listen.c: which addresses are listened on, and which are refused. */
#include "daemon/listen.h"
#include "base/err.h"
#include "base/mem.h"
#include "daemon/conf.h"
#include "daemon/paths.h"
#include "lib/tmpdir.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void parses(void **state)
{
        (void)state;
        static const struct {
                const char *text, *host;
                int port; /* -1: refused */
        } cases[] = {
            {"127.0.0.1:8080", "127.0.0.1", 8080},
            {"[::1]:0", "::1", 0},
            {"localhost:65535", "localhost", 65535},
            {"127.0.0.1", "", -1},
            {":80", "", -1},
            {"::1:80", "", -1},
            {"a:65536", "", -1},
            {"a:", "", -1},
            {"a:-1", "", -1},
            {"a:8x", "", -1},
            {"", "", -1},
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                char host[64] = "";
                unsigned short port = 0;
                struct err e = ERR_NULL;
                int r = listen_parse(cases[i].text, host, sizeof(host), &port, &e);
                if (cases[i].port < 0 ? r != -EINVAL
                                      : r != 0 || port != cases[i].port || strcmp(host, cases[i].host) != 0)
                        fail_msg("'%s': %d '%s' %u", cases[i].text, r, host, port);
        }
}

static void knows_loopback(void **state)
{
        (void)state;
        assert_true(listen_is_loopback("127.0.0.1"));
        assert_true(listen_is_loopback("127.255.1.2"));
        assert_true(listen_is_loopback("::1"));
        assert_true(listen_is_loopback("localhost"));
        assert_false(listen_is_loopback("0.0.0.0"));
        assert_false(listen_is_loopback("::"));
        assert_false(listen_is_loopback("126.0.0.1"));
        assert_false(listen_is_loopback("128.0.0.1"));
        assert_false(listen_is_loopback("example.org"));
        assert_false(listen_is_loopback("localhost.example.org"));
}

static void remote_addresses_need_a_word(void **state)
{
        (void)state;
        struct conf c;
        struct err e = ERR_NULL;
        conf_defaults(&c);
        assert_int_equal(listen_check(&c, &e), 0);
        assert_int_equal(conf_set(&c, "listen.tcp", "0.0.0.0:0", &e), 0);
        assert_int_equal(listen_check(&c, &e), -EACCES);
        assert_non_null(strstr(e.msg, "allow_remote"));
        assert_int_equal(conf_set(&c, "listen.allow_remote", "true", &e), 0);
        assert_int_equal(listen_check(&c, &e), 0);
}

static void opens_and_closes(void **state)
{
        (void)state;
        char *dir = tmpdir_new();
        struct conf c;
        struct paths p = {0};
        struct listen l, other;
        struct err e = ERR_NULL;
        struct stat st;
        conf_defaults(&c);
        tmpdir_path(p.socket, sizeof(p.socket), dir, "run/ewcd.sock");
        assert_int_equal(conf_set(&c, "listen.tcp", "127.0.0.1:0", &e), 0);
        assert_int_equal(conf_set(&c, "listen.socket_mode", "0600", &e), 0);
        if (listen_open(&l, &c, &p, &e) < 0)
                fail_msg("%s", e.msg);
        assert_int_equal(l.n, 2);
        assert_int_equal(strncmp(l.name[0], "unix:", 5), 0);
        assert_string_equal(l.name[0] + 5, p.socket);
        assert_int_equal(strncmp(l.name[1], "http://127.0.0.1:", 17), 0);
        assert_true(atoi(l.name[1] + 17) > 0);
        assert_int_equal(stat(p.socket, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(conf_set(&c, "listen.tcp", "", &e), 0);
        assert_int_equal(listen_open(&other, &c, &p, &e), -EADDRINUSE); /* one that lives is not replaced */
        listen_close(&l);
        assert_int_equal(access(p.socket, F_OK), -1);
        listen_close(&l);
        tmpdir_remove(dir);
}

/* A socket on the own address for every loop, one for all of them elsewhere; and nobody else gets in. */
static void every_loop_has_its_own(void **state)
{
        (void)state;
        char *dir = tmpdir_new(), name[64];
        struct conf c;
        struct paths p = {0};
        struct listen l, other;
        struct err e = ERR_NULL;
        bool used[4] = {false};
        conf_defaults(&c);
        tmpdir_path(p.socket, sizeof(p.socket), dir, "s");
        assert_int_equal(conf_set(&c, "listen.tcp", "127.0.0.1:0", &e), 0);
        assert_int_equal(conf_set(&c, "server.threads", "4", &e), 0);
        if (listen_open(&l, &c, &p, &e) < 0)
                fail_msg("%s", e.msg);
        assert_int_equal(l.n_more, 3);
        assert_int_equal(listen_fd(&l, 0, 3), l.fd[0]);
        assert_int_equal(listen_fd(&l, 1, 0), l.fd[1]);
        assert_int_equal(listen_fd(&l, 1, 3), l.more[2]);
        struct sockaddr_in a = {.sin_family = AF_INET,
            .sin_port = htons((uint16_t)atoi(strrchr(l.name[1], ':') + 1)),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int client[200];
        for (int i = 0; i < 200; i++) {
                client[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                assert_int_equal(connect(client[i], (struct sockaddr *)&a, sizeof(a)), 0);
        }
        for (size_t loop = 0; loop < 4; loop++) {
                int fd = accept(listen_fd(&l, 1, loop), NULL, NULL);
                used[loop] = fd >= 0;
                close(fd);
        }
        for (int i = 0; i < 200; i++)
                close(client[i]);
        assert_true(used[0] && used[1] && used[2] && used[3]);
        snprintf(name, sizeof(name), "127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
        assert_int_equal(conf_set(&c, "listen.tcp", name, &e), 0);
        tmpdir_path(p.socket, sizeof(p.socket), dir, "t");
        assert_int_equal(listen_open(&other, &c, &p, &e), -EADDRINUSE);
        listen_close(&l);
        tmpdir_remove(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(parses),
            cmocka_unit_test(knows_loopback),
            cmocka_unit_test(remote_addresses_need_a_word),
            cmocka_unit_test(opens_and_closes),
            cmocka_unit_test(every_loop_has_its_own),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

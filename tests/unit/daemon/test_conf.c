/* test_conf.c: the configuration file: every refusal with its line and name; the shipped file says the defaults. */
#include "daemon/conf.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "lib/tmpdir.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char *dir;

static int open_dir(void **state)
{
        (void)state;
        dir = tmpdir_new();
        return 0;
}

static int close_dir(void **state)
{
        (void)state;
        tmpdir_remove(dir);
        return 0;
}

static int read_text(struct conf *c, const char *text, struct err *e)
{
        char path[256];
        tmpdir_path(path, sizeof(path), dir, "ewcd.conf");
        *e = (struct err)ERR_NULL;
        assert_int_equal(file_replace(path, text, strlen(text), e), 0);
        conf_defaults(c);
        return conf_read(c, path, e);
}

static void defaults(void **state)
{
        (void)state;
        struct conf c;
        struct err e;
        conf_defaults(&c);
        assert_string_equal(c.listen_socket, "");
        assert_int_equal(c.listen_socket_mode, 0660);
        assert_false(c.listen_allow_remote);
        assert_int_equal(c.server_threads, 1);
        assert_string_equal(c.log_level, "info");
        assert_int_equal(conf_check(&c, &e), 0);
}

static void reads_every_type(void **state)
{
        (void)state;
        struct conf c;
        struct err e;
        assert_int_equal(read_text(&c,
                             "# comment\n[listen]\nsocket = /tmp/x.sock\nsocket_mode = 0600\nallow_remote = yes\n\n"
                             "[server]\nthreads=4\n[log]\nlevel = debug\n",
                             &e),
            0);
        assert_string_equal(c.listen_socket, "/tmp/x.sock");
        assert_int_equal(c.listen_socket_mode, 0600);
        assert_true(c.listen_allow_remote);
        assert_int_equal(c.server_threads, 4);
        assert_string_equal(c.log_level, "debug");
        assert_int_equal(c.store_group_items, 256); /* what is not named stays */
}

static void refuses(void **state)
{
        (void)state;
        static const struct {
                const char *text, *line, *says, *field;
        } cases[] = {
            {"[listen]\nfoo = 1\n", ":2:", "no key 'foo'", ""},
            {"\n\n[nope]\na = 1\n", ":4:", "no section [nope]", ""},
            {"a = 1\n", ":1:", "before the first [section]", ""},
            {"[server]\nnonsense\n", ":2:", "neither [section] nor key", ""},
            {"[server]\nthreads = 0\n", ":2:", "from 1 to 64", "server.threads"},
            {"[server]\nthreads = 65\n", ":2:", "from 1 to 64", "server.threads"},
            {"[server]\nthreads = -1\n", ":2:", "from 1 to 64", "server.threads"},
            {"[server]\nthreads = 2x\n", ":2:", "from 1 to 64", "server.threads"},
            {"[server]\nthreads =\n", ":2:", "from 1 to 64", "server.threads"},
            {"[server]\nthreads = 99999999999999999999\n", ":2:", "from 1 to 64", "server.threads"},
            {"[server]\nthreads = 2\nthreads = 2\n", ":3:", "given twice", ""},
            {"[listen]\nsocket_mode = 0999\n", ":2:", "octal", "listen.socket_mode"},
            {"[listen]\nallow_remote = maybe\n", ":2:", "true, false", "listen.allow_remote"},
            {"[server]\nthreads = 0\nidle_ms = 1\n", ":2:", "server.threads",
                "server.threads"}, /* the first is told */
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct conf c;
                struct err e;
                int r = read_text(&c, cases[i].text, &e);
                if (r != -EINVAL || !strstr(e.msg, cases[i].line) || !strstr(e.msg, cases[i].says) ||
                    strcmp(e.field, cases[i].field) != 0)
                        fail_msg("%s: %d %s: %s", cases[i].text, r, e.field, e.msg);
        }
}

static void a_file_that_is_not_there(void **state)
{
        (void)state;
        struct conf c;
        struct err e = ERR_NULL;
        conf_defaults(&c);
        assert_int_equal(conf_read(&c, "/nonexistent/ewcd.conf", &e), -ENOENT);
        assert_non_null(strstr(e.msg, "/nonexistent/ewcd.conf"));
}

static void text_has_a_limit(void **state)
{
        (void)state;
        struct conf c;
        struct err e = ERR_NULL;
        char longest[CONF_TEXT_MAX + 1];
        conf_defaults(&c);
        memset(longest, 'x', sizeof(longest));
        longest[CONF_TEXT_MAX] = '\0';
        assert_int_equal(conf_set(&c, "store.dir", longest, &e), -EINVAL);
        longest[CONF_TEXT_MAX - 1] = '\0';
        assert_int_equal(conf_set(&c, "store.dir", longest, &e), 0);
        assert_string_equal(c.store_dir, longest);
}

static void sets_by_name(void **state)
{
        (void)state;
        struct conf c;
        struct err e = ERR_NULL;
        conf_defaults(&c);
        assert_int_equal(conf_set(&c, "listen.tcp", "127.0.0.1:0", &e), 0);
        assert_string_equal(c.listen_tcp, "127.0.0.1:0");
        assert_int_equal(conf_set(&c, "listen.tpc", "x", &e), -EINVAL);
        assert_int_equal(conf_set(&c, "listen", "x", &e), -EINVAL);
}

static void checks_what_no_key_can_say_alone(void **state)
{
        (void)state;
        struct conf c;
        struct err e = ERR_NULL;
        conf_defaults(&c);
        assert_int_equal(conf_set(&c, "log.level", "loud", &e), 0);
        assert_int_equal(conf_check(&c, &e), -EINVAL);
        assert_string_equal(e.field, "log.level");
        conf_defaults(&c);
        assert_int_equal(conf_set(&c, "listen.socket", "-", &e), 0);
        assert_int_equal(conf_check(&c, &e), -EINVAL);
        assert_int_equal(conf_set(&c, "listen.tcp", "127.0.0.1:0", &e), 0);
        assert_int_equal(conf_check(&c, &e), 0);
}

static void the_shipped_file_says_the_defaults(void **state)
{
        (void)state;
        struct buf printed, shipped;
        struct err e;
        buf_init(&printed, 1 << 20);
        buf_init(&shipped, 1 << 20);
        conf_print(&printed);
        assert_int_equal(file_read(getenv("EWCD_CONF"), 1 << 20, &shipped, &e), 0);
        assert_string_equal(shipped.data, printed.data);
        buf_deinit(&printed);
        buf_deinit(&shipped);
}

/* Uncommented, the printed file reads back to the defaults. */
static void what_is_printed_can_be_read(void **state)
{
        (void)state;
        struct buf printed;
        struct conf c, d;
        struct err e;
        buf_init(&printed, 1 << 20);
        conf_print(&printed);
        char *to = printed.data;
        for (const char *p = printed.data; *p; p++) {
                bool commented = *p == '#' && (p == printed.data || p[-1] == '\n') && p[1] != ' ';
                if (!commented)
                        *to++ = *p;
        }
        *to = '\0';
        if (read_text(&c, printed.data, &e) != 0)
                fail_msg("%s", e.msg);
        conf_defaults(&d);
        assert_memory_equal(&c, &d, sizeof(c));
        buf_deinit(&printed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(defaults),
            cmocka_unit_test(reads_every_type),
            cmocka_unit_test(refuses),
            cmocka_unit_test(a_file_that_is_not_there),
            cmocka_unit_test(text_has_a_limit),
            cmocka_unit_test(sets_by_name),
            cmocka_unit_test(checks_what_no_key_can_say_alone),
            cmocka_unit_test(the_shipped_file_says_the_defaults),
            cmocka_unit_test(what_is_printed_can_be_read),
        };
        return cmocka_run_group_tests(tests, open_dir, close_dir);
}

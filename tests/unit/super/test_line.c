/* Lines out of a pipe: split anywhere, too long, without an end. */
#include "super/line.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct got {
        struct line_reader r;
        int fd[2];
        char text[3 * LINE_CAP];
        int too_long;
};

static void on_line(void *arg, struct slice l)
{
        struct got *g = arg;
        size_t n = strlen(g->text);
        snprintf(g->text + n, sizeof(g->text) - n, "[%.*s]", (int)l.n, l.p);
}

static void on_too_long(void *arg)
{
        struct got *g = arg;
        g->too_long++;
}

static void put(struct got *g, const char *s, size_t n)
{
        assert_int_equal(write(g->fd[1], s, n), n);
}

static bool drain(struct got *g)
{
        return line_read(&g->r, g->fd[0], on_line, on_too_long, g);
}

static struct got *open_pipe(void)
{
        static struct got g;
        memset(&g, 0, sizeof(g));
        assert_int_equal(pipe2(g.fd, O_NONBLOCK), 0);
        return &g;
}

static void close_pipe(struct got *g)
{
        close(g->fd[0]);
}

static void test_pieces(void **state)
{
        (void)state;
        struct got *g = open_pipe();
        put(g, "one\ntw", 6);
        assert_true(drain(g));
        assert_string_equal(g->text, "[one]");
        put(g, "o\n\nthree", 8);
        assert_true(drain(g));
        assert_string_equal(g->text, "[one][two][]");
        close(g->fd[1]);
        assert_false(drain(g));
        assert_string_equal(g->text, "[one][two][][three]");
        assert_int_equal(g->too_long, 0);
        close_pipe(g);
}

static void test_too_long(void **state)
{
        (void)state;
        struct got *g = open_pipe();
        char big[LINE_CAP];
        memset(big, 'x', sizeof(big));
        put(g, big, LINE_CAP);
        put(g, "\n", 1); /* exactly the most */
        assert_true(drain(g));
        assert_int_equal(strlen(g->text), LINE_CAP + 2);
        g->text[0] = '\0';
        for (int i = 0; i < 3; i++)
                put(g, big, LINE_CAP);
        assert_true(drain(g));
        assert_int_equal(g->too_long, 1);
        put(g, "tail\nnext\n", 10);
        assert_true(drain(g));
        assert_string_equal(g->text, "[next]");
        put(g, big, LINE_CAP);
        put(g, "x", 1); /* too long, and the end instead of a newline */
        close(g->fd[1]);
        assert_false(drain(g));
        assert_string_equal(g->text, "[next]");
        assert_int_equal(g->too_long, 2);
        close_pipe(g);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces), cmocka_unit_test(test_too_long)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* http_live.c: the fixture of the front end's tests. */
#include "http_live.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "http_cases.h"
#include "loop/loop.h"
#include "server/http_internal.h"
#include "server/metrics.h"
#include "server/route.h"
#include "server/server.h"
#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

struct live live;
struct req_ref live_last;
unsigned live_calls;
size_t live_last_body;

static struct server server;
static struct metrics metrics;
static struct clock fake;
static struct server_conf conf;

static void h_ok(struct request *r)
{
        live_calls++;
        live.now_ns += live.step_ns;
        reply_bytes(r, 200, "text/plain", "fine\n", 5);
}

static void h_echo(struct request *r)
{
        live_calls++;
        live_last_body = r->body.n;
        reply_bytes(r, 200, "text/plain", r->body.p, r->body.n);
}

static void h_later(struct request *r)
{
        live_calls++;
        live_last = r->ref;
}

static void h_big(struct request *r)
{
        live_calls++;
        char *p = arena_alloc(r->arena, LIVE_BIG);
        assert_non_null(p);
        memset(p, 'b', LIVE_BIG);
        reply_bytes(r, 200, "application/octet-stream", p, LIVE_BIG);
}

static void h_arg(struct request *r)
{
        struct buf b;
        buf_init(&b, 1000);
        struct slice v = {0};
        request_query(r, "q", &v);
        buf_printf(&b, "{\"arg\":\"" SLICE_FMT "\",\"q\":\"" SLICE_FMT "\"}", SLICE_ARG(r->arg[0]), SLICE_ARG(v));
        reply_header(r, "X-Note", "%s", "one\r\nX-Evil: two");
        reply_json(r, 200, &b);
        buf_deinit(&b);
}

static void h_broken(struct request *r)
{
        struct err e;
        reply_error(r, err_set(&e, -EIO, "a secret of the inside"), &e);
}

static void h_full(struct request *r)
{
        reply_error(r, -ENOMEM, NULL);
}

static void h_label(struct request *r)
{
        struct err e;
        reply_error(r, err_field(&e, PROBLEM_UNKNOWN_LABEL, "/events/0/label", "no label \"x\""), &e);
}

const struct route routes[] = {
    {METHOD_GET, "/ok", h_ok, BODY_NONE, ""},
    {METHOD_POST, "/echo", h_echo, BODY_INFER, ""},
    {METHOD_PUT, "/echo", h_echo, BODY_FEEDBACK, ""},
    {METHOD_GET, "/later", h_later, BODY_NONE, ""},
    {METHOD_POST, "/later", h_later, BODY_INFER, ""},
    {METHOD_GET, "/big", h_big, BODY_NONE, ""},
    {METHOD_GET, "/arg/{a}", h_arg, BODY_NONE, ""},
    {METHOD_GET, "/broken", h_broken, BODY_NONE, ""},
    {METHOD_GET, "/full", h_full, BODY_NONE, ""},
    {METHOD_GET, "/label", h_label, BODY_NONE, ""},
};
const size_t n_routes = ARRAY_LEN(routes);

static uint64_t fake_mono(void *arg)
{
        return ((struct live *)arg)->now_ns;
}

static int64_t fake_wall(void *arg)
{
        return ((struct live *)arg)->wall_ms;
}

static int setup(size_t max_connections)
{
        struct err e;
        int fd;
        signal(SIGPIPE, SIG_IGN);
        live = (struct live){
            .now_ns = 1000000000000, .wall_ms = 784111777000, .server = &server, .conf = &conf, .metrics = &metrics};
        live_calls = 0;
        live_last.id = 0;
        memset(&metrics, 0, sizeof(metrics));
        fake = (struct clock){fake_mono, fake_wall, &live};
        conf = (struct server_conf){.max_body_infer = CASE_LIMIT,
            .max_body_feedback = 4 << 20,
            .max_body_admin = CASE_LIMIT,
            .max_connections = max_connections,
            .max_request_memory = 32 << 20,
            .header_ms = 5000,
            .idle_ms = 75000,
            .write_ms = 10000,
            .body_rate = 1000,
            .program = "test"};
        server = (struct server){.conf = &conf, .metrics = &metrics};
        strcpy(live.dir, "/tmp/ewcd-http-XXXXXX");
        assert_non_null(mkdtemp(live.dir));
        snprintf(live.path, sizeof(live.path), "%s/s", live.dir);
        assert_int_equal(loop_new(&server.loop, &fake, 16, &e), 0);
        assert_int_equal(http_new(&server.http, &server, &e), 0);
        assert_int_equal(http_listen_unix(live.path, 0600, &fd, &e), 0);
        assert_int_equal(http_accept_from(server.http, fd, &e), 0);
        close(fd);
        live.http = server.http;
        return 0;
}

int live_setup(void **state)
{
        (void)state;
        return setup(16);
}

int live_setup_small(void **state)
{
        (void)state;
        return setup(2);
}

int live_teardown(void **state)
{
        (void)state;
        http_free(server.http);
        assert_int_equal(atomic_load(&metrics.connections), 0);
        assert_int_equal(atomic_load(&metrics.in_flight), 0);
        loop_free(server.loop);
        unlink(live.path);
        rmdir(live.dir);
        return 0;
}

void live_turn(void)
{
        for (int i = 0; i < 8; i++)
                event_base_loop(loop_base(server.loop), EVLOOP_NONBLOCK);
}

void live_pass(uint64_t ms)
{
        live.now_ns += ms * 1000000;
        live.wall_ms += (int64_t)ms;
        http_sweep(live.http);
        live_turn();
}

int live_socket(void)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fd >= 0);
        return fd;
}

void live_connect_with(int fd)
{
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        strcpy(a.sun_path, live.path);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        live_turn();
}

int live_connect(void)
{
        int fd = live_socket();
        live_connect_with(fd);
        return fd;
}

void live_send(int fd, const char *p, size_t n)
{
        for (size_t at = 0; at < n;) {
                ssize_t k = send(fd, p + at, n - at, MSG_NOSIGNAL);
                if (k < 0 && errno == EPIPE)
                        break; /* the server has closed: what it said is there to be read */
                assert_true(k > 0 || errno == EAGAIN);
                at += k > 0 ? (size_t)k : 0;
                live_turn();
        }
        live_turn();
}

void live_say(int fd, const char *text)
{
        live_send(fd, text, strlen(text));
}

size_t live_read(int fd, char *p, size_t size, int *ret_closed)
{
        size_t n = 0;
        *ret_closed = 0;
        while (n + 1 < size) {
                ssize_t k = recv(fd, p + n, size - 1 - n, 0);
                *ret_closed = k == 0 || (k < 0 && errno != EAGAIN);
                if (k <= 0)
                        break;
                n += (size_t)k;
                live_turn();
        }
        p[n] = '\0';
        return n;
}

void live_expect(int fd, const char *begin)
{
        static char text[65536];
        int closed;
        live_read(fd, text, sizeof(text), &closed);
        if (strncmp(text, begin, strlen(begin)) != 0)
                fail_msg("wanted \"%s\", got \"%.300s\"%s", begin, text, closed ? " and the end" : "");
}

void live_expect_closed(int fd)
{
        char text[256];
        int closed;
        live_turn();
        if (live_read(fd, text, sizeof(text), &closed) > 0 || !closed)
                fail_msg("wanted the end, got \"%s\"", text);
        close(fd);
        live_turn();
}

void live_expect_silence(int fd)
{
        char text[256];
        int closed;
        live_turn();
        if (live_read(fd, text, sizeof(text), &closed) > 0 || closed)
                fail_msg("wanted nothing, got \"%s\"%s", text, closed ? " and the end" : "");
}

void live_later(int status)
{
        struct request *r = request_find(&server, live_last);
        if (r)
                reply_bytes(r, status, "text/plain", "late\n", 5);
        live_turn();
}

/* Routing: segments, escapes, order, arguments, HEAD, 405 with its Allow, limits by class; parts of the query. */
#include "server/route.h"
#include "base/arena.h"
#include "base/mem.h"
#include "server/server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

const struct route routes[] = {
    {METHOD_GET, "/v2", NULL, BODY_NONE, "0"},
    {METHOD_GET, "/v2/", NULL, BODY_NONE, "1"},
    {METHOD_GET, "/v2/models", NULL, BODY_NONE, "2"},
    {METHOD_POST, "/v2/models", NULL, BODY_ADMIN, "3"},
    {METHOD_GET, "/v2/models/special", NULL, BODY_NONE, "4"},
    {METHOD_GET, "/v2/models/{m}", NULL, BODY_NONE, "5"},
    {METHOD_POST, "/v2/models/{m}/predict", NULL, BODY_INFER, "6"},
    {METHOD_POST, "/v2/models/{m}/feedback", NULL, BODY_FEEDBACK, "7"},
    {METHOD_GET, "/v2/models/{m}/feedback/{id}", NULL, BODY_NONE, "8"},
    {METHOD_PUT, "/v2/models/{m}/aliases/{a}", NULL, BODY_ADMIN, "9"},
    {METHOD_DELETE, "/v2/models/{m}/aliases/{a}", NULL, BODY_NONE, "10"},
    {METHOD_GET, "/", NULL, BODY_NONE, "11"},
};
const size_t n_routes = ARRAY_LEN(routes);

static const struct {
        enum method method;
        const char *path;
        enum problem problem;
        int route;
        const char *args; /* joined by '|' */
        const char *allow;
} rows[] = {
    {METHOD_GET, "/", PROBLEM_NONE, 11, "", ""},
    {METHOD_GET, "/v2", PROBLEM_NONE, 0, "", ""},
    {METHOD_HEAD, "/v2/", PROBLEM_NONE, 1, "", ""},
    {METHOD_GET, "/v2/models", PROBLEM_NONE, 2, "", ""},
    {METHOD_POST, "/v2/models", PROBLEM_NONE, 3, "", ""},
    {METHOD_GET, "/v2/models/special", PROBLEM_NONE, 4, "", ""},
    {METHOD_GET, "/v2/models/speciall", PROBLEM_NONE, 5, "speciall", ""},
    {METHOD_GET, "/v2/model%73/%61", PROBLEM_NONE, 5, "a", ""},
    {METHOD_POST, "/v2/models/m/predict", PROBLEM_NONE, 6, "m", ""},
    {METHOD_GET, "/v2/models/m/feedback/a%2fb%252F", PROBLEM_NONE, 8, "m|a/b%2F", ""},
    {METHOD_PUT, "/v2/models/m/aliases/x", PROBLEM_NONE, 9, "m|x", ""},
    {METHOD_GET, "/v2%2Fmodels", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_GET, "/v2/models/m/feedback/a/b", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_GET, "/v2/models/", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_GET, "/v2/models//", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_GET, "//v2", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_GET, "/v", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_GET, "/v22", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_GET, "/V2", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_POST, "/v2/models//predict", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_POST, "/v2/models/m/predict/", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_GET, "/a/b/c/d/e/f/g/h/i/j/k/l", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_GET, "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o", PROBLEM_NOT_FOUND, -1, "", ""},
    {METHOD_PUT, "/v2/models", PROBLEM_METHOD, -1, "", "GET, HEAD, POST"},
    {METHOD_HEAD, "/v2/models/m/predict", PROBLEM_METHOD, -1, "", "POST"},
    {METHOD_GET, "/v2/models/m/aliases/x", PROBLEM_METHOD, -1, "", "PUT, DELETE"},
};

static struct arena arena;

static int setup(void **state)
{
        (void)state;
        arena_init(&arena, 65536);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_deinit(&arena);
        return 0;
}

static void join_args(const struct request *r, char *ret, size_t size)
{
        ret[0] = '\0';
        for (size_t i = 0; i < r->n_args; i++)
                snprintf(ret + strlen(ret), size - strlen(ret), "%s" SLICE_FMT, i ? "|" : "", SLICE_ARG(r->arg[i]));
}

static void test_rows(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct request r = {.method = rows[i].method, .raw_path = slice_of(rows[i].path), .arena = &arena};
                char allow[64] = "", args[200];
                enum problem p = route_find(&r, allow, sizeof(allow));
                int at = r.route ? (int)(r.route - routes) : -1;
                join_args(&r, args, sizeof(args));
                if (p != rows[i].problem || at != rows[i].route || strcmp(args, rows[i].args) != 0 ||
                    strcmp(allow, rows[i].allow) != 0)
                        fail_msg(
                            "%s: problem %d, route %d, args %s, allow %s", rows[i].path, (int)p, at, args, allow);
        }
}

static void test_near(void **state)
{
        (void)state;
        static const struct {
                const char *path, *near;
                size_t size;
        } cases[] = {
            {"/v2/models/m/perdict", "/v2/models/{m}, /v2/models/{m}/predict, /v2/models/{m}/feedback",
                200}, /* one deeper, no more */
            {"/v2/models/m/feedback/a/b", "/v2/models/{m}/feedback/{id}", 200},
            {"/v2/modles", "/v2, /v2/models", 200},
            {"/v2/models/", "/v2/models, /v2/models/special, /v2/models/{m}", 200},
            {"/v2/modles", "/v2", 10},
            {"/v3", "/v2", 200},
            {"/v3", "", 2},
            {"/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o", "/v2", 200},
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                char near[200];
                struct request r = {.method = METHOD_GET, .raw_path = slice_of(cases[i].path), .arena = &arena};
                route_near(&r, near, cases[i].size);
                assert_string_equal(near, cases[i].near);
        }
}

static void test_no_memory_for_an_escape(void **state)
{
        (void)state;
        struct arena none;
        arena_init(&none, 0);
        struct request r = {.method = METHOD_GET, .raw_path = slice_of("/v2/model%73"), .arena = &none};
        char allow[64];
        assert_int_equal(route_find(&r, allow, sizeof(allow)), PROBLEM_NOT_FOUND);
        arena_deinit(&none);
}

static void test_limits(void **state)
{
        (void)state;
        struct server_conf conf = {.max_body_infer = 1, .max_body_feedback = 2, .max_body_admin = 3};
        struct server s = {.conf = &conf};
        assert_int_equal(route_body_limit(&s, &routes[0]), 0);
        assert_int_equal(route_body_limit(&s, &routes[3]), 3);
        assert_int_equal(route_body_limit(&s, &routes[6]), 1);
        assert_int_equal(route_body_limit(&s, &routes[7]), 2);
}

static void test_query(void **state)
{
        (void)state;
        struct request r = {.query = slice_of("limit=10&x&y=&z=%41%26%3d&limit=11&bad=1x&aa=1"), .arena = &arena};
        struct slice s;
        uint64_t v = 7;
        assert_true(request_query_u64(&r, "limit", &v) && v == 10);
        assert_true(request_query(&r, "x", &s) && s.n == 0);
        assert_true(request_query(&r, "y", &s) && s.n == 0);
        assert_true(request_query(&r, "z", &s) && slice_eq(s, "A&="));
        assert_true(request_query(&r, "aa", &s) && slice_eq(s, "1"));
        assert_false(request_query(&r, "a", &s));
        assert_false(request_query_u64(&r, "bad", &v));
        assert_false(request_query_u64(&r, "y", &v));
        assert_int_equal(v, 10);
        r.query = (struct slice){0};
        assert_false(request_query(&r, "", &s));
}

static void test_header(void **state)
{
        (void)state;
        struct request r = {.n_headers = 2};
        r.headers[0] = (struct http_header){slice_of("If-Match"), slice_of("\"1\"")};
        r.headers[1] = (struct http_header){slice_of("if-match"), slice_of("\"2\"")};
        assert_true(slice_eq(request_header(&r, "IF-MATCH"), "\"1\""));
        assert_int_equal(request_header(&r, "If-Matc").n, 0);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_rows),
            cmocka_unit_test(test_near),
            cmocka_unit_test(test_no_memory_for_an_escape),
            cmocka_unit_test(test_limits),
            cmocka_unit_test(test_query),
            cmocka_unit_test(test_header),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}

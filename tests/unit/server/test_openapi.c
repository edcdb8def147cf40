/* test_openapi.c: every route stands in the document with its verb, and has a row of its own in openapi.def. */
#include "base/buf.h"
#include "proto/json.h"
#include "server/openapi.h"
#include "server/route.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char *verb(enum method m)
{
        return m == METHOD_GET ? "get" : m == METHOD_POST ? "post" : m == METHOD_PUT ? "put" : "delete";
}

/* "/paths/<pattern with ~1 for its slashes>/<verb>" */
static void pointer_of(const struct route *r, char *ret, size_t size)
{
        size_t n = (size_t)snprintf(ret, size, "/paths/");
        for (const char *p = r->pattern; *p; p++)
                n += (size_t)snprintf(ret + n, size - n, *p == '/' ? "~1" : "%c", *p);
        snprintf(ret + n, size - n, "/%s", verb(r->method));
}

static void every_route(void **state)
{
        (void)state;
        struct buf b;
        struct json_doc *doc;
        size_t operations = 0;
        buf_init(&b, 1 << 20);
        openapi_write(&b, "1.2.3");
        assert_true(buf_ok(&b));
        assert_int_equal(json_parse((struct slice){b.data, b.len}, &doc, NULL), 0);
        assert_string_equal(json_text(doc, "/openapi"), "3.1.0");
        assert_string_equal(json_text(doc, "/info/version"), "1.2.3");
        for (size_t i = 0; i < n_routes; i++) {
                char at[256], summary[300];
                pointer_of(&routes[i], at, sizeof(at));
                if (!openapi_knows(&routes[i]))
                        fail_msg("%s: its handler has no row in src/server/openapi.def", at);
                snprintf(summary, sizeof(summary), "%s/summary", at);
                const char *text = json_text(doc, summary);
                if (!text)
                        fail_msg("%s is not in the document", summary);
                assert_string_equal(text, routes[i].summary);
        }
        for (int i = 0; i < json_length(doc, "/paths"); i++) {
                char at[256] = "/paths/";
                for (const char *p = json_key(doc, "/paths", (size_t)i); *p; p++)
                        strcat(at, *p == '/' ? "~1" : (char[2]){*p, '\0'});
                operations += (size_t)json_length(doc, at);
        }
        assert_int_equal(operations, n_routes);
        json_free(doc);
        buf_deinit(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(every_route)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

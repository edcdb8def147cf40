/* json_error.c: the one error shape: RFC 9457 members, and "error" for clients that read only that (serving reference
 * 2.5). Slugs and titles are domain/problem.def's; the HTTP status is the caller's. */
#include "base/buf.h"
#include "proto/json.h"
#include "proto/json_admin.h"

static const struct {
        const char *slug, *title;
} problems[PROBLEM_COUNT] = {
    [PROBLEM_NONE] = {"none", "No problem"},
#define PROBLEM(id, slug, title) [PROBLEM_##id] = {slug, title},
#include "domain/problem.def"
#undef PROBLEM
};

static unsigned row(enum problem p)
{
        return (unsigned)p < PROBLEM_COUNT ? (unsigned)p : PROBLEM_INTERNAL;
}

const char *problem_slug(enum problem p)
{
        return problems[row(p)].slug;
}

const char *problem_title(enum problem p)
{
        return problems[row(p)].title;
}

static void begin(struct buf *b, enum problem p, int status, const char *detail, const char *instance)
{
        buf_printf(b, "{\"type\":\"urn:ewcd:problem:%s\",\"title\":\"%s\",\"status\":%d,\"detail\":", problem_slug(p),
            problem_title(p), status);
        json_put_string(b, detail);
        if (instance) {
                buf_puts(b, ",\"instance\":");
                json_put_string(b, instance);
        }
        buf_puts(b, ",\"error\":");
        struct buf text;
        buf_init(&text, 4096);
        buf_printf(&text, "%s: %s", problem_slug(p), detail);
        json_put_string(b, buf_ok(&text) ? text.data : problem_slug(p));
        buf_deinit(&text);
}

void json_error_list_write(
    struct buf *b, enum problem p, int status, const char *detail, const struct buf *errors, const char *instance)
{
        begin(b, p, status, detail, instance);
        buf_puts(b, ",\"errors\":");
        buf_put(b, errors->data, errors->len);
        buf_putc(b, '}');
}

void json_error_write(
    struct buf *b, enum problem p, int status, const char *detail, const char *field, const char *instance)
{
        begin(b, p, status, detail, instance);
        if (field && field[0]) {
                buf_puts(b, ",\"errors\":[{\"pointer\":");
                json_put_string(b, field);
                buf_puts(b, ",\"detail\":");
                json_put_string(b, detail);
                buf_puts(b, "}]");
        }
        buf_putc(b, '}');
}

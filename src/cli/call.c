/* call.c: one call as every command makes it: connect on first use, print what went wrong, translate it to an exit
 * code. */
#include "base/str.h"
#include "cli/client.h"
#include "proto/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int exit_of_status(int status)
{
        switch (status) {
        case 404:
                return EXIT_NOT_FOUND;
        case 409:
        case 412:
                return EXIT_CONFLICT;
        case 503:
                return EXIT_DEGRADED;
        default:
                return EXIT_FAILED;
        }
}

static int refuse(struct cli *c, const struct answer *a)
{
        struct json_doc *doc = NULL;
        struct err e = ERR_NULL;
        const char *detail = NULL, *pointer = NULL;
        int code = exit_of_status(a->status);

        if (json_parse((struct slice){a->body.data, a->body.len}, &doc, &e) == 0) {
                detail = json_text(doc, "/detail");
                pointer = json_text(doc, "/errors/0/pointer");
        }
        if (!detail) {
                json_free(doc);
                return cli_refuse(c, code, a->status, "the daemon refused with status %d", a->status);
        }
        if (c->opt.json)
                out_json(&a->body);
        bar_break(&c->bar);
        fprintf(
            stderr, "ewcctl: %s%s%s%s\n", detail, pointer ? " (at " : "", pointer ? pointer : "", pointer ? ")" : "");
        json_free(doc);
        return code;
}

int cli_call(struct cli *c, const char *method, const char *path, const char *headers, const struct buf *body,
    struct answer *ret, struct json_doc **ret_doc)
{
        struct err e = ERR_NULL;
        int r;

        if (!c->client && client_new(&c->client, &c->opt, &e) < 0) /* -EINVAL: a bad --url or --socket */
                return cli_refuse(c, e.code == -EINVAL ? EXIT_USAGE : EXIT_FAILED, 0, "%s", e.msg);
        r = client_call(c->client, method, path, headers, body ? body->data : NULL, body ? body->len : 0, ret, &e);
        if (r < 0)
                return cli_refuse(c, EXIT_UNREACHABLE, 0, "%s", e.msg);
        if (ret->status / 100 != 2) {
                r = refuse(c, ret);
                answer_deinit(ret);
                return r;
        }
        if (ret_doc && json_parse((struct slice){ret->body.data, ret->body.len}, ret_doc, &e) < 0) {
                answer_deinit(ret);
                return cli_fail(c, &e);
        }
        return EXIT_OK;
}

int cli_get(struct cli *c, struct answer *ret, struct json_doc **ret_doc, const char *fmt, ...)
{
        char path[512];
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(path, sizeof(path), fmt, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= sizeof(path))
                return cli_refuse(c, EXIT_USAGE, 0, "name too long");
        return cli_call(c, "GET", path, "", NULL, ret, ret_doc);
}

int cli_show(struct cli *c, struct answer *a, struct json_doc *doc, void (*show)(const struct json_doc *doc))
{
        if (c->opt.json)
                out_json(&a->body);
        else
                show(doc);
        json_free(doc);
        answer_deinit(a);
        return EXIT_OK;
}

static const char *encode(char *ret, size_t size, const char *s)
{
        size_t n = 0;

        for (; *s && n + 4 <= size; s++) {
                unsigned char ch = (unsigned char)*s;

                if (ch < 0x80 && (isalnum(ch) || strchr("-._~", ch)))
                        ret[n++] = *s;
                else
                        n += (size_t)snprintf(ret + n, size - n, "%%%02X", ch);
        }
        ret[n] = 0;
        return ret;
}

const char *url_part(char ret[URL_PART], const char *s)
{
        return encode(ret, URL_PART, s);
}

const char *url_reason(char ret[URL_REASON], const struct cli *c, bool more)
{
        static const char key[] = "?reason=";

        ret[0] = 0;
        if (!c->opt.reason)
                return ret;
        memcpy(ret, key, sizeof(key));
        if (more)
                ret[0] = '&';
        encode(ret + sizeof(key) - 1, URL_REASON - (sizeof(key) - 1), c->opt.reason);
        return ret;
}

void put_reason(struct buf *b, const struct cli *c)
{
        if (!c->opt.reason)
                return;
        json_put_key(b, "reason");
        json_put_string(b, c->opt.reason);
}

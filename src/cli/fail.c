/* fail.c: how a command ends that could not do its work: words on stderr, and with --json one object on stdout, in
 * the shape of the daemon's errors. */
#include "base/str.h"
#include "cli/client.h"
#include "proto/json.h"

#include <stdarg.h>
#include <stdio.h>

enum { DETAIL_SIZE = 2048 };

static const char *const slugs[] = {
    [EXIT_FAILED] = "failed",
    [EXIT_USAGE] = "usage",
    [EXIT_NOT_FOUND] = "not-found",
    [EXIT_CONFLICT] = "conflict",
    [EXIT_REJECTED] = "rejected",
    [EXIT_UNREACHABLE] = "unreachable",
    [EXIT_DEGRADED] = "degraded",
};

void fail_json(struct buf *b, int code, int status, const char *detail)
{
        char error[DETAIL_SIZE + 16];

        snprintf(error, sizeof(error), "%s: %s", slugs[code], detail);
        buf_puts(b, "{\"error\":");
        json_put_string(b, error);
        buf_puts(b, ",\"detail\":");
        json_put_string(b, detail);
        if (status != 0)
                buf_printf(b, ",\"status\":%d}", status);
        else
                buf_puts(b, ",\"status\":null}");
}

int cli_refuse(struct cli *c, int code, int status, const char *fmt, ...)
{
        char detail[DETAIL_SIZE];
        struct buf b;
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(detail, sizeof(detail), fmt, ap);
        va_end(ap);
        bar_break(&c->bar);
        fprintf(stderr, "ewcctl: %s\n", detail);
        if (!c->opt.json)
                return code;
        buf_init(&b, 16 * DETAIL_SIZE);
        fail_json(&b, code, status, detail);
        if (buf_ok(&b))
                out_json(&b);
        buf_deinit(&b);
        return code;
}

int cli_fail(struct cli *c, const struct err *e)
{
        return cli_refuse(c, EXIT_FAILED, 0, "%s", e->msg);
}

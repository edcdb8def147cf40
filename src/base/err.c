/* err.c: filling the error value.
 *
 * Messages are formatted into a scratch buffer first, so that the old message may be among the arguments, and are cut
 * between characters, never inside one: they end up in JSON, which has to be UTF-8. */
#include "base/err.h"
#include "base/str.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Cut to the buffer, at a character. */
static void put_text(char *dst, size_t size, const char *src)
{
        size_t n = strlen(src);
        if (n >= size)
                n = str_utf8_cut(src, size - 1);
        memcpy(dst, src, n);
        dst[n] = '\0';
}

static void format(char text[ERR_MSG_MAX], const char *fmt, va_list ap)
{
        char wide[ERR_MSG_MAX + 4]; /* one whole character more than fits, so that the cut sees where it falls */
        if (vsnprintf(wide, sizeof(wide), fmt, ap) < 0)
                wide[0] = '\0';
        put_text(text, ERR_MSG_MAX, wide);
}

static void fill(struct err *e, int code, const char *field, const char *fmt, va_list ap)
{
        char text[ERR_MSG_MAX];
        format(text, fmt, ap);
        put_text(e->field, sizeof(e->field), field);
        memcpy(e->msg, text, sizeof(text));
        e->code = code;
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        if (e)
                fill(e, code, "", fmt, ap);
        va_end(ap);
        return code;
}

int err_field(struct err *e, int code, const char *field, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        if (e)
                fill(e, code, field, fmt, ap);
        va_end(ap);
        return code;
}

int err_wrap(struct err *e, int code, const char *fmt, ...)
{
        if (code >= 0)
                code = -EPROTO;
        if (!e)
                return code;
        char prefix[ERR_MSG_MAX], text[2 * ERR_MSG_MAX + 2];
        va_list ap;
        va_start(ap, fmt);
        format(prefix, fmt, ap);
        va_end(ap);
        snprintf(text, sizeof(text), "%s%s%s", prefix, e->msg[0] ? ": " : "", e->msg);
        put_text(e->msg, sizeof(e->msg), text);
        e->code = code;
        return code;
}

int err_oom(struct err *e)
{
        return err_set(e, -ENOMEM, "out of memory");
}

int err_errno(struct err *e, int errnum, const char *fmt, ...)
{
        int code = errnum > 0 ? -errnum : -EIO; /* a caller whose errno got lost still reports a failure */
        if (!e)
                return code;
        char prefix[ERR_MSG_MAX], reason[128];
        va_list ap;
        va_start(ap, fmt);
        format(prefix, fmt, ap);
        va_end(ap);
        return err_set(e, code, "%s: %s", prefix, strerror_r(-code, reason, sizeof(reason)));
}

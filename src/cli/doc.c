/* doc.c: json_doc lookups under a formatted pointer. A pointer that does not fit names nothing. */
#include "cli/doc.h"
#include "cli/cli.h"
#include "proto/json.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { POINTER_SIZE = 192 };

static const char *pointer(char at[POINTER_SIZE], const char *fmt, va_list ap)
{
        int n = vsnprintf(at, POINTER_SIZE, fmt, ap);
        return n < 0 || n >= POINTER_SIZE ? "/" : at;
}

double doc_number(const struct json_doc *d, double fallback, const char *fmt, ...)
{
        char at[POINTER_SIZE];
        double v;
        va_list ap;
        va_start(ap, fmt);
        int r = json_number(d, pointer(at, fmt, ap), &v);
        va_end(ap);
        return r == 0 ? v : fallback;
}

const char *doc_text(const struct json_doc *d, const char *fallback, const char *fmt, ...)
{
        char at[POINTER_SIZE];
        va_list ap;
        va_start(ap, fmt);
        const char *v = json_text(d, pointer(at, fmt, ap));
        va_end(ap);
        return v ? v : fallback;
}

int doc_length(const struct json_doc *d, const char *fmt, ...)
{
        char at[POINTER_SIZE];
        va_list ap;
        va_start(ap, fmt);
        int n = json_length(d, pointer(at, fmt, ap));
        va_end(ap);
        return n;
}

const char *doc_value(char ret[DOC_VALUE], const struct json_doc *d, const char *fmt, ...)
{
        char at[POINTER_SIZE];
        double v = (double)NAN;
        va_list ap;
        va_start(ap, fmt);
        const char *where = pointer(at, fmt, ap);
        va_end(ap);
        const char *text = json_text(d, where);
        if (text) {
                snprintf(ret, DOC_VALUE, "%s", text);
                return ret;
        }
        if (json_number(d, where, &v) < 0)
                v = (double)NAN;
        out_number(ret, DOC_VALUE, v);
        return ret;
}

int doc_truth(const struct json_doc *d, const char *fmt, ...)
{
        char at[POINTER_SIZE];
        va_list ap;
        va_start(ap, fmt);
        int v = json_bool(d, pointer(at, fmt, ap));
        va_end(ap);
        return v;
}

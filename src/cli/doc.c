/* doc.c: json_doc lookups under a formatted pointer. A pointer that does not fit names nothing. */
#include "cli/doc.h"
#include "proto/json.h"
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

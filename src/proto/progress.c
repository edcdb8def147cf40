/* progress.c: the learner's lines, written and read.
 *
 * Both sides walk one table of numbers, so they cannot drift apart. A reader refuses what is not on the list: unknown
 * events, unknown keys, wrong types, lines over the limit. NaN travels as null. */
#include "proto/progress.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

static const char *const event_names[] = {
    [PROGRESS_START] = "start",
    [PROGRESS_EPOCH] = "epoch",
    [PROGRESS_TRY] = "try",
    [PROGRESS_FISHER] = "fisher",
    [PROGRESS_EVAL] = "eval",
    [PROGRESS_DONE] = "done",
    [PROGRESS_ERROR] = "error",
};

enum kind { REAL, U32, U64 };

static const struct {
        const char *key;
        enum kind kind;
        size_t offset;
} numbers[] = {
    {"fraction", REAL, offsetof(struct progress_line, fraction)},
    {"try", U32, offsetof(struct progress_line, try)},
    {"epoch", U32, offsetof(struct progress_line, epoch)},
    {"epochs", U32, offsetof(struct progress_line, epochs)},
    {"step", U64, offsetof(struct progress_line, step)},
    {"lambda", REAL, offsetof(struct progress_line, lambda)},
    {"loss", REAL, offsetof(struct progress_line, loss)},
    {"penalty", REAL, offsetof(struct progress_line, penalty)},
    {"penalty_ratio", REAL, offsetof(struct progress_line, penalty_ratio)},
};

const char *progress_event_name(enum progress_event e)
{
        return (size_t)e < ARRAY_LEN(event_names) ? event_names[e] : NULL;
}

/* A message is made for people: bytes that are not UTF-8 become '?' rather than spoil the line. */
static json_t *clean_message(const char *message)
{
        char copy[sizeof(((struct progress_line *)0)->message)];
        size_t n = strnlen(message, sizeof(copy) - 1);
        n = str_utf8_cut(message, n);
        memcpy(copy, message, n);
        if (!str_is_utf8(copy, n))
                for (size_t i = 0; i < n; i++)
                        if ((unsigned char)copy[i] >= 0x80)
                                copy[i] = '?';
        return json_stringn(copy, n);
}

static json_t *number(const struct progress_line *l, size_t i)
{
        const char *at = (const char *)l + numbers[i].offset;
        switch (numbers[i].kind) {
        case U32:
                return json_integer(*(const uint32_t *)(const void *)at);
        case U64:
                return json_integer((json_int_t)(*(const uint64_t *)(const void *)at & INT64_MAX));
        case REAL:
                break;
        }
        double v = *(const double *)(const void *)at;
        return isfinite(v) ? json_real(v) : json_null();
}

void progress_write(struct buf *b, const struct progress_line *l)
{
        const char *name = progress_event_name(l->event);
        json_t *root = json_object();
        int r = json_object_set_new(root, "event", json_string(name ? name : "error"));
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
                r |= json_object_set_new(root, numbers[i].key, number(l, i));
        if (l->message[0])
                r |= json_object_set_new(root, "message", clean_message(l->message));
        char *text = r == 0 ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
        if (text) {
                buf_puts(b, text);
                buf_putc(b, '\n');
        } else {
                b->failed = true;
        }
        free(text);
        json_decref(root);
}

static bool read_number(const json_t *v, size_t i, struct progress_line *l)
{
        char *at = (char *)l + numbers[i].offset;
        if (numbers[i].kind == REAL) {
                if (!json_is_number(v) && !json_is_null(v))
                        return false;
                *(double *)(void *)at = json_is_null(v) ? (double)NAN : json_number_value(v);
                return true;
        }
        json_int_t n = json_integer_value(v);
        if (!json_is_integer(v) || n < 0 || (numbers[i].kind == U32 && n > UINT32_MAX))
                return false;
        if (numbers[i].kind == U32)
                *(uint32_t *)(void *)at = (uint32_t)n;
        else
                *(uint64_t *)(void *)at = (uint64_t)n;
        return true;
}

static bool read_event(const json_t *v, struct progress_line *l)
{
        const char *s = json_string_value(v);
        for (size_t i = PROGRESS_START; s && i < ARRAY_LEN(event_names); i++)
                if (strcmp(s, event_names[i]) == 0) {
                        l->event = (enum progress_event)i;
                        return true;
                }
        return false;
}

static bool read_key(const char *key, const json_t *v, struct progress_line *l)
{
        if (strcmp(key, "event") == 0)
                return read_event(v, l);
        if (strcmp(key, "message") == 0)
                return json_is_string(v) && str_copy(l->message, sizeof(l->message), json_string_value(v));
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
                if (strcmp(key, numbers[i].key) == 0)
                        return read_number(v, i, l);
        return false;
}

int progress_parse(struct slice line, struct progress_line *ret, struct err *e)
{
        struct progress_line l = {0};
        json_error_t why;
        const char *key;
        json_t *value;
        if (line.n > PROGRESS_LINE_MAX)
                return err_set(e, -EBADMSG, "progress line of %zu bytes, at most %d", line.n, PROGRESS_LINE_MAX);
        json_t *root = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &why);
        if (!root)
                return err_set(e, -EBADMSG, "progress line is not JSON: %s", why.text);
        int r = json_is_object(root) ? 0 : err_set(e, -EBADMSG, "progress line is not an object");
        json_object_foreach(root, key, value) if (r == 0 && !read_key(key, value, &l)) r =
            err_set(e, -EBADMSG, "progress line: key or value of \"%.40s\" is not on the list", key);
        if (r == 0 && l.event == 0)
                r = err_set(e, -EBADMSG, "progress line without an event");
        if (r == 0 && !(l.fraction >= 0 && l.fraction <= 1))
                r = err_set(e, -EBADMSG, "progress line: fraction %g is not in 0..1", l.fraction);
        json_decref(root);
        if (r == 0)
                *ret = l;
        return r;
}

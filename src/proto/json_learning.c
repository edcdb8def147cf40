/* json_learning.c: the "learning" section of a model, driven by the table of its keys in domain/model.h.
 *
 * A dotted path is a nested object: "optimizer.rate" is {"optimizer":{"rate":…}}. Reading starts from the defaults;
 * writing gives every key in the order of the table, so equal settings have equal text. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/model.h"
#include "proto/json.h"
#include "proto/json_in.h"
#include "proto/json_model.h"
#include "proto/json_model_in.h"
#include <errno.h>
#include <stdio.h>

int json_get_enum(const json_t *v, const char *pointer, const char *(*name)(int), int *ret, struct err *e)
{
        char known[128] = "";
        if (!json_is_string(v))
                return json_wrong_type(v, pointer, "a string", e);
        for (int i = 0; i < JSON_ENUM_MAX; i++) {
                if (!name(i))
                        continue;
                if (strcmp(name(i), json_string_value(v)) == 0) {
                        *ret = i;
                        return 0;
                }
                size_t n = strlen(known);
                snprintf(known + n, sizeof(known) - n, "%s%s", n > 0 ? ", " : "", name(i));
        }
        return err_field(e, PROBLEM_BAD_VALUE, pointer, "unknown %s '%.40s'; known: %s", strrchr(pointer, '/') + 1,
            json_string_value(v), known);
}

static void *member(struct learning *l, const struct learning_key *k)
{
        return (char *)l + k->offset;
}

static int read_number(const struct learning_key *k, const json_t *v, const char *pointer, double *ret, struct err *e)
{
        if (!json_is_number(v))
                return json_wrong_type(v, pointer, "a number", e);
        double d = json_number_value(v);
        if (d < k->lo || d > k->hi)
                return err_field(e, PROBLEM_BAD_VALUE, pointer, "%s is %g; give a number from %g to %g%s%s",
                    pointer + 1, d, k->lo, k->hi, k->unit[0] ? ", " : "", k->unit);
        *ret = d;
        return 0;
}

static int read_uint(const struct learning_key *k, const json_t *v, const char *pointer, void *ret, struct err *e)
{
        double d;
        if (!json_is_integer(v))
                return json_wrong_type(v, pointer, "an integer", e);
        int r = read_number(k, v, pointer, &d, e);
        if (r != 0)
                return r;
        uint64_t u = (uint64_t)json_integer_value(v); /* not negative: ranges of counts start at 0 or above */
        if (json_integer_value(v) < 0 || (k->size == sizeof(uint32_t) && u > UINT32_MAX))
                return err_field(e, PROBLEM_BAD_VALUE, pointer, "%s is out of range", pointer + 1);
        if (k->size == sizeof(uint64_t))
                *(uint64_t *)ret = u;
        else
                *(uint32_t *)ret = (uint32_t)u;
        return 0;
}

static int read_lambda(
    struct learning *l, const struct learning_key *k, const json_t *v, const char *at, struct err *e)
{
        l->lambda_auto = json_is_string(v) && strcmp(json_string_value(v), "auto") == 0;
        if (l->lambda_auto)
                return 0;
        if (!json_is_number(v))
                return json_wrong_type(v, at, "a number or \"auto\"", e);
        return read_number(k, v, at, member(l, k), e);
}

static int read_list(
    struct learning_list *ret, const struct learning_key *k, const json_t *v, const char *pointer, struct err *e)
{
        struct learning_list list = {.n = (uint32_t)json_array_size(v)};
        if (!json_is_array(v))
                return json_wrong_type(v, pointer, "a list of numbers", e);
        if (json_array_size(v) > ARRAY_LEN(list.v))
                return err_field(
                    e, PROBLEM_BAD_VALUE, pointer, "%s has at most %zu numbers", pointer + 1, ARRAY_LEN(list.v));
        for (uint32_t i = 0; i < list.n; i++) {
                char at[JSON_FIELD_SIZE];
                double d = 0;
                snprintf(at, sizeof(at), "%.80s/%u", pointer, i);
                int r = read_number(k, json_array_get(v, i), at, &d, e);
                if (r != 0)
                        return r;
                list.v[i] = (float)d;
        }
        *ret = list;
        return 0;
}

static int read_key(
    struct learning *l, const struct learning_key *k, const json_t *v, const char *pointer, struct err *e)
{
        switch (k->type) {
        case LEARNING_REAL:
                return read_number(k, v, pointer, member(l, k), e);
        case LEARNING_UINT:
                return read_uint(k, v, pointer, member(l, k), e);
        case LEARNING_BOOL:
                if (!json_is_boolean(v))
                        return json_wrong_type(v, pointer, "true or false", e);
                *(bool *)member(l, k) = json_is_true(v);
                return 0;
        case LEARNING_LAMBDA:
                return read_lambda(l, k, v, pointer, e);
        case LEARNING_WORD:
                return json_get_enum(v, pointer, k->word, member(l, k), e);
        case LEARNING_LIST:
                return read_list(member(l, k), k, v, pointer, e);
        }
        return err_field(e, PROBLEM_INTERNAL, pointer, "key of unknown type");
}

/* Length of the first segment of path behind prefix (n bytes), 0 when path is not below it. */
static size_t segment(const char *path, const char *prefix, size_t n)
{
        return strncmp(path, prefix, n) == 0 ? strcspn(path + n, ".") : 0;
}

static int unknown(const char *prefix, const char *key, const char *pointer, struct err *e)
{
        char known[400] = "";
        size_t n = strlen(prefix), len = 0, last = 0;
        const char *before = "";
        for (size_t i = 0; i < n_learning_keys && len < sizeof(known); i++) {
                const char *at = learning_keys[i].path + n;
                size_t m = segment(learning_keys[i].path, prefix, n);
                if (m == 0 || (m == last && strncmp(before, at, m) == 0))
                        continue; /* not of this level, or the same nested object again */
                len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%.*s", len > 0 ? ", " : "", (int)m, at);
                before = at;
                last = m;
        }
        return err_field(e, PROBLEM_UNKNOWN_KEY, pointer, "unknown key '%.64s'; known: %s", key, known);
}

/* Members of one object; prefix is "" or "optimizer.". */
static int read_level(struct learning *l, const json_t *object, const char *prefix, const char *at, struct err *e)
{
        const char *key;
        json_t *v;
        if (!json_is_object(object))
                return json_wrong_type(object, at, "an object", e);
        json_object_foreach((json_t *)object, key, v)
        {
                char path[96], pointer[JSON_FIELD_SIZE];
                const struct learning_key *found = NULL;
                bool nested = false;
                snprintf(pointer, sizeof(pointer), "%s/%.40s", at, key);
                int n = snprintf(path, sizeof(path), "%s%s", prefix, key);
                bool usable = n > 0 && (size_t)n + 1 < sizeof(path) && !strchr(key, '.') && key[0];
                for (size_t i = 0; usable && i < n_learning_keys; i++) {
                        const char *known = learning_keys[i].path;
                        if (strcmp(known, path) == 0)
                                found = &learning_keys[i];
                        nested = nested || (strncmp(known, path, (size_t)n) == 0 && known[n] == '.');
                }
                int r;
                if (found) {
                        r = read_key(l, found, v, pointer, e);
                } else if (nested) {
                        path[n] = '.';
                        path[n + 1] = '\0';
                        r = read_level(l, v, path, pointer, e);
                } else {
                        r = unknown(prefix, key, pointer, e);
                }
                if (r != 0)
                        return r;
        }
        return 0;
}

int json_learning_take(const json_t *v, struct learning *ret, struct err *e)
{
        struct learning l;
        learning_defaults(&l);
        int r = v ? read_level(&l, v, "", "/learning", e) : 0;
        if (r == 0 && (r = learning_check(&l, e)) == -EINVAL)
                r = e ? err_field(e, PROBLEM_BAD_VALUE, e->field, "%s", e->msg) : PROBLEM_BAD_VALUE;
        if (r == 0)
                *ret = l;
        return r;
}

int json_learning_read(const char *text, struct learning *ret, struct err *e)
{
        _json_ json_t *v = NULL;
        int r = json_body(slice_of(text), &v, e);
        if (r == 0)
                r = json_learning_take(v, ret, e);
        return r > 0 ? err_wrap(e, -EBADMSG, "stored learning section") : r;
}

static void put_list(struct buf *b, const struct learning_list *list)
{
        buf_putc(b, '[');
        for (uint32_t i = 0; i < list->n; i++) {
                buf_puts(b, i > 0 ? "," : "");
                json_put_float(b, list->v[i]);
        }
        buf_putc(b, ']');
}

static void put_value(struct buf *b, const struct learning *l, const struct learning_key *k)
{
        const void *at = (const char *)l + k->offset;
        switch (k->type) {
        case LEARNING_REAL:
                json_put_number(b, *(const double *)at);
                break;
        case LEARNING_UINT:
                buf_put_u64(b, k->size == sizeof(uint64_t) ? *(const uint64_t *)at : *(const uint32_t *)at);
                break;
        case LEARNING_LAMBDA:
                if (l->lambda_auto)
                        buf_puts(b, "\"auto\"");
                else
                        json_put_number(b, *(const double *)at);
                break;
        case LEARNING_BOOL:
                buf_puts(b, *(const bool *)at ? "true" : "false");
                break;
        case LEARNING_WORD:
                json_put_text(b, k->word(*(const int *)at));
                break;
        case LEARNING_LIST:
                put_list(b, at);
                break;
        }
}

/* Writes the keys whose path starts with the first n bytes of prefix, each nested object where its first key is. */
static void put_level(struct buf *b, const struct learning *l, const char *prefix, size_t n)
{
        bool first = true;
        buf_putc(b, '{');
        for (size_t i = 0; i < n_learning_keys; i++) {
                const char *path = learning_keys[i].path;
                size_t m = segment(path, prefix, n), before = 0;
                if (m == 0)
                        continue;
                bool nested = path[n + m] == '.';
                while (nested && before < i && strncmp(learning_keys[before].path, path, n + m + 1) != 0)
                        before++;
                if (nested && before < i)
                        continue;
                buf_puts(b, first ? "" : ",");
                json_put_string_n(b, path + n, m);
                buf_putc(b, ':');
                if (nested)
                        put_level(b, l, path, n + m + 1);
                else
                        put_value(b, l, &learning_keys[i]);
                first = false;
        }
        buf_putc(b, '}');
}

void json_learning_write(struct buf *b, const struct learning *l)
{
        put_level(b, l, "", 0);
}

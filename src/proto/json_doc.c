/* json_doc.c: a cursor over a parsed answer, addressed by JSON pointers (RFC 6901). */
#include "base/err.h"
#include "base/mem.h"
#include "proto/json.h"
#include "proto/json_in.h"
#include <errno.h>

struct json_doc {
        json_t *root;
};

int json_parse(struct slice text, struct json_doc **ret, struct err *e)
{
        _free_ struct json_doc *d = new_zero(struct json_doc);
        if (!d)
                return err_oom(e);
        int r = json_body(text, &d->root, e);
        if (r < 0)
                return r;
        if (r > 0)
                return err_wrap(e, -EBADMSG, "answer");
        *ret = d;
        d = NULL;
        return 0;
}

void json_free(struct json_doc *d)
{
        if (!d)
                return;
        json_decref(d->root);
        free(d);
}

/* The next reference token of *pointer, unescaped; false when it does not fit. */
static bool token(const char **pointer, char *ret, size_t size)
{
        const char *p = *pointer + 1;
        size_t n = 0;
        for (; *p && *p != '/'; p++) {
                char c = *p;
                if (c == '~' && (p[1] == '0' || p[1] == '1'))
                        c = *++p == '0' ? '~' : '/';
                if (n + 1 >= size)
                        return false;
                ret[n++] = c;
        }
        ret[n] = '\0';
        *pointer = p;
        return true;
}

static json_t *find(const struct json_doc *d, const char *pointer)
{
        json_t *v = d ? d->root : NULL;
        char name[256];
        while (v && *pointer) {
                uint64_t i;
                if (*pointer != '/' || !token(&pointer, name, sizeof(name)))
                        return NULL;
                if (json_is_object(v))
                        v = json_object_get(v, name);
                else if (json_is_array(v) && slice_u64(slice_of(name), &i) && i < json_array_size(v))
                        v = json_array_get(v, (size_t)i);
                else
                        return NULL;
        }
        return v;
}

const char *json_text(const struct json_doc *d, const char *pointer)
{
        return json_string_value(find(d, pointer)); /* NULL for anything but a string */
}

int json_number(const struct json_doc *d, const char *pointer, double *ret)
{
        const json_t *v = find(d, pointer);
        if (!json_is_number(v))
                return -ENOENT;
        *ret = json_number_value(v);
        return 0;
}

int json_length(const struct json_doc *d, const char *pointer)
{
        const json_t *v = find(d, pointer);
        if (json_is_array(v))
                return (int)json_array_size(v);
        return json_is_object(v) ? (int)json_object_size(v) : -1;
}

const char *json_key(const struct json_doc *d, const char *pointer, size_t i)
{
        json_t *v = find(d, pointer);
        const char *key;
        json_t *value;
        json_object_foreach(v, key, value)
        {
                if (i-- == 0)
                        return key;
        }
        return NULL;
}

int json_bool(const struct json_doc *d, const char *pointer)
{
        const json_t *v = find(d, pointer);
        return json_is_boolean(v) ? json_is_true(v) : -1;
}

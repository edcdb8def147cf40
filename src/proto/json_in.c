/* json_in.c: request bodies through the JSON library: limits first, then one value, then typed members.
 *
 * The library recurses by nesting and builds a tree several times the size of the text, so both are limited before it
 * sees a byte. Every refusal names the place as a JSON pointer and what would have been right. */
#include "proto/json_in.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/problem.h"
#include "domain/types.h"
#include "domain/validate.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* Deepest nesting of brackets outside strings. Broken text gives some number: the parser finds out. */
static size_t depth_of(struct slice text)
{
        size_t depth = 0, deepest = 0;
        bool quoted = false;
        for (size_t i = 0; i < text.n; i++) {
                char c = text.p[i];
                if (quoted) {
                        i += c == '\\';
                        quoted = c != '"';
                } else if (c == '"') {
                        quoted = true;
                } else if (c == '{' || c == '[') {
                        deepest = ++depth > deepest ? depth : deepest;
                } else if ((c == '}' || c == ']') && depth > 0) {
                        depth--;
                }
        }
        return deepest;
}

int json_body(struct slice text, json_t **ret, struct err *e)
{
        if (text.n > JSON_BODY_MAX)
                return err_set(
                    e, PROBLEM_MALFORMED, "JSON of %zu bytes; at most %d are read here", text.n, JSON_BODY_MAX);
        if (depth_of(text) > JSON_DEPTH_MAX)
                return err_set(e, PROBLEM_MALFORMED, "JSON nested deeper than %d", JSON_DEPTH_MAX);
        json_error_t why;
        json_t *v = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
        if (!v && json_error_code(&why) == json_error_out_of_memory)
                return err_oom(e);
        if (!v)
                return err_set(e, PROBLEM_MALFORMED, "not JSON: %s, at byte %d", why.text, why.position);
        *ret = v;
        return 0;
}

int json_known_keys(const json_t *object, const char *pointer, const char *const *keys, size_t n, struct err *e)
{
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)object, key, value)
        {
                size_t i = 0, len = 0;
                char list[256] = "", field[JSON_FIELD_SIZE];
                while (i < n && strcmp(keys[i], key) != 0)
                        i++;
                if (i < n)
                        continue;
                for (i = 0; i < n && len < sizeof(list); i++)
                        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i > 0 ? ", " : "", keys[i]);
                snprintf(field, sizeof(field), "%s/%.64s", pointer, key);
                return err_field(e, PROBLEM_UNKNOWN_KEY, field, "unknown key '%.64s'; known: %s", key, list);
        }
        return 0;
}

int json_body_object(struct slice text, const char *const *keys, size_t n, json_t **ret, struct err *e)
{
        _json_ json_t *v = NULL;
        int r = json_body(text, &v, e);
        if (r != 0)
                return r;
        if (!json_is_object(v))
                return json_wrong_type(v, "", "an object", e);
        if ((r = json_known_keys(v, "", keys, n, e)) != 0)
                return r;
        *ret = v;
        v = NULL;
        return 0;
}

const char *json_kind(const json_t *v)
{
        static const char *const kinds[] = {[JSON_OBJECT] = "an object",
            [JSON_ARRAY] = "an array",
            [JSON_STRING] = "a string",
            [JSON_INTEGER] = "an integer",
            [JSON_REAL] = "a number",
            [JSON_TRUE] = "true",
            [JSON_FALSE] = "false",
            [JSON_NULL] = "null"};
        return v ? kinds[json_typeof(v)] : "nothing";
}

int json_wrong_type(const json_t *v, const char *pointer, const char *wanted, struct err *e)
{
        const char *what = pointer[0] ? pointer + 1 : "the body";
        if (!v)
                return err_field(e, PROBLEM_BAD_VALUE, pointer, "%s is missing: give %s", what, wanted);
        return err_field(e, PROBLEM_BAD_VALUE, pointer, "%s must be %s, not %s", what, wanted, json_kind(v));
}

int json_get_string(const json_t *v, const char *pointer, struct arena *a, const char **ret, struct err *e)
{
        if (!json_is_string(v))
                return json_wrong_type(v, pointer, "a string", e);
        const char *copy = arena_strdup(a, json_string_value(v));
        if (!copy)
                return err_oom(e);
        *ret = copy;
        return 0;
}

int json_get_name(const json_t *v, const char *pointer, struct arena *a, const char **ret, struct err *e)
{
        const char *name = NULL;
        int r = json_get_string(v, pointer, a, &name, e);
        if (r != 0)
                return r;
        if (!str_is_name(name))
                return err_field(e, PROBLEM_BAD_NAME, pointer,
                    "'%.80s' is no name: 1 to 63 of A-Z a-z 0-9 . _ - and the first a letter or digit", name);
        *ret = name;
        return 0;
}

int json_get_reason(const json_t *object, struct arena *a, const char **ret, struct err *e)
{
        const json_t *v = json_object_get(object, "reason");
        const char *text = NULL;
        int r = v ? json_get_string(v, "/reason", a, &text, e) : 0;
        if (r == 0 && text && validate_reason(text, e) < 0)
                r = PROBLEM_BAD_VALUE;
        if (r == 0)
                *ret = text;
        return r;
}

int json_get_uint(const json_t *v, const char *pointer, uint64_t lo, uint64_t hi, uint64_t *ret, struct err *e)
{
        if (!json_is_integer(v))
                return json_wrong_type(v, pointer, "an integer", e);
        json_int_t i = json_integer_value(v);
        if (i < 0 || (uint64_t)i < lo || (uint64_t)i > hi)
                return err_field(e, PROBLEM_BAD_VALUE, pointer,
                    "%s is %" JSON_INTEGER_FORMAT "; give an integer from %" PRIu64 " to %" PRIu64, pointer + 1, i,
                    lo, hi);
        *ret = (uint64_t)i;
        return 0;
}

int json_get_label(const json_t *v, const char *pointer, struct arena *a, const char **ret, struct err *e)
{
        if (!json_is_integer(v))
                return json_is_string(v) ? json_get_string(v, pointer, a, ret, e)
                                         : json_wrong_type(v, pointer, "a string or an integer", e);
        const char *text = arena_printf(a, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        if (!text)
                return err_oom(e);
        *ret = text;
        return 0;
}

int json_get_labels(
    const json_t *v, const char *pointer, struct arena *a, const char *const **ret, size_t *ret_n, struct err *e)
{
        if (!json_is_array(v))
                return json_wrong_type(v, pointer, "an array of class names", e);
        size_t n = json_array_size(v);
        if (n == 0 || n > MODEL_MAX_CLASSES)
                return err_field(e, PROBLEM_BAD_VALUE, pointer, "%s has %zu entries; give 1 to %d", pointer + 1, n,
                    MODEL_MAX_CLASSES);
        const char **labels = arena_new_array(a, const char *, n);
        if (!labels)
                return err_oom(e);
        for (size_t i = 0; i < n; i++) {
                char field[JSON_FIELD_SIZE];
                snprintf(field, sizeof(field), "%s/%zu", pointer, i);
                int r = json_get_label(json_array_get(v, i), field, a, &labels[i], e);
                if (r != 0)
                        return r;
        }
        *ret = labels;
        *ret_n = n;
        return 0;
}

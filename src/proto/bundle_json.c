/* bundle_json.c: numbers and small lists in the JSON of bundles, bit for bit.
 *
 * Getters return false for a missing key, a wrong type or a value out of range; callers name the object. A list of
 * getters that all succeed plus has_keys means that the object holds nothing else. */
#include "base/str.h"
#include "proto/bundle_in.h"
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EVALUATIONS_MAX = MODEL_MAX_TASKS };

json_t *put_u64(uint64_t v)
{
        char text[24];
        if (v <= INT64_MAX)
                return json_integer((json_int_t)v);
        snprintf(text, sizeof(text), "%" PRIu64, v);
        return json_string(text);
}

json_t *put_double(double v)
{
        return isfinite(v) ? json_real(v) : json_null();
}

bool get_u64(const json_t *o, const char *key, uint64_t *ret)
{
        const json_t *v = json_object_get(o, key);
        if (json_is_string(v))
                return slice_u64(slice_of(json_string_value(v)), ret);
        if (!json_is_integer(v) || json_integer_value(v) < 0)
                return false;
        *ret = (uint64_t)json_integer_value(v);
        return true;
}

bool get_u32(const json_t *o, const char *key, uint32_t *ret)
{
        uint64_t v;
        if (!get_u64(o, key, &v) || v > UINT32_MAX)
                return false;
        *ret = (uint32_t)v;
        return true;
}

bool get_bool(const json_t *o, const char *key, bool *ret)
{
        const json_t *v = json_object_get(o, key);
        if (!json_is_boolean(v))
                return false;
        *ret = json_is_true(v);
        return true;
}

bool get_double(const json_t *o, const char *key, double *ret)
{
        const json_t *v = json_object_get(o, key);
        if (!json_is_number(v) && !json_is_null(v))
                return false;
        *ret = json_is_null(v) ? (double)NAN : json_number_value(v);
        return true;
}

bool get_finite(const json_t *o, const char *key, double *ret)
{
        double v;
        if (!get_double(o, key, &v) || !isfinite(v))
                return false;
        *ret = v;
        return true;
}

const char *get_text(const json_t *o, const char *key)
{
        const char *s = json_string_value(json_object_get(o, key));
        return s ? s : "";
}

bool has_keys(const json_t *o, size_t n)
{
        return json_is_object(o) && json_object_size(o) == n;
}

/* One triple a label: output, rows, right ones. */
static json_t *put_outputs(const struct evaluation *v)
{
        json_t *list = json_array();
        for (size_t i = 0; i < v->n_outputs; i++) {
                const struct output_score *o = &v->outputs[i];
                json_array_append_new(
                    list, json_pack("[o, o, o]", put_u64(o->output), put_u64(o->n), put_u64(o->n_right)));
        }
        return list;
}

json_t *put_evaluations(const struct evaluation *v, size_t n)
{
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
                json_array_append_new(
                    list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "task", put_u64(v[i].task), "n",
                              put_u64(v[i].n), "accuracy", put_double(v[i].accuracy), "loss", put_double(v[i].loss),
                              "ece", put_double(v[i].ece), "won", put_u64(v[i].n_won), "lost", put_u64(v[i].n_lost),
                              "outputs", put_outputs(&v[i])));
        return list;
}

static bool element_u64(const json_t *list, size_t i, uint64_t max, uint64_t *ret)
{
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max)
                return false;
        *ret = (uint64_t)json_integer_value(v);
        return true;
}

static bool get_outputs(const json_t *o, struct arena *a, struct evaluation *ret)
{
        const json_t *list = json_object_get(o, "outputs");
        size_t n = json_array_size(list);
        struct output_score *v = arena_new_array(a, struct output_score, n);
        if (!json_is_array(list) || !v)
                return false;
        for (size_t i = 0; i < n; i++) {
                const json_t *x = json_array_get(list, i);
                uint64_t output;
                if (json_array_size(x) != 3 || !element_u64(x, 0, UINT32_MAX, &output) ||
                    !element_u64(x, 1, INT64_MAX, &v[i].n) || !element_u64(x, 2, v[i].n, &v[i].n_right) ||
                    (i > 0 && output <= v[i - 1].output))
                        return false;
                v[i].output = (uint32_t)output;
        }
        ret->n_outputs = n;
        ret->outputs = n > 0 ? v : NULL;
        return true;
}

bool get_evaluations(const json_t *o, const char *key, struct arena *a, struct evaluation **ret, size_t *ret_n)
{
        const json_t *list = json_object_get(o, key);
        size_t n = json_array_size(list);
        if (!json_is_array(list) || n > EVALUATIONS_MAX)
                return false;
        struct evaluation *v = arena_new_array(a, struct evaluation, n);
        for (size_t i = 0; v && i < n; i++) {
                const json_t *x = json_array_get(list, i);
                v[i].predicted = (double)NAN;
                if (!has_keys(x, 8) || !get_u64(x, "task", &v[i].task) || !get_u64(x, "n", &v[i].n) ||
                    !get_double(x, "accuracy", &v[i].accuracy) || !get_double(x, "loss", &v[i].loss) ||
                    !get_double(x, "ece", &v[i].ece) || !get_u64(x, "won", &v[i].n_won) ||
                    !get_u64(x, "lost", &v[i].n_lost) || !get_outputs(x, a, &v[i]))
                        return false;
        }
        *ret = v;
        *ret_n = n;
        return v;
}

json_t *put_tries(const struct learn_try *v, uint32_t n)
{
        json_t *list = json_array();
        for (uint32_t i = 0; i < n; i++)
                json_array_append_new(
                    list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "lambda", put_double(v[i].lambda), "accuracy",
                              put_double(v[i].accuracy), "past_accuracy", put_double(v[i].past_accuracy), "penalty",
                              put_double(v[i].penalty), "loss", put_double(v[i].loss), "seconds",
                              put_double(v[i].seconds)));
        return list;
}

bool get_tries(const json_t *o, const char *key, struct learn_try *ret, uint32_t *ret_n)
{
        const json_t *list = json_object_get(o, key);
        size_t n = json_array_size(list);
        if (!json_is_array(list) || n > LEARN_MAX_TRIES)
                return false;
        for (size_t i = 0; i < n; i++) {
                const json_t *x = json_array_get(list, i);
                if (!has_keys(x, 6) || !get_finite(x, "lambda", &ret[i].lambda) ||
                    !get_double(x, "accuracy", &ret[i].accuracy) ||
                    !get_double(x, "past_accuracy", &ret[i].past_accuracy) ||
                    !get_double(x, "penalty", &ret[i].penalty) || !get_double(x, "loss", &ret[i].loss) ||
                    !get_double(x, "seconds", &ret[i].seconds))
                        return false;
        }
        *ret_n = (uint32_t)n;
        return true;
}

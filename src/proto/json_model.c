/* json_model.c: the description of a model: the body of POST /v2/models, and the canonical text kept in the store.
 *
 * This file knows keys and types; whether the model described makes sense is domain/model.h's business, whose fields
 * are already pointers into this JSON. */
#include "proto/json_model.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/model.h"
#include "proto/json_in.h"
#include "proto/json_model_in.h"
#include "proto/layer_keys.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>

static const char *layer_name(int v)
{
        return ewc_layer_type_name((enum ewc_layer_type)v);
}

static const char *activation_name(int v)
{
        return ewc_activation_name((enum ewc_activation)v);
}

static const char *loss_name(int v)
{
        return ewc_loss_name((enum ewc_loss)v);
}

static const char *scenario_text(int v)
{
        return scenario_name((enum scenario)v);
}

static int take_name(const json_t *v, const char *pointer, struct arena *a, char ret[NAME_SIZE], struct err *e)
{
        const char *name;
        int r = json_get_name(v, pointer, a, &name, e);
        if (r == 0)
                str_copy(ret, NAME_SIZE, name);
        return r;
}

static int take_shape(const json_t *v, struct model_spec *s, struct err *e)
{
        if (!json_is_array(v))
                return json_wrong_type(v, "/input/shape", "an array of dimensions", e);
        s->rank = json_array_size(v);
        if (s->rank < 1 || s->rank > MODEL_MAX_RANK)
                return err_field(e, PROBLEM_BAD_VALUE, "/input/shape", "rank is %zu; give 1 to %d dimensions",
                    s->rank, MODEL_MAX_RANK);
        uint64_t n = 1, dim = 0;
        for (size_t i = 0; i < s->rank; i++) {
                char field[JSON_FIELD_SIZE];
                snprintf(field, sizeof(field), "/input/shape/%zu", i);
                int r = json_get_uint(json_array_get(v, i), field, 1, EWC_MAX_UNITS, &dim, e);
                if (r != 0)
                        return r;
                if ((n *= dim) > EWC_MAX_UNITS) /* both at most 2^16 */
                        return err_field(e, PROBLEM_BAD_VALUE, "/input/shape", "more than %d inputs", EWC_MAX_UNITS);
                s->shape[i] = (uint32_t)dim;
        }
        s->n_inputs = (uint32_t)n;
        return 0;
}

static int take_float(const json_t *v, const char *pointer, float *ret, struct err *e)
{
        if (!json_is_number(v))
                return json_wrong_type(v, pointer, "a number", e);
        float f = (float)json_number_value(v);
        if (!isfinite(f))
                return err_field(e, PROBLEM_NON_FINITE, pointer, "%s is outside the range of float32", pointer + 1);
        *ret = f;
        return 0;
}

/* One number, or an array with one per input. */
static int take_scale(const json_t *v, const char *pointer, float fallback, const struct model_spec *s,
    struct arena *a, const float **ret, size_t *ret_n, struct err *e)
{
        size_t n = json_is_array(v) ? json_array_size(v) : 1;
        if (json_is_array(v) && n != s->n_inputs)
                return err_field(e, PROBLEM_BAD_SHAPE, pointer, "%s has %zu numbers; give one, or %u, one per input",
                    pointer + 1, n, s->n_inputs);
        float *out = arena_new_array(a, float, n);
        if (!out)
                return err_oom(e);
        int r = 0;
        if (!v)
                out[0] = fallback;
        else if (!json_is_array(v))
                r = take_float(v, pointer, out, e);
        for (size_t i = 0; r == 0 && json_is_array(v) && i < n; i++) {
                char field[JSON_FIELD_SIZE];
                snprintf(field, sizeof(field), "%s/%zu", pointer, i);
                r = take_float(json_array_get(v, i), field, &out[i], e);
        }
        if (r == 0) {
                *ret = out;
                *ret_n = n;
        }
        return r;
}

static int take_input(const json_t *v, struct arena *a, struct model_spec *s, struct err *e)
{
        static const char *const keys[] = {"name", "shape", "scale", "offset"};
        if (!json_is_object(v))
                return json_wrong_type(v, "/input", "an object", e);
        int r = json_known_keys(v, "/input", keys, ARRAY_LEN(keys), e);
        const json_t *name = json_object_get(v, "name");
        str_copy(s->input_name, NAME_SIZE, "input");
        if (r == 0 && name)
                r = take_name(name, "/input/name", a, s->input_name, e);
        if (r == 0)
                r = take_shape(json_object_get(v, "shape"), s, e);
        if (r == 0)
                r = take_scale(json_object_get(v, "scale"), "/input/scale", 1, s, a, &s->scale, &s->n_scale, e);
        if (r == 0)
                r = take_scale(json_object_get(v, "offset"), "/input/offset", 0, s, a, &s->offset, &s->n_offset, e);
        return r;
}

static int take_rate(const json_t *v, const char *pointer, float *ret, struct err *e)
{
        float rate = 0;
        int r = take_float(v, pointer, &rate, e);
        if (r == 0 && !(rate >= 0 && rate < 1))
                return err_field(e, PROBLEM_BAD_VALUE, pointer, "%s is %g; give a number from 0 to below 1",
                    pointer + 1, (double)rate);
        if (r == 0)
                *ret = rate;
        return r;
}

/* v is NULL where the key is missing. */
static int take_layer_key(
    const json_t *v, const char *pointer, const struct layer_key *k, struct ewc_layer *ret, struct err *e)
{
        void *at = (char *)ret + k->offset;
        uint64_t n = 0;
        int activation = 0, r = 0;
        if (!v && k->optional)
                return 0;
        switch (k->kind) {
        case LAYER_KEY_UINT:
                if ((r = json_get_uint(v, pointer, k->lo, k->hi, &n, e)) == 0)
                        *(uint32_t *)at = (uint32_t)n;
                break;
        case LAYER_KEY_ACTIVATION:
                if ((r = json_get_enum(v, pointer, activation_name, &activation, e)) == 0)
                        *(enum ewc_activation *)at = (enum ewc_activation)activation;
                break;
        case LAYER_KEY_RATE:
                r = take_rate(v, pointer, at, e);
                break;
        }
        return r;
}

static int take_layer(const json_t *v, size_t i, struct ewc_layer *ret, struct err *e)
{
        const char *known[LAYER_KEYS_MAX] = {"type"};
        char at[JSON_FIELD_SIZE - 16], field[JSON_FIELD_SIZE];
        struct ewc_layer layer = {0};
        const struct layer_key *k;
        size_t n = 1, next = 0;
        int type = 0;
        snprintf(at, sizeof(at), "/layers/%zu", i);
        if (!json_is_object(v))
                return json_wrong_type(v, at, "an object", e);
        snprintf(field, sizeof(field), "%s/type", at);
        int r = json_get_enum(json_object_get(v, "type"), field, layer_name, &type, e);
        layer.type = (enum ewc_layer_type)type;
        while (r == 0 && (k = layer_key_next(layer.type, &next)))
                known[n++] = k->key;
        if (r == 0)
                r = json_known_keys(v, at, known, n, e);
        next = 0;
        while (r == 0 && (k = layer_key_next(layer.type, &next))) {
                snprintf(field, sizeof(field), "%s/%s", at, k->key);
                r = take_layer_key(json_object_get(v, k->key), field, k, &layer, e);
        }
        if (r == 0)
                *ret = layer;
        return r;
}

static int take_net(const json_t *v, struct model_spec *s, struct err *e)
{
        const json_t *layers = json_object_get(v, "layers"), *loss = json_object_get(v, "loss");
        int r, kind = EWC_LOSS_SOFTMAX;
        if (!json_is_array(layers))
                return json_wrong_type(layers, "/layers", "an array of hidden layers (it may be empty)", e);
        if (json_array_size(layers) > EWC_MAX_LAYERS)
                return err_field(e, PROBLEM_BAD_VALUE, "/layers", "more than %d layers", EWC_MAX_LAYERS);
        s->net.n_layers = (uint32_t)json_array_size(layers);
        for (size_t i = 0; i < s->net.n_layers; i++)
                if ((r = take_layer(json_array_get(layers, i), i, &s->net.layers[i], e)) != 0)
                        return r;
        if (loss && (r = json_get_enum(loss, "/loss", loss_name, &kind, e)) != 0)
                return r;
        s->net.loss = (enum ewc_loss)kind;
        s->net.n_inputs = s->n_inputs;
        if (s->rank == 2 || s->rank == 3) /* an image: lines, pixels and, if not 1, channels */
                s->net.input = (struct ewc_shape){s->shape[0], s->shape[1], s->rank == 3 ? s->shape[2] : 1};
        return 0;
}

/* The parts of a description that request and stored text have in common. */
static int take_spec(const json_t *v, struct arena *a, struct model_spec *s, struct err *e)
{
        int scenario = 0;
        int r = take_name(json_object_get(v, "name"), "/name", a, s->name, e);
        if (r == 0)
                r = take_input(json_object_get(v, "input"), a, s, e);
        if (r == 0)
                r = json_get_enum(json_object_get(v, "scenario"), "/scenario", scenario_text, &scenario, e);
        if (r == 0)
                r = take_net(v, s, e);
        s->scenario = (enum scenario)scenario;
        return r;
}

static int ascending(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
        return x < y ? -1 : x > y;
}

static int take_task_classes(const json_t *v, struct arena *a, struct model_spec *s, struct err *e)
{
        const char *const *names;
        size_t n;
        int r = json_get_labels(v, "/task_classes", a, &names, &n, e);
        if (r != 0)
                return r;
        uint32_t *classes = arena_new_array(a, uint32_t, n);
        if (!classes)
                return err_oom(e);
        for (size_t i = 0; i < n; i++) {
                char field[JSON_FIELD_SIZE];
                int class = model_class_find(s, names[i]);
                snprintf(field, sizeof(field), "/task_classes/%zu", i);
                if (class < 0)
                        return err_field(e, PROBLEM_UNKNOWN_LABEL, field, "'%.80s' is not among classes", names[i]);
                for (size_t k = 0; k < i; k++)
                        if (classes[k] == (uint32_t) class)
                                return err_field(e, PROBLEM_BAD_VALUE, field, "class '%.80s' stands twice", names[i]);
                classes[i] = (uint32_t) class;
        }
        qsort(classes, n, sizeof(*classes), ascending);
        s->task_classes = classes;
        s->n_task_classes = n;
        return 0;
}

static int take_classes(const json_t *v, struct arena *a, struct model_spec *s, struct err *e)
{
        const json_t *task_classes = json_object_get(v, "task_classes");
        int r = json_get_labels(json_object_get(v, "classes"), "/classes", a, &s->classes, &s->n_classes, e);
        if (r == 0)
                r = json_get_name(json_object_get(v, "task"), "/task", a, &s->task, e);
        if (r == 0 && task_classes)
                r = take_task_classes(task_classes, a, s, e);
        return r;
}

int json_model_read(
    struct slice body, struct arena *a, struct model_spec *ret, struct learning *ret_learning, struct err *e)
{
        static const char *const keys[] = {
            "name", "input", "classes", "scenario", "layers", "loss", "task", "task_classes", "learning"};
        _json_ json_t *v = NULL;
        struct model_spec s = {0};
        struct learning l;
        int r = json_body_object(body, keys, ARRAY_LEN(keys), &v, e);
        if (r == 0)
                r = take_spec(v, a, &s, e);
        if (r == 0)
                r = take_classes(v, a, &s, e);
        if (r == 0)
                r = json_learning_take(json_object_get(v, "learning"), &l, e);
        if (r == 0 && (r = model_spec_check(&s, e)) == 0)
                r = learning_check_net(&l, &s.net, e);
        if (r == -EINVAL)
                r = e ? err_field(e, PROBLEM_BAD_VALUE, e->field, "%s", e->msg) : PROBLEM_BAD_VALUE;
        if (r != 0)
                return r;
        *ret = s;
        *ret_learning = l;
        return 0;
}

int json_spec_read(const char *text, struct arena *a, struct model_spec *ret, struct err *e)
{
        static const char *const keys[] = {"name", "input", "scenario", "layers", "loss"};
        _json_ json_t *v = NULL;
        struct model_spec s = {0};
        int r = json_body_object(slice_of(text), keys, ARRAY_LEN(keys), &v, e);
        if (r == 0)
                r = take_spec(v, a, &s, e);
        if (r != 0)
                return r > 0 ? err_wrap(e, -EBADMSG, "stored description") : r;
        *ret = s;
        return 0;
}

/* model.c: is a model, as described, one that can be built and served?
 *
 * Every rule names the field of the description that breaks it and what to do. Sizes are checked before they are
 * multiplied. The net is checked with as many outputs as the model has classes, which every scenario reaches. */
#include "domain/model.h"
#include "base/err.h"
#include "base/floats.h"
#include "base/mem.h"
#include "base/str.h"
#include "domain/validate.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static int check_input(const struct model_spec *s, struct err *e)
{
        if (validate_name("input", s->input_name, e) < 0)
                return err_field(e, -EINVAL, "/input/name", "%s", e ? e->msg : "");
        if (s->rank < 1 || s->rank > MODEL_MAX_RANK)
                return err_field(
                    e, -EINVAL, "/input/shape", "rank is %zu; give 1 to %d dimensions", s->rank, MODEL_MAX_RANK);
        size_t n = 1;
        for (size_t i = 0; i < s->rank; i++)
                if (s->shape[i] == 0 || !mem_mul(n, s->shape[i], &n) || n > EWC_MAX_UNITS)
                        return err_field(e, -EINVAL, "/input/shape",
                            "the product of the dimensions must be 1 to %d inputs", EWC_MAX_UNITS);
        if (n != s->n_inputs)
                return err_field(
                    e, -EINVAL, "/input/shape", "the dimensions give %zu inputs, not %u", n, s->n_inputs);
        return 0;
}

static int check_scale(
    const char *field, const char *what, size_t n, const float *v, uint32_t n_inputs, struct err *e)
{
        if ((n != 1 && n != n_inputs) || !v)
                return err_field(
                    e, -EINVAL, field, "%s has %zu numbers; give one, or %u, one per input", what, n, n_inputs);
        size_t bad = floats_not_finite(v, n);
        if (bad < n)
                return err_field(e, -EINVAL, field, "%s number %zu is not finite", what, bad);
        return 0;
}

static int check_scale_not_0(const struct model_spec *s, struct err *e)
{
        for (size_t i = 0; i < s->n_scale; i++)
                if (fpclassify(s->scale[i]) == FP_ZERO)
                        return err_field(e, -EINVAL, "/input/scale",
                            "scale number %zu is 0, which makes every input the same; give another, or leave scale "
                            "out",
                            i);
        return 0;
}

/* Words that stand, or in the Open Inference Protocol's extensions stand, where a model's name does or right behind
 * it: a model so named would read as something else. */
static int check_name(const struct model_spec *s, struct err *e)
{
        static const char *const words[] = {
            "stats", "ready", "infer", "predict", "feedback", "tasks", "versions", "aliases", "jobs"};
        if (validate_name("model", s->name, e) < 0)
                return err_field(e, -EINVAL, "/name", "%s", e ? e->msg : "");
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (strcmp(s->name, words[i]) == 0)
                        return err_field(
                            e, -EINVAL, "/name", "'%s' is a word of the API's paths; give another name", words[i]);
        return 0;
}

static int check_class_name(const char *name, size_t i, struct err *e)
{
        char field[ERR_FIELD_MAX];
        snprintf(field, sizeof(field), "/classes/%zu", i);
        size_t n = name ? strlen(name) : 0;
        if (n == 0 || n >= CLASS_NAME_SIZE)
                return err_field(e, -EINVAL, field, "a class name has 1 to %d bytes", CLASS_NAME_SIZE - 1);
        if (!str_is_utf8(name, n))
                return err_field(e, -EINVAL, field, "the class name is not UTF-8");
        for (size_t k = 0; k < n; k++)
                if ((unsigned char)name[k] < 0x20 || name[k] == 0x7f)
                        return err_field(e, -EINVAL, field, "the class name has a control character");
        return 0;
}

struct named {
        const char *name;
        size_t i;
};

static int by_name(const void *a, const void *b)
{
        const struct named *x = a, *y = b;
        int r = strcmp(x->name, y->name);
        return r ? r : x->i < y->i ? -1 : x->i > y->i;
}

static int check_unique(const struct model_spec *s, struct err *e)
{
        _free_ struct named *all = new_array(struct named, s->n_classes);
        if (!all)
                return err_oom(e);
        for (size_t i = 0; i < s->n_classes; i++)
                all[i] = (struct named){s->classes[i], i};
        qsort(all, s->n_classes, sizeof(*all), by_name);
        for (size_t i = 1; i < s->n_classes; i++) {
                if (strcmp(all[i - 1].name, all[i].name) == 0) {
                        char field[ERR_FIELD_MAX];
                        snprintf(field, sizeof(field), "/classes/%zu", all[i].i);
                        return err_field(
                            e, -EINVAL, field, "class \"%s\" is there twice; class names are unique", all[i].name);
                }
        }
        return 0;
}

static int check_classes(const struct model_spec *s, struct err *e)
{
        size_t least = s->net.loss == EWC_LOSS_SOFTMAX && s->scenario != SCENARIO_CLASS ? 2 : 1;
        if (s->n_classes < least || s->n_classes > MODEL_MAX_CLASSES || !s->classes)
                return err_field(
                    e, -EINVAL, "/classes", "%zu classes; give %zu to %d", s->n_classes, least, MODEL_MAX_CLASSES);
        for (size_t i = 0; i < s->n_classes; i++) {
                int r = check_class_name(s->classes[i], i, e);
                if (r < 0)
                        return r;
        }
        return check_unique(s, e);
}

static int check_task(const struct model_spec *s, struct err *e)
{
        if (!s->task || validate_name("task", s->task, e) < 0)
                return err_field(e, -EINVAL, "/task", "%s", s->task && e ? e->msg : "the first task has no name");
        if (s->n_task_classes > s->n_classes || (s->n_task_classes > 0 && !s->task_classes))
                return err_field(e, -EINVAL, "/task_classes", "%zu classes of %zu; name each at most once",
                    s->n_task_classes, s->n_classes);
        for (size_t i = 0; i < s->n_task_classes; i++)
                if (s->task_classes[i] >= s->n_classes || (i > 0 && s->task_classes[i] <= s->task_classes[i - 1]))
                        return err_field(e, -EINVAL, "/task_classes",
                            "class %u: indices are those of classes, ascending", s->task_classes[i]);
        return 0;
}

static int check_net(const struct model_spec *s, struct err *e)
{
        if (!ewc_loss_name(s->net.loss))
                return err_field(e, -EINVAL, "/loss", "unknown loss; give softmax, sigmoid or squared");
        struct ewc_spec net = s->net;
        net.n_inputs = s->n_inputs;
        net.n_outputs = (uint32_t)s->n_classes;
        char why[160] = "";
        if (ewc_spec_check(&net, why, sizeof(why)) < 0)
                return err_field(e, -EINVAL, "/layers", "%s", why);
        return 0;
}

/* Ids are taken as they come. */
static int check_ids(const struct model_spec *s, struct err *e)
{
        if (model_ids(s) == 0)
                return 0;
        for (size_t i = 0; i < s->n_scale; i++)
                if (s->scale[i] < 1 || s->scale[i] > 1)
                        return err_field(e, -EINVAL, "/input/scale", "an embedding reads ids; leave scale at 1");
        for (size_t i = 0; i < s->n_offset; i++)
                if (s->offset[i] < 0 || s->offset[i] > 0)
                        return err_field(e, -EINVAL, "/input/offset", "an embedding reads ids; leave offset at 0");
        return 0;
}

uint32_t model_ids(const struct model_spec *s)
{
        return s->net.n_layers > 0 && s->net.layers[0].type == EWC_LAYER_EMBEDDING ? s->net.layers[0].count : 0;
}

int model_spec_check(const struct model_spec *s, struct err *e)
{
        int r = check_name(s, e);
        if (r < 0)
                return r;
        if (!scenario_name(s->scenario))
                return err_field(e, -EINVAL, "/scenario", "unknown scenario; give task, domain or class");
        if ((r = check_input(s, e)) < 0 || (r = check_classes(s, e)) < 0 || (r = check_task(s, e)) < 0 ||
            (r = check_net(s, e)) < 0 ||
            (r = check_scale("/input/scale", "scale", s->n_scale, s->scale, s->n_inputs, e)) < 0)
                return r;
        if ((r = check_scale("/input/offset", "offset", s->n_offset, s->offset, s->n_inputs, e)) < 0 ||
            (r = check_scale_not_0(s, e)) < 0)
                return r;
        return check_ids(s, e);
}

void model_scale(const struct model_spec *s, size_t n, const float *raw, float *ret)
{
        size_t I = s->n_inputs;
        for (size_t b = 0; b < n; b++) {
                const float *x = raw + b * I;
                float *y = ret + b * I;
                for (size_t i = 0; i < I; i++)
                        y[i] = x[i] * s->scale[s->n_scale > 1 ? i : 0] + s->offset[s->n_offset > 1 ? i : 0];
        }
}

int model_class_find(const struct model_spec *s, const char *name)
{
        for (size_t i = 0; i < s->n_classes; i++)
                if (strcmp(s->classes[i], name) == 0)
                        return (int)i;
        return -1;
}

/* validate.c: checks of input from outside against a model.
 *
 * Each check returns a code and says in words which field is wrong and what to do; the caller puts the row's own path
 * in front of the field. Asserts are no substitute: these stay on in every build. */
#include "domain/validate.h"
#include "base/err.h"
#include "base/floats.h"
#include "base/str.h"
#include <errno.h>
#include <math.h>
#include <string.h>

int validate_name(const char *what, const char *name, struct err *e)
{
        if (name && str_is_name(name))
                return 0;
        return err_set(e, -EINVAL, "bad %s name; give 1 to %d of A-Z a-z 0-9 . _ -, beginning with a letter or digit",
            what, NAME_SIZE - 1);
}

/* What the net would be given must be a number it can be trained on: a row beyond could be kept, but one such row
 * makes every Fisher overflow and so blocks every rollover. */
static int check_scaled(const struct model_spec *s, size_t n, const float *x, struct err *e)
{
        if (s->n_scale == 0 || s->n_offset == 0)
                return 0;
        for (size_t i = 0; i < n; i++) {
                float scale = s->scale[s->n_scale > 1 ? i : 0], offset = s->offset[s->n_offset > 1 ? i : 0];
                if (!(fabsf(x[i] * scale + offset) <= VALIDATE_INPUT_MAX))
                        return err_field(e, -EDOM, "/inputs",
                            "number %zu is %g: times the model's scale %g plus its offset %g it is beyond %g in "
                            "magnitude, the most a net is given",
                            i, (double)x[i], (double)scale, (double)offset, (double)VALIDATE_INPUT_MAX);
        }
        return 0;
}

int validate_row(const struct model_spec *s, size_t n, const float *x, struct err *e)
{
        if (n != s->n_inputs)
                return err_field(e, -ERANGE, "/inputs", "%zu numbers; model %s takes %u", n, s->name, s->n_inputs);
        size_t bad = floats_not_finite(x, n);
        if (bad < n)
                return err_field(e, -EDOM, "/inputs", "number %zu is not finite", bad);
        uint32_t ids = model_ids(s);
        for (size_t i = 0; ids > 0 && i < n; i++)
                if (!(x[i] >= 0 && x[i] < (float)ids) || x[i] > floorf(x[i]))
                        return err_field(e, -EDOM, "/inputs", "number %zu is %g; model %s takes ids from 0 to %u", i,
                            (double)x[i], s->name, ids - 1);
        return check_scaled(s, n, x, e);
}

static int check_printable(const char *field, const char *text, size_t n, struct err *e)
{
        if (!str_is_utf8(text, n))
                return err_field(e, -EINVAL, field, "%s is not UTF-8", field + 1);
        for (size_t i = 0; i < n; i++)
                if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
                        return err_field(e, -EINVAL, field, "%s has a control character at byte %zu", field + 1, i);
        return 0;
}

int validate_key(const char *what, const char *key, struct err *e)
{
        size_t n = key ? strlen(key) : 0;
        char field[ERR_FIELD_MAX];
        if (!(str_copy(field + 1, sizeof(field) - 1, what)))
                field[1] = '\0';
        field[0] = '/';
        if (n == 0 || n >= KEY_SIZE)
                return err_field(e, -EINVAL, field, "%s has %zu bytes; give 1 to %d", what, n, KEY_SIZE - 1);
        return check_printable(field, key, n, e);
}

int validate_reason(const char *text, struct err *e)
{
        size_t n = strlen(text);
        if (n > VALIDATE_REASON_MAX)
                return err_field(
                    e, -EINVAL, "/reason", "reason has %zu bytes; give at most %d", n, VALIDATE_REASON_MAX);
        return check_printable("/reason", text, n, e);
}

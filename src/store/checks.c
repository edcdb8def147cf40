/* checks.c: what is asked of the arguments of several verbs. */
#include "store/checks.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include <errno.h>
#include <string.h>

int may_write(const struct store *s, struct err *e)
{
        if (s->read_only)
                return err_set(e, STORE_READONLY, "this store was opened read-only");
        if (s->failed)
                return err_set(e, STORE_READONLY,
                    "an earlier write to disk failed: the store is read-only until it is reopened and checked");
        return 0;
}

int bad(struct err *e, const char *what)
{
        return err_set(e, -EINVAL, "store: %s", what);
}

int check_text(const char *what, const char *text, size_t max, struct err *e)
{
        if (!text || strlen(text) > max)
                return err_set(e, -EINVAL, "store: %s is missing or longer than %zu bytes", what, max);
        return 0;
}

int check_act(const char *who, const char *reason, struct err *e)
{
        int r = check_text("who", who, STORE_KEY_MAX, e);
        return r != 0 ? r : check_text("reason", reason ? reason : "", STORE_WHY_MAX, e);
}

int check_name(const char *what, const char *name, struct err *e)
{
        if (!name || !str_is_name(name))
                return err_set(e, -EINVAL, "store: %s is not a name", what);
        return 0;
}

static int by_text(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_distinct(size_t n, const char *const *names, struct err *e)
{
        _free_ const char **sorted = new_array(const char *, n);

        if (!sorted)
                return err_oom(e);
        if (n > 0)
                memcpy(sorted, names, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), by_text);
        for (size_t i = 1; i < n; i++)
                if (strcmp(sorted[i - 1], sorted[i]) == 0)
                        return err_set(e, -EINVAL, "store: class %s is named twice", sorted[i]);
        return 0;
}

int check_classes(size_t n, const char *const *names, struct err *e)
{
        if (n > MODEL_MAX_CLASSES || (n > 0 && !names))
                return bad(e, "too many classes");
        for (size_t i = 0; i < n; i++) {
                int r = check_text("class name", names[i], CLASS_NAME_SIZE - 1, e);
                if (r != 0)
                        return r;
        }
        return check_distinct(n, names, e);
}

int check_outputs(size_t n, const struct output_row *rows, struct err *e)
{
        if (n == 0 || n > (size_t)MODEL_MAX_CLASSES * MODEL_MAX_TASKS || !rows)
                return bad(e, "no outputs, or too many");
        return 0;
}

int check_params(size_t P, struct err *e)
{
        size_t bytes;

        if (P == 0 || !mem_mul(P, sizeof(float), &bytes) || bytes / BLOB_CHUNK >= UINT32_MAX)
                return bad(e, "no parameters, or too many");
        return 0;
}

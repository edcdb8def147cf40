/* learn_plan.c: the words of a plan, each a row of a table. */
#include "domain/learn_plan.h"
#include "base/mem.h"
#include <string.h>

static const char *const method_names[] = {
    [LEARN_EWC] = "ewc",
    [LEARN_PLAIN] = "plain",
    [LEARN_JOINT] = "joint",
};

static const char *const form_names[] = {[LEARN_FORM_PROX] = "prox", [LEARN_FORM_GRAD] = "grad"};
static const char *const merge_names[] = {
    [LEARN_MERGE_SEPARATE] = "separate",
    [LEARN_MERGE_SUM] = "sum",
    [LEARN_MERGE_ONLINE] = "online",
    [LEARN_MERGE_EMA] = "ema",
};
static const char *const scale_names[] = {
    [LEARN_SCALE_UNIT] = "unit",
    [LEARN_SCALE_RAW] = "raw",
    [LEARN_SCALE_L2] = "l2",
    [LEARN_SCALE_MINMAX] = "minmax",
};
static const char *const start_names[] = {
    [LEARN_START_SIMILARITY] = "similarity", [LEARN_START_TASKS] = "tasks", [LEARN_START_TOP] = "top"};
static const char *const importance_names[] = {
    [LEARN_IMPORTANCE_FISHER] = "fisher", [LEARN_IMPORTANCE_SI] = "si", [LEARN_IMPORTANCE_MAS] = "mas"};

static bool find(const char *const *names, size_t n, const char *name, size_t *ret)
{
        for (size_t i = 0; i < n; i++)
                if (names[i] && strcmp(name, names[i]) == 0) {
                        *ret = i;
                        return true;
                }
        return false;
}

#define NAMES(what, table)                                                                                           \
        const char *learn_##what##_name(enum learn_##what v)                                                         \
        {                                                                                                            \
                return (size_t)v < ARRAY_LEN(table) ? table[v] : NULL;                                               \
        }                                                                                                            \
        bool learn_##what##_parse(const char *name, enum learn_##what *ret)                                          \
        {                                                                                                            \
                size_t i;                                                                                            \
                if (!find(table, ARRAY_LEN(table), name, &i))                                                        \
                        return false;                                                                                \
                *ret = (enum learn_##what)i;                                                                         \
                return true;                                                                                         \
        }

NAMES(method, method_names)
NAMES(form, form_names)
NAMES(merge_rule, merge_names)
NAMES(scale, scale_names)
NAMES(importance, importance_names)
NAMES(start, start_names)

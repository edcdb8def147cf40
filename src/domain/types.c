/* types.c: names of the stored enums, one table each.
 *
 * The names appear in JSON, SQL views, logs and on the command line, so a table here is the only place they are
 * spelt. Index 0 of every table is empty: the numbers start at 1 and are frozen in types.h. */
#include "domain/types.h"
#include "base/mem.h"
#include <string.h>

static const char *const scenarios[] = {
    [SCENARIO_TASK] = "task", [SCENARIO_DOMAIN] = "domain", [SCENARIO_CLASS] = "class"};
static const char *const task_states[] = {[TASK_OPEN] = "open", [TASK_CLOSED] = "closed"};
static const char *const job_kinds[] = {[JOB_CONSOLIDATE] = "consolidate", [JOB_ROLLOVER] = "rollover"};
static const char *const version_states[] = {
    [VERSION_INITIAL] = "initial", [VERSION_PROMOTED] = "promoted", [VERSION_REJECTED] = "rejected"};
static const char *const trigger_kinds[] = {
    [TRIGGER_MANUAL] = "manual", [TRIGGER_MIN_FEEDBACK] = "min_feedback", [TRIGGER_INTERVAL] = "interval"};
static const char *const tensor_roles[] = {
    [TENSOR_THETA] = "theta", [TENSOR_FISHER] = "fisher", [TENSOR_ANCHOR] = "theta_old"};

_Static_assert(SCENARIO_TASK == 1 && SCENARIO_DOMAIN == 2 && SCENARIO_CLASS == 3, "on disk");
_Static_assert(TASK_OPEN == 1 && TASK_CLOSED == 2, "on disk");
_Static_assert(JOB_CONSOLIDATE == 1 && JOB_ROLLOVER == 2, "on disk");
_Static_assert(VERSION_INITIAL == 1 && VERSION_PROMOTED == 2 && VERSION_REJECTED == 3, "on disk");
_Static_assert(TRIGGER_MANUAL == 1 && TRIGGER_MIN_FEEDBACK == 2 && TRIGGER_INTERVAL == 3, "on disk");
_Static_assert(TENSOR_THETA == 1 && TENSOR_FISHER == 2 && TENSOR_ANCHOR == 3, "on disk");

static const char *name_at(const char *const *names, size_t n, unsigned value)
{
        return value < n ? names[value] : NULL;
}

/* The value of name, or 0. */
static unsigned value_of(const char *const *names, size_t n, const char *name)
{
        for (unsigned i = 1; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return 0;
}

const char *scenario_name(enum scenario s)
{
        return name_at(scenarios, ARRAY_LEN(scenarios), s);
}

bool scenario_parse(const char *name, enum scenario *ret)
{
        unsigned v = value_of(scenarios, ARRAY_LEN(scenarios), name);
        if (v)
                *ret = (enum scenario)v;
        return v != 0;
}

const char *task_state_name(enum task_state s)
{
        return name_at(task_states, ARRAY_LEN(task_states), s);
}

const char *job_kind_name(enum job_kind k)
{
        return name_at(job_kinds, ARRAY_LEN(job_kinds), k);
}

bool job_kind_parse(const char *name, enum job_kind *ret)
{
        unsigned v = value_of(job_kinds, ARRAY_LEN(job_kinds), name);
        if (v)
                *ret = (enum job_kind)v;
        return v != 0;
}

const char *version_state_name(enum version_state s)
{
        return name_at(version_states, ARRAY_LEN(version_states), s);
}

const char *trigger_kind_name(enum trigger_kind t)
{
        return name_at(trigger_kinds, ARRAY_LEN(trigger_kinds), t);
}

const char *tensor_role_name(enum tensor_role r)
{
        return name_at(tensor_roles, ARRAY_LEN(tensor_roles), r);
}

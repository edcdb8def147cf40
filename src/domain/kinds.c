/* kinds.c: names of the stored enums, one table each.
 *
 * The names appear in JSON, SQL views, logs and on the command line, so a table here is the only place they are
 * spelt. Index 0 of every table is empty: the numbers start at 1 and are frozen in kinds.h. */
#include "domain/kinds.h"
#include "base/mem.h"
#include <string.h>

static const char *const scenarios[] = {
    [SCENARIO_TASK] = "task", [SCENARIO_DOMAIN] = "domain", [SCENARIO_CLASS] = "class"};
static const char *const task_states[] = {[TASK_OPEN] = "open", [TASK_CLOSED] = "closed"};
static const char *const job_kinds[] = {[JOB_CONSOLIDATE] = "consolidate",
    [JOB_ROLLOVER] = "rollover",
    [JOB_REWEIGHT] = "reweight",
    [JOB_REBUILD] = "rebuild"};
static const char *const version_states[] = {[VERSION_INITIAL] = "initial",
    [VERSION_PROMOTED] = "promoted",
    [VERSION_REJECTED] = "rejected",
    [VERSION_CANDIDATE] = "candidate"};
static const char *const trigger_kinds[] = {[TRIGGER_MANUAL] = "manual",
    [TRIGGER_MIN_FEEDBACK] = "min_feedback",
    [TRIGGER_INTERVAL] = "interval",
    [TRIGGER_DAILY] = "daily",
    [TRIGGER_ACCURACY] = "accuracy",
    [TRIGGER_INPUTS] = "inputs",
    [TRIGGER_STRATEGY] = "strategy",
    [TRIGGER_UNLEARN] = "unlearn"};
static const char *const strategies[] = {
    [STRATEGY_FIXED] = "fixed", [STRATEGY_EWC] = "ewc", [STRATEGY_REPLAY] = "replay", [STRATEGY_DISTILL] = "distill"};
static const char *const row_states[] = {[ROW_LIVE] = "live",
    [ROW_QUARANTINED] = "quarantined",
    [ROW_LATE] = "late",
    [ROW_SUPERSEDED] = "superseded",
    [ROW_ERASED] = "erased",
    [ROW_EXPIRED] = "expired"};
static const char *const tensor_roles[] = {
    [TENSOR_THETA] = "theta", [TENSOR_FISHER] = "fisher", [TENSOR_ANCHOR] = "theta_old"};

_Static_assert(SCENARIO_TASK == 1 && SCENARIO_DOMAIN == 2 && SCENARIO_CLASS == 3, "on disk");
_Static_assert(TASK_OPEN == 1 && TASK_CLOSED == 2, "on disk");
_Static_assert(JOB_CONSOLIDATE == 1 && JOB_ROLLOVER == 2, "on disk");
_Static_assert(VERSION_INITIAL == 1 && VERSION_PROMOTED == 2 && VERSION_REJECTED == 3, "on disk");
_Static_assert(TRIGGER_MANUAL == 1 && TRIGGER_MIN_FEEDBACK == 2 && TRIGGER_INTERVAL == 3, "on disk");
_Static_assert(JOB_REWEIGHT == 3 && JOB_REBUILD == 4 && VERSION_CANDIDATE == 4, "on disk");
_Static_assert(TRIGGER_DAILY == 4 && TRIGGER_ACCURACY == 5 && TRIGGER_INPUTS == 6, "on disk");
_Static_assert(TRIGGER_STRATEGY == 7 && TRIGGER_UNLEARN == 8, "on disk");
_Static_assert(STRATEGY_FIXED == 0 && STRATEGY_EWC == 1 && STRATEGY_REPLAY == 2 && STRATEGY_DISTILL == 3, "on disk");
_Static_assert(ROW_LIVE == 1 && ROW_QUARANTINED == 2 && ROW_LATE == 3, "on disk");
_Static_assert(ROW_SUPERSEDED == 4 && ROW_ERASED == 5 && ROW_EXPIRED == 6, "on disk");
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

const char *strategy_name(enum strategy s)
{
        return name_at(strategies, ARRAY_LEN(strategies), s);
}

const char *row_state_name(enum row_state s)
{
        return name_at(row_states, ARRAY_LEN(row_states), s);
}

const char *tensor_role_name(enum tensor_role r)
{
        return name_at(tensor_roles, ARRAY_LEN(tensor_roles), r);
}

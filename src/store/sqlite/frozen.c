/* frozen.c: reading enums from disk; see frozen.h. */
#include "store/sqlite/frozen.h"

#include <errno.h>

static int known(struct query *q, const char *column, const int *values, size_t n)
{
        int64_t v = query_get_int(q, column);

        for (size_t i = 0; i < n; i++)
                if (v == values[i])
                        return (int)v;
        if (q->rc == 0)
                q->rc = -EBADMSG;
        return values[0];
}

#define CHECK(constant, number) _Static_assert((int)(constant) == (number), #constant " is on disk: never renumber");
#define VALUE(constant, number) number,

#define MAPPER(type, name, ROWS)                                                                                     \
        ROWS(CHECK)                                                                                                  \
        type name(struct query *q, const char *column)                                                               \
        {                                                                                                            \
                static const int values[] = {ROWS(VALUE)};                                                           \
                return (type)known(q, column, values, sizeof(values) / sizeof(values[0]));                           \
        }

MAPPER(enum scenario, scenario_in_db, FROZEN_SCENARIO)
MAPPER(enum task_state, task_state_in_db, FROZEN_TASK_STATE)
MAPPER(enum job_kind, job_kind_in_db, FROZEN_JOB_KIND)
MAPPER(enum job_state, job_state_in_db, FROZEN_JOB_STATE)
MAPPER(enum version_state, version_state_in_db, FROZEN_VERSION_STATE)
MAPPER(enum trigger_kind, trigger_in_db, FROZEN_TRIGGER)
MAPPER(enum strategy, strategy_in_db, FROZEN_STRATEGY)
MAPPER(enum learn_importance, importance_in_db, FROZEN_IMPORTANCE)
MAPPER(enum row_state, row_state_in_db, FROZEN_ROW_STATE)
MAPPER(enum conflict_policy, policy_in_db, FROZEN_POLICY)
MAPPER(int, encoding_in_db, FROZEN_ENCODING)

#define NO_FISHER(X) X(0, 0) FROZEN_FISHER(X)
MAPPER(enum ewc_fisher, fisher_in_db, NO_FISHER)

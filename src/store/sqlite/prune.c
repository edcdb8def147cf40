/* prune.c: dropping the tensors of versions that nothing needs any more.
 *
 * The row keeps the digests, so that a rebuild can still be compared and a prediction still be recognised. What other
 * versions or tasks share stays, since they refer to it; blob.c sweeps the rest. A task does not need the version
 * that closed it: it has an anchor of its own. */
#include "base/err.h"
#include "base/mem.h"
#include "store/sqlite/db.h"
#include "store/sqlite/verbs.h"
#include "store/words.h"
#include <errno.h>

/* Oldest first. An active job needs its parent and, from its creation on, what a rebuild will start from. */
static const char idle_sql[] =
    "SELECT v.number AS number FROM version v WHERE v.model = :model AND v.number > 1 AND v.pruned_ms IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM alias a WHERE a.version = v.id) "
    "AND v.id NOT IN (SELECT parent FROM job j WHERE j.model = :model AND j.state < 10 AND parent IS NOT NULL) "
    "AND v.id NOT IN (SELECT rebuild_of FROM job j WHERE j.model = :model AND j.state < 10 AND rebuild_of IS NOT "
    "NULL) AND v.id NOT IN (SELECT b.parent FROM job j JOIN version b ON b.id = j.rebuild_of WHERE j.model = :model "
    "AND j.state < 10 AND b.parent IS NOT NULL) ORDER BY v.number";

static int idle(struct db *db, model_id m, uint64_t **ret, size_t *ret_n, struct err *e)
{
        _free_ uint64_t *numbers = NULL;
        size_t n = 0, cap = 0;
        int r;
        _query_ struct query q = query_open(db, idle_sql);

        query_seq(&q, ":model", m);
        while ((r = query_step(&q, e)) == QUERY_ROW) {
                if (!mem_grow((void **)&numbers, &cap, n + 1, sizeof(*numbers)))
                        return err_oom(e);
                numbers[n++] = query_get_u64(&q, "number");
        }
        if (r != 0)
                return r;
        *ret = numbers;
        *ret_n = n;
        numbers = NULL;
        return 0;
}

static int drop(struct db *db, model_id m, uint64_t number, struct err *e)
{
        _query_ struct query q = query_open(db,
            "UPDATE version SET pruned_ms = :now, pruned_theta = theta, pruned_fisher = fisher, pruned_theta_old = "
            "theta_old, theta = NULL, fisher = NULL, theta_old = NULL WHERE model = :model AND number = :number");

        query_int(&q, ":now", db_now(db));
        query_seq(&q, ":model", m);
        query_seq(&q, ":number", number);
        return query_run(&q, e);
}

static int prune(
    struct db *db, model_id m, uint64_t keep, const char *who, const char *reason, uint64_t *ret_n, struct err *e)
{
        _free_ uint64_t *numbers = NULL;
        size_t n = 0;
        int r = idle(db, m, &numbers, &n, e);

        if (r != 0)
                return r;
        n = n > keep ? n - (size_t)keep : 0;
        for (size_t i = 0; i < n; i++)
                if ((r = drop(db, m, numbers[i], e)) != 0)
                        return r;
        *ret_n = n;
        return n > 0 ? audit_add(db, m, who, "version.prune", words_prune(n, numbers, keep, reason).text, e) : 0;
}

int sqlite_version_prune(
    struct store *s, model_id m, uint64_t keep, const char *who, const char *reason, uint64_t *ret_n, struct err *e)
{
        uint64_t n = 0;
        int r = tx_enter(db_of(s), e);

        if (r == 0)
                r = tx_leave(db_of(s), prune(db_of(s), m, keep, who, reason, &n, e), e);
        if (r == 0)
                *ret_n = n;
        return r;
}

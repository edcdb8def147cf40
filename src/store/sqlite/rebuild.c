/* rebuild.c: how a rebuild ends: its version's bits came again, or others did. The version stays as it is. */
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/frozen.h"
#include "store/sqlite/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <inttypes.h>

struct subject {
        model_id model;
        uint64_t number;
        char who[KEY_SIZE];
};

static int look(struct db *db, job_id j, struct subject *s, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT j.model AS model, j.kind AS kind, j.state AS state, j.who AS "
                                                "who, v.number AS number FROM job j LEFT JOIN version v "
                                                "ON v.id = j.rebuild_of WHERE j.id = :job");

        query_seq(&q, ":job", j);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no job %" PRIu64, j);
        if (r != QUERY_ROW)
                return r;
        enum job_state state = job_state_in_db(&q, "state");
        enum job_kind kind = job_kind_in_db(&q, "kind");
        s->model = query_get_u64(&q, "model");
        s->number = query_get_u64(&q, "number");
        query_get_name(&q, "who", s->who, sizeof(s->who));
        if (q.rc != 0)
                return query_step(&q, e);
        if (state != JOB_JUDGING)
                return err_set(e, STORE_CONFLICT, "job %" PRIu64 " is %s, not judging", j, job_state_name(state));
        return kind == JOB_REBUILD
                   ? 0
                   : err_set(e, -EINVAL, "store: job %" PRIu64 " is a %s, not a rebuild", j, job_kind_name(kind));
}

static int end(struct db *db, job_id j, bool same, const char *reason, struct err *e)
{
        struct subject s = {0};
        int r = look(db, j, &s, e);
        if (r != 0)
                return r;

        _query_ struct query q =
            query_open(db, "UPDATE job SET state = :state, reason = :reason, ended_ms = :now WHERE id = :job");
        query_int(&q, ":state", same ? JOB_VERIFIED : JOB_REJECTED);
        query_text(&q, ":reason", reason);
        query_int(&q, ":now", db_now(db));
        query_seq(&q, ":job", j);
        if ((r = query_run(&q, e)) != 0 || (r = vote_waiting(db, s.model, e)) != 0)
                return r;
        return audit_add(db, s.model, s.who, "version.rebuild", words_rebuild(j, s.number, same, reason).text, e);
}

int sqlite_rebuild_commit(struct store *s, job_id j, bool same, const char *reason, struct err *e)
{
        int r = tx_enter(db_of(s), e);
        return r != 0 ? r : tx_leave(db_of(s), end(db_of(s), j, same, reason, e), e);
}

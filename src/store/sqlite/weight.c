/* weight.c: the weights of closed tasks, which follow from the version that serves.
 *
 * Parameters are handed down from parent to child, and so is what protects them: each version of a reweight says for
 * its own line what its task weighs. So a task's weight is that of the newest reweight of it on the way from the
 * champion back to the first version; else the one it was closed with, or 0 once it was given up so that a source
 * could be unlearned. task.alpha repeats it for the champion of now. */
#include "store/sqlite/db.h"
#include "store/sqlite/verbs.h"
#include "store/words.h"
#include <inttypes.h>

/* Of version :version: reweights of its line, place 0 the version itself. */
#define SAID                                                                                                         \
        "WITH RECURSIVE line (id, place) AS (SELECT :version, 0 UNION ALL SELECT v.parent, l.place + 1 FROM line l " \
        "JOIN version v ON v.id = l.id WHERE v.parent IS NOT NULL), "                                                \
        "said (task, alpha, place) AS MATERIALIZED (SELECT j.alpha_task, j.alpha, l.place FROM line l JOIN version " \
        "v ON v.id = l.id JOIN job j ON j.id = v.job WHERE j.kind = 3) "
/* The weight of task t; job: an expression. */
#define WEIGHT(job)                                                                                                  \
        "coalesce((SELECT s.alpha FROM said s WHERE s.task = t.id ORDER BY s.place LIMIT 1), "                       \
        "CASE WHEN t.given_up < " job " THEN 0.0 ELSE t.closed_alpha END)"

struct change {
        task_id task;
        uint64_t number; /* of the champion */
        double was, now;
        char name[NAME_SIZE];
};

/* QUERY_ROW: a task whose weight is not what the champion's line says. */
static int find_change(struct db *db, model_id m, version_id champion, struct change *ret, struct err *e)
{
        _query_ struct query q = query_open(db,
            SAID "SELECT t.id AS id, t.name AS name, t.alpha AS was, c.number AS number, " WEIGHT(
                "9223372036854775807") " AS now FROM task t JOIN version c ON c.id = :version WHERE t.model = :model "
                                       "AND t.state = 2 AND now <> t.alpha ORDER BY t.ordinal LIMIT 1");

        query_seq(&q, ":model", m);
        query_seq(&q, ":version", champion);
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r;
        *ret = (struct change){query_get_u64(&q, "id"), query_get_u64(&q, "number"), query_get_real(&q, "was"),
            query_get_real(&q, "now"), ""};
        query_get_name(&q, "name", ret->name, sizeof(ret->name));
        return q.rc != 0 ? query_step(&q, e) : QUERY_ROW;
}

static int change_weight(struct db *db, const struct change *c, struct err *e)
{
        _query_ struct query q = query_open(db, "UPDATE task SET alpha = :alpha WHERE id = :task");

        query_real(&q, ":alpha", c->now);
        query_seq(&q, ":task", c->task);
        return query_run(&q, e);
}

int weights_follow(struct db *db, model_id m, version_id champion, job_id j, const char *who, struct err *e)
{
        struct change c;
        int r;

        while ((r = find_change(db, m, champion, &c, e)) == QUERY_ROW)
                if ((r = change_weight(db, &c, e)) != 0 ||
                    (r = audit_add(
                         db, m, who, "task.alpha", words_alpha(j, c.name, c.was, c.now, c.number).text, e)) != 0)
                        break;
        return r;
}

int sqlite_task_weight(struct store *s, task_id t, version_id v, job_id j, double *ret, struct err *e)
{
        _query_ struct query q =
            query_open(db_of(s), SAID "SELECT " WEIGHT(":job") " AS now FROM task t WHERE t.id = :task AND "
                                                               "t.state = 2");

        query_seq(&q, ":task", t);
        query_seq(&q, ":version", v);
        query_seq(&q, ":job", j);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no closed task %" PRIu64, t);
        if (r != QUERY_ROW)
                return r;
        *ret = query_get_real(&q, "now");
        return q.rc != 0 ? query_step(&q, e) : 0;
}

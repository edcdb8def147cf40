/* alias_audit.c: names that point to versions, and the record of who did what. */
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

int audit_add(struct db *db, model_id m, const char *who, const char *what, const char *detail, struct err *e)
{
        _query_ struct query q = query_open(
            db, "INSERT INTO audit (at_ms, model, who, what, detail) VALUES (:now, :model, :who, :what, :detail)");

        query_int(&q, ":now", db_now(db));
        query_seq(&q, ":model", m);
        query_text(&q, ":who", who);
        query_text(&q, ":what", what);
        query_text(&q, ":detail", detail);
        return query_run(&q, e);
}

int alias_move(struct db *db, model_id m, const char *alias, version_id v, uint64_t epoch, struct err *e)
{
        _query_ struct query q = query_open(db,
            "INSERT INTO alias (model, name, version, epoch, updated_ms) VALUES (:model, :name, :version, :epoch, "
            ":now) "
            "ON CONFLICT (model, name) DO UPDATE SET version = excluded.version, epoch = excluded.epoch, "
            "updated_ms = excluded.updated_ms");

        query_seq(&q, ":model", m);
        query_text(&q, ":name", alias);
        query_seq(&q, ":version", v);
        query_seq(&q, ":epoch", epoch);
        query_int(&q, ":now", db_now(db));
        return query_run(&q, e);
}

#define ALIAS_SQL                                                                                                    \
        "SELECT a.name AS name, a.version AS version, v.number AS number, a.epoch AS epoch, "                        \
        "a.updated_ms AS updated_ms FROM alias a JOIN version v ON v.id = a.version WHERE a.model = :model "

static int alias_fill(struct query *q, struct alias *ret, struct err *e)
{
        struct alias a = {.version = query_get_u64(q, "version"),
            .number = query_get_u64(q, "number"),
            .epoch = query_get_u64(q, "epoch"),
            .updated_ms = query_get_int(q, "updated_ms")};

        query_get_name(q, "name", a.name, sizeof(a.name));
        if (q->rc != 0)
                return query_step(q, e);
        *ret = a;
        return 0;
}

static int get(struct db *db, model_id m, const char *alias, struct alias *ret, struct err *e)
{
        _query_ struct query q = query_open(db, ALIAS_SQL "AND a.name = :name");

        query_seq(&q, ":model", m);
        query_text(&q, ":name", alias);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no alias %.64s", alias);
        return r == QUERY_ROW ? alias_fill(&q, ret, e) : r;
}

int sqlite_alias_get(struct store *s, model_id m, const char *alias, struct alias *ret, struct err *e)
{
        return get(db_of(s), m, alias, ret, e);
}

int sqlite_alias_list(struct store *s, model_id m, store_alias_fn each, void *arg, struct err *e)
{
        struct alias a;
        int r;
        _query_ struct query q = query_open(db_of(s), ALIAS_SQL "ORDER BY a.name");

        query_seq(&q, ":model", m);
        while ((r = query_step(&q, e)) == QUERY_ROW)
                if ((r = alias_fill(&q, &a, e)) != 0 || (r = each(arg, &a)) != 0)
                        break;
        return r;
}

int challenger_superseded(struct db *db, model_id m, const char *who, struct err *e)
{
        uint64_t number, was, epoch;
        version_id champion;
        int r;
        {
                _query_ struct query q = query_open(db,
                    "SELECT p.id AS champion, p.number AS number, v.number AS was, c.epoch + 1 AS epoch FROM alias c "
                    "JOIN version v ON v.id = c.version JOIN alias a ON a.model = c.model AND a.name = 'champion' "
                    "JOIN version p ON p.id = a.version WHERE c.model = :model AND c.name = 'challenger' AND "
                    "v.state = 4 AND v.id <> p.id AND v.parent IS NOT p.id");
                query_seq(&q, ":model", m);
                if ((r = query_step(&q, e)) != QUERY_ROW)
                        return r;
                champion = query_get_u64(&q, "champion");
                number = query_get_u64(&q, "number");
                was = query_get_u64(&q, "was");
                epoch = query_get_u64(&q, "epoch");
        }
        r = alias_move(db, m, "challenger", champion, epoch, e);
        return r != 0 ? r
                      : audit_add(db, m, who, "alias.set",
                            words_alias("challenger", number, was, epoch, WORDS_OUTRUN).text, e);
}

/* A rollover or a reweight that was rejected, or only tried, left the rest of the model alone: the task it would have
 * closed, or weighed anew, is not. What has learned from an unlearned source serves under no name. */
static int version_id_of(
    struct db *db, model_id m, const char *alias, uint64_t number, version_id *ret, struct err *e)
{
        _query_ struct query q =
            query_open(db, "SELECT v.id AS id, v.pruned_ms AS pruned_ms, v.unlearned AS unlearned, "
                           "v.state IN (3, 4) AND j.kind <> 1 AS half FROM version v LEFT JOIN job j ON j.id = v.job "
                           "WHERE v.model = :model AND v.number = :number");

        query_seq(&q, ":model", m);
        query_seq(&q, ":number", number);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no version %" PRIu64, number);
        if (r != QUERY_ROW)
                return r;
        if (!query_null(&q, "pruned_ms"))
                return err_set(
                    e, STORE_CONFLICT, "version %" PRIu64 " was pruned: it has no parameters to serve", number);
        if (!query_null(&q, "unlearned"))
                return err_set(e, STORE_CONFLICT, WORDS_UNLEARNED, number, query_get_text(&q, "unlearned"));
        if (query_get_int(&q, "half") != 0 && strcmp(alias, "champion") == 0)
                return err_set(e, STORE_CONFLICT, WORDS_HALF, number);
        *ret = query_get_u64(&q, "id");
        return 0;
}

struct request {
        const char *alias, *who, *reason;
        uint64_t number, epoch;
};

static int consumed(struct db *db, model_id m, version_id v, struct err *e)
{
        _query_ struct query q = query_open(db, "UPDATE model SET used_seq = max(used_seq, (SELECT range_last FROM "
                                                "version WHERE id = :version)) WHERE id = :model");

        query_seq(&q, ":version", v);
        query_seq(&q, ":model", m);
        return query_run(&q, e);
}

static int waits_no_more(struct db *db, const char *sql, version_id v, const char *reason, struct err *e)
{
        _query_ struct query q = query_open(db, sql);

        query_seq(&q, ":version", v);
        query_text(&q, ":reason", reason);
        return query_run(&q, e);
}

/* By an act, not by its job's end: a candidate waits no more, and what a dry run has read is consumed by it now. */
static int comes_to_serve(struct db *db, model_id m, version_id v, const struct request *w, struct err *e)
{
        static const char job[] = "UPDATE job SET state = 10, reason = :reason WHERE id = (SELECT job FROM version "
                                  "WHERE id = :version AND state = 4)";
        static const char version[] =
            "UPDATE version SET state = 2, reason = :reason WHERE id = :version AND state = 4";
        const struct words why = words_promoted(w->who, w->reason);
        int r;

        if ((r = consumed(db, m, v, e)) != 0 || (r = waits_no_more(db, job, v, why.text, e)) != 0)
                return r;
        return waits_no_more(db, version, v, why.text, e);
}

/* old all zero: an alias that is not there, whose name may have been deleted; see WORDS_ALIAS_DELETE. */
static int next_epoch(struct db *db, model_id m, const struct alias *old, uint64_t *ret, struct err *e)
{
        if (old->epoch != 0) {
                *ret = old->epoch + 1;
                return 0;
        }
        _query_ struct query q =
            query_open(db, "SELECT coalesce(max(seq), 1) AS epoch FROM audit WHERE model = :model AND what = :what");
        query_seq(&q, ":model", m);
        query_text(&q, ":what", WORDS_ALIAS_DELETE);
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r;
        *ret = query_get_u64(&q, "epoch");
        return 0;
}

static int set(struct db *db, model_id m, const struct request *w, struct alias *ret, struct err *e)
{
        struct alias old = {0};
        version_id v = 0;
        uint64_t epoch = 0;
        int r = get(db, m, w->alias, &old, e);

        if (r != 0 && r != STORE_NOT_FOUND)
                return r;
        if (old.epoch != w->epoch)
                return err_set(e, STORE_CONFLICT, WORDS_MOVED, w->alias, old.number, old.epoch);
        if ((r = version_id_of(db, m, w->alias, w->number, &v, e)) != 0 ||
            (r = next_epoch(db, m, &old, &epoch, e)) != 0 || (r = alias_move(db, m, w->alias, v, epoch, e)) != 0 ||
            (r = audit_add(db, m, w->who, "alias.set",
                 words_alias(w->alias, w->number, old.number, epoch, w->reason).text, e)) != 0)
                return r;
        if (strcmp(w->alias, "champion") == 0 &&
            ((r = comes_to_serve(db, m, v, w, e)) != 0 || (r = challenger_superseded(db, m, w->who, e)) != 0 ||
                (r = weights_follow(db, m, v, 0, w->who, e)) != 0))
                return r;
        return get(db, m, w->alias, ret, e);
}

int sqlite_alias_set(struct store *s, model_id m, const char *alias, uint64_t version_number, uint64_t epoch,
    const char *who, const char *reason, struct alias *ret, struct err *e)
{
        const struct request w = {alias, who, reason, version_number, epoch};
        struct alias done;
        int r = tx_enter(db_of(s), e);

        if (r == 0)
                r = tx_leave(db_of(s), set(db_of(s), m, &w, &done, e), e);
        if (r == 0 && ret)
                *ret = done;
        return r;
}

static int delete (struct db *db, model_id m, const struct request *w, struct err *e)
{
        struct alias was;
        int r = get(db, m, w->alias, &was, e);

        if (r != 0)
                return r;
        if (was.epoch != w->epoch)
                return err_set(e, STORE_CONFLICT, WORDS_MOVED, w->alias, was.number, was.epoch);
        _query_ struct query q = query_open(db, "DELETE FROM alias WHERE model = :model AND name = :name");
        query_seq(&q, ":model", m);
        query_text(&q, ":name", w->alias);
        if ((r = query_run(&q, e)) != 0)
                return r;
        return audit_add(db, m, w->who, WORDS_ALIAS_DELETE, words_alias_deleted(&was, w->reason).text, e);
}

int sqlite_alias_delete(struct store *s, model_id m, const char *alias, uint64_t epoch, const char *who,
    const char *reason, struct err *e)
{
        const struct request w = {.alias = alias, .who = who, .reason = reason, .epoch = epoch};
        int r = tx_enter(db_of(s), e);

        return r != 0 ? r : tx_leave(db_of(s), delete (db_of(s), m, &w, e), e);
}

int sqlite_audit_list(struct store *s, model_id m, store_audit_fn each, void *arg, struct err *e)
{
        int r;
        _query_ struct query q =
            query_open(db_of(s), "SELECT seq, at_ms, model, who, what, detail FROM audit WHERE :model IS NULL OR "
                                 "model = :model ORDER BY seq");

        query_id(&q, ":model", m);
        while ((r = query_step(&q, e)) == QUERY_ROW) {
                const struct audit a = {query_get_u64(&q, "seq"), query_get_int(&q, "at_ms"),
                    query_get_u64(&q, "model"), query_get_text(&q, "who"), query_get_text(&q, "what"),
                    query_get_text(&q, "detail")};
                if ((r = each(arg, &a)) != 0)
                        break;
        }
        return r;
}

/* source.c: what came from whom, and taking a whole source out.
 *
 * A version has learned from a source when its job used a row of it, or when its parent had: parameters are handed
 * down. So the way back is the line of parents, up to the first version of which that is not true. */
#include "base/err.h"
#include "store/sqlite/fate.h"
#include "store/sqlite/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <inttypes.h>

/* --- list --- */

/* Everything but the label of rows that answer a prediction stands in the index. */
#define SUMS                                                                                                         \
        "count(*) AS n, sum(x.seq IS NULL) AS n_live, sum(CASE WHEN x.seq IS NOT NULL THEN x.job IS NOT NULL ELSE "  \
        "f.holdout = 0 AND EXISTS (SELECT 1 FROM job j WHERE " JOB_HAS_ROW "AND " JOB_TRAINED ") END) AS n_used, "   \
        "count(p.seq) AS n_served, coalesce(sum(p.class >= 0 AND p.class = (SELECT g.class FROM feedback g WHERE "   \
        "g.seq = p.seq)), 0) AS n_agreed, min(f.seq) AS first_seq, max(f.seq) AS last_seq "
#define BESIDE                                                                                                       \
        "LEFT JOIN feedback_fate x ON x.seq = f.seq LEFT JOIN feedback_since s ON s.seq = f.seq "                    \
        "LEFT JOIN feedback_served p ON p.seq = f.seq "

static const char list_sql[] =
    "SELECT name, sum(n) AS n, sum(n_live) AS n_live, sum(n_used) AS n_used, sum(n_served) AS n_served, "
    "sum(n_agreed) "
    "AS n_agreed, min(first_seq) AS first_seq, max(last_seq) AS last_seq FROM (SELECT f.source AS name, " SUMS
    "FROM feedback f INDEXED BY feedback_source " BESIDE "WHERE f.model = :model AND NOT EXISTS (SELECT 1 FROM "
    "feedback_former o WHERE o.seq = f.seq) GROUP BY f.source UNION ALL SELECT o.source, " SUMS
    "FROM feedback_former o CROSS JOIN feedback f ON f.seq = o.seq " BESIDE
    "WHERE f.model = :model GROUP BY o.source) "
    "GROUP BY name ORDER BY name";

static int list(struct db *db, model_id m, store_source_fn each, void *arg, struct err *e)
{
        int r;
        _query_ struct query q = query_open(db, list_sql);

        query_seq(&q, ":model", m);
        while ((r = query_step(&q, e)) == QUERY_ROW) {
                const struct source s = {
                    .name = query_get_text(&q, "name"),
                    .n = query_get_u64(&q, "n"),
                    .n_live = query_get_u64(&q, "n_live"),
                    .n_used = query_get_u64(&q, "n_used"),
                    .n_served = query_get_u64(&q, "n_served"),
                    .n_agreed = query_get_u64(&q, "n_agreed"),
                    .first_seq = query_get_u64(&q, "first_seq"),
                    .last_seq = query_get_u64(&q, "last_seq"),
                };
                if ((r = each(arg, &s)) != 0)
                        break;
        }
        return r;
}

int sqlite_source_list(struct store *s, model_id m, store_source_fn each, void *arg, struct err *e)
{
        int r = tx_read_enter(db_of(s), e);
        return r != 0 ? r : tx_read_leave(db_of(s), list(db_of(s), m, each, arg, e), e);
}

/* --- unlearn --- */

#define USED_THEN JOB_HAS_ROW "AND f.holdout = 0 AND (x.seq IS NULL OR j.id BETWEEN x.job AND x.until)"
/* Versions that have learned from the source. */
#define BAD                                                                                                          \
        "bad (id) AS (SELECT v.id FROM job j JOIN version v ON v.id = j.version WHERE j.model = :model AND j.kind "  \
        "IN (1, 2) AND (EXISTS (SELECT 1 FROM " FATE_TABLES                                                          \
        "WHERE f.model = :model AND f.source = :source AND " USED_THEN                                               \
        ") OR EXISTS (SELECT 1 FROM feedback_former o CROSS JOIN " FATE_TABLES "WHERE f.seq = o.seq AND "            \
        "o.source = :source AND f.model = :model AND " USED_THEN                                                     \
        ")) UNION SELECT v.id FROM bad b JOIN version v ON "                                                         \
        "v.parent = b.id) "
/* The champion and its line of parents. */
#define LINE                                                                                                         \
        "line (id, parent, place) AS (SELECT v.id, v.parent, 0 FROM alias a JOIN version v ON v.id = a.version "     \
        "WHERE "                                                                                                     \
        "a.model = :model AND a.name = 'champion' UNION ALL SELECT v.id, v.parent, l.place + 1 FROM line l JOIN "    \
        "version v ON v.id = l.parent) "

struct way_back {
        version_id to;
        uint64_t from_number, to_number, champion_epoch, used_seq;
};

static void bind(struct query *q, model_id m, const char *source)
{
        query_seq(q, ":model", m);
        query_text(q, ":source", source);
}

static int none_active(struct db *db, model_id m, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT id FROM job WHERE model = :model AND state < 10");

        query_seq(&q, ":model", m);
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r;
        return err_set(e, STORE_CONFLICT,
            "job %" PRIu64 " of this model is still active: try again when it has ended, or cancel it",
            query_get_u64(&q, "id"));
}

/* What a closed task learned from the source would go on protecting it. */
static int no_task_holds(struct db *db, model_id m, const char *source, struct err *e)
{
        _query_ struct query q = query_open(db,
            "WITH RECURSIVE " BAD
            "SELECT t.name AS name, t.alpha AS alpha, v.number AS number FROM task t JOIN version "
            "v ON v.id = t.closed_by WHERE t.model = :model AND t.state = 2 AND t.alpha > 0 AND t.closed_by IN bad "
            "ORDER BY t.ordinal LIMIT 1");

        bind(&q, m, source);
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r;
        return err_set(e, STORE_CONFLICT,
            "task %s was closed by version %" PRIu64
            ", which has learned from source %s, and is protected with alpha "
            "%g: set its alpha to 0 first",
            query_get_text(&q, "name"), query_get_u64(&q, "number"), source, query_get_real(&q, "alpha"));
}

/* So that it stays so on the line the champion goes back to, where no reweight says it. */
static int give_up(struct db *db, model_id m, const char *source, struct err *e)
{
        _query_ struct query q = query_open(db,
            "WITH RECURSIVE " BAD "UPDATE task SET given_up = (SELECT max(id) FROM job WHERE model = :model) WHERE "
            "model = :model AND state = 2 AND given_up IS NULL AND closed_by IN bad");

        bind(&q, m, source);
        return query_run(&q, e);
}

/* What has learned from it serves no more, under no name. */
static int take_out(struct db *db, model_id m, const char *source, struct err *e)
{
        _query_ struct query q = query_open(db,
            "WITH RECURSIVE " BAD
            "UPDATE version SET unlearned = :source WHERE model = :model AND unlearned IS NULL AND id IN bad");

        bind(&q, m, source);
        return query_run(&q, e);
}

static int find_way_back(struct db *db, model_id m, struct way_back *ret, struct err *e)
{
        _query_ struct query q = query_open(db,
            "WITH RECURSIVE " LINE ", target (id, place) AS (SELECT l.id, l.place FROM line l JOIN version v ON "
            "v.id = l.id WHERE v.pruned_ms IS NULL AND v.unlearned IS NULL ORDER BY l.place LIMIT 1) "
            "SELECT t.id AS id, v.number AS number, c.number AS from_number, a.epoch AS epoch, (SELECT "
            "coalesce(max(u.range_last), 0) FROM line l JOIN version u ON u.id = l.id JOIN job j ON j.id = u.job "
            "WHERE "
            "l.place >= t.place AND j.kind IN (1, 2)) AS used_seq FROM target t JOIN version v ON v.id = t.id JOIN "
            "alias "
            "a ON a.model = :model AND a.name = 'champion' JOIN version c ON c.id = a.version");

        query_seq(&q, ":model", m);
        int r = query_one(&q, -EBADMSG, e, "database: the champion has no first version");
        if (r != QUERY_ROW)
                return r;
        *ret = (struct way_back){.to = query_get_u64(&q, "id"),
            .from_number = query_get_u64(&q, "from_number"),
            .to_number = query_get_u64(&q, "number"),
            .champion_epoch = query_get_u64(&q, "epoch"),
            .used_seq = query_get_u64(&q, "used_seq")};
        return 0;
}

/* An alias beside the champion whose version serves no more. */
static int next_alias(struct db *db, model_id m, struct alias *ret, struct err *e)
{
        _query_ struct query q = query_open(db,
            "SELECT a.name AS name, v.number AS number, a.epoch AS epoch FROM alias a JOIN version v ON v.id = "
            "a.version WHERE a.model = :model AND a.name <> 'champion' AND v.unlearned IS NOT NULL ORDER BY a.name "
            "LIMIT 1");

        query_seq(&q, ":model", m);
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r;
        *ret = (struct alias){.number = query_get_u64(&q, "number"), .epoch = query_get_u64(&q, "epoch")};
        query_get_name(&q, "name", ret->name, sizeof(ret->name));
        return q.rc != 0 ? query_step(&q, e) : QUERY_ROW;
}

static int move(struct db *db, model_id m, const char *alias, const struct way_back *w, uint64_t number,
    uint64_t epoch, const char *why, const char *who, struct err *e)
{
        int r = alias_move(db, m, alias, w->to, epoch + 1, e);
        return r != 0 ? r
                      : audit_add(db, m, who, "alias.set",
                            words_alias(alias, w->to_number, number, epoch + 1, why).text, e);
}

static int aliases_follow(struct db *db, model_id m, const struct way_back *w, const char *why, const char *who,
    struct unlearned *ret, struct err *e)
{
        struct alias a;
        int r;

        while ((r = next_alias(db, m, &a, e)) == QUERY_ROW) {
                if ((r = move(db, m, a.name, w, a.number, a.epoch, why, who, e)) != 0)
                        return r;
                unlearned_name(ret, a.name);
        }
        return r != 0 ? r : challenger_superseded(db, m, who, e);
}

static int new_again(struct db *db, model_id m, uint64_t used_seq, struct err *e)
{
        _query_ struct query q = query_open(db, "UPDATE model SET used_seq = min(used_seq, :last) WHERE id = :model");

        query_seq(&q, ":model", m);
        query_seq(&q, ":last", used_seq);
        return query_run(&q, e);
}

static int unlearn(struct db *db, model_id m, const char *source, const char *who, const char *reason, struct rows *l,
    struct unlearned *ret, struct err *e)
{
        const struct feedback_selection sel = {.source = source};
        const struct words why = words_unlearned(source, who, reason);
        struct way_back w = {0};
        struct erased done;
        int r;

        if ((r = rows_select(db, m, &sel, l, e)) != 0)
                return r;
        if (l->n == 0)
                return err_set(e, STORE_NOT_FOUND, "no feedback of source %s", source);
        if ((r = none_active(db, m, e)) != 0 || (r = no_task_holds(db, m, source, e)) != 0 ||
            (r = give_up(db, m, source, e)) != 0 || (r = take_out(db, m, source, e)) != 0 ||
            (r = find_way_back(db, m, &w, e)) != 0 || (r = rows_erase(db, m, l, why.text, false, &done, e)) != 0)
                return r;
        *ret = (struct unlearned){.n_erased = done.n, .from_number = w.from_number, .back_to_number = w.to_number};
        if ((r = audit_add(db, m, who, "source.unlearn", words_unlearn(source, ret, reason).text, e)) != 0)
                return r;
        if (w.from_number != w.to_number &&
            ((r = move(db, m, "champion", &w, w.from_number, w.champion_epoch, why.text, who, e)) != 0 ||
                (r = new_again(db, m, w.used_seq, e)) != 0 || (r = weights_follow(db, m, w.to, 0, who, e)) != 0))
                return r;
        return aliases_follow(db, m, &w, why.text, who, ret, e);
}

int sqlite_source_unlearn(struct store *s, model_id m, const char *source, const char *who, const char *reason,
    struct unlearned *ret, struct err *e)
{
        struct db *db = db_of(s);
        struct unlearned done;
        struct rows l = {0};
        int r = tx_enter(db, e);

        if (r == 0)
                r = tx_leave(db, unlearn(db, m, source, who, reason, &l, &done, e), e);
        scrub(db, r);
        rows_free(&l);
        if (r != 0)
                return r;
        done.backups = scrub_misses(db);
        *ret = done;
        return 0;
}

/* feedback.c: labelled rows coming in.
 *
 * A row is identified by (model, event_id, source). Whether it is new is asked first, so that a retry of a row whose
 * task has been closed meanwhile is still a duplicate. task_count is kept in step in the same transaction. */
#include "base/err.h"
#include "store/sqlite/db.h"
#include "store/sqlite/feedback.h"
#include "store/sqlite/verbs.h"
#include <errno.h>
#include <string.h>

int feedback_content(const struct feedback *f, struct digest *ret, struct err *e)
{
        struct digest_ctx *c = digest_new();

        if (!c)
                return err_oom(e);
        digest_add(c, f->inputs, f->n_inputs * sizeof(float));
        if (f->targets)
                digest_add(c, f->targets, f->n_targets * sizeof(float));
        digest_finish(c, ret);
        return 0;
}

static int open_task(struct db *db, model_id m, task_id *ret, struct err *e)
{
        _query_ struct query q = query_open(db, "SELECT id FROM task WHERE model = :model AND state = 1");

        query_seq(&q, ":model", m);
        int r = query_one(&q, STORE_NOT_FOUND, e, "no such model");
        if (r != QUERY_ROW)
                return r;
        *ret = query_get_u64(&q, "id");
        return 0;
}

/* *ret_known: a row of this key is there; *ret_same: with the same payload. */
static int look_up(
    struct db *db, model_id m, const struct feedback *f, bool *ret_known, bool *ret_same, struct err *e)
{
        struct digest d;
        _query_ struct query q = query_open(db, "SELECT payload FROM feedback WHERE model = :model AND "
                                                "event_id = :event_id AND source = :source");

        query_seq(&q, ":model", m);
        query_text(&q, ":event_id", f->event_id);
        query_text(&q, ":source", f->source);
        int r = query_step(&q, e);
        *ret_known = r == QUERY_ROW;
        if (r != QUERY_ROW)
                return r;
        query_get_digest(&q, "payload", &d);
        *ret_same = digest_eq(&d, &f->payload);
        return 0;
}

static int insert(struct db *db, model_id m, task_id t, const struct feedback *f, uint64_t *ret_seq, struct err *e)
{
        struct digest content;
        int r = feedback_content(f, &content, e);
        if (r != 0)
                return r;

        _query_ struct query q =
            query_open(db, "INSERT INTO feedback (model, task, task_named, holdout, class, weight, observed_ms, "
                           "received_ms, source, "
                           "event_id, payload, content, inputs, targets) VALUES (:model, :task, :task_named, "
                           ":holdout, :class, :weight, "
                           ":observed, :received, :source, :event_id, :payload, :content, :inputs, :targets)");
        query_seq(&q, ":model", m);
        query_seq(&q, ":task", t);
        query_int(&q, ":task_named", f->task_named);
        query_int(&q, ":holdout", f->holdout);
        query_int(&q, ":class", f->targets ? -1 : f->class);
        query_real(&q, ":weight", (double)f->weight);
        query_ms(&q, ":observed", f->observed_ms);
        query_int(&q, ":received", db_now(db));
        query_text(&q, ":source", f->source);
        query_text(&q, ":event_id", f->event_id);
        query_blob(&q, ":payload", f->payload.b, sizeof(f->payload.b));
        query_digest(&q, ":content", &content);
        query_blob(&q, ":inputs", f->inputs, f->n_inputs * sizeof(float));
        if (f->targets)
                query_blob(&q, ":targets", f->targets, f->n_targets * sizeof(float));
        r = query_run(&q, e);
        *ret_seq = (uint64_t)sqlite3_last_insert_rowid(db->h);
        return r;
}

static int count_one(struct db *db, task_id t, const struct feedback *f, struct err *e)
{
        _query_ struct query q =
            query_open(db, "INSERT INTO task_count (task, holdout, class, n) VALUES (:task, :holdout, :class, 1) "
                           "ON CONFLICT (task, holdout, class) DO UPDATE SET n = n + 1");

        query_seq(&q, ":task", t);
        query_int(&q, ":holdout", f->holdout);
        query_int(&q, ":class", f->targets ? -1 : f->class);
        return query_run(&q, e);
}

static int add_one(struct db *db, model_id m, task_id open, const struct feedback *f, enum feedback_verdict *ret,
    struct receipt *receipt, struct err *e)
{
        bool known = false, same = false;
        uint64_t seq = 0;
        int r = look_up(db, m, f, &known, &same, e);

        if (r != 0)
                return r;
        if (known) {
                *ret = same ? FEEDBACK_DUPLICATE : FEEDBACK_CONFLICT;
                receipt->n_duplicate += same;
                receipt->n_conflict += !same;
                return 0;
        }
        if (f->task_named && f->task != open) {
                *ret = FEEDBACK_TASK_CLOSED;
                return 0;
        }
        if ((r = insert(db, m, open, f, &seq, e)) != 0 || (r = count_one(db, open, f, e)) != 0)
                return r;
        *ret = FEEDBACK_ACCEPTED;
        receipt->n_accepted++;
        if (receipt->first_seq == 0)
                receipt->first_seq = seq;
        receipt->last_seq = seq;
        return 0;
}

static int add(struct db *db, model_id m, const struct feedback *rows, size_t n, enum feedback_verdict *verdicts,
    struct receipt *receipt, struct err *e)
{
        task_id open = 0;
        int r = open_task(db, m, &open, e);

        for (size_t i = 0; r == 0 && i < n; i++) {
                enum feedback_verdict v = FEEDBACK_ACCEPTED;
                r = add_one(db, m, open, &rows[i], &v, receipt, e);
                if (verdicts)
                        verdicts[i] = v;
        }
        return r;
}

int sqlite_feedback_add(struct store *s, model_id m, const struct feedback *rows, size_t n,
    enum feedback_verdict *verdicts, struct receipt *ret, struct err *e)
{
        struct db *db = db_of(s);
        struct receipt receipt = {0};
        int r = tx_enter(db, e);

        if (r == 0)
                r = tx_leave(db, add(db, m, rows, n, verdicts, &receipt, e), e);
        if (r == 0)
                *ret = receipt;
        return r;
}

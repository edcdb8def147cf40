/* feedback.c: labelled rows coming in.
 *
 * A row is identified by (model, event_id, source). Whether it is new is asked first, so that a retry of a row whose
 * task has been closed meanwhile is still a duplicate. One look at the rows of the event answers that, and whether
 * there is anything to vote about: a row whose event is new, as nearly all are, costs no more than being written. */
#include "base/err.h"
#include "store/sqlite/fate.h"
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

/* The source of a row whose key is another's: digits of its number, longer than any source, so nobody's. Until the
 * number is known, those of 0. */
#define ASIDE "printf('%0130d', seq)"
static const char *aside(char ret[131])
{
        memset(ret, '0', 130);
        ret[130] = '\0';
        return ret;
}
_Static_assert(STORE_KEY_MAX < 130, "a source may not be as long as what holds the place of one");

static int insert(struct db *db, model_id m, task_id t, const struct feedback *f, uint64_t *ret_seq, struct err *e)
{
        struct digest content;
        char zeros[131];
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
        query_text(&q, ":source", f->trusted ? aside(zeros) : f->source);
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

/* The prediction it answers, trust, and a state that is not live: what most rows do not have. */
static int served_row(struct db *db, uint64_t seq, const struct feedback *f, struct err *e)
{
        _query_ struct query q =
            query_open(db, "INSERT INTO feedback_served (seq, version, class, probability) VALUES "
                           "(:seq, :version, :class, :probability)");

        query_seq(&q, ":seq", seq);
        query_seq(&q, ":version", f->served_version);
        query_int(&q, ":class", f->served_class);
        query_real(&q, ":probability", (double)f->served_probability);
        return query_run(&q, e);
}

/* Leaves the key to another row. */
static int step_aside(struct db *db, uint64_t seq, const char *source, struct err *e)
{
        int r;
        {
                _query_ struct query q =
                    query_open(db, "INSERT INTO feedback_former (seq, source) VALUES (:seq, :source)");
                query_seq(&q, ":seq", seq);
                query_text(&q, ":source", source);
                if ((r = query_run(&q, e)) != 0)
                        return r;
        }
        _query_ struct query q = query_open(db, "UPDATE feedback SET source = " ASIDE " WHERE seq = :seq");
        query_seq(&q, ":seq", seq);
        return query_run(&q, e);
}

/* The key belongs to the labels: a trusted row never has it. */
static int trusted_row(struct db *db, uint64_t seq, const char *source, struct err *e)
{
        _query_ struct query q = query_open(db, "INSERT INTO feedback_trusted (seq) VALUES (:seq)");

        query_seq(&q, ":seq", seq);
        int r = query_run(&q, e);
        return r != 0 ? r : step_aside(db, seq, source, e);
}

static int beside(struct db *db, const struct fate_row *r, const struct feedback *f, struct err *e)
{
        int x = 0;

        if (f->served_version != 0)
                x = served_row(db, r->seq, f, e);
        if (x == 0 && f->trusted)
                x = trusted_row(db, r->seq, f->source, e);
        if (x != 0)
                return x;
        return r->state == ROW_LIVE ? task_count_add(db, r, e) : fate_begin(db, r, f->why ? f->why : "", e);
}

/* --- what is known of the event --- */

struct known {
        const struct event_row *holder; /* has the key (source, event_id); of trusted rows: the one there is */
        bool same, erased;
};

/* Trusted rows and labels do not see one another, but that an event erased for all sources takes no labels. What came
 * again is compared with the newest row only: a source may go back to what it said before. */
static struct known known(const struct event *v, const struct feedback *f)
{
        struct known k = {0};

        for (size_t i = 0; i < v->n; i++) {
                const struct event_row *row = &v->rows[i];
                bool alike = row->r.trusted == f->trusted, mine = alike && strcmp(row->source, f->source) == 0;
                k.erased =
                    k.erased || (row->r.state == ROW_ERASED && (mine || (row->r.whole && (alike || row->r.trusted))));
                if (mine && row->r.state != ROW_ERASED)
                        k.same = digest_eq(&row->payload, &f->payload);
                if (mine && (!row->former || f->trusted))
                        k.holder = row;
        }
        return k;
}

/* --- one row --- */

struct adding {
        struct db *db;
        model_id model;
        task_id open;
        enum conflict_policy policy;
        struct event event; /* of the row at hand, reused */
        struct receipt receipt;
};

/* *ret: the task the row belongs to, 0: it names one that takes no more rows. Trusted rows go to closed ones too. */
static int task_for(const struct adding *a, const struct feedback *f, task_id *ret, struct err *e)
{
        *ret = !f->task_named || f->task == a->open ? a->open : 0;
        if (*ret != 0 || !f->trusted)
                return 0;
        _query_ struct query q = query_open(a->db, "SELECT id FROM task WHERE id = :task AND model = :model");
        query_seq(&q, ":task", f->task);
        query_seq(&q, ":model", a->model);
        int r = query_step(&q, e);
        if (r != QUERY_ROW)
                return r;
        *ret = f->task;
        return 0;
}

static int accept(struct adding *a, task_id t, const struct feedback *f, struct err *e)
{
        struct fate_row row = {.model = a->model,
            .task = t,
            .holdout = f->holdout,
            .trusted = f->trusted,
            .class = f->targets ? -1 : f->class,
            .state = f->state != 0 ? f->state : ROW_LIVE,
            .policy = a->policy};
        struct receipt *got = &a->receipt;
        int r;

        if ((r = insert(a->db, a->model, t, f, &row.seq, e)) != 0 || (r = beside(a->db, &row, f, e)) != 0)
                return r;
        got->n_accepted++;
        got->n_quarantined += row.state == ROW_QUARANTINED;
        got->n_late += row.state == ROW_LATE;
        if (got->first_seq == 0)
                got->first_seq = row.seq;
        got->last_seq = row.seq;
        if (row.state != ROW_LIVE || row.trusted || a->event.n == 0)
                return 0;
        return vote_settle(a->db, a->model, f->event_id, a->policy, &a->event, got, e);
}

static int add_one(struct adding *a, const struct feedback *f, enum feedback_verdict *ret, struct err *e)
{
        task_id t = 0;
        int r = event_rows_load(a->db, a->model, f->event_id, &a->event, e);

        if (r != 0)
                return r;
        struct known k = known(&a->event, f);
        if (k.same || k.erased || (k.holder && (f->trusted || a->policy == CONFLICT_EARLIEST))) {
                *ret = k.same ? FEEDBACK_DUPLICATE : k.erased ? FEEDBACK_ERASED : FEEDBACK_CONFLICT;
                a->receipt.n_duplicate += *ret == FEEDBACK_DUPLICATE;
                a->receipt.n_conflict += *ret == FEEDBACK_CONFLICT;
                return 0;
        }
        if ((r = task_for(a, f, &t, e)) != 0)
                return r;
        *ret = t != 0 ? FEEDBACK_ACCEPTED : FEEDBACK_TASK_CLOSED;
        if (t == 0)
                return 0;
        if (k.holder && (r = step_aside(a->db, k.holder->r.seq, k.holder->source, e)) != 0)
                return r;
        return accept(a, t, f, e);
}

static int add(
    struct adding *a, const struct feedback *rows, size_t n, enum feedback_verdict *verdicts, struct err *e)
{
        int r = open_task(a->db, a->model, &a->open, e);

        for (size_t i = 0; r == 0 && i < n; i++) {
                enum feedback_verdict v = FEEDBACK_ACCEPTED;
                r = add_one(a, &rows[i], &v, e);
                if (verdicts)
                        verdicts[i] = v;
        }
        event_rows_free(&a->event);
        return r;
}

int sqlite_feedback_add(struct store *s, model_id m, const struct feedback *rows, size_t n,
    const struct feedback_rules *rules, enum feedback_verdict *verdicts, struct receipt *ret, struct err *e)
{
        struct adding a = {.db = db_of(s), .model = m, .policy = rules ? rules->on_conflict : CONFLICT_EARLIEST};
        int r = tx_enter(a.db, e);

        if (r == 0)
                r = tx_leave(a.db, add(&a, rows, n, verdicts, e), e);
        if (r == 0)
                *ret = a.receipt;
        return r;
}

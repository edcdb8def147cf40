/* h_labels.c: the life of a label after it was taken: what became of it, erasing it or all of a source, and the
 * decision on one that is quarantined. */
#include "base/err.h"
#include "domain/validate.h"
#include "proto/json_admin.h"
#include "proto/json_feedback.h"
#include "server/h.h"
#include "server/h_recall.h"
#include "server/handlers.h"
#include "store/store.h"
#include "super/jobs.h"
#include <errno.h>
#include <inttypes.h>

struct label {                   /* what an errand is about */
        const char *id, *source; /* one of them, or the id alone */
        const char *reason;      /* of erasing or releasing it; NULL */
        bool accept;
        model_id model; /* found by run */
};

static const char *id_arg(struct request *r)
{
        const char *id = h_arg(r, 1);
        if (id && validate_key("id", id, NULL) < 0) {
                reply_problem(r, PROBLEM_NOT_FOUND, "", "'%.40s' cannot be the id of an event", id);
                return NULL;
        }
        return id;
}

/* An errand about a label; NULL after having replied. */
static struct h_work *errand(struct request *r, const char *id, const char *source,
    int (*run)(struct h_work *, struct store *, struct err *), void (*done)(struct h_work *, struct request *))
{
        struct h_work *w = h_work_new(r, run, done);
        struct label *l = w ? arena_new(&w->arena, struct label) : NULL;
        if (!w)
                return NULL;
        w->arg = l;
        if (l) {
                l->id = id ? arena_strdup(&w->arena, id) : NULL;
                l->source = source ? arena_strdup(&w->arena, source) : NULL;
        }
        if (l && (l->id || l->source))
                return w;
        h_work_free(w);
        reply_error(r, -ENOMEM, NULL);
        return NULL;
}

/* Rows have changed: what is due may have, too; and an erased event is remembered nowhere. */
static void changed(struct h_work *w, struct request *r)
{
        const struct label *l = w->arg;
        if (w->work.result == 0 && l->id && !l->accept)
                h_recall_forget(w->server, l->model, l->id);
        if (w->work.result == 0 && !l->id) /* which predictions they were of is not known any more */
                h_recall_clear(w->server, l->model);
        if (w->work.result == 0)
                jobs_post_counters(w->server->jobs, l->model); /* a full mailbox: the policy timer asks again */
        h_finish(w, r);
}

/* --- its fate --- */

static const char *state_word(enum feedback_state s)
{
        static const char *const words[] = {
            [FEEDBACK_QUEUED] = "queued",
            [FEEDBACK_HELD_OUT] = "held_out",
            [FEEDBACK_USED] = "used",
            [FEEDBACK_QUARANTINED] = "quarantined",
            [FEEDBACK_LATE] = "late",
            [FEEDBACK_SUPERSEDED] = "superseded",
            [FEEDBACK_FEATURES_ERASED] = "erased",
            [FEEDBACK_EXPIRED] = "expired",
        };
        return (size_t)s < sizeof(words) / sizeof(words[0]) ? words[s] : NULL;
}

static const char *class_name(const struct model *m, int32_t class)
{
        return class >= 0 && (size_t) class < m->n_classes ? m->classes[class] : NULL;
}

static int run_fate(struct h_work *w, struct store *s, struct err *e)
{
        struct label *l = w->arg;
        struct model m;
        struct feedback_fate f;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        r = store_feedback_get(s, m.id, l->id, &w->arena, &f, e);
        if (r == STORE_NOT_FOUND)
                return h_refuse(w, e, PROBLEM_NOT_FOUND, "", "model %s has no event '%s'", m.name, l->id);
        if (r != 0)
                return r;
        struct fate_view v = {
            .id = f.row.event_id,
            .state = state_word(f.state),
            .label = class_name(&m, f.row.class),
            .task = f.task_name,
            .source = f.row.source[0] ? f.row.source : NULL,
            .reason = f.row.why && f.row.why[0] ? f.row.why : NULL,
            .seq = f.row.seq,
            .holdout = f.row.holdout,
            .trusted = f.row.trusted,
            .received_ms = f.row.received_ms,
            .job = f.job,
            .version = f.version_number,
            .served_version = f.row.served_version,
            .served_label = class_name(&m, f.row.served_class),
            .served_probability = f.row.served_probability,
        };
        json_fate_write(&w->body, &v);
        return 0;
}

void h_feedback_get(struct request *r)
{
        const char *id = id_arg(r);
        struct h_work *w = id ? errand(r, id, NULL, run_fate, NULL) : NULL;
        if (w)
                h_read(w);
}

/* --- erasing --- */

/* What an operator has to know: a version that was trained with the rows still remembers them. NULL: none was. */
static const char *used_by(struct h_work *w, const struct label *l, const struct erased *x)
{
        if (x->n_used == 0)
                return NULL;
        if (x->first_version_number == 0)
                return arena_printf(
                    &w->arena, "%" PRIu64 " of the rows had been used by a job that made no version", x->n_used);
        return arena_printf(&w->arena,
            "%" PRIu64 " of the rows had been used: version %" PRIu64
            " and those after it still remember them. `ewcctl source unlearn` takes %s%s%s out of the model",
            x->n_used, x->first_version_number, l->source ? "source '" : "their source", l->source ? l->source : "",
            l->source ? "'" : "");
}

static int run_erase(struct h_work *w, struct store *s, struct err *e)
{
        struct label *l = w->arg;
        struct feedback_selection sel = {.event_id = l->id, .source = l->source, .trusted = w->local};
        struct erased x = {0};
        struct model m;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        l->model = m.id;
        r = store_feedback_erase(s, m.id, &sel, w->who, l->reason, &x, e);
        if (r == STORE_NOT_FOUND)
                return h_refuse(w, e, PROBLEM_NOT_FOUND, "", "model %s has no rows of %s '%s'%s", m.name,
                    l->id ? "event" : "source", l->id ? l->id : l->source,
                    w->local ? "" : " but trusted ones, if any, which are erased over the UNIX socket only");
        if (r == STORE_CONFLICT)
                return h_refuse(w, e, PROBLEM_BUSY, "", "%s",
                    e && e->msg[0] ? e->msg : "a job is training with these rows; wait for it or cancel it");
        if (r != 0)
                return r;
        const struct erased_view v = {
            .n = x.n,
            .n_used = x.n_used,
            .first_version = x.first_version_number,
            .backups = x.backups,
            .detail = h_with_backups(&w->arena, used_by(w, l, &x), x.backups),
        };
        json_erased_write(&w->body, &v);
        return 0;
}

static void begin_erasing(struct request *r, const char *id, const char *source)
{
        const char *reason;
        if (!h_reason(r, &reason))
                return;
        struct h_work *w = errand(r, id, source, run_erase, changed);
        if (!w)
                return;
        struct label *l = w->arg;
        if (reason && !(l->reason = arena_strdup(&w->arena, reason))) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        h_write(w, sizeof(struct label));
}

void h_feedback_erase(struct request *r)
{
        const char *id = id_arg(r);
        if (id)
                begin_erasing(r, id, NULL);
}

void h_feedback_erase_source(struct request *r)
{
        struct slice text;
        struct err e = ERR_NULL;
        const char *source = NULL;
        if (!request_query(r, "source", &text) || text.n == 0) {
                reply_problem(r, PROBLEM_BAD_VALUE, "",
                    "say whose rows: ?source=NAME; one event is erased by DELETE feedback/{id}");
                return;
        }
        source = arena_strndup(r->arena, text.p, text.n);
        if (!source) {
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        if (validate_key("source", source, &e) < 0) {
                reply_problem(r, PROBLEM_BAD_VALUE, "", "%s", e.msg);
                return;
        }
        begin_erasing(r, NULL, source);
}

/* --- the decision on a quarantined one --- */

static int run_release(struct h_work *w, struct store *s, struct err *e)
{
        struct label *l = w->arg;
        struct model m;
        uint64_t n = 0;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        l->model = m.id;
        r = store_feedback_release(s, m.id, l->id, l->accept, w->who, l->reason, &n, e);
        if (r == STORE_NOT_FOUND)
                return h_refuse(
                    w, e, PROBLEM_NOT_FOUND, "", "model %s has no quarantined row of event '%s'", m.name, l->id);
        if (r == STORE_CONFLICT)
                return h_refuse(w, e, PROBLEM_BUSY, "", "%s",
                    e && e->msg[0] ? e->msg : "a job is training with rows of this event; wait for it or cancel it");
        if (r != 0)
                return r;
        json_release_write(&w->body, l->id, l->accept, n);
        return 0;
}

void h_feedback_release(struct request *r)
{
        struct err e = ERR_NULL;
        const char *id = id_arg(r);
        struct h_work *w = id ? errand(r, id, NULL, run_release, changed) : NULL;
        if (!w)
                return;
        struct label *l = w->arg;
        int p = json_release_read(r->body, &w->arena, &l->accept, &l->reason, &e);
        if (p != 0) {
                h_work_free(w);
                reply_error(r, p, &e);
                return;
        }
        h_write(w, sizeof(struct label));
}

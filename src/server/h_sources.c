/* h_sources.c: who the labels came from, and taking a source out of a model.
 *
 * Unlearning is one errand to the store: the source's rows are erased, the champion moves back to the newest
 * version of its line that never saw them, and the job that learns what is left again is made, so that a crash
 * leaves all of it or nothing. Every loop then switches to what the aliases name now, the job is started, and only
 * then the answer goes out: whoever reads it meets the source's influence nowhere. What has been begun is finished
 * when the client has left. */
#include "base/err.h"
#include "domain/strategy.h"
#include "domain/validate.h"
#include "proto/json_feedback.h"
#include "proto/json_model.h"
#include "server/h.h"
#include "server/h_job.h"
#include "server/h_recall.h"
#include "server/handlers.h"
#include "store/store.h"
#include "super/jobs.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* --- GET --- */

struct listing {
        struct buf *body;
        size_t n;
};

static int list_row(void *arg, const struct source *s)
{
        struct listing *l = arg;
        struct source_view v = {
            .name = s->name,
            .n = s->n,
            .n_live = s->n_live,
            .n_used = s->n_used,
            .n_served = s->n_served,
            .n_agreed = s->n_agreed,
            .first_seq = s->first_seq,
            .last_seq = s->last_seq,
        };
        json_source_row(l->body, &v, l->n++ == 0);
        return 0;
}

static int run_list(struct h_work *w, struct store *s, struct err *e)
{
        struct model m;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        struct listing l = {&w->body, 0};
        buf_puts(&w->body, "{\"sources\":[");
        r = store_source_list(s, m.id, list_row, &l, e);
        buf_puts(&w->body, "]}");
        return r;
}

void h_sources_list(struct request *r)
{
        struct h_work *w = h_work_new(r, run_list, NULL);
        if (w)
                h_read(w);
}

/* --- unlearn --- */

struct unlearning {
        const char *source, *reason; /* reason: NULL if none was given */
        struct unlearned done;
        job_id job; /* 0: none was needed, or none can be made, says why */
        const char *why;
};

/* A job that cannot be made is no failure of what has been unlearned: the loops must hear of it all the same. */
static void make_job(struct h_work *w, struct store *s, const struct model *m, struct unlearning *u)
{
        static const char none[] = "no job could be made: ask for one with POST jobs";
        struct err e;
        struct counters c;
        struct learning learning;
        if (u->done.from_number == u->done.back_to_number) {
                u->why = "no job was needed: the champion had not learned from them, nothing is to be learned again";
                return;
        }
        u->why = none;
        if (json_learning_read(m->learning_json, &learning, &e) != 0 || store_feedback_count(s, m->id, &c, &e) != 0)
                return;
        if (c.n_open_train < H_JOB_MIN_ROWS) {
                const char *why = arena_printf(&w->arena,
                    "no job was made: the open task has %" PRIu64
                    " rows left to train on, %d are needed: version %" PRIu64 " serves until there is more feedback",
                    c.n_open_train, H_JOB_MIN_ROWS, u->done.back_to_number);
                u->why = why ? why : none;
                return;
        }
        struct job_new job = {
            .model = m->id,
            .kind = JOB_CONSOLIDATE,
            .trigger = TRIGGER_UNLEARN,
            .strategy = strategy_first(&learning),
            .trigger_value = u->done.n_erased,
            .trigger_text = arena_printf(&w->arena, "source '%s' was taken out: %" PRIu64 " rows%s%s", u->source,
                u->done.n_erased, u->reason ? ": " : "", u->reason ? u->reason : ""),
            .who = w->who,
        };
        if (store_job_create(s, &job, &u->job, &e) == 0)
                u->why = NULL;
        else
                u->job = 0;
}

static int run_unlearn(struct h_work *w, struct store *s, struct err *e)
{
        struct unlearning *u = w->arg;
        struct model m;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        w->publish_model = m.id;
        r = store_source_unlearn(s, m.id, u->source, w->who, u->reason, &u->done, e);
        if (r == STORE_NOT_FOUND)
                return h_refuse(
                    w, e, PROBLEM_NOT_FOUND, "", "model %s has no rows of source '%s'", m.name, u->source);
        if (r == STORE_CONFLICT)
                return h_refuse(w, e, PROBLEM_CONFLICT, "", "%s",
                    e && e->msg[0] ? e->msg : "a job of this model is active; wait for it or cancel it");
        if (r != 0)
                return r;
        make_job(w, s, &m, u);
        struct unlearned_view v = {
            .source = u->source,
            .n_erased = u->done.n_erased,
            .from = u->done.from_number,
            .to = u->done.back_to_number,
            .job = u->job,
            .backups = u->done.backups,
            .n_aliases = u->done.n_aliases < UNLEARNED_NAMES ? (size_t)u->done.n_aliases : UNLEARNED_NAMES,
            .aliases = (const char(*)[NAME_SIZE])u->done.aliases,
            .detail = h_with_backups(&w->arena, u->why, u->done.backups),
        };
        json_unlearned_write(&w->body, &v);
        if (u->job)
                snprintf(w->location, sizeof(w->location), "/v2/models/%s/jobs/%" PRIu64, m.name, u->job);
        w->status = 202;
        return 0;
}

/* The loops serve the champion, and the rows have changed; r is NULL when the client has left. */
static void switched(struct h_work *w, struct request *r)
{
        jobs_post_counters(w->server->jobs, w->publish_model);
        jobs_post_pump(w->server->jobs); /* a full mailbox: the policy timer does both */
        h_finish(w, r);
}

static void unlearned(struct h_work *w, struct request *r)
{
        if (w->work.result != 0) {
                h_finish(w, r);
                return;
        }
        h_recall_clear(w->server, w->publish_model);
        w->published = switched;
        h_publish(w);
}

void h_source_unlearn(struct request *r)
{
        struct err e = ERR_NULL;
        const char *source = h_arg(r, 1);
        if (source && validate_key("source", source, &e) < 0) {
                reply_problem(r, PROBLEM_NOT_FOUND, "", "%s", e.msg);
                return;
        }
        struct h_work *w = source ? h_work_new(r, run_unlearn, unlearned) : NULL;
        if (!w)
                return;
        struct unlearning *u = arena_new(&w->arena, struct unlearning);
        int p = u && (u->source = arena_strdup(&w->arena, source)) ? 0 : err_oom(&e);
        if (p == 0)
                p = json_reason_read(r->body, &w->arena, &u->reason, &e);
        if (p != 0) {
                h_work_free(w);
                reply_error(r, p, &e);
                return;
        }
        w->arg = u;
        h_write(w, sizeof(struct job_new));
}

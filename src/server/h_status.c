/* h_status.c: GET /v2/status: what an operator asks first, in one answer.
 *
 * The reader thread knows the models and their feedback; queues, jobs and connections are read from memory there
 * too, all of them being safe from any thread. Whether training is due, and if not why, comes from the same
 * policy_due that decides it. */
#include "base/clock.h"
#include "base/err.h"
#include "domain/policy.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "loop/loop.h"
#include "proto/json.h"
#include "proto/json_model.h"
#include "server/h.h"
#include "server/handlers.h"
#include "server/metrics.h"
#include "store/store.h"
#include "super/jobs.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct ids {
        struct arena *arena;
        model_id *id;
        size_t n, cap;
};

static int add_id(void *arg, const struct model *m)
{
        struct ids *l = arg;
        if (l->n == l->cap) {
                size_t cap = l->cap ? l->cap * 2 : 16;
                model_id *id = arena_new_array(l->arena, model_id, cap);
                if (!id)
                        return -ENOMEM;
                if (l->n > 0)
                        memcpy(id, l->id, l->n * sizeof(*id));
                l->id = id;
                l->cap = cap;
        }
        l->id[l->n++] = m->id;
        return 0;
}

/* What the loop served when the request came: usually each model's champion, another when that is damaged. */
struct standing {
        size_t n;
        struct {
                char name[NAME_SIZE];
                uint64_t number;
        } * model;
};

static const char *yes_no(bool v)
{
        return v ? "true" : "false";
}

/* The number of the version that answers for model m, as the loop saw it; 0: none does. */
static uint64_t served_now(const struct h_work *w, const char *name)
{
        const struct standing *s = w->arg;
        for (size_t i = 0; i < s->n; i++) {
                if (strcmp(s->model[i].name, name) == 0)
                        return s->model[i].number;
        }
        return 0;
}

static void write_served(struct buf *b, uint64_t number)
{
        buf_puts(b, ",\"served\":");
        if (number > 0)
                buf_printf(b, "\"%" PRIu64 "\"", number);
        else
                buf_puts(b, "null");
}

static void write_model(struct buf *b, const struct model *m, const struct alias *champion, uint64_t served,
    const struct task *open, const struct counters *c, const struct due *due)
{
        buf_puts(b, "{\"model\":");
        json_put_string(b, m->name);
        buf_puts(b, ",\"scenario\":");
        json_put_string(b, scenario_name(m->scenario));
        buf_printf(b, ",\"champion\":\"%" PRIu64 "\"", champion->number);
        write_served(b, served);
        buf_puts(b, ",\"open_task\":");
        json_put_string(b, open->name);
        buf_printf(b,
            ",\"feedback\":{\"new\":%" PRIu64 ",\"train\":%" PRIu64 ",\"holdout\":%" PRIu64 "},\"job_active\":%s",
            c->n_new, c->n_open_train, c->n_open_holdout, yes_no(c->job_active));
        buf_printf(b, ",\"training\":{\"due\":%s,\"reason\":", yes_no(due->train));
        json_put_string(b, due->reason);
        buf_puts(b, ",\"ask_again_at\":");
        json_put_time(b, (int64_t)due->ask_again_ms);
        buf_puts(b, "}}");
}

static int one_model(struct h_work *w, struct store *s, model_id id, struct err *e)
{
        struct model m;
        struct alias champion;
        struct task open;
        struct counters c;
        struct model_spec spec;
        struct learning learning;
        int r = store_model_by_id(s, id, &w->arena, &m, e);
        if (r == 0)
                r = store_alias_get(s, id, "champion", &champion, e);
        if (r == 0)
                r = store_task_get(s, id, NULL, &w->arena, &open, e);
        if (r == 0)
                r = store_feedback_count(s, id, &c, e);
        if (r == 0)
                r = json_spec_read(m.spec_json, &w->arena, &spec, e);
        if (r == 0)
                r = json_learning_read(m.learning_json, &learning, e);
        if (r != 0)
                return r;
        struct due due = policy_due(clock_wall_ms(loop_clock(w->server->loop)), &c, &learning, spec.net.loss);
        write_model(&w->body, &m, &champion, served_now(w, m.name), &open, &c, &due);
        return 0;
}

static void write_store(struct buf *b, const struct server *s)
{
        struct store_queue_stats q;
        store_queue_stats(s->writer, &q);
        buf_puts(b, ",\"store\":{\"engine\":");
        json_put_string(b, s->conf->engine ? s->conf->engine : "");
        buf_printf(b,
            ",\"schema\":%d,\"db_bytes\":%" PRIu64 ",\"wal_bytes\":%" PRIu64
            ",\"read_only\":%s,\"full\":%s,\"waiting\":%" PRIu64 ",\"items\":%" PRIu64 ",\"groups\":%" PRIu64
            ",\"last_commit_seconds\":",
            s->conf->schema, q.db_bytes, q.wal_bytes, yes_no(q.read_only), yes_no(q.full), q.waiting, q.items,
            q.groups);
        json_put_number(b, (double)q.commit_ns_last * 1e-9);
        buf_putc(b, '}');
}

static void write_jobs(struct buf *b, struct server *s)
{
        struct jobs_stats j;
        jobs_stats(s->jobs, &j);
        buf_puts(b, ",\"jobs\":{\"status\":");
        json_put_string(b, j.status);
        buf_printf(b,
            ",\"learners\":%" PRIu32 ",\"promoted\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"failed\":%" PRIu64
            ",\"cancelled\":%" PRIu64 "}",
            j.running, j.promoted, j.rejected, j.failed, j.cancelled);
}

static void write_server(struct buf *b, struct server *s)
{
        buf_puts(b, "{\"program\":");
        json_put_string(b, s->conf->program);
        buf_puts(b, ",\"uptime_seconds\":");
        json_put_number(b, (double)((clock_mono_ns(loop_clock(s->loop)) - s->conf->start_ns) / 1000000u) * 1e-3);
        buf_printf(b, ",\"ready\":%s,\"connections\":%" PRIu64 ",\"in_flight\":%" PRIu64,
            yes_no(atomic_load(s->ready)), atomic_load(&s->metrics->connections),
            atomic_load(&s->metrics->in_flight));
        write_store(b, s);
        write_jobs(b, s);
}

static int run_status(struct h_work *w, struct store *s, struct err *e)
{
        struct ids ids = {.arena = &w->arena};
        int r = store_model_list(s, add_id, &ids, e);
        write_server(&w->body, w->server);
        buf_puts(&w->body, ",\"models\":[");
        for (size_t i = 0; i < ids.n && r == 0; i++) {
                buf_puts(&w->body, i > 0 ? "," : "");
                r = one_model(w, s, ids.id[i], e);
        }
        buf_puts(&w->body, "]}");
        return r;
}

void h_status(struct request *r)
{
        struct h_work *w = h_work_new(r, run_status, NULL);
        if (!w)
                return;
        const struct vtable *t = r->server->versions;
        struct standing *s = arena_new(&w->arena, struct standing);
        if (s)
                s->model = arena_array(&w->arena, vtable_size(t), sizeof(*s->model));
        if (!s || !s->model) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        for (; s->n < vtable_size(t); s->n++) {
                const struct served *v = vtable_at(t, s->n);
                str_copy(s->model[s->n].name, NAME_SIZE, v->spec.name);
                s->model[s->n].number = v->number;
        }
        w->arg = s;
        h_read(w);
}

/* h_status.c: GET /v2/status: what an operator asks first, in one answer.
 *
 * The reader thread knows the models and their feedback (h_status_model.c); queues, jobs and connections are read
 * from memory there too, all of them being safe from any thread. */
#include "base/clock.h"
#include "base/err.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "loop/loop.h"
#include "proto/json.h"
#include "server/h_status_model.h"
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

static int one_model(struct h_work *w, struct store *s, model_id id, struct err *e)
{
        struct model m;
        int r = store_model_by_id(s, id, &w->arena, &m, e);
        return r != 0 ? r : h_status_model(w, s, &m, served_now(w, m.name), e);
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
            ",\"cancelled\":%" PRIu64 ",\"candidates\":%" PRIu64 ",\"verified\":%" PRIu64 "}",
            j.running, j.promoted, j.rejected, j.failed, j.cancelled, j.candidates, j.verified);
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

/* h_lineage.c: where a version came from: the gate's checks, the line back to the first, the proof (the same bits
 * again from what was recorded), and the end of those nobody needs. */
#include "base/err.h"
#include "proto/json.h"
#include "proto/json_inspect.h"
#include "server/h_job.h"
#include "server/h_version.h"
#include "server/handlers.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>

/* A work item with {v} of the path as its arg; NULL after having replied. */
static struct h_work *version_work(struct request *r, int (*run)(struct h_work *, struct store *, struct err *),
    void (*done)(struct h_work *, struct request *))
{
        struct h_work *w = h_work_new(r, run, done);
        if (!w)
                return NULL;
        w->arg = arena_strndup(&w->arena, r->arg[1].p, r->arg[1].n);
        if (w->arg)
                return w;
        h_work_free(w);
        reply_error(r, -ENOMEM, NULL);
        return NULL;
}

/* --- gate --- */

static int run_gate(struct h_work *w, struct store *s, struct err *e)
{
        struct model m;
        struct version v;
        int r = h_find_model(w, s, &m, e);
        if (r != 0 || (r = h_find_version(w, s, &m, w->arg, &v, e)) != 0)
                return r;
        if (!v.gate)
                return h_refuse(w, e, PROBLEM_NOT_FOUND, "", "no gate judged version %" PRIu64 "%s", v.number,
                    v.job == 0 ? ": it is the first" : ", or its checks were not recorded");
        buf_puts(&w->body, "{\"model\":");
        json_put_string(&w->body, m.name);
        json_put_key(&w->body, "version");
        json_put_version(&w->body, v.number);
        json_put_key(&w->body, "gate");
        buf_puts(&w->body, v.gate); /* JSON as it was stored */
        buf_putc(&w->body, '}');
        return 0;
}

void h_version_gate(struct request *r)
{
        struct h_work *w = version_work(r, run_gate, NULL);
        if (w)
                h_read(w);
}

/* --- lineage --- */

static int write_row(struct h_work *w, struct store *s, const struct h_tasks *t, version_id id, bool first,
    version_id *ret_parent, struct err *e)
{
        struct version v;
        struct version_view view;
        struct job job;
        int r = store_version_get(s, id, &w->arena, &v, e);
        if (r != 0)
                return err_wrap(e, r, "a version of the line");
        if (h_version_view(&w->arena, t, &v, &view) < 0)
                return err_oom(e);
        bool trained = v.job > 0;
        if (trained && (r = store_job_get(s, v.job, &w->arena, &job, e)) != 0)
                return err_wrap(e, r, "job of version %" PRIu64, v.number);
        json_lineage_row(&w->body, &view, trained ? &job : NULL, first);
        *ret_parent = v.parent;
        return 0;
}

static int run_lineage(struct h_work *w, struct store *s, struct err *e)
{
        struct model m;
        struct version v;
        struct h_tasks tasks;
        int r = h_find_model(w, s, &m, e);
        if (r != 0 || (r = h_find_version(w, s, &m, w->arg, &v, e)) != 0 ||
            (r = h_load_tasks(w, s, &m, &tasks, e)) != 0)
                return r;
        json_lineage_begin(&w->body, m.name);
        version_id next = v.id;
        for (size_t i = 0; next != 0 && r == 0 && i < H_LIST_MAX; i++)
                r = write_row(w, s, &tasks, next, i == 0, &next, e);
        json_lineage_end(&w->body);
        return r;
}

void h_version_lineage(struct request *r)
{
        struct h_work *w = version_work(r, run_lineage, NULL);
        if (w)
                h_read(w);
}

/* --- rebuild --- */

static int run_rebuild(struct h_work *w, struct store *s, struct err *e)
{
        struct model m;
        struct version v;
        int r = h_find_model(w, s, &m, e);
        if (r != 0 || (r = h_find_version(w, s, &m, w->arg, &v, e)) != 0)
                return r;
        if (v.job == 0)
                return h_refuse(w, e, PROBLEM_CONFLICT, "",
                    "nothing trained version %" PRIu64 ": it was drawn from seed %" PRIu64, v.number, v.seed);
        struct job_new job = {
            .model = m.id, .kind = JOB_REBUILD, .trigger = TRIGGER_MANUAL, .rebuild_of = v.id, .who = w->who};
        return h_job_create(w, s, &m, &job, e);
}

void h_version_rebuild(struct request *r)
{
        struct h_work *w = version_work(r, run_rebuild, h_job_created);
        if (w)
                h_write(w, sizeof(struct job_new));
}

/* --- prune --- */

struct pruning {
        uint64_t keep;
        const char *reason;
};

/* A champion is built again from its parent: *ret says so when that is gone. */
static int lost_parent(struct h_work *w, struct store *s, const struct model *m, const char **ret, struct err *e)
{
        struct alias champion;
        struct version v, parent;
        int r = store_alias_get(s, m->id, "champion", &champion, e);
        if (r != 0 || (r = store_version_get(s, champion.version, &w->arena, &v, e)) != 0 || v.parent == 0 ||
            (r = store_version_get(s, v.parent, &w->arena, &parent, e)) != 0 || !parent.pruned)
                return r;
        *ret = arena_printf(&w->arena,
            "version %" PRIu64 ", the champion, can no longer be built again: version %" PRIu64
            ", which it was trained from, is pruned",
            v.number, parent.number);
        return *ret ? 0 : err_oom(e);
}

static int run_prune(struct h_work *w, struct store *s, struct err *e)
{
        const struct pruning *p = w->arg;
        struct model m;
        uint64_t n = 0;
        const char *lost = NULL;
        int r = h_find_model(w, s, &m, e);
        if (r != 0 || (r = store_version_prune(s, m.id, p->keep, w->who, p->reason, &n, e)) != 0 ||
            (r = n > 0 ? lost_parent(w, s, &m, &lost, e) : 0) != 0)
                return r;
        buf_puts(&w->body, "{\"model\":");
        json_put_string(&w->body, m.name);
        json_put_key(&w->body, "pruned");
        buf_put_u64(&w->body, n);
        json_put_key(&w->body, "detail");
        json_put_text(&w->body, lost);
        buf_putc(&w->body, '}');
        return 0;
}

void h_version_prune(struct request *r)
{
        struct err e = ERR_NULL;
        struct h_work *w = h_work_new(r, run_prune, NULL);
        if (!w)
                return;
        struct pruning *arg = arena_new(&w->arena, struct pruning);
        int p = arg ? json_prune_read(r->body, &w->arena, &arg->keep, &arg->reason, &e) : err_oom(&e);
        if (p != 0) {
                h_work_free(w);
                reply_error(r, p, &e);
                return;
        }
        w->arg = arg;
        h_write(w, sizeof(*arg));
}

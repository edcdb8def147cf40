/* jobs_care.c: what a model keeps: rows whose features expire, versions whose tensors are dropped.
 *
 * At most once a minute a model, on the writer, while no job of the model is active; a bounded piece each time, and
 * again as long as there is more. What is kept is domain/retention.h's; that one job's rows never go is the store's.
 * */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "domain/retention.h"
#include "loop/loop.h"
#include "store/store.h"
#include "super/jobs_in.h"
#include <inttypes.h>
#include <stdio.h>

enum { CARE_MS = 60000, CARE_ROWS = 512 };

struct care {
        struct jobs *jobs;
        struct subject *subject;
        struct store_work work;
        char name[NAME_SIZE];
        bool expires;
        struct retention how;
        uint64_t keep;               /* versions, 0: all */
        bool more;                   /* this piece was a whole one */
        uint64_t n_rows, n_versions; /* of this piece */
        uint64_t all_rows;           /* of the tick */
};

static int care_work(struct store *s, struct store_work *w, struct err *e)
{
        struct care *c = w->arg;
        struct counters now;
        c->n_rows = c->n_versions = 0;
        c->more = false;
        int r = store_feedback_count(s, c->subject->model, &now, e);
        if (r != 0 || now.job_active)
                return r;
        if (c->expires)
                r = store_feedback_expire(s, c->subject->model, &c->how, CARE_ROWS, &c->n_rows, e);
        if (r == 0 && c->n_rows == CARE_ROWS)
                c->more = true;
        else if (r == 0 && c->keep > 0)
                r = store_version_prune(s, c->subject->model, c->keep, "retention", NULL, &c->n_versions, e);
        return r;
}

static void finish(struct care *c)
{
        if (c->all_rows > 0 || c->n_versions > 0)
                log_info("model %s: %" PRIu64 " rows have expired, %" PRIu64 " versions have no tensors any more",
                    c->name, c->all_rows, c->n_versions);
        c->subject->care_under_way = false;
        free(c);
}

static void on_cared(struct store_work *w)
{
        struct care *c = w->arg;
        struct jobs *j = c->jobs;
        jobs_returned(j);
        c->all_rows += w->result == 0 ? c->n_rows : 0;
        if (w->result != 0 && !j->stopping)
                log_warning("retention of model %s: %s", c->name, w->err.msg);
        bool again = w->result == 0 && c->more && !j->stopping;
        if (!again || jobs_submit(j, j->deps.writer, &c->work) < 0)
                finish(c);
        jobs_check_stop(j);
}

void care_tick(struct jobs *j, struct subject *s, const char *name, const struct learning *l, int64_t now_ms)
{
        uint64_t now_ns = clock_mono_ns(loop_clock(j->deps.control));
        bool expires = l->retention_features != RETAIN_FOREVER || l->retention_holdout_per_class > 0;
        if ((!expires && l->retention_versions == 0) || s->care_under_way || now_ns < s->care_ns)
                return;
        struct care *c = new_zero(struct care);
        if (!c)
                return;
        c->jobs = j;
        c->subject = s;
        c->expires = expires;
        c->keep = l->retention_versions;
        snprintf(c->name, sizeof(c->name), "%s", name);
        retention_of(l, now_ms, &c->how);
        c->work = (struct store_work){.run = care_work, .done = on_cared, .arg = c};
        if (jobs_submit(j, j->deps.writer, &c->work) < 0) {
                free(c);
                return;
        }
        s->care_under_way = true;
        s->care_ns = now_ns + (uint64_t)CARE_MS * 1000000u;
}

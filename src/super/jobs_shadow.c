/* jobs_shadow.c: what follows when a challenger has been compared for long enough.
 *
 * Promoted, alias champion moves to it; dropped, alias challenger moves back onto the champion. Both are compare and
 * set: the aliases must still name the versions that were compared, and nothing happens otherwise; the next look sees
 * what is so then. Nothing but a candidate that was judged against the champion of now is promoted. A conflict is
 * tried again at the next question. The loops hear of it like of any other move. */
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "domain/gate.h"
#include "infer/publish.h"
#include "store/store.h"
#include "super/jobs_in.h"
#include <inttypes.h>
#include <stdio.h>

#define VERSION_MAX ((size_t)256 << 20) /* of its record */
enum { SHADOW_MOVED_ON = 100 };         /* beside the store's outcomes */

struct decision {
        struct jobs *jobs;
        struct store_work work;
        model_id model;
        char name[NAME_SIZE], reason[REASON_SIZE];
        bool promote;
        uint64_t champion, challenger;
};

/* Judged against the champion it would replace, and not left to an operator. */
static int may_replace(
    struct store *s, const struct alias *champion, const struct alias *challenger, bool *ret, struct err *e)
{
        struct arena a;
        struct version v;
        arena_init(&a, VERSION_MAX);
        int r = store_version_get(s, challenger->version, &a, &v, e);
        if (r == 0)
                *ret = v.state == VERSION_CANDIDATE && v.parent == champion->version && !gate_left_open(v.reason);
        arena_deinit(&a);
        return r;
}

static int move_work(struct store *s, struct store_work *w, struct err *e)
{
        const struct decision *d = w->arg;
        struct alias champion, challenger, moved;
        int r = store_alias_get(s, d->model, "champion", &champion, e);
        if (r == 0)
                r = store_alias_get(s, d->model, "challenger", &challenger, e);
        if (r != 0)
                return r;
        if (champion.number != d->champion || challenger.number != d->challenger)
                return SHADOW_MOVED_ON;
        bool may = true;
        if (d->promote && (r = may_replace(s, &champion, &challenger, &may, e)) != 0)
                return r;
        if (!may)
                return SHADOW_MOVED_ON;
        const struct alias *from = d->promote ? &champion : &challenger;
        uint64_t to = d->promote ? challenger.number : champion.number;
        return store_alias_set(s, d->model, from->name, to, from->epoch, "shadow", d->reason, &moved, e);
}

static void on_moved(struct store_work *w)
{
        struct decision *d = w->arg;
        struct jobs *j = d->jobs;
        jobs_returned(j);
        if (w->result == 0) {
                log_info("model %s: %s", d->name, d->reason);
                if (j->deps.publish && !j->stopping && publish_model(j->deps.publish, d->model, NULL, NULL) < 0)
                        log_error("model %s: out of memory; its new champion is served after a restart", d->name);
                policy_ask(j, d->model);
        } else if (w->result != SHADOW_MOVED_ON && w->result != STORE_CONFLICT) {
                log_warning("challenger of model %s: %s", d->name, w->err.msg);
        }
        free(d);
        jobs_check_stop(j);
}

void shadow_decide(
    struct jobs *j, model_id m, const char *name, const struct shadow_score *s, const struct shadow_verdict *v)
{
        struct decision *d = v->outcome != SHADOW_WAIT ? new_zero(struct decision) : NULL;
        if (!d)
                return;
        d->jobs = j;
        d->model = m;
        d->promote = v->outcome == SHADOW_PROMOTE;
        d->champion = s->champion;
        d->challenger = s->challenger;
        snprintf(d->name, sizeof(d->name), "%s", name);
        snprintf(d->reason, sizeof(d->reason), "%s", v->reason);
        d->work = (struct store_work){.run = move_work, .done = on_moved, .arg = d};
        if (jobs_submit(j, j->deps.writer, &d->work) < 0)
                free(d);
}

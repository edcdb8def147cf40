/* mem_source.c: what came from whom, taking a whole source out; and secrets. */
#include "base/err.h"
#include "store/memory/mem_fate.h"
#include "store/memory/verbs.h"
#include "store/words.h"
#include <inttypes.h>
#include <string.h>

static void add(struct mem *m, const struct mem_row *row, struct source *s)
{
        bool served = row->f.served_version != 0;

        s->n++;
        s->n_live += row->f.state == ROW_LIVE;
        s->n_used += mem_first_job(m, row) != 0;
        s->n_served += served;
        s->n_agreed += served && row->f.served_class >= 0 && row->f.served_class == row->f.class;
        s->first_seq = s->first_seq ? s->first_seq : row->f.seq;
        s->last_seq = row->f.seq;
}

int mem_source_list(struct store *s, model_id model, store_source_fn each, void *arg, struct err *e)
{
        struct mem *m = mem_of(s);
        const char *last = NULL;

        (void)e;
        for (;;) { /* by name: the smallest above the last one */
                struct source one = {0};
                MEM_EACH(m, MEM_ROW, struct mem_row, row)
                if (row->model == model && (!last || strcmp(row->f.source, last) > 0) &&
                    (!one.name || strcmp(row->f.source, one.name) < 0))
                        one.name = row->f.source;
                if (!one.name)
                        return 0;
                MEM_EACH(m, MEM_ROW, struct mem_row, row)
                if (row->model == model && strcmp(row->f.source, one.name) == 0)
                        add(m, row, &one);
                int r = each(arg, &one);
                if (r != 0)
                        return r;
                last = one.name;
        }
}

/* --- unlearn --- */

struct unlearning {
        struct mem *m;
        model_id model;
        struct feedback_selection sel;
        const char *who, *reason;
};

/* A version has learned from the source when its job used a row of it, or when its parent had. */
static bool learned(const struct unlearning *u, version_id id)
{
        const struct mem_version *v = mem_get(u->m, MEM_VERSION, id);
        const struct mem_job *j = v ? mem_get(u->m, MEM_JOB, v->v.job) : NULL;

        if (!v)
                return false;
        if (j && (j->j.kind == JOB_CONSOLIDATE || j->j.kind == JOB_ROLLOVER))
                MEM_EACH(u->m, MEM_ROW, struct mem_row, row)
        if (mem_row_selected(row, u->model, &u->sel) && mem_used_then(row, j))
                return true;
        return learned(u, v->v.parent);
}

static int nothing_holds(const struct unlearning *u, struct err *e)
{
        MEM_EACH(u->m, MEM_JOB, struct mem_job, j)
        if (j->j.model == u->model && !job_has_ended(j->j.state))
                return err_set(e, STORE_CONFLICT,
                    "job %" PRIu64 " of this model is still active: try again when it has ended, or cancel it",
                    j->j.id);
        MEM_EACH(u->m, MEM_TASK, struct mem_task, t)
        {
                if (t->t.model != u->model || t->t.state != TASK_CLOSED || !(t->t.alpha > 0) ||
                    !learned(u, t->t.closed_by))
                        continue;
                const struct mem_version *v = mem_get(u->m, MEM_VERSION, t->t.closed_by);
                return err_set(e, STORE_CONFLICT,
                    "task %s was closed by version %" PRIu64 ", which has learned from source %s, and is protected "
                    "with alpha %g: set its alpha to 0 first",
                    t->t.name, v->v.number, u->sel.source, t->t.alpha);
        }
        return 0;
}

/* So that it stays so on the line the champion goes back to, where no reweight says it. */
static int give_up(const struct unlearning *u, struct err *e)
{
        job_id newest = 0;

        MEM_EACH(u->m, MEM_JOB, struct mem_job, j)
        newest = j->j.model == u->model ? j->j.id : newest;
        MEM_EACH(u->m, MEM_TASK, struct mem_task, t)
        {
                struct mem_task now = *t;
                if (t->t.model != u->model || t->t.state != TASK_CLOSED || t->given_up != 0 ||
                    !learned(u, t->t.closed_by))
                        continue;
                now.given_up = newest;
                if (!mem_set(u->m, MEM_TASK, t->t.id, &now, sizeof(now)))
                        return err_oom(e);
        }
        return 0;
}

/* What has learned from it serves no more, under no name. */
static int take_out(const struct unlearning *u, struct err *e)
{
        for (version_id id = 1; id <= u->m->t[MEM_VERSION].n; id++) {
                struct mem_version v = *(struct mem_version *)mem_get(u->m, MEM_VERSION, id);
                if (v.v.model != u->model || v.unlearned || !learned(u, id))
                        continue;
                v.unlearned = arena_strdup(&u->m->a, u->sel.source);
                if (!v.unlearned || !mem_set(u->m, MEM_VERSION, id, &v, sizeof(v)))
                        return err_oom(e);
        }
        return 0;
}

static uint64_t used_by_line(struct mem *m, version_id id)
{
        uint64_t last = 0;

        for (const struct mem_version *v; (v = mem_get(m, MEM_VERSION, id)) != NULL; id = v->v.parent) {
                const struct mem_job *j = mem_get(m, MEM_JOB, v->v.job);
                if (j && (j->j.kind == JOB_CONSOLIDATE || j->j.kind == JOB_ROLLOVER) && v->v.range.last > last)
                        last = v->v.range.last;
        }
        return last;
}

static int move(const struct unlearning *u, const struct alias *from, const struct mem_version *to, const char *why,
    struct err *e)
{
        int r = mem_alias_move(u->m, u->model, from->name, to->v.id, from->epoch + 1, e);

        return r != 0 ? r
                      : mem_audit(u->m, u->model, u->who, "alias.set",
                            words_alias(from->name, to->v.number, from->number, from->epoch + 1, why).text, e);
}

/* The first of the aliases that names a version which serves no more, by name; the champion's has moved already. */
static const struct mem_alias *next_alias(const struct unlearning *u)
{
        const struct mem_alias *next = NULL;

        MEM_EACH(u->m, MEM_ALIAS, struct mem_alias, a)
        {
                const struct mem_version *v = mem_get(u->m, MEM_VERSION, a->a.version);
                if (a->model == u->model && v->unlearned && (!next || strcmp(a->a.name, next->a.name) < 0))
                        next = a;
        }
        return next;
}

static int aliases_follow(
    const struct unlearning *u, const struct mem_version *to, const char *why, struct unlearned *ret, struct err *e)
{
        const struct mem_alias *a;
        int r;

        while ((a = next_alias(u)) != NULL) {
                const struct alias from = a->a;
                if ((r = move(u, &from, to, why, e)) != 0)
                        return r;
                unlearned_name(ret, from.name);
        }
        return mem_challenger_superseded(u->m, u->model, u->who, e);
}

static int new_again(const struct unlearning *u, version_id back_to, struct err *e)
{
        struct mem_model model = *(struct mem_model *)mem_get(u->m, MEM_MODEL, u->model);
        uint64_t used = used_by_line(u->m, back_to);

        model.used_seq = used < model.used_seq ? used : model.used_seq;
        return mem_set(u->m, MEM_MODEL, u->model, &model, sizeof(model)) ? 0 : err_oom(e);
}

static int unlearn(const struct unlearning *u, struct unlearned *ret, struct err *e)
{
        const struct words why = words_unlearned(u->sel.source, u->who, u->reason);
        const struct mem_alias *c = mem_alias_find(u->m, u->model, "champion", NULL);
        const struct mem_version *to = c ? mem_get(u->m, MEM_VERSION, c->a.version) : NULL;
        bool any = false;
        struct erased done;
        int r;

        MEM_EACH(u->m, MEM_ROW, struct mem_row, row)
        any = any || mem_row_selected(row, u->model, &u->sel);
        if (!to || !any)
                return err_set(e, STORE_NOT_FOUND, "no feedback of source %s", u->sel.source);
        if ((r = nothing_holds(u, e)) != 0)
                return r;
        if ((r = give_up(u, e)) != 0 || (r = take_out(u, e)) != 0)
                return r;
        for (to = mem_get(u->m, MEM_VERSION, c->a.version); to->v.parent != 0 && (to->v.pruned || to->unlearned);)
                to = mem_get(u->m, MEM_VERSION, to->v.parent);
        if ((r = mem_rows_erase(u->m, u->model, &u->sel, why.text, &done, e)) != 0)
                return r;
        *ret = (struct unlearned){.n_erased = done.n, .from_number = c->a.number, .back_to_number = to->v.number};
        if ((r = mem_audit(u->m, u->model, u->who, "source.unlearn",
                 words_unlearn(u->sel.source, ret, u->reason).text, e)) != 0)
                return r;
        if (c->a.version != to->v.id &&
            ((r = move(u, &c->a, to, why.text, e)) != 0 || (r = new_again(u, to->v.id, e)) != 0 ||
                (r = mem_weights_follow(u->m, u->model, 0, u->who, e)) != 0))
                return r;
        return aliases_follow(u, to, why.text, ret, e);
}

int mem_source_unlearn(struct store *s, model_id m, const char *source, const char *who, const char *reason,
    struct unlearned *ret, struct err *e)
{
        const struct unlearning u = {mem_of(s), m, {.source = source}, who, reason};
        struct mem_mark k = mem_mark(u.m);
        struct unlearned done = {0};
        int r = mem_settle(u.m, &k, unlearn(&u, &done, e));

        if (r == 0)
                *ret = done;
        return r;
}

/* --- secrets --- */

int mem_secret(struct store *s, const char *name, const uint8_t fresh[32], uint8_t ret[32], struct err *e)
{
        struct mem *m = mem_of(s);
        struct mem_mark k = mem_mark(m);
        struct mem_secret one = {0};

        if (!fresh) {
                MEM_EACH(m, MEM_SECRET, struct mem_secret, x)
                if (strcmp(x->name, name) == 0) {
                        memcpy(ret, x->value, sizeof(x->value));
                        return 0;
                }
                return err_set(e, STORE_NOT_FOUND, "no secret %.64s", name);
        }
        one.name = arena_strdup(&m->a, name);
        memcpy(one.value, fresh, sizeof(one.value));
        int r = mem_settle(m, &k, one.name && mem_push(m, MEM_SECRET, &one, sizeof(one), NULL) ? 0 : err_oom(e));
        if (r == 0)
                memcpy(ret, fresh, sizeof(one.value));
        return r;
}

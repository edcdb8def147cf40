/* mem_alias.c: names that point to versions, and the audit. */
#include "base/err.h"
#include "base/str.h"
#include "store/memory/mem.h"
#include "store/memory/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

int mem_audit(struct mem *m, model_id model, const char *who, const char *what, const char *detail, struct err *e)
{
        struct audit a = {.seq = m->t[MEM_AUDIT].n + 1,
            .at_ms = mem_now(m),
            .model = model,
            .who = arena_strdup(&m->a, who),
            .what = what,
            .detail = arena_strdup(&m->a, detail)};

        return a.who && a.detail && mem_push(m, MEM_AUDIT, &a, sizeof(a), NULL) ? 0 : err_oom(e);
}

const struct mem_alias *mem_alias_find(struct mem *m, model_id model, const char *name, uint64_t *ret_id)
{
        MEM_EACH(m, MEM_ALIAS, struct mem_alias, r)
        if (r->model == model && strcmp(r->a.name, name) == 0) {
                if (ret_id)
                        *ret_id = r_i + 1;
                return r;
        }
        return NULL;
}

int mem_alias_move(struct mem *m, model_id model, const char *name, version_id v, uint64_t epoch, struct err *e)
{
        const struct mem_version *version = mem_get(m, MEM_VERSION, v);
        struct mem_alias a = {.model = model,
            .a = {.version = v, .number = version->v.number, .epoch = epoch, .updated_ms = mem_now(m)}};
        uint64_t id = 0;

        str_copy(a.a.name, sizeof(a.a.name), name);
        bool ok = mem_alias_find(m, model, name, &id) ? mem_set(m, MEM_ALIAS, id, &a, sizeof(a))
                                                      : mem_push(m, MEM_ALIAS, &a, sizeof(a), &id);
        return ok ? 0 : err_oom(e);
}

int mem_challenger_superseded(struct mem *m, model_id model, const char *who, struct err *e)
{
        const struct mem_alias *c = mem_alias_find(m, model, "challenger", NULL);
        const struct mem_alias *champion = mem_alias_find(m, model, "champion", NULL);
        const struct mem_version *v = c ? mem_get(m, MEM_VERSION, c->a.version) : NULL;

        if (!v || v->v.state != VERSION_CANDIDATE || v->v.id == champion->a.version ||
            v->v.parent == champion->a.version)
                return 0;
        const struct alias was = c->a;
        int r = mem_alias_move(m, model, was.name, champion->a.version, was.epoch + 1, e);
        return r != 0
                   ? r
                   : mem_audit(m, model, who, "alias.set",
                         words_alias(was.name, champion->a.number, was.number, was.epoch + 1, WORDS_OUTRUN).text, e);
}

int mem_alias_get(struct store *s, model_id model, const char *alias, struct alias *ret, struct err *e)
{
        const struct mem_alias *a = mem_alias_find(mem_of(s), model, alias, NULL);

        if (!a)
                return err_set(e, STORE_NOT_FOUND, "no alias %.64s", alias);
        *ret = a->a;
        return 0;
}

int mem_alias_list(struct store *s, model_id model, store_alias_fn each, void *arg, struct err *e)
{
        const char *last = "";

        (void)e;
        for (;;) { /* by name: the smallest above the last one */
                const struct mem_alias *next = NULL;
                MEM_EACH(mem_of(s), MEM_ALIAS, struct mem_alias, r)
                if (r->model == model && strcmp(r->a.name, last) > 0 &&
                    (!next || strcmp(r->a.name, next->a.name) < 0))
                        next = r;
                if (!next)
                        return 0;
                int r = each(arg, &next->a);
                if (r != 0)
                        return r;
                last = next->a.name;
        }
}

/* A version that the alias may name. */
static int version_id_of(
    struct mem *m, model_id model, const char *alias, uint64_t number, version_id *ret, struct err *e)
{
        const struct mem_version *v = NULL;

        MEM_EACH(m, MEM_VERSION, struct mem_version, x)
        if (x->v.model == model && x->v.number == number)
                v = x;
        if (!v)
                return err_set(e, STORE_NOT_FOUND, "no version %" PRIu64, number);
        if (v->v.pruned)
                return err_set(
                    e, STORE_CONFLICT, "version %" PRIu64 " was pruned: it has no parameters to serve", number);
        if (v->unlearned)
                return err_set(e, STORE_CONFLICT, WORDS_UNLEARNED, number, v->unlearned);
        const struct mem_job *j = mem_get(m, MEM_JOB, v->v.job);
        bool half = (v->v.state == VERSION_CANDIDATE || v->v.state == VERSION_REJECTED) &&
                    (!j || j->j.kind != JOB_CONSOLIDATE);
        if (half && strcmp(alias, "champion") == 0)
                return err_set(e, STORE_CONFLICT, WORDS_HALF, number);
        *ret = v->v.id;
        return 0;
}

/* old all zero: an alias that is not there, whose name may have been deleted; see WORDS_ALIAS_DELETE. */
static uint64_t next_epoch(struct mem *m, model_id model, const struct alias *old)
{
        uint64_t epoch = old->epoch + 1;

        if (old->epoch == 0)
                MEM_EACH(m, MEM_AUDIT, struct audit, a)
        if (a->model == model && strcmp(a->what, WORDS_ALIAS_DELETE) == 0)
                epoch = a->seq;
        return epoch;
}

/* By an act, not by its job's end: a candidate waits no more, and what a dry run has read is consumed by it now. */
static int comes_to_serve(
    struct mem *m, model_id model, version_id id, const char *who, const char *reason, struct err *e)
{
        struct mem_version v = *(struct mem_version *)mem_get(m, MEM_VERSION, id);
        struct mem_model now = *(struct mem_model *)mem_get(m, MEM_MODEL, model);
        const struct words why = words_promoted(who, reason);

        if (v.v.range.last > now.used_seq)
                now.used_seq = v.v.range.last;
        if (!mem_set(m, MEM_MODEL, model, &now, sizeof(now)))
                return err_oom(e);
        if (v.v.state != VERSION_CANDIDATE)
                return 0;
        struct mem_job j = *(struct mem_job *)mem_get(m, MEM_JOB, v.v.job);
        v.v.state = VERSION_PROMOTED;
        j.j.state = JOB_PROMOTED;
        str_copy(v.v.reason, sizeof(v.v.reason), why.text);
        str_copy(j.j.reason, sizeof(j.j.reason), why.text);
        return mem_set(m, MEM_VERSION, id, &v, sizeof(v)) && mem_set(m, MEM_JOB, j.j.id, &j, sizeof(j)) ? 0
                                                                                                        : err_oom(e);
}

static int set(struct mem *m, model_id model, const char *alias, uint64_t number, uint64_t epoch, const char *who,
    const char *reason, struct err *e)
{
        const struct mem_alias *a = mem_alias_find(m, model, alias, NULL);
        const struct alias old = a ? a->a : (struct alias){0};
        version_id v = 0;
        int r;

        if (old.epoch != epoch)
                return err_set(e, STORE_CONFLICT, WORDS_MOVED, alias, old.number, old.epoch);
        epoch = next_epoch(m, model, &old);
        if ((r = version_id_of(m, model, alias, number, &v, e)) != 0 ||
            (r = mem_alias_move(m, model, alias, v, epoch, e)) != 0 ||
            (r = mem_audit(
                 m, model, who, "alias.set", words_alias(alias, number, old.number, epoch, reason).text, e)) != 0 ||
            strcmp(alias, "champion") != 0)
                return r;
        if ((r = comes_to_serve(m, model, v, who, reason, e)) == 0)
                r = mem_challenger_superseded(m, model, who, e);
        return r != 0 ? r : mem_weights_follow(m, model, 0, who, e);
}

int mem_alias_set(struct store *s, model_id model, const char *alias, uint64_t version_number, uint64_t epoch,
    const char *who, const char *reason, struct alias *ret, struct err *e)
{
        struct mem *m = mem_of(s);
        struct mem_mark k = mem_mark(m);
        int r = mem_settle(m, &k, set(m, model, alias, version_number, epoch, who, reason, e));

        return r != 0 || !ret ? r : mem_alias_get(s, model, alias, ret, e);
}

int mem_alias_delete(struct store *s, model_id model, const char *alias, uint64_t epoch, const char *who,
    const char *reason, struct err *e)
{
        static const struct mem_alias gone;
        struct mem *m = mem_of(s);
        struct mem_mark k = mem_mark(m);
        uint64_t id = 0;
        const struct mem_alias *a = mem_alias_find(m, model, alias, &id);

        if (!a)
                return err_set(e, STORE_NOT_FOUND, "no alias %.64s", alias);
        if (a->a.epoch != epoch)
                return err_set(e, STORE_CONFLICT, WORDS_MOVED, alias, a->a.number, a->a.epoch);
        const struct words told = words_alias_deleted(&a->a, reason);
        int r = mem_set(m, MEM_ALIAS, id, &gone, sizeof(gone)) ? 0 : err_oom(e);
        return mem_settle(m, &k, r != 0 ? r : mem_audit(m, model, who, WORDS_ALIAS_DELETE, told.text, e));
}

int mem_audit_list(struct store *s, model_id model, store_audit_fn each, void *arg, struct err *e)
{
        (void)e;
        MEM_EACH(mem_of(s), MEM_AUDIT, struct audit, a)
        {
                int r = model == 0 || a->model == model ? each(arg, a) : 0;
                if (r != 0)
                        return r;
        }
        return 0;
}

/* mem_version.c: reading versions, and dropping the tensors of those that nothing needs. */
#include "base/err.h"
#include "store/memory/mem.h"
#include "store/memory/verbs.h"
#include "store/words.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static bool aliases_of(struct mem *m, struct arena *a, struct version *v)
{
        const char **names = arena_new_array(a, const char *, m->t[MEM_ALIAS].n);
        size_t n = 0;

        if (!names)
                return false;
        MEM_EACH(m, MEM_ALIAS, struct mem_alias, r)
        {
                if (r->a.version != v->id)
                        continue;
                size_t at = n++;
                for (; at > 0 && strcmp(names[at - 1], r->a.name) > 0; at--)
                        names[at] = names[at - 1];
                if (!(names[at] = arena_strdup(a, r->a.name)))
                        return false;
        }
        v->aliases = names;
        v->n_aliases = n;
        return true;
}

static int version_copy(
    struct mem *m, const struct mem_version *from, struct arena *a, struct version *ret, struct err *e)
{
        struct version v = from->v;

        v.gate = from->v.gate ? arena_strdup(a, from->v.gate) : NULL;
        v.outputs = arena_memdup(a, from->v.outputs, v.n_outputs * sizeof(*v.outputs));
        v.evaluations = v.n_evaluations > 0
                            ? arena_memdup(a, from->v.evaluations, v.n_evaluations * sizeof(*v.evaluations))
                            : NULL;
        if (!v.outputs || (from->v.gate && !v.gate) || (v.n_evaluations > 0 && !v.evaluations) ||
            !aliases_of(m, a, &v))
                return err_oom(e);
        *ret = v;
        return 0;
}

int mem_version_get(struct store *s, version_id id, struct arena *a, struct version *ret, struct err *e)
{
        const struct mem_version *v = mem_get(mem_of(s), MEM_VERSION, id);

        return v ? version_copy(mem_of(s), v, a, ret, e) : err_set(e, STORE_NOT_FOUND, "no such version");
}

int mem_version_by_number(
    struct store *s, model_id model, uint64_t number, struct arena *a, struct version *ret, struct err *e)
{
        MEM_EACH(mem_of(s), MEM_VERSION, struct mem_version, v)
        if (v->v.model == model && v->v.number == number)
                return version_copy(mem_of(s), v, a, ret, e);
        return err_set(e, STORE_NOT_FOUND, "no version %" PRIu64, number);
}

int mem_version_list(struct store *s, model_id model, uint64_t before_number, size_t limit, store_version_fn each,
    void *arg, struct err *e)
{
        struct mem *m = mem_of(s);
        struct arena a;
        size_t n = 0;
        int r = 0;

        arena_init(&a, SIZE_MAX);
        for (uint64_t id = m->t[MEM_VERSION].n; r == 0 && id > 0 && (limit == 0 || n < limit); id--) {
                const struct mem_version *v = mem_get(m, MEM_VERSION, id);
                struct version copy;
                if (v->v.model != model || (before_number != 0 && v->v.number >= before_number))
                        continue;
                n++;
                if ((r = version_copy(m, v, &a, &copy, e)) == 0)
                        r = each(arg, &copy);
                arena_reset(&a);
        }
        arena_deinit(&a);
        return r;
}

int mem_version_tensor(struct store *s, version_id id, enum tensor_role role, float *ret, size_t P, struct err *e)
{
        const struct mem_version *v = mem_get(mem_of(s), MEM_VERSION, id);

        if (!v)
                return err_set(e, STORE_NOT_FOUND, "no such version");
        if (v->v.pruned)
                return err_set(e, STORE_NOT_FOUND, "version %" PRIu64 " was pruned", v->v.number);
        if (role != TENSOR_THETA && !v->v.has_fisher)
                return err_set(e, STORE_NOT_FOUND, "this version has no %s", tensor_role_name(role));
        const struct digest *d = role == TENSOR_THETA    ? &v->v.theta
                                 : role == TENSOR_FISHER ? &v->v.fisher
                                                         : &v->v.anchor;
        return mem_blob_read(mem_of(s), d, ret, P * sizeof(float), e);
}

static bool needed(struct mem *m, const struct version *v)
{
        if (v->number == 1)
                return true;
        MEM_EACH(m, MEM_ALIAS, struct mem_alias, a)
        if (a->a.version == v->id)
                return true;
        MEM_EACH(m, MEM_JOB, struct mem_job, j)
        {
                const struct mem_version *again = mem_get(m, MEM_VERSION, j->j.rebuild_of);
                if (!job_has_ended(j->j.state) &&
                    (j->j.parent == v->id || j->j.rebuild_of == v->id || (again && again->v.parent == v->id)))
                        return true;
        }
        return false;
}

static int prune(
    struct mem *m, model_id model, uint64_t keep, const char *who, const char *reason, uint64_t *ret_n, struct err *e)
{
        uint64_t *numbers = arena_new_array(&m->a, uint64_t, m->t[MEM_VERSION].n);
        size_t n = 0;
        uint64_t kept = 0;

        if (!numbers)
                return err_oom(e);
        for (uint64_t id = m->t[MEM_VERSION].n; id > 0; id--) { /* newest first; the audit names the oldest first */
                struct mem_version v = *(struct mem_version *)mem_get(m, MEM_VERSION, id);
                if (v.v.model != model || v.v.pruned || needed(m, &v.v) || kept++ < keep)
                        continue;
                v.v.pruned = true;
                if (!mem_set(m, MEM_VERSION, id, &v, sizeof(v)))
                        return err_oom(e);
                memmove(numbers + 1, numbers, n++ * sizeof(*numbers));
                numbers[0] = v.v.number;
        }
        *ret_n = n;
        return n > 0 ? mem_audit(m, model, who, "version.prune", words_prune(n, numbers, keep, reason).text, e) : 0;
}

int mem_version_prune(struct store *s, model_id model, uint64_t keep, const char *who, const char *reason,
    uint64_t *ret_n, struct err *e)
{
        struct mem_mark k = mem_mark(mem_of(s));
        uint64_t n = 0;
        int r = mem_settle(mem_of(s), &k, prune(mem_of(s), model, keep, who, reason, &n, e));

        if (r == 0)
                *ret_n = n;
        return r;
}

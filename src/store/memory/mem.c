/* mem.c: tables, undo, groups, and the engine's table of verbs. Nothing is durable here; the engine is the plain
 * statement of what the verbs mean, for tests and for comparing other engines with. */
#include "store/memory/mem.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/memory/verbs.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void *mem_get(struct mem *m, enum mem_table t, uint64_t id)
{
        return id == 0 || id > m->t[t].n ? NULL : m->t[t].p[id - 1];
}

bool mem_push(struct mem *m, enum mem_table t, const void *record, size_t size, uint64_t *ret_id)
{
        void *copy = arena_memdup(&m->a, record, size);

        if (!copy || !mem_grow((void **)&m->t[t].p, &m->t[t].cap, m->t[t].n + 1, sizeof(void *)))
                return false;
        m->t[t].p[m->t[t].n++] = copy;
        if (ret_id)
                *ret_id = m->t[t].n;
        return true;
}

bool mem_set(struct mem *m, enum mem_table t, uint64_t id, const void *record, size_t size)
{
        void *copy = arena_memdup(&m->a, record, size);

        if (!copy || !mem_grow((void **)&m->undo, &m->cap_undo, m->n_undo + 1, sizeof(*m->undo)))
                return false;
        m->undo[m->n_undo++] = (struct mem_undo){t, (size_t)id - 1, m->t[t].p[id - 1]};
        m->t[t].p[id - 1] = copy;
        return true;
}

/* --- index of rows --- */

static uint64_t hash_key(model_id model, const char *event_id)
{
        uint64_t h = 14695981039346656037u ^ model; /* FNV-1a */

        for (const char *p = event_id; *p; p++)
                h = (h ^ (unsigned char)*p) * 1099511628211u;
        return h ^ (h >> 29);
}

static void index_insert(struct mem *m, uint64_t id)
{
        const struct mem_row *r = mem_get(m, MEM_ROW, id);
        size_t i = hash_key(r->model, r->f.event_id) & (m->n_index - 1);

        while (m->index[i] != 0)
                i = (i + 1) & (m->n_index - 1);
        m->index[i] = (uint32_t)id;
}

static void index_rebuild(struct mem *m)
{
        if (m->n_index > 0)
                memset(m->index, 0, m->n_index * sizeof(*m->index));
        for (uint64_t id = 1; id <= m->t[MEM_ROW].n; id++)
                index_insert(m, id);
}

bool mem_index_add(struct mem *m, uint64_t id)
{
        if (2 * m->t[MEM_ROW].n < m->n_index) {
                index_insert(m, id);
                return true;
        }
        size_t n = m->n_index > 0 ? 2 * m->n_index : 1024;
        uint32_t *bigger = id < UINT32_MAX ? new_array(uint32_t, n) : NULL;
        if (!bigger)
                return false;
        free(m->index);
        m->index = bigger;
        m->n_index = n;
        index_rebuild(m);
        return true;
}

const struct mem_row *mem_index_next(struct mem *m, model_id model, const char *event_id, const struct mem_row *after)
{
        if (m->n_index == 0)
                return NULL;
        size_t i = hash_key(model, event_id) & (m->n_index - 1);
        for (; m->index[i] != 0; i = (i + 1) & (m->n_index - 1)) { /* those of one key lie in the order they came */
                const struct mem_row *r = mem_get(m, MEM_ROW, m->index[i]);
                if (r->model == model && (!after || r->f.seq > after->f.seq) && strcmp(r->f.event_id, event_id) == 0)
                        return r;
        }
        return NULL;
}

/* --- marks and groups --- */

struct mem_mark mem_mark(const struct mem *m)
{
        struct mem_mark k = {.n_undo = m->n_undo};

        for (size_t t = 0; t < MEM_TABLES; t++)
                k.n[t] = m->t[t].n;
        return k;
}

static void go_back(struct mem *m, const struct mem_mark *k)
{
        bool rows = m->t[MEM_ROW].n != k->n[MEM_ROW];

        while (m->n_undo > k->n_undo) {
                const struct mem_undo *u = &m->undo[--m->n_undo];
                m->t[u->table].p[u->i] = u->old;
        }
        for (size_t t = 0; t < MEM_TABLES; t++)
                m->t[t].n = k->n[t];
        if (rows)
                index_rebuild(m);
}

int mem_settle(struct mem *m, const struct mem_mark *k, int r)
{
        if (r != 0)
                go_back(m, k);
        if (!m->base.in_group)
                m->n_undo = 0;
        return r;
}

static int begin(struct store *s, struct err *e)
{
        (void)e;
        mem_of(s)->group = mem_mark(mem_of(s));
        return 0;
}

static int commit(struct store *s, struct err *e)
{
        (void)e;
        mem_of(s)->n_undo = 0;
        return 0;
}

static void group_abort(struct store *s)
{
        go_back(mem_of(s), &mem_of(s)->group);
        mem_of(s)->n_undo = 0;
}

/* --- the rest --- */

int64_t mem_now(const struct mem *m)
{
        return clock_wall_ms(m->base.clock);
}

const char *const *mem_strings(struct arena *a, const char *const *list, size_t n)
{
        const char **copy = arena_new_array(a, const char *, n);

        for (size_t i = 0; copy && i < n; i++)
                if (!(copy[i] = arena_strdup(a, list[i])))
                        return NULL;
        return copy;
}

static int mem_open(struct store **ret, const struct store_open *how, struct err *e)
{
        struct mem *m = new_zero(struct mem);

        if (!m)
                return err_oom(e);
        arena_init(&m->a, SIZE_MAX);
        m->base.clock = how->clock ? how->clock : &clock_system;
        m->base.read_only = how->read_only;
        *ret = &m->base;
        return 0;
}

static void mem_close(struct store *s)
{
        struct mem *m = mem_of(s);

        for (size_t t = 0; t < MEM_TABLES; t++)
                free(m->t[t].p);
        free(m->undo);
        free(m->index);
        arena_deinit(&m->a);
        free(m);
}

static int check(struct store *s, bool full, struct store_health *ret, struct err *e)
{
        struct store_health h = {.n_feedback = mem_of(s)->t[MEM_ROW].n, .read_only = s->read_only};

        (void)full, (void)e;
        snprintf(h.engine, sizeof(h.engine), "memory");
        if (ret)
                *ret = h;
        return 0;
}

static int maintain(struct store *s, struct store_health *ret, struct err *e)
{
        return check(s, false, ret, e);
}

static int backup(struct store *s, const char *path, struct err *e)
{
        (void)s, (void)path;
        return err_set(e, -ENOTSUP, "a store in memory has no backup");
}

const struct store_ops store_memory = {
    .open = mem_open,
    .close = mem_close,
    .begin = begin,
    .commit = commit,
    .abort = group_abort,
    .model_create = mem_model_create,
    .model_get = mem_model_get,
    .model_by_id = mem_model_by_id,
    .model_list = mem_model_list,
    .task_get = mem_task_get,
    .task_list = mem_task_list,
    .feedback_add = mem_feedback_add,
    .feedback_get = mem_feedback_get,
    .feedback_count = mem_feedback_count,
    .feedback_scan = mem_feedback_scan,
    .feedback_newest = mem_feedback_newest,
    .feedback_erase = mem_feedback_erase,
    .feedback_release = mem_feedback_release,
    .feedback_expire = mem_feedback_expire,
    .source_list = mem_source_list,
    .source_unlearn = mem_source_unlearn,
    .secret = mem_secret,
    .job_create = mem_job_create,
    .job_claim = mem_job_claim,
    .job_move = mem_job_move,
    .job_attempt = mem_job_attempt,
    .job_get = mem_job_get,
    .job_list = mem_job_list,
    .blob_chunk = mem_blob_chunk,
    .consolidation_commit = mem_consolidation_commit,
    .rollover_commit = mem_rollover_commit,
    .rebuild_commit = mem_rebuild_commit,
    .version_prune = mem_version_prune,
    .version_get = mem_version_get,
    .version_by_number = mem_version_by_number,
    .version_list = mem_version_list,
    .version_tensor = mem_version_tensor,
    .task_record = mem_task_record,
    .task_tensor = mem_task_tensor,
    .task_packed = mem_task_packed,
    .task_weight = mem_task_weight,
    .alias_get = mem_alias_get,
    .alias_list = mem_alias_list,
    .alias_delete = mem_alias_delete,
    .alias_set = mem_alias_set,
    .audit_list = mem_audit_list,
    .maintain = maintain,
    .check = check,
    .backup = backup,
};

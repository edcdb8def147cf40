/* served.c: building a served version from the store, and predicting with it.
 *
 * Everything is read once, on the reader thread, into the version's own arena and net; one zero row is run through
 * it, so that a version that cannot answer is never handed to a loop, and its pages are warm when it is. After
 * that nothing in it changes but the reference count.
 *
 * Rows are run in tiles of bounded size, so the workspace does not grow with the request; a row's bits depend
 * neither on its tile nor on its neighbours (ewc/net.h), so an answer does not depend on how the caller batched. */
#include "infer/served.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/head.h"
#include "proto/json_model.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 64, ALIGN = 64 };
#define SERVED_ARENA_MAX ((size_t)64 << 20)

static void served_free_ptr(struct served **s)
{
        served_unref(*s);
}

static int load_spec(struct store *st, model_id m, struct served *s, struct err *e)
{
        struct model model;
        int r = store_model_by_id(st, m, &s->arena, &model, e);
        if (r != 0)
                return r;
        r = json_spec_read(model.spec_json, &s->arena, &s->spec, e);
        if (r == 0)
                r = json_learning_read(model.learning_json, &s->learning, e);
        if (r != 0)
                return err_wrap(e, r, "description of model %s", model.name);
        str_copy(s->spec.name, sizeof(s->spec.name), model.name);
        s->spec.scenario = model.scenario;
        s->spec.n_classes = model.n_classes;
        s->spec.classes = model.classes;
        s->model = model.id;
        return 0;
}

static int load_net(struct store *st, struct served *s, const struct version *v, struct err *e)
{
        if (v->n_outputs == 0 || v->n_outputs > EWC_MAX_UNITS)
                return err_set(e, -EBADMSG, "version %" PRIu64 " has %zu outputs", v->number, v->n_outputs);
        s->version = v->id;
        s->number = v->number;
        s->lambda = v->lambda;
        snprintf(s->number_text, sizeof(s->number_text), "%" PRIu64, v->number);
        digest_hex(&v->theta, s->digest);
        s->n_outputs = v->n_outputs;
        s->outputs = v->outputs;
        s->spec.net.n_outputs = (uint32_t)v->n_outputs;
        int r = ewc_net_new(&s->net, &s->spec.net, NULL);
        if (r == EWC_E_NOMEM)
                return err_oom(e);
        if (r < 0)
                return err_set(e, -EBADMSG, "version %" PRIu64 ": net: %s", v->number, ewc_strerror(r));
        if (ewc_net_params(s->net) != v->n_params)
                return err_set(e, -EBADMSG, "version %" PRIu64 ": %zu parameters stored, the net has %zu", v->number,
                    v->n_params, ewc_net_params(s->net));
        r = store_version_tensor(st, v->id, TENSOR_THETA, ewc_net_theta(s->net), v->n_params, e);
        return r != 0 ? err_wrap(e, r, "theta of version %" PRIu64, v->number) : 0;
}

static int fill_task(struct served *s, const struct version *v, const struct task *t, const struct task *all,
    size_t n_all, struct served_task *ret, struct err *e)
{
        *ret = (struct served_task){
            .id = t->id,
            .state = t->state,
            .classes_fixed = t->classes_fixed,
            .n_classes = t->n_classes,
            .classes = t->classes,
            .accuracy_at_close = t->accuracy_at_close,
            .n_at_close = t->n_at_close,
            .now = {.task = t->id},
        };
        memcpy(ret->name, t->name, sizeof(ret->name));
        if (head_of_task(s->spec.scenario, v->outputs, v->n_outputs, t, all, n_all, &s->arena, &ret->head) < 0)
                return err_oom(e);
        const char **names = arena_new_array(&s->arena, const char *, ret->head.n);
        if (!names)
                return err_oom(e);
        for (uint32_t i = 0; i < ret->head.n; i++) {
                uint32_t c = v->outputs[ret->head.out[i]].class;
                if (c >= s->spec.n_classes)
                        return err_set(e, -EBADMSG, "version %" PRIu64 ": output %" PRIu32 " has no class", v->number,
                            ret->head.out[i]);
                names[i] = s->spec.classes[c];
        }
        ret->head_classes = names;
        for (size_t i = 0; i < v->n_evaluations; i++) {
                if (v->evaluations[i].task == t->id)
                        ret->now = v->evaluations[i];
        }
        return 0;
}

static int load_tasks(struct store *st, struct served *s, const struct version *v, struct err *e)
{
        struct task *all;
        size_t n;
        int r = store_task_list(st, s->model, &s->arena, &all, &n, e);
        if (r != 0)
                return err_wrap(e, r, "tasks");
        struct served_task *tasks = arena_new_array(&s->arena, struct served_task, n);
        if (!tasks)
                return err_oom(e);
        for (size_t i = 0; i < n; i++) {
                if ((r = fill_task(s, v, &all[i], all, n, &tasks[i], e)) < 0)
                        return r;
                if (tasks[i].state == TASK_OPEN)
                        s->open = &tasks[i];
        }
        if (!s->open)
                return err_set(e, -EBADMSG, "no task is open");
        s->n_tasks = n;
        s->tasks = tasks;
        return 0;
}

static int warm_up(const struct served *s, struct err *e)
{
        const struct served_task *t = s->open;
        for (size_t i = 0; i < s->n_tasks && t->head.n == 0; i++)
                t = &s->tasks[i];
        if (t->head.n == 0)
                return err_set(e, -EBADMSG, "version %s: no output belongs to a task", s->number_text);
        _free_ float *raw = new_array(float, s->spec.n_inputs);
        _free_ float *probs = new_array(float, t->head.n);
        _free_ void *ws = mem_aligned(1, served_workspace(s, 1), ALIGN);
        if (!raw || !probs || !ws)
                return err_oom(e);
        int r = served_predict(s, t, 1, raw, probs, ws);
        if (r < 0)
                return err_set(
                    e, -EBADMSG, "version %s: a first prediction failed: %s", s->number_text, ewc_strerror(r));
        return 0;
}

int served_load(struct store *st, model_id m, struct served **ret, struct err *e)
{
        __attribute__((cleanup(served_free_ptr))) struct served *s = new_zero(struct served);
        if (!s)
                return err_oom(e);
        atomic_init(&s->refs, 1);
        arena_init(&s->arena, SERVED_ARENA_MAX);
        int r = load_spec(st, m, s, e);
        if (r == STORE_NOT_FOUND)
                return r;
        struct alias champion;
        struct version v;
        if (r == 0 && (r = store_alias_get(st, m, "champion", &champion, e)) == 0)
                r = store_version_get(st, champion.version, &s->arena, &v, e);
        if (r == 0 && (r = load_net(st, s, &v, e)) == 0 && (r = load_tasks(st, s, &v, e)) == 0)
                r = warm_up(s, e);
        if (r != 0)
                return err_wrap(e, r, "champion of model %s", s->spec.name);
        *ret = s;
        s = NULL;
        return 0;
}

struct served *served_ref(struct served *s)
{
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
        return s;
}

void served_unref(struct served *s)
{
        if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
                return;
        ewc_net_free(s->net);
        arena_deinit(&s->arena);
        free(s);
}

const struct served_task *served_task(const struct served *s, const char *name)
{
        for (size_t i = 0; i < s->n_tasks; i++) {
                if (strcmp(s->tasks[i].name, name) == 0)
                        return &s->tasks[i];
        }
        return NULL;
}

/* Bytes of a (rows, n) float block, rounded up; rows at most TILE, n at most EWC_MAX_UNITS. */
static size_t block_bytes(size_t rows, size_t n)
{
        return (rows * n * sizeof(float) + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t tile_rows(size_t rows)
{
        return rows < TILE ? rows : TILE;
}

size_t served_workspace(const struct served *s, size_t rows)
{
        size_t n = tile_rows(rows);
        return block_bytes(n, s->spec.n_inputs) + block_bytes(n, s->n_outputs) + ewc_net_workspace(s->net, n);
}

int served_predict(
    const struct served *s, const struct served_task *t, size_t rows, const float *raw, float *probs, void *ws)
{
        size_t I = s->spec.n_inputs, tile = tile_rows(rows);
        char *at = ws;
        float *x = (float *)(void *)at, *y = (float *)(void *)(at + block_bytes(tile, I));
        void *net_ws = at + block_bytes(tile, I) + block_bytes(tile, s->n_outputs);
        for (size_t i = 0; i < rows; i += tile) {
                size_t n = tile_rows(rows - i);
                model_scale(&s->spec, n, raw + i * I, x);
                int r = ewc_net_forward(s->net, n, x, y, net_ws);
                if (r == 0)
                        r = ewc_net_probs(s->net, &t->head, n, y, probs + i * t->head.n);
                if (r < 0)
                        return r;
        }
        return 0;
}

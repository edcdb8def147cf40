/* served.c: building a served version from the store.
 *
 * Everything is read once, on the reader thread, into the version's own arena and net; one zero row is run through
 * it, so that a version that cannot answer is never handed to a loop, and its pages are warm when it is. After
 * that nothing in it changes but the reference count and the loops' own counters.
 *
 * A champion that is damaged must not silence its model: the newest version that was promoted before and can be
 * served takes its place, and says for whom. */
#include "infer/served.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/head.h"
#include "infer/batch_size.h"
#include "infer/evidence.h"
#include "proto/json_model.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAND_INS = 8, STAND_INS_SEEN = 64 }; /* versions tried, and looked at, in place of a damaged champion */
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
        return class_index_new(&s->class_index, &s->arena, s->spec.n_classes, s->spec.classes) < 0 ? err_oom(e) : 0;
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
        if (r != 0)
                return err_wrap(e, r, "theta of version %" PRIu64, v->number);
        return ewc_plan_new(&s->plan, s->net, NULL) < 0 ? err_oom(e) : 0;
}

/* An open task whose classes are not fixed takes any: it learns them from its labels. */
static int fill_class_bits(struct served *s, struct served_task *t)
{
        if (!t->classes_fixed && t->state == TASK_OPEN)
                return 0;
        uint8_t *bits = arena_new_array(&s->arena, uint8_t, s->spec.n_classes / 8 + 1);
        if (!bits)
                return -ENOMEM;
        for (size_t i = 0; i < t->n_classes; i++) {
                if (t->classes[i] < s->spec.n_classes)
                        bits[t->classes[i] / 8] |= (uint8_t)(1u << t->classes[i] % 8);
        }
        t->class_bits = bits;
        return 0;
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
        if (fill_class_bits(s, ret) < 0)
                return err_oom(e);
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

static int load_tasks(
    struct store *st, struct served *s, const struct version *v, struct task **ret_all, struct err *e)
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
        *ret_all = all;
        return 0;
}

static int load_evidence(struct store *st, struct served *s, const struct version *v, const struct task *all,
    const struct served *donor, struct err *e)
{
        struct evidence_from f = {
            .scenario = s->spec.scenario,
            .net = &s->spec.net,
            .number = s->number,
            .prior = v->prior,
            .n_outputs = s->n_outputs,
            .outputs = s->outputs,
            .n_tasks = s->n_tasks,
            .tasks = all,
            .donor = donor ? donor->evidence : NULL,
        };
        int r = evidence_load(st, &f, &s->arena, &s->evidence, &s->no_evidence, e);
        return r < 0 ? r : 0;
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
        _free_ void *ws = mem_aligned(1, served_workspace(s, 1), SERVED_LINE);
        if (!raw || !probs || !ws)
                return err_oom(e);
        int r = served_predict(s, t, 1, raw, probs, ws);
        if (r < 0)
                return err_set(
                    e, -EBADMSG, "version %s: a first prediction failed: %s", s->number_text, ewc_strerror(r));
        return 0;
}

static int load_body(
    struct store *st, struct served *s, const struct version *v, const struct served *donor, struct err *e)
{
        struct task *all = NULL;
        int r = load_net(st, s, v, e);
        if (r == 0 && (r = load_tasks(st, s, v, &all, e)) == 0 && (r = load_evidence(st, s, v, all, donor, e)) == 0)
                r = warm_up(s, e);
        if (r == 0)
                s->batch_rows = batch_size_measure(s, &clock_system);
        size_t evidence = s->evidence ? s->evidence->bytes : 0;
        if (r == 0)
                s->bytes = sizeof(*s) + s->arena.used + ewc_net_params(s->net) * sizeof(float) +
                           ewc_plan_bytes(s->plan) + evidence;
        return r;
}

/* number 0: champion. */
static int load_one(struct store *st, const struct served_want *w, struct served **ret, struct err *e)
{
        __attribute__((cleanup(served_free_ptr))) struct served *s = new_zero(struct served);
        struct version v;
        struct alias champion;
        if (!s)
                return err_oom(e);
        atomic_init(&s->refs, 1);
        arena_init(&s->arena, SERVED_ARENA_MAX);
        s->uses = arena_aligned(&s->arena, SERVED_LANES * sizeof(*s->uses), SERVED_LINE);
        if (!s->uses)
                return err_oom(e);
        int r = load_spec(st, w->model, s, e);
        if (r == STORE_NOT_FOUND)
                return r;
        if (r == 0 && w->number > 0) {
                r = store_version_by_number(st, w->model, w->number, &s->arena, &v, e);
                if (r == STORE_NOT_FOUND)
                        return r;
        } else if (r == 0 && (r = store_alias_get(st, w->model, "champion", &champion, e)) == 0) {
                r = store_version_get(st, champion.version, &s->arena, &v, e);
        }
        if (r == 0)
                r = load_body(st, s, &v, w->donor, e);
        if (r != 0 && w->number > 0)
                return err_wrap(e, r, "version %" PRIu64 " of model %s", w->number, s->spec.name);
        if (r != 0)
                return err_wrap(e, r, "champion of model %s", s->spec.name);
        *ret = s;
        s = NULL;
        return 0;
}

struct older {
        uint64_t but; /* not this one */
        size_t n;
        uint64_t number[STAND_INS];
};

static int collect_promoted(void *arg, const struct version *v)
{
        struct older *o = arg;
        if (v->number != o->but && v->state != VERSION_REJECTED && o->n < STAND_INS)
                o->number[o->n++] = v->number;
        return 0;
}

/* The newest version that was promoted once and can be served. */
static int load_stand_in(struct store *st, const struct served_want *w, struct served **ret)
{
        struct alias champion;
        struct older o = {0};
        struct err why;
        if (store_alias_get(st, w->model, "champion", &champion, &why) != 0)
                return -ENOENT;
        o.but = champion.number;
        if (store_version_list(st, w->model, 0, STAND_INS_SEEN, collect_promoted, &o, &why) != 0)
                return -ENOENT;
        for (size_t i = 0; i < o.n; i++) {
                struct served_want one = {w->model, o.number[i], w->donor};
                if (load_one(st, &one, ret, &why) == 0) {
                        (*ret)->stands_in_for = champion.number;
                        return 0;
                }
        }
        return -ENOENT;
}

int served_load(struct store *st, const struct served_want *w, struct served **ret, struct err *e)
{
        int r = load_one(st, w, ret, e);
        if (r >= 0 || r == -ENOMEM || w->number > 0)
                return r;
        struct err first = *e;
        if (load_stand_in(st, w, ret) == 0)
                return 0;
        *e = first;
        return r;
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
        evidence_unref(s->evidence);
        ewc_plan_free(s->plan);
        ewc_net_free(s->net);
        arena_deinit(&s->arena);
        free(s);
}

uint64_t served_use_count(const struct served *s)
{
        uint64_t sum = 0;
        for (size_t i = 0; i < SERVED_LANES; i++)
                sum += atomic_load_explicit(&s->uses[i].n, memory_order_relaxed);
        return sum;
}

bool served_same_tasks(const struct served *a, const struct served *b)
{
        return a->n_tasks == b->n_tasks && a->open->id == b->open->id && a->spec.n_classes == b->spec.n_classes;
}

int served_class(const struct served *s, const char *name)
{
        return class_index_find(&s->class_index, name);
}

bool served_task_has(const struct served_task *t, uint32_t class)
{
        return !t->class_bits || (t->class_bits[class / 8] & 1u << class % 8) != 0;
}

const struct served_task *served_task(const struct served *s, const char *name)
{
        for (size_t i = 0; i < s->n_tasks; i++) {
                if (strcmp(s->tasks[i].name, name) == 0)
                        return &s->tasks[i];
        }
        return NULL;
}

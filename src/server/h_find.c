/* h_find.c: models, versions and tasks by the names in a request.
 *
 * What a loop serves is looked up in its own table; an alias other than the champion's costs one question to the
 * reader first. So does a name that is not there: the reader knows whether the thing does not exist (404, with what
 * does exist) or is only not loaded (503). */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "loop/loop.h"
#include "proto/json_model.h"
#include "server/h.h"
#include "server/metrics.h"
#include "server/route.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { NAMES_SHOWN = 20 };

const char *h_arg(struct request *r, size_t i)
{
        const char *text = arena_strndup(r->arena, r->arg[i].p, r->arg[i].n);
        if (!text)
                reply_error(r, -ENOMEM, NULL);
        return text;
}

const char *h_join(struct arena *a, size_t n, const char *const *names)
{
        const char *text = "";
        for (size_t i = 0; i < n && i < NAMES_SHOWN && text; i++)
                text = arena_printf(a, "%s%s%s", text, i > 0 ? ", " : "", names[i]);
        if (n > NAMES_SHOWN && text)
                text = arena_printf(a, "%s and %zu more", text, n - NAMES_SHOWN);
        return text ? text : "";
}

/* A query parameter that is there must be a number; absent it leaves *ret. */
static bool query_number(struct request *r, const char *key, uint64_t *ret)
{
        struct slice text;
        if (!request_query(r, key, &text) || slice_u64(text, ret))
                return true;
        reply_problem(r, PROBLEM_BAD_VALUE, "", "query parameter %s takes a whole number", key);
        return false;
}

bool h_paging(struct request *r, size_t *ret_limit, uint64_t *ret_cursor)
{
        uint64_t limit = H_LIST_DEFAULT, cursor = 0;
        if (!query_number(r, "limit", &limit) || !query_number(r, "cursor", &cursor))
                return false;
        *ret_limit = limit == 0 ? H_LIST_DEFAULT : limit < H_LIST_MAX ? (size_t)limit : H_LIST_MAX;
        *ret_cursor = cursor;
        return true;
}

/* --- on the queue's thread --- */

struct names {
        struct arena *arena;
        size_t n;
        const char *name[NAMES_SHOWN + 1];
};

static int collect_name(void *arg, const struct model *m)
{
        struct names *names = arg;
        if (names->n <= NAMES_SHOWN && !(names->name[names->n] = arena_strdup(names->arena, m->name)))
                return -ENOMEM;
        names->n += names->n <= NAMES_SHOWN;
        return 0;
}

int h_find_model(struct h_work *w, struct store *s, struct model *ret, struct err *e)
{
        struct names names = {.arena = &w->arena};
        if (str_is_name(w->model)) {
                int r = store_model_get(s, w->model, &w->arena, ret, e);
                if (r != STORE_NOT_FOUND)
                        return r;
        }
        if (store_model_list(s, collect_name, &names, e) < 0)
                names.n = 0;
        if (names.n == 0)
                return h_refuse(w, e, PROBLEM_UNKNOWN_MODEL, "",
                    "no model named '%s'; there is none yet, create one with POST /v2/models", w->model);
        size_t shown = names.n > NAMES_SHOWN ? NAMES_SHOWN : names.n;
        return h_refuse(w, e, PROBLEM_UNKNOWN_MODEL, "", "no model named '%s'; known: %s%s", w->model,
            h_join(&w->arena, shown, names.name), shown < names.n ? ", …" : "");
}

int h_has_accuracy(struct h_work *w, const struct model *m, bool *ret, struct err *e)
{
        struct model_spec spec;
        int r = json_spec_read(m->spec_json, &w->arena, &spec, e);
        if (r != 0)
                return err_wrap(e, r < 0 ? r : -EBADMSG, "description of model %s", m->name);
        *ret = spec.net.loss != EWC_LOSS_SQUARED;
        return 0;
}

int h_find_version(
    struct h_work *w, struct store *s, const struct model *m, const char *text, struct version *ret, struct err *e)
{
        uint64_t number;
        struct alias alias;
        int r;
        if (slice_u64(slice_of(text), &number)) {
                r = store_version_by_number(s, m->id, number, &w->arena, ret, e);
        } else if (text[0] == '@' && str_is_name(text + 1)) {
                r = store_alias_get(s, m->id, text + 1, &alias, e);
                if (r == 0)
                        r = store_version_get(s, alias.version, &w->arena, ret, e);
        } else {
                return h_refuse(
                    w, e, PROBLEM_UNKNOWN_VERSION, "", "'%.40s' is neither a version number nor an @alias", text);
        }
        if (r == STORE_NOT_FOUND)
                return h_refuse(w, e, PROBLEM_UNKNOWN_VERSION, "", "model %s has no version %.70s", m->name, text);
        return r;
}

/* --- not in this loop's table --- */

static int run_why_not(struct h_work *w, struct store *s, struct err *e)
{
        const char *version = w->arg;
        struct model m;
        struct version v;
        struct alias champion;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        if (version && (r = h_find_version(w, s, &m, version, &v, e)) != 0)
                return r;
        r = store_alias_get(s, m.id, "champion", &champion, e);
        if (r != 0)
                return r;
        if (version && v.number != champion.number)
                return h_refuse(w, e, PROBLEM_NOT_READY, "",
                    "version %" PRIu64 " of model %s is not loaded; only the champion, version %" PRIu64
                    ", is served. To serve it, point the alias champion to it",
                    v.number, m.name, champion.number);
        return h_refuse(w, e, PROBLEM_NOT_READY, "",
            "the champion of model %s, version %" PRIu64 ", is not loaded yet", m.name, champion.number);
}

/* The alias's version, by number; whether that is served is asked again on the loop. */
static int run_resolve(struct h_work *w, struct store *s, struct err *e)
{
        struct model m;
        struct version v;
        int r = h_find_model(w, s, &m, e);
        if (r == 0)
                r = h_find_version(w, s, &m, w->arg, &v, e);
        if (r == 0 && !(w->arg = arena_printf(&w->arena, "%" PRIu64, v.number)))
                r = err_oom(e);
        return r;
}

/* The request begins anew, with the number in the alias's place: its body and its arena are still there. */
static void resolved(struct h_work *w, struct request *r)
{
        const char *number = w->arg;
        if (!r || w->work.result != 0) {
                h_finish(w, r);
                return;
        }
        char *copy = arena_strdup(r->arena, number);
        h_work_free(w);
        if (!copy) {
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        r->arg[1] = slice_of(copy);
        r->route->handle(r);
}

static bool is_served(const struct served *s, struct slice version)
{
        return version.n == 0 || slice_eq(version, "@champion") || slice_eq(version, s->number_text);
}

struct served *h_served(struct request *r)
{
        struct slice version = r->n_args > 1 ? r->arg[1] : (struct slice){0};
        struct served *s = vtable_get(r->server->versions, r->arg[0]);
        if (s && is_served(s, version))
                return s;
        bool alias = s && version.n > 0 && version.p[0] == '@';
        struct h_work *w = alias ? h_work_new(r, run_resolve, resolved) : h_work_new(r, run_why_not, NULL);
        if (!w)
                return NULL;
        if (version.n > 0 && !(w->arg = arena_strndup(&w->arena, version.p, version.n))) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return NULL;
        }
        h_read(w);
        return NULL;
}

/* --- tasks --- */

static const char *task_names(struct request *r, const struct served *s, bool trained)
{
        const char **names = arena_new_array(r->arena, const char *, s->n_tasks);
        size_t n = 0;
        for (size_t i = 0; names && i < s->n_tasks; i++) {
                if (!trained || s->tasks[i].head.n > 0)
                        names[n++] = s->tasks[i].name;
        }
        return h_join(r->arena, n, names);
}

static const struct served_task *only_trained(const struct served *s, size_t *ret_n)
{
        const struct served_task *found = NULL;
        *ret_n = 0;
        for (size_t i = 0; i < s->n_tasks; i++) {
                if (s->tasks[i].head.n > 0) {
                        found = &s->tasks[i];
                        ++*ret_n;
                }
        }
        return found;
}

const struct served_task *h_head(struct request *r, const struct served *s, const char *task, const char *field)
{
        const struct served_task *t = s->open;
        size_t trained;
        if (task) {
                t = served_task(s, task);
                if (!t) {
                        reply_problem(r, PROBLEM_UNKNOWN_TASK, field, "model %s has no task '%.64s'; known: %s",
                            s->spec.name, task, task_names(r, s, false));
                        return NULL;
                }
        } else if (s->spec.scenario == SCENARIO_TASK) {
                t = only_trained(s, &trained);
                if (trained > 1) {
                        reply_problem(r, PROBLEM_BAD_VALUE, field,
                            "model %s has one head per task: give \"%s\", one of %s", s->spec.name,
                            field[1] == 't' ? "task" : "ewcd_task", task_names(r, s, true));
                        return NULL;
                }
        }
        if (!t || t->head.n == 0) {
                reply_problem(r, PROBLEM_NO_HEAD, field,
                    "task %s has no trained head yet: give feedback and consolidate, or ask for a trained task",
                    t ? t->name : s->open->name);
                return NULL;
        }
        return t;
}

float *h_probs(struct request *r, const struct served *s, const struct served_task *t, size_t rows, const float *raw)
{
        struct server *server = r->server;
        struct metrics *m = server->metrics;
        size_t n;
        float *probs = mem_mul(rows, t->head.n, &n) ? arena_new_array(r->arena, float, n) : NULL;
        if (!probs) {
                reply_problem(
                    r, PROBLEM_TOO_LARGE, "/inputs", "%zu rows are too many for one request; send fewer", rows);
                return NULL;
        }
        void *ws = server_workspace(server, served_workspace(s, rows));
        if (!ws) {
                reply_error(r, -ENOMEM, NULL);
                return NULL;
        }
        uint64_t start = clock_mono_ns(loop_clock(server->loop));
        int rc = served_predict(s, t, rows, raw, probs, ws);
        atomic_fetch_add_explicit(
            &m->compute_ns, clock_mono_ns(loop_clock(server->loop)) - start, memory_order_relaxed);
        atomic_fetch_add_explicit(&m->inferences, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&m->inference_rows, rows, memory_order_relaxed);
        if (rc == 0)
                return probs;
        if (rc == EWC_E_NONFINITE)
                reply_problem(
                    r, PROBLEM_NON_FINITE, "/inputs", "the inputs are so large that an output is not finite");
        else
                reply_problem(r, PROBLEM_INTERNAL, "", "the net refused the input: %s", ewc_strerror(rc));
        return NULL;
}

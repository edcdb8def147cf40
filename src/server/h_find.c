/* h_find.c: models, versions and tasks by the names in a request. A name that is not there is refused with those that
 * are. The served version of a request is found in h_serve.c. */
#include "base/err.h"
#include "domain/validate.h"
#include "infer/served.h"
#include "proto/json_model.h"
#include "server/h.h"
#include "store/store.h"
#include <errno.h>

enum { NAMES_SHOWN = 20 };

const char *h_arg(struct request *r, size_t i)
{
        const char *text = arena_strndup(r->arena, r->arg[i].p, r->arg[i].n);
        if (!text)
                reply_error(r, -ENOMEM, NULL);
        return text;
}

bool h_reason(struct request *r, const char **ret)
{
        struct slice text;
        struct err e = ERR_NULL;
        *ret = NULL;
        if (!request_query(r, "reason", &text))
                return true;
        const char *reason = arena_strndup(r->arena, text.p, text.n);
        if (!reason) {
                reply_error(r, -ENOMEM, NULL);
                return false;
        }
        if (validate_reason(reason, &e) < 0) {
                reply_problem(r, PROBLEM_BAD_VALUE, "", "%s", e.msg);
                return false;
        }
        *ret = reason;
        return true;
}

const char *h_with_backups(struct arena *a, const char *said, bool backups)
{
        static const char rest[] =
            "copies of the database made before a migration (ewcd.db.level-*) still hold the data: remove them when "
            "they are no longer needed";
        said = said && said[0] ? said : NULL;
        const char *both = backups && said ? arena_printf(a, "%s; %s", said, rest) : NULL;
        return both ? both : backups ? rest : said;
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

const struct served_task *h_task(struct request *r, const struct served *s, const char *task, const char *field)
{
        const struct served_task *t = served_task(s, task);
        if (!t)
                reply_problem(r, PROBLEM_UNKNOWN_TASK, field, "model %s has no task '%.64s'; known: %s", s->spec.name,
                    task, task_names(r, s, false));
        return t;
}

const struct served_task *h_head(struct request *r, const struct served *s, const char *task, const char *field)
{
        const struct served_task *t = s->open;
        size_t trained;
        if (task) {
                t = h_task(r, s, task, field);
                if (!t)
                        return NULL;
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

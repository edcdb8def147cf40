/* h_tasks.c: the tasks of a model, and rollover: close the open one, open the next. */
#include "base/err.h"
#include "proto/json_admin.h"
#include "server/h.h"
#include "server/h_job.h"
#include "server/handlers.h"
#include "store/store.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- GET --- */

static int fill_view(const struct model *m, struct task *t, const struct version *champion, bool has_accuracy,
    struct arena *a, struct task_view *ret)
{
        const char **names = arena_new_array(a, const char *, t->n_classes);
        if (!names)
                return -ENOMEM;
        for (size_t i = 0; i < t->n_classes; i++)
                names[i] = t->classes[i] < m->n_classes ? m->classes[t->classes[i]] : "";
        *ret = (struct task_view){.task = t, .class_names = names, .accuracy_now = NAN};
        for (size_t i = 0; i < champion->n_evaluations; i++) {
                if (champion->evaluations[i].task == t->id) {
                        ret->accuracy_now = champion->evaluations[i].accuracy;
                        ret->n_now = champion->evaluations[i].n;
                }
        }
        if (!has_accuracy)
                t->accuracy_at_close = ret->accuracy_now = NAN;
        return 0;
}

static int run_list(struct h_work *w, struct store *s, struct err *e)
{
        struct model m;
        struct task *tasks;
        struct alias champion;
        struct version v;
        size_t n;
        bool has_accuracy = true;
        int r = h_find_model(w, s, &m, e);
        if (r != 0 || (r = h_has_accuracy(w, &m, &has_accuracy, e)) != 0 ||
            (r = store_task_list(s, m.id, &w->arena, &tasks, &n, e)) != 0 ||
            (r = store_alias_get(s, m.id, "champion", &champion, e)) != 0 ||
            (r = store_version_get(s, champion.version, &w->arena, &v, e)) != 0)
                return r;
        struct task_view *views = arena_new_array(&w->arena, struct task_view, n);
        for (size_t i = 0; i < n; i++) {
                if (!views || fill_view(&m, &tasks[i], &v, has_accuracy, &w->arena, &views[i]) < 0)
                        return err_oom(e);
        }
        json_task_list_write(&w->body, views, n);
        return 0;
}

void h_tasks_get(struct request *r)
{
        struct h_work *w = h_work_new(r, run_list, NULL);
        if (w)
                h_read(w);
}

/* --- POST --- */

static bool class_known(const struct model *m, const char *name)
{
        for (size_t i = 0; i < m->n_classes; i++) {
                if (strcmp(m->classes[i], name) == 0)
                        return true;
        }
        return false;
}

/* In scenario class a rollover brings new classes; elsewhere it can only choose among the model's. */
static int check_classes(struct h_work *w, const struct model *m, const struct rollover_request *q, struct err *e)
{
        size_t fresh = 0;
        if (q->classes_given && q->n_classes == 0)
                return h_refuse(w, e, PROBLEM_BAD_VALUE, "/classes", "give at least one class, or leave classes out");
        for (size_t i = 0; i < q->n_classes; i++) {
                char field[48];
                snprintf(field, sizeof(field), "/classes/%zu", i);
                if (class_known(m, q->classes[i]))
                        continue;
                if (m->scenario != SCENARIO_CLASS)
                        return h_refuse(w, e, PROBLEM_UNKNOWN_LABEL, field, "model %s has no class '%s'; known: %s",
                            m->name, q->classes[i], h_join(&w->arena, m->n_classes, m->classes));
                fresh++;
        }
        if (m->n_classes + fresh > MODEL_MAX_CLASSES)
                return h_refuse(
                    w, e, PROBLEM_BAD_VALUE, "/classes", "a model has at most %d classes", MODEL_MAX_CLASSES);
        return 0;
}

static int run_rollover(struct h_work *w, struct store *s, struct err *e)
{
        const struct rollover_request *q = w->arg;
        struct model m;
        struct task *tasks;
        size_t n;
        int r = h_find_model(w, s, &m, e);
        if (r != 0 || (r = check_classes(w, &m, q, e)) != 0 ||
            (r = store_task_list(s, m.id, &w->arena, &tasks, &n, e)) != 0)
                return r;
        if (n >= MODEL_MAX_TASKS)
                return h_refuse(w, e, PROBLEM_BAD_VALUE, "/task", "a model has at most %d tasks", MODEL_MAX_TASKS);
        struct job_new job = {
            .model = m.id,
            .kind = JOB_ROLLOVER,
            .trigger = TRIGGER_MANUAL,
            .next_task = q->task,
            .next_classes_given = q->classes_given,
            .n_next_classes = q->n_classes,
            .next_classes = q->classes,
            .who = w->who,
        };
        return h_job_create(w, s, &m, &job, e);
}

void h_tasks_post(struct request *r)
{
        struct err e = ERR_NULL;
        struct h_work *w = h_work_new(r, run_rollover, h_job_created);
        if (!w)
                return;
        struct rollover_request *q = arena_new(&w->arena, struct rollover_request);
        int p = q ? json_rollover_read(r->body, &w->arena, q, &e) : err_oom(&e);
        if (p != 0) {
                h_work_free(w);
                reply_error(r, p, &e);
                return;
        }
        w->arg = q;
        h_write(w, sizeof(struct job_new));
}

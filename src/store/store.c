/* store.c: the one door to every engine: argument checks, then dispatch. Jobs and what comes of them: store_jobs.c.
 *
 * What is checked here holds for all engines: names and keys have their form and length, sizes fit, a mutating verb
 * finds a store that may write. An argument that no caller can mean is -EINVAL; engines rely on these checks. */
#include "store/store.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/checks.h"
#include "store/ops.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

int store_open(struct store **ret, const struct store_ops *ops, const struct store_open *how, struct err *e)
{
        struct store *s = NULL;

        assert(ret && ops && how);
        int r = ops->open(&s, how, e);
        if (r != 0)
                return r;
        s->ops = ops;
        *ret = s;
        return 0;
}

void store_close(struct store *s)
{
        if (!s)
                return;
        if (s->in_group)
                store_abort(s);
        s->ops->close(s);
}

int store_begin(struct store *s, struct err *e)
{
        assert(!s->in_group);
        int r = s->read_only ? 0 : may_write(s, e);
        if (r == 0)
                r = s->ops->begin(s, e);
        if (r == 0)
                s->in_group = true;
        return r;
}

int store_commit(struct store *s, struct err *e)
{
        assert(s->in_group);
        s->in_group = false;
        return s->ops->commit(s, e);
}

void store_abort(struct store *s)
{
        if (!s->in_group)
                return;
        s->in_group = false;
        s->ops->abort(s);
}

/* --- models and tasks --- */

int store_model_create(struct store *s, const struct model_new *m, model_id *ret, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_name("model", m->name, e)) != 0 ||
            (r = check_name("task", m->task, e)) != 0 ||
            (r = check_text("spec", m->spec_json, STORE_TEXT_MAX, e)) != 0 ||
            (r = check_text("learning", m->learning_json, STORE_TEXT_MAX, e)) != 0 ||
            (r = check_text("who", m->who, STORE_KEY_MAX, e)) != 0 ||
            (r = check_classes(m->n_classes, m->classes, e)) != 0 ||
            (r = check_outputs(m->n_outputs, m->outputs, e)) != 0 || (r = check_params(m->n_params, e)) != 0)
                return r;
        for (size_t i = 0; i < m->n_task_classes; i++)
                if (m->task_classes[i] >= m->n_classes)
                        return bad(e, "a class of the first task is not one of the model's");
        for (size_t i = 0; i < m->n_outputs; i++)
                if (m->outputs[i].class >= m->n_classes)
                        return bad(e, "an output's class is not one of the model's");
        return s->ops->model_create(s, m, ret, e);
}

int store_model_get(struct store *s, const char *name, struct arena *a, struct model *ret, struct err *e)
{
        return s->ops->model_get(s, name, a, ret, e);
}

int store_model_by_id(struct store *s, model_id id, struct arena *a, struct model *ret, struct err *e)
{
        return s->ops->model_by_id(s, id, a, ret, e);
}

int store_model_list(struct store *s, store_model_fn each, void *arg, struct err *e)
{
        return s->ops->model_list(s, each, arg, e);
}

int store_task_get(struct store *s, model_id m, const char *name, struct arena *a, struct task *ret, struct err *e)
{
        return s->ops->task_get(s, m, name, a, ret, e);
}

int store_task_list(struct store *s, model_id m, struct arena *a, struct task **ret, size_t *ret_n, struct err *e)
{
        return s->ops->task_list(s, m, a, ret, ret_n, e);
}

int store_task_weight(struct store *s, task_id t, version_id v, job_id j, double *ret, struct err *e)
{
        return s->ops->task_weight(s, t, v, j, ret, e);
}

/* --- feedback --- */

static int check_feedback(const struct feedback *f, struct err *e)
{
        size_t bytes;
        int r;

        if ((r = check_text("event_id", f->event_id, STORE_KEY_MAX, e)) != 0 ||
            (r = check_text("source", f->source, STORE_KEY_MAX, e)) != 0)
                return r;
        if (f->event_id[0] == '\0')
                return bad(e, "event_id is empty");
        if (f->n_inputs == 0 || !f->inputs || !mem_mul(f->n_inputs, sizeof(float), &bytes))
                return bad(e, "feedback without inputs");
        if (f->class >= MODEL_MAX_CLASSES || f->n_targets > MODEL_MAX_CLASSES)
                return bad(e, "feedback of a class no model has");
        if ((f->class < 0) != (f->targets && f->n_targets > 0))
                return bad(e, "feedback needs a class or targets, not both");
        if (f->state != 0 && f->state != ROW_LIVE && f->state != ROW_QUARANTINED && f->state != ROW_LATE)
                return bad(e, "feedback does not begin in this state");
        if (f->trusted && !f->holdout)
                return bad(e, "a trusted row is a holdout row");
        if (f->served_class < -1 || f->served_class >= MODEL_MAX_CLASSES || f->served_version > INT64_MAX)
                return bad(e, "feedback to a prediction that cannot have been made");
        return check_text("why", f->why ? f->why : "", REASON_SIZE - 1, e);
}

int store_feedback_add(struct store *s, model_id m, const struct feedback *rows, size_t n,
    const struct feedback_rules *rules, enum feedback_verdict *verdicts, struct receipt *ret, struct err *e)
{
        int r = may_write(s, e);

        if (r == 0 && rules && !conflict_policy_name(rules->on_conflict))
                r = bad(e, "feedback rules that are none");
        for (size_t i = 0; r == 0 && i < n; i++)
                r = check_feedback(&rows[i], e);
        return r != 0 ? r : s->ops->feedback_add(s, m, rows, n, rules, verdicts, ret, e);
}

int store_feedback_get(
    struct store *s, model_id m, const char *event_id, struct arena *a, struct feedback_fate *ret, struct err *e)
{
        return s->ops->feedback_get(s, m, event_id, a, ret, e);
}

int store_feedback_count(struct store *s, model_id m, struct counters *ret, struct err *e)
{
        return s->ops->feedback_count(s, m, ret, e);
}

int store_feedback_scan(
    struct store *s, model_id m, const struct feedback_filter *f, store_feedback_fn each, void *arg, struct err *e)
{
        if (f->split != SPLIT_TRAIN && f->split != SPLIT_HOLDOUT && f->split != SPLIT_BOTH)
                return bad(e, "feedback filter without a split");
        return s->ops->feedback_scan(s, m, f, each, arg, e);
}

int store_feedback_newest(
    struct store *s, model_id m, uint64_t after_seq, size_t limit, store_feedback_fn each, void *arg, struct err *e)
{
        return s->ops->feedback_newest(s, m, after_seq, limit, each, arg, e);
}

static int check_key(const char *what, const char *key, struct err *e)
{
        int r = check_text(what, key, STORE_KEY_MAX, e);
        return r != 0 || key[0] ? r : err_set(e, -EINVAL, "store: %s is empty", what);
}

int store_feedback_erase(struct store *s, model_id m, const struct feedback_selection *sel, const char *who,
    const char *reason, struct erased *ret, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_act(who, reason, e)) != 0)
                return r;
        if ((sel->event_id != NULL) == (sel->source != NULL))
                return bad(e, "rows of an event or of a source");
        r = sel->event_id ? check_key("event_id", sel->event_id, e) : check_key("source", sel->source, e);
        return r != 0 ? r : s->ops->feedback_erase(s, m, sel, who, reason, ret, e);
}

int store_feedback_release(struct store *s, model_id m, const char *event_id, bool accept, const char *who,
    const char *reason, uint64_t *ret_n, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_act(who, reason, e)) != 0 ||
            (r = check_key("event_id", event_id, e)) != 0)
                return r;
        return s->ops->feedback_release(s, m, event_id, accept, who, reason, ret_n, e);
}

int store_feedback_expire(
    struct store *s, model_id m, const struct retention *how, size_t limit, uint64_t *ret_n, struct err *e)
{
        int r = may_write(s, e);

        if (r == 0 && !retention_mode_name(how->mode))
                r = bad(e, "no mode of retention");
        return r != 0 ? r : s->ops->feedback_expire(s, m, how, limit, ret_n, e);
}

int store_source_list(struct store *s, model_id m, store_source_fn each, void *arg, struct err *e)
{
        return s->ops->source_list(s, m, each, arg, e);
}

int store_source_unlearn(struct store *s, model_id m, const char *source, const char *who, const char *reason,
    struct unlearned *ret, struct err *e)
{
        int r;

        if ((r = may_write(s, e)) != 0 || (r = check_act(who, reason, e)) != 0)
                return r;
        if (!source[0])
                return bad(e, "a source to unlearn has a name; rows without a source can be erased by their ids");
        if ((r = check_text("source", source, STORE_KEY_MAX, e)) != 0)
                return r;
        return s->ops->source_unlearn(s, m, source, who, reason, ret, e);
}

int store_secret(struct store *s, const char *name, const uint8_t fresh[32], uint8_t ret[32], struct err *e)
{
        int r = check_name("secret", name, e);

        if (r != 0 || (r = s->ops->secret(s, name, NULL, ret, e)) != STORE_NOT_FOUND)
                return r;
        r = may_write(s, e);
        return r != 0 ? r : s->ops->secret(s, name, fresh, ret, e);
}

/* --- care --- */

void store_sizes(struct store *s, struct store_health *ret)
{
        *ret = (struct store_health){0};
        if (s->ops->sizes)
                s->ops->sizes(s, ret);
}

int store_maintain(struct store *s, struct store_health *ret, struct err *e)
{
        int r = may_write(s, e);
        return r != 0 ? r : s->ops->maintain(s, ret, e);
}

int store_check(struct store *s, bool full, struct store_health *ret, struct err *e)
{
        return s->ops->check(s, full, ret, e);
}

int store_backup(struct store *s, const char *path, struct err *e)
{
        return s->ops->backup(s, path, e);
}

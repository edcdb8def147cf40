/* settle_judge.c: what was measured goes to the gate, and its verdict becomes an outcome.
 *
 * Beside what the learner measured stands what the quadratic model expects of every closed task: half of sum F (theta
 * - anchor)^2 at the new theta, less the same at the one training began with. A version that passed is promoted, or
 * kept as a candidate: of a dry run, and of a consolidation where the model's promotion asks for more than the gate.
 * What the gate leaves open is kept for an operator; a rollover cannot wait for one and is rejected. Of a task whose
 * protection was given up (alpha 0) nothing is expected.
 * The checks go with the version as JSON. */
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "domain/learn_job.h"
#include "domain/words.h"
#include "proto/json_gate.h"
#include "super/settle_in.h"
#include <ewc/similarity.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GATE_TEXT_MAX ((size_t)16 << 20)
#define TRACE_VANISHED 1e-4 /* of a softmax net of everyday size; a task not yet learnt has 1 and more */

/* --- the evaluations --- */

/* An estimate of the Fisher itself; the other kinds are of other quantities. */
static bool is_fisher(const struct task *t)
{
        enum ewc_fisher k = t->fisher.kind;
        return t->has_fisher && t->importance == LEARN_IMPORTANCE_FISHER &&
               (k == EWC_FISHER_EXACT || k == EWC_FISHER_SAMPLE || k == EWC_FISHER_MIXED);
}

static double predicted(const struct settlement *s, const struct learn_job *file, const struct task *t)
{
        bool guarded = t->state == TASK_CLOSED && t->alpha > 0;
        for (size_t k = 0; guarded && is_fisher(t) && k < file->n_past; k++) {
                const struct learn_past *p = &file->past[k];
                if (p->task == t->id)
                        return ewc_predicted_kl(&file->net, p->factor, p->fisher, p->anchor, s->result.theta, NULL) -
                               ewc_predicted_kl(&file->net, p->factor, p->fisher, p->anchor, file->theta, NULL);
        }
        return (double)NAN;
}

static struct evaluation find(const struct evaluation *v, size_t n, task_id t)
{
        for (size_t i = 0; i < n; i++)
                if (v[i].task == t && v[i].n > 0)
                        return v[i];
        const double none = (double)NAN;
        return (struct evaluation){.task = t, .accuracy = none, .loss = none, .ece = none, .predicted = none};
}

/* One pair per task of the model, whether or not the learner had rows of it. */
static int list_evaluations(struct settlement *s, const struct learn_job *file, struct err *e)
{
        size_t n = s->layout.n_tasks;
        struct evaluation *before = arena_new_array(&s->arena, struct evaluation, n);
        struct evaluation *after = arena_new_array(&s->arena, struct evaluation, n);
        if (!before || !after)
                return err_oom(e);
        for (size_t i = 0; i < n; i++) {
                const struct task *t = &s->layout.tasks[i];
                before[i] = find(s->result.before, s->result.n_evaluations, t->id);
                after[i] = find(s->result.after, s->result.n_evaluations, t->id);
                after[i].predicted = predicted(s, file, t);
        }
        s->outcome.n_evaluations = n;
        s->outcome.before = before;
        s->outcome.after = after;
        return 0;
}

/* --- the gate --- */

/* Class names by output. */
static const char *const *name_outputs(struct settlement *s)
{
        const struct layout *l = &s->layout;
        const char **names = arena_new_array(&s->arena, const char *, l->n_outputs);
        for (size_t o = 0; names && o < l->n_outputs; o++)
                names[o] = l->spec.classes[l->outputs[o].class];
        return names;
}

static struct gate_task *list_tasks(struct settlement *s)
{
        const struct layout *l = &s->layout;
        struct gate_task *tasks = arena_new_array(&s->arena, struct gate_task, l->n_tasks);
        const char *const *names = name_outputs(s);
        if (!tasks || !names)
                return NULL;
        for (size_t i = 0; i < l->n_tasks; i++) {
                const struct task *t = &l->tasks[i];
                tasks[i] = (struct gate_task){.name = t->name,
                    .open = t == l->open,
                    .before = s->outcome.before[i],
                    .after = s->outcome.after[i],
                    .given_up = t->state == TASK_CLOSED && t->alpha <= 0,
                    .n_at_close = t->state == TASK_CLOSED ? t->n_at_close : 0,
                    .n_holdout = t->n_holdout,
                    .n_classes = l->n_outputs,
                    .classes = names};
        }
        return tasks;
}

__attribute__((format(printf, 2, 3))) static void add_note(struct settlement *s, const char *fmt, ...)
{
        size_t n = strnlen(s->verdict.reason, REASON_SIZE - 1);
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(s->verdict.reason + n, REASON_SIZE - n, fmt, ap);
        va_end(ap);
}

/* A reweight passes on unchanged answers; what it does comes later. */
static void add_weight(struct settlement *s, const struct job *job)
{
        const struct layout *l = &s->layout;
        const char *name = "";
        for (size_t i = 0; i < l->n_tasks; i++)
                if (l->tasks[i].id == job->alpha_task)
                        name = l->tasks[i].name;
        add_note(s, "; no answer changes now: in every later job task %s is %s", name,
            job->alpha <= 0             ? "not protected any more and not checked"
            : job->alpha < l->alpha_was ? "protected less"
            : job->alpha > l->alpha_was ? "protected more"
                                        : "protected as before");
        add_note(s, " (alpha %g, was %g)", job->alpha, l->alpha_was);
}

/* Behind the verdict: where EWC protects less than the numbers of the gate let one think. */
static void add_notes(struct settlement *s, const struct learn_job *file)
{
        const struct learn_plan *plan = &file->plan;
        const struct ewc_fisher_info *f = &s->result.fisher_info;
        if (plan->method != LEARN_EWC)
                return;
        bool exact = plan->importance == LEARN_IMPORTANCE_FISHER && f->kind == EWC_FISHER_EXACT;
        if (file->kind == JOB_ROLLOVER && exact && f->trace < TRACE_VANISHED)
                add_note(s,
                    "; the Fisher's trace is %.3g: the model is so sure of this task that its Fisher has nearly "
                    "vanished; with penalty.scale raw it is hardly protected",
                    f->trace);
        bool alone = plan->replay_per_class == 0 && plan->distill == 0;
        bool earlier = file->kind == JOB_ROLLOVER || file->n_past > 0;
        if (s->layout.spec.scenario == SCENARIO_CLASS && alone && earlier)
                add_note(s, "; EWC alone cannot keep the classes of different tasks apart: replay.per_class helps");
}

/* --- what follows --- */

/* NULL: a passing version is promoted; else why it is kept, to stand before the gate's words. */
static const char *kept_as_candidate(const struct settlement *s, const struct job *job)
{
        if (job->dry_run)
                return "dry run: would be promoted";
        if (job->kind != JOB_CONSOLIDATE)
                return NULL;
        switch (s->layout.learning.promotion) {
        case PROMOTION_GATE:
                break;
        case PROMOTION_SHADOW:
                return "candidate: passed the gate, waits for live labels";
        case PROMOTION_MANUAL:
                return "candidate: passed the gate, waits for an operator";
        }
        return NULL;
}

/* words instead of "promoted" at the reason's beginning. */
static void put_before(struct verdict *v, const char *words)
{
        char reason[REASON_SIZE];
        const char *colon = strchr(v->reason, ':');
        snprintf(reason, sizeof(reason), "%s%s", words, colon ? colon : "");
        str_copy_n(v->reason, sizeof(v->reason), reason, str_utf8_cut(reason, strlen(reason)));
}

/* With the ways out: the task that left it open gets rows to judge it by, or is not protected any more. */
static void cannot_wait(struct settlement *s)
{
        char reason[REASON_SIZE];
        struct words w = words_in(reason);
        const struct task *t = &s->layout.tasks[s->verdict.deciding];
        const char *model = s->layout.spec.name;
        words_put(&w,
            "rejected: could not be decided, and this kind of job cannot wait for an operator; give task %s rows to "
            "judge it by (ewcctl holdout import %s %s FILE)",
            t->name, model, t->name);
        if (t->state == TASK_CLOSED)
                words_put(&w, " or drop its protection (ewcctl task weigh %s %s 0), then try again", model, t->name);
        put_before(&s->verdict, reason);
}

/* What the gate left open: a consolidation's version waits for an operator, others cannot. */
static bool left_open(struct settlement *s, const struct job *job)
{
        bool waits = job->kind == JOB_CONSOLIDATE;
        if (waits)
                put_before(&s->verdict, job->dry_run ? "dry run: an operator would have to decide" : GATE_LEFT_OPEN);
        else
                cannot_wait(s);
        return waits;
}

/* "candidate", "promoted", "rejected", with the fields that go with it. */
static const char *conclude(struct settlement *s, const struct job *job, const char *refusal)
{
        const char *kept = kept_as_candidate(s, job);
        struct verdict *v = &s->verdict;
        if (refusal) {
                v->promote = v->undecided = false;
                str_copy_n(v->reason, sizeof(v->reason), refusal, strnlen(refusal, REASON_SIZE - 1));
        }
        s->outcome.candidate = v->promote && kept;
        if (v->undecided) {
                s->outcome.candidate = left_open(s, job);
        } else if (s->outcome.candidate) {
                v->promote = false;
                put_before(v, kept);
        }
        s->outcome.promote = v->promote;
        return s->outcome.candidate ? "candidate" : v->promote ? "promoted" : "rejected";
}

/* The record is left out where it would be too large: the verdict stands without it. */
static int write_record(struct settlement *s, const char *verdict, const struct gate_check *checks,
    const struct gate_task *tasks, struct err *e)
{
        struct buf b;
        const struct gate_record record = {
            verdict, s->verdict.reason, s->verdict.n_checks, checks, s->layout.n_tasks, tasks};
        buf_init(&b, GATE_TEXT_MAX);
        json_gate_write(&b, &record);
        if (buf_ok(&b))
                s->outcome.gate = arena_strndup(&s->arena, b.data, b.len);
        bool lost = buf_ok(&b) && !s->outcome.gate;
        buf_deinit(&b);
        return lost ? err_oom(e) : 0;
}

int settle_judge(struct store *st, struct settlement *s, const struct job *job, const struct learn_job *file,
    const char *refusal, struct err *e)
{
        const struct layout *l = &s->layout;
        struct gate_conf conf = gate_conf_of(&l->learning);
        conf.first = l->parent.parent == 0;
        conf.unmoved = job->kind == JOB_REWEIGHT;
        int r = list_evaluations(s, file, e);
        if (r < 0)
                return r;
        struct gate_task *tasks = list_tasks(s);
        struct gate_check *checks =
            tasks ? arena_new_array(&s->arena, struct gate_check, gate_checks_max(tasks, l->n_tasks, &conf)) : NULL;
        if (!checks)
                return err_oom(e);
        if ((r = settle_since_close(st, l, tasks, e)) < 0)
                return r;
        s->verdict = gate_judge(tasks, l->n_tasks, &conf, l->spec.net.loss, checks);
        if (!refusal && job->kind == JOB_REWEIGHT)
                add_weight(s, job);
        else if (!refusal)
                add_notes(s, file);
        return write_record(s, conclude(s, job, refusal), checks, tasks, e);
}

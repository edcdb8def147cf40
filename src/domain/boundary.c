/* boundary.c: which scenario the data shows, and whether a new task has begun.
 *
 * What can be expected of EWC is a table of published results, one row a scenario: accuracy over all tasks of Split
 * MNIST and permuted MNIST by van de Ven and Tolias (arXiv:1809.10635), task-incremental by van de Ven
 * (arXiv:2502.11756). How a model answers decides what holds, not what its rows would allow: a model that answers
 * without a task is judged by the labels, even when its rows name their task. */
#include "domain/boundary.h"
#include "base/mem.h"
#include "domain/words.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [BOUNDARY_OFF] = "off",
    [BOUNDARY_PROPOSE] = "propose",
    [BOUNDARY_AUTO] = "auto",
};

const char *boundary_mode_name(enum boundary_mode v)
{
        return (size_t)v < ARRAY_LEN(names) ? names[v] : NULL;
}

static const char *const expected[] = {
    [SCENARIO_TASK] = "EWC alone can hold (published, Split MNIST: 85.4 % without, 99.1 % with it)",
    [SCENARIO_DOMAIN] =
        "EWC alone holds in part (published: permuted MNIST 78.5 % without, 94.3 % with it, Split MNIST "
        "57.3 % and at most 64.0 %)",
    [SCENARIO_CLASS] =
        "EWC alone does not hold (published, Split MNIST: 19.9 % without, at most 20.6 % with it, 88.8 % "
        "with replay of 100 rows a class)",
};

/* How the model answers, when it is not told the task: what decides whether EWC alone can hold. */
static enum scenario answers_as(const struct scene *s)
{
        if (s->scenario == SCENARIO_TASK)
                return SCENARIO_TASK; /* every prediction names its task */
        return s->n_new_classes > 0 ? SCENARIO_CLASS : s->n_open_classes > 0 ? SCENARIO_DOMAIN : s->scenario;
}

static void put_seen(struct words *w, const struct scene *s, enum scenario shown)
{
        bool told = s->scenario == SCENARIO_TASK;
        words_put(w, "%s-incremental: ", scenario_name(shown));
        if (shown == SCENARIO_TASK && told)
                words_put(w, "predictions name their task%s",
                    s->n_named > 0 ? ", and rows do too" : "; where callers do not know it, nothing of this holds");
        else if (shown == SCENARIO_TASK)
                words_put(w,
                    "%" PRIu64
                    " rows name their task, but predictions of scenario %s do not; scenario task would let "
                    "EWC alone hold where callers know the task",
                    s->n_named, scenario_name(s->scenario));
        else if (shown == SCENARIO_CLASS)
                words_put(w, "%" PRIu64 " of the open task's %" PRIu64 " labels are new", s->n_new_classes,
                    s->n_open_classes);
        else
                words_put(w, "the labels of closed tasks again, %s",
                    s->drifted ? "under other inputs or with other answers" : "and no drift seen");
        if (shown != s->scenario && shown != SCENARIO_TASK)
                words_put(w, ", while the model is of scenario %s", scenario_name(s->scenario));
}

static void put_replay(struct words *w, const struct scene *s)
{
        bool there = s->n_retained > 0;
        if (s->replay && there)
                words_put(w, "; replay is on, from %" PRIu64 " retained rows", s->n_retained);
        else if (s->replay)
                words_put(w, "; replay is on, but no row of closed tasks is retained");
        else if (there)
                words_put(w, "; replay is off%s and possible: %" PRIu64 " rows are retained (replay.per_class)",
                    s->distill ? ", distillation is on" : "", s->n_retained);
        else
                words_put(w, "; replay is off and not possible: no row of closed tasks is retained%s",
                    s->distill ? ", distillation is on" : "; distillation needs none, but alone gains little");
}

struct scene_verdict scene_judge(const struct scene *s)
{
        enum scenario as = answers_as(s);
        bool past = s->n_closed > 0, named = s->n_named > 0 && s->scenario != SCENARIO_TASK;
        struct scene_verdict v = {.scenario = !past ? s->scenario : named ? SCENARIO_TASK : as};
        struct words w = words_in(v.words);
        v.agrees = v.scenario == s->scenario;
        v.advise_replay = past && as == SCENARIO_CLASS;
        if (!past) {
                words_put(&w, "no task is closed yet: nothing can be forgotten, and nothing shows a scenario");
                return v;
        }
        if (s->n_open_classes == 0 && !named)
                words_put(&w, "%s-incremental, as the model says: the open task has no labels to tell",
                    scenario_name(v.scenario));
        else
                put_seen(&w, s, v.scenario);
        words_put(&w, "; %s%s", named ? "as it is, " : "", expected[as]);
        if (as != SCENARIO_TASK || s->replay)
                put_replay(&w, s);
        return v;
}

/* --- the boundary --- */

static const char *not_by_itself(
    const struct watch *w, const struct counters *c, enum boundary_mode mode, bool answers)
{
        if (mode != BOUNDARY_AUTO)
                return "task.boundary is propose";
        if (c->last_rejected && c->last_rollover)
                return "the last rollover was rejected";
        return !answers && w->used_seq < c->used_seq ? "a later job than the champion's has used rows up" : NULL;
}

/* The answers watched all came behind the newest row a finished job has used, so a change among them came later than
 * that, whatever became of the job. Inputs are compared with what the champion knows, and say nothing of it. */
static uint64_t old_task_ends(const struct watch *w, const struct counters *c, bool answers)
{
        return answers && c->used_seq > w->used_seq ? c->used_seq : w->used_seq;
}

struct boundary boundary_judge(const struct watch *w, const struct counters *c, enum boundary_mode mode)
{
        struct boundary b = {0};
        struct words say = words_in(b.reason);
        bool answers = w->accuracy.fired && w->accuracy.n >= DRIFT_MIN_ROWS;
        bool inputs = w->inputs.fired && w->inputs.n_current >= DRIFT_MIN_ROWS;
        if (mode == BOUNDARY_OFF) {
                words_put(&say, "task boundaries are not looked for");
        } else if (!answers && !inputs) {
                words_put(&say, "no new task: %s",
                    w->accuracy.fired || w->inputs.fired ? "too few rows since the champion was trained"
                                                         : "no drift");
        } else if (w->used_seq == 0 || c->n_open_train <= c->n_new) {
                words_put(&say, "no new task: nothing has been trained on the open one");
        } else {
                const char *held = not_by_itself(w, c, mode, answers);
                b.propose = true;
                b.roll = !held;
                b.upto_seq = old_task_ends(w, c, answers);
                words_put(&say, "a new task %s: %s changed, and the open task ends at row %" PRIu64,
                    b.roll ? "begins" : "is proposed",
                    answers && inputs ? "answers and inputs"
                    : answers         ? "answers"
                                      : "inputs",
                    b.upto_seq);
                if (held)
                        words_put(&say, " (%s)", held);
        }
        return b;
}

void boundary_task_name(uint64_t n, size_t n_taken, const char *const *taken, char ret[NAME_SIZE])
{
        for (bool again = true; again; n++) {
                again = false;
                snprintf(ret, NAME_SIZE, "drift-%" PRIu64, n);
                for (size_t i = 0; i < n_taken && !again; i++)
                        again = strcmp(ret, taken[i]) == 0;
        }
}

/* words.c: the sentences of the audit. What is worth telling stands in the row itself, so that the audit can be read
 * without joining anything. */
#include "store/words.h"
#include "base/str.h"
#include "domain/job_sm.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct words __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
        struct words w;
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(w.text, sizeof(w.text), fmt, ap);
        va_end(ap);
        return w;
}

enum job_state outcome_job_state(const struct outcome *o)
{
        return o->promote ? JOB_PROMOTED : o->candidate ? JOB_CANDIDATE : JOB_REJECTED;
}

enum version_state outcome_version_state(const struct outcome *o)
{
        return o->promote ? VERSION_PROMOTED : o->candidate ? VERSION_CANDIDATE : VERSION_REJECTED;
}

bool outcome_replayed(const struct outcome *o, enum job_kind kind, enum strategy strategy)
{
        bool learns = kind == JOB_CONSOLIDATE || kind == JOB_ROLLOVER;

        return learns && (o->replayed || strategy == STRATEGY_REPLAY || strategy == STRATEGY_DISTILL);
}

const char *outcome_what(const struct outcome *o)
{
        return o->promote ? "version.promote" : o->candidate ? "version.candidate" : "version.reject";
}

struct words words_model(const struct model_new *m)
{
        return say("model %s, scenario %s, %zu classes, first task %s, %zu parameters, seed %" PRIu64
                   ", version 1 is champion",
            m->name, scenario_name(m->scenario), m->n_classes, m->task, m->n_params, m->seed);
}

/* Adds to what w says already. */
static void __attribute__((format(printf, 2, 3))) go_on(struct words *w, const char *fmt, ...)
{
        size_t n = strlen(w->text);
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(w->text + n, sizeof(w->text) - n, fmt, ap);
        va_end(ap);
}

/* Why somebody did it; NULL: not said. */
static struct words because(struct words w, const char *reason)
{
        if (reason && reason[0])
                go_on(&w, ": %s", reason);
        return w;
}

struct words words_job(job_id j, const struct job_new *n, const char *task, uint64_t rebuilt)
{
        struct words w = say("job %" PRIu64 ": %s", j, job_kind_name(n->kind));

        if (n->next_task)
                go_on(&w, " to task %s", n->next_task);
        if (task)
                go_on(&w, " task %s to alpha %g", task, n->alpha);
        if (rebuilt != 0)
                go_on(&w, " version %" PRIu64, rebuilt);
        if (n->dry_run)
                go_on(&w, ", dry run");
        if (n->strategy != STRATEGY_FIXED)
                go_on(&w, ", strategy %s", strategy_name(n->strategy));
        if (n->upto_seq != 0)
                go_on(&w, ", feedback up to %" PRIu64, n->upto_seq);
        go_on(&w, ", trigger %s", trigger_kind_name(n->trigger));
        if (n->trigger_text && n->trigger_text[0])
                go_on(&w, ": %s", n->trigger_text);
        return w;
}

struct words words_claim(job_id j, uint64_t parent_number, const char *task, struct seq_range range, uint64_t seed)
{
        return say("job %" PRIu64 ": from version %" PRIu64 ", task %s, feedback %" PRIu64 " to %" PRIu64
                   ", seed %" PRIu64,
            j, parent_number, task, range.first, range.last, seed);
}

struct words words_attempt(job_id j, uint32_t attempts)
{
        return say("job %" PRIu64 ": learner start %" PRIu32, j, attempts);
}

struct words words_outcome(job_id j, uint64_t number, enum job_state end, bool dry_run, const char *reason)
{
        const char *state = job_state_name(end);
        return say("job %" PRIu64 ": version %" PRIu64 " %s%s: %s", j, number, state, dry_run ? " by a dry run" : "",
            job_reason_rest(state, reason));
}

struct words words_alpha(job_id j, const char *task, double was, double alpha, uint64_t number)
{
        struct words w = {""};

        if (j != 0)
                w = say("job %" PRIu64 ": ", j);
        go_on(&w, "alpha of task %s from %g to %g with version %" PRIu64, task, was, alpha, number);
        return w;
}

struct words words_rebuild(job_id j, uint64_t number, bool same, const char *reason)
{
        return say("job %" PRIu64 ": version %" PRIu64 " rebuilt, %s: %s", j, number,
            same ? "the same bits" : "not the same bits",
            job_reason_rest(job_state_name(same ? JOB_VERIFIED : JOB_REJECTED), reason));
}

struct words words_rollover(job_id j, uint64_t number, const char *closed, const char *opened, const char *reason)
{
        return say("job %" PRIu64 ": task %s closed by version %" PRIu64 ", task %s opened: %s", j, closed, number,
            opened, reason);
}

struct words words_alias(const char *alias, uint64_t number, uint64_t was, uint64_t epoch, const char *reason)
{
        if (was == 0)
                return say("%s set to version %" PRIu64 ", epoch %" PRIu64 ": %s", alias, number, epoch, reason);
        return say("%s moved from version %" PRIu64 " to %" PRIu64 ", epoch %" PRIu64 ": %s", alias, was, number,
            epoch, reason);
}

struct words words_alias_deleted(const struct alias *was, const char *reason)
{
        return because(
            say("%s of version %" PRIu64 " deleted at epoch %" PRIu64, was->name, was->number, was->epoch), reason);
}

struct words words_promoted(const char *who, const char *reason)
{
        const char *state = job_state_name(JOB_PROMOTED);
        struct words w = because(say("%s: by %s", state, who), job_reason_rest(state, reason));

        w.text[str_utf8_cut(w.text, strnlen(w.text, REASON_SIZE - 1))] = '\0';
        return w;
}

struct words words_prune(size_t n, const uint64_t *numbers, uint64_t keep, const char *reason)
{
        struct words w = say("tensors of %zu version%s dropped", n, n == 1 ? "" : "s");

        if (reason && reason[0]) /* in front of what may be cut */
                go_on(&w, " (%s)", reason);
        go_on(&w, ", %" PRIu64 " kept beside those in use:", keep);
        for (size_t i = 0; i < n; i++)
                go_on(&w, "%s %" PRIu64, i > 0 ? "," : "", numbers[i]);
        return w;
}

struct words words_superseded(enum conflict_policy p)
{
        return say("another label of the event counts: %s", conflict_policy_name(p));
}

struct words words_erased(const char *who, const char *reason)
{
        return because(say("erased by %s", who), reason);
}

struct words words_refused(const char *who, const char *reason)
{
        return because(say("refused by %s", who), reason);
}

struct words words_unlearned(const char *source, const char *who, const char *reason)
{
        return because(say("source %s unlearned by %s", source, who), reason);
}

struct words words_expired(enum retention_mode m)
{
        return say("expired by retention: %s", retention_mode_name(m));
}

struct words words_erase(const struct feedback_selection *sel, const struct erased *done, const char *reason)
{
        struct words w = say("feedback of %s %s: %" PRIu64 " rows erased", sel->event_id ? "event" : "source",
            sel->event_id ? sel->event_id : sel->source, done->n);

        if (done->n_used > 0)
                go_on(&w, ", %" PRIu64 " of them used, first by version %" PRIu64, done->n_used,
                    done->first_version_number);
        return because(w, reason);
}

struct words words_release(const char *event_id, bool accept, uint64_t n, const char *reason)
{
        return because(say("feedback of event %s: %" PRIu64 " quarantined rows %s", event_id, n,
                           accept ? "accepted" : "refused and erased"),
            reason);
}

struct words words_expire(enum retention_mode m, uint64_t n)
{
        return say("%" PRIu64 " rows of feedback expired, retention %s", n, retention_mode_name(m));
}

struct words words_unlearn(const char *source, const struct unlearned *done, const char *reason)
{
        struct words w = say("source %s: %" PRIu64 " rows erased, champion ", source, done->n_erased);

        if (done->from_number == done->back_to_number)
                go_on(&w, "stays at version %" PRIu64, done->from_number);
        else
                go_on(&w, "back from version %" PRIu64 " to %" PRIu64, done->from_number, done->back_to_number);
        return because(w, reason);
}

void unlearned_name(struct unlearned *u, const char *alias)
{
        if (u->n_aliases < UNLEARNED_NAMES)
                str_copy(u->aliases[u->n_aliases], NAME_SIZE, alias);
        u->n_aliases++;
}

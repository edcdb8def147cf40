/* words.c: the sentences of the audit. What is worth telling stands in the row itself, so that the audit can be read
 * without joining anything. */
#include "store/words.h"
#include "domain/job_sm.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static struct words __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
        struct words w;
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(w.text, sizeof(w.text), fmt, ap);
        va_end(ap);
        return w;
}

struct words words_model(const struct model_new *m)
{
        return say("model %s, scenario %s, %zu classes, first task %s, %zu parameters, seed %" PRIu64
                   ", version 1 is champion",
            m->name, scenario_name(m->scenario), m->n_classes, m->task, m->n_params, m->seed);
}

struct words words_job(job_id j, const struct job_new *n)
{
        return say("job %" PRIu64 ": %s%s%s, trigger %s", j, job_kind_name(n->kind), n->next_task ? " to task " : "",
            n->next_task ? n->next_task : "", trigger_kind_name(n->trigger));
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

struct words words_outcome(job_id j, uint64_t number, bool promoted, const char *reason)
{
        const char *state = promoted ? "promoted" : "rejected";
        return say("job %" PRIu64 ": version %" PRIu64 " %s: %s", j, number, state, job_reason_rest(state, reason));
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

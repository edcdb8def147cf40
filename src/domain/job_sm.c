/* job_sm.c: the life of a job, as the table drawn in job_sm.h.
 *
 * The table is the program: names in SQL, JSON and logs, the moves allowed, and what a restart does with a job
 * found in each state all come from its rows. */
#include "domain/job_sm.h"
#include "base/mem.h"
#include <stdint.h>
#include <string.h>

#define B(s) (1u << (s))
#define END (B(JOB_CANCELLED) | B(JOB_FAILED))

static const struct job_row {
        const char *name;
        uint32_t next;
        enum restart_rule restart;
} rows[] = {
    [JOB_QUEUED] = {"queued", B(JOB_EXPORTING) | END, RESTART_KEEP},
    [JOB_EXPORTING] = {"exporting", B(JOB_RUNNING) | B(JOB_QUEUED) | END, RESTART_REQUEUE}, /* drop half a bundle */
    [JOB_RUNNING] = {"running", B(JOB_JUDGING) | END, RESTART_RESUME}, /* exec from the checkpoint */
    [JOB_JUDGING] = {"judging", B(JOB_PROMOTED) | B(JOB_REJECTED) | B(JOB_CANDIDATE) | B(JOB_VERIFIED) | END,
        RESTART_REJUDGE}, /* the result file is there */
    [JOB_PROMOTED] = {"promoted", 0, RESTART_KEEP},
    [JOB_REJECTED] = {"rejected", 0, RESTART_KEEP},
    [JOB_CANCELLED] = {"cancelled", 0, RESTART_KEEP},
    [JOB_FAILED] = {"failed", 0, RESTART_KEEP},
    [JOB_CANDIDATE] = {"candidate", 0, RESTART_KEEP},
    [JOB_VERIFIED] = {"verified", 0, RESTART_KEEP},
};

_Static_assert(JOB_QUEUED == 1 && JOB_EXPORTING == 2 && JOB_RUNNING == 3 && JOB_JUDGING == 4, "on disk");
_Static_assert(JOB_PROMOTED == 10 && JOB_REJECTED == 11 && JOB_CANCELLED == 12 && JOB_FAILED == 13, "on disk");
_Static_assert(JOB_CANDIDATE == 14 && JOB_VERIFIED == 15, "on disk");

static const struct job_row *row(enum job_state s)
{
        return (size_t)s < ARRAY_LEN(rows) && rows[s].name ? &rows[s] : NULL;
}

const char *job_state_name(enum job_state s)
{
        const struct job_row *r = row(s);
        return r ? r->name : NULL;
}

bool job_state_parse(const char *name, enum job_state *ret)
{
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                if (rows[i].name && strcmp(rows[i].name, name) == 0) {
                        *ret = (enum job_state)i;
                        return true;
                }
        }
        return false;
}

bool job_may_move(enum job_state from, enum job_state to)
{
        const struct job_row *r = row(from);
        return r && row(to) && (r->next & B(to)) != 0;
}

const char *job_reason_rest(const char *state, const char *reason)
{
        size_t n = strlen(state);
        return strncmp(reason, state, n) == 0 && reason[n] == ':' && reason[n + 1] == ' ' ? reason + n + 2 : reason;
}

bool job_has_ended(enum job_state s)
{
        const struct job_row *r = row(s);
        return r && r->next == 0;
}

enum restart_rule job_restart_rule(enum job_state s)
{
        const struct job_row *r = row(s);
        return r ? r->restart : RESTART_KEEP;
}

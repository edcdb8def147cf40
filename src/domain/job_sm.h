/* job_sm.h: the life of a job as a table. Pure.
 *
 *   QUEUED ──► EXPORTING ──► RUNNING ──► JUDGING ──► PROMOTED | REJECTED | CANDIDATE | VERIFIED
 *      ▲__________│ (requeue)            any of the first four ──► CANCELLED | FAILED
 *
 * A durable state exists only where recovery after a restart differs; training, Fisher and evaluation are phases
 * inside RUNNING, seen in progress lines. */
#pragma once
#include <stdbool.h>

enum job_state { /* on disk: never renumber */
        JOB_QUEUED = 1,
        JOB_EXPORTING = 2,
        JOB_RUNNING = 3,
        JOB_JUDGING = 4,
        JOB_PROMOTED = 10,
        JOB_REJECTED = 11,
        JOB_CANCELLED = 12,
        JOB_FAILED = 13,
        JOB_CANDIDATE = 14, /* passed the gate; its version waits as @challenger, or was a dry run */
        JOB_VERIFIED = 15,  /* REBUILD: the same bits again */
};

enum restart_rule { RESTART_KEEP = 1, RESTART_REQUEUE, RESTART_RESUME, RESTART_REJUDGE };

const char *job_state_name(enum job_state s); /* "queued" …; NULL if unknown */
/* The reason without the state's name and a colon before it: for a text that has said the state. */
const char *job_reason_rest(const char *state, const char *reason);
bool job_state_parse(const char *name, enum job_state *ret);
bool job_may_move(enum job_state from, enum job_state to);
bool job_has_ended(enum job_state s);
enum restart_rule job_restart_rule(enum job_state s);

/* learner_proc.h: the learner as a child process: exec'd at idle CPU and I/O priority, JSON lines read from its
 * stdout, its stderr logged with the job id, stalls and broken lines ended, exit status translated. */
#pragma once
#include "super/learner_port.h"
#include <stdint.h>

struct loop;
struct learner_proc;

struct learner_proc_conf {
        const char *path;       /* of ewcd-learner */
        uint32_t stall_ms;      /* no line for this long: SIGTERM, later SIGKILL */
        uint32_t grace_ms;      /* between SIGTERM and SIGKILL */
        uint32_t checkpoint_ms; /* work that a learner's death may cost; 0: each epoch is kept */
};

int learner_proc_new(
    struct learner_proc **ret, struct loop *control, const struct learner_proc_conf *c, struct err *e);
void learner_proc_free(struct learner_proc *p); /* accepts NULL; no run may be under way */
struct learner_port learner_proc_port(struct learner_proc *p);

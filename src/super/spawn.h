/* spawn.h: a child process with a small environment, two pipes and idle priority. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

struct err;

struct spawned {
        pid_t pid;    /* also its process group */
        int out, err; /* our ends of its stdout and stderr, non-blocking, close-on-exec; the caller closes them */
};

/* Runs argv[0] (a path) with argv (NULL-terminated). Its environment: one thread for BLAS and OpenMP,
 * LC_ALL=C, PATH. stdin is /dev/null, descriptors above 2 are closed, signals are at their defaults. Priority is set
 * right after the start; a system that refuses that still runs it. */
int spawn_exec(char *const argv[], struct spawned *ret, struct err *e);

/* To a living child and all it started. */
void spawn_kill(pid_t pid, int signum);
/* To what a child that has been reaped left behind in its group. */
void spawn_kill_group(pid_t pid, int signum);

/* spawn.c: posix_spawn, descriptors, environment, priority.
 *
 * exec and never a bare fork: threads do not survive one. The child leads a process group of its own, so
 * that a Ctrl-C meant for the daemon does not reach it and a kill reaches all it started. glibc's spawn attributes
 * know no idle class, so the priority is set from outside at once: the child has then hardly begun to load, and
 * threads it starts later inherit. That it dies with its parent is the learner's own doing. */
#include "super/spawn.h"
#include "base/err.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_IDLE = 3 << 13 };

struct plan {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attr;
};

static int plan_fill(struct plan *p, int out, int err)
{
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        const short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
        int r = posix_spawn_file_actions_addopen(&p->actions, 0, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&p->actions, out, 1);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&p->actions, err, 2);
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(&p->actions, 3);
        if (r == 0)
                r = posix_spawnattr_setflags(&p->attr, flags);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&p->attr, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&p->attr, &all);
        return r == 0 ? posix_spawnattr_setpgroup(&p->attr, 0) : r;
}

static int start(char *const argv[], int out, int err, pid_t *ret)
{
        char blas[] = "OPENBLAS_NUM_THREADS=1", omp[] = "OMP_NUM_THREADS=1";
        char lang[] = "LC_ALL=C", path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
        char *const env[] = {blas, omp, lang, path, NULL};
        struct plan p;
        if (posix_spawn_file_actions_init(&p.actions) != 0)
                return ENOMEM;
        if (posix_spawnattr_init(&p.attr) != 0) {
                posix_spawn_file_actions_destroy(&p.actions);
                return ENOMEM;
        }
        int r = plan_fill(&p, out, err);
        if (r == 0)
                r = posix_spawn(ret, argv[0], &p.actions, &p.attr, argv, env);
        posix_spawnattr_destroy(&p.attr);
        posix_spawn_file_actions_destroy(&p.actions);
        return r;
}

static void make_idle(pid_t pid)
{
        const struct sched_param zero = {0};
        sched_setscheduler(pid, SCHED_IDLE, &zero);
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, IOPRIO_IDLE);
}

static int make_pipe(int fd[2], struct err *e)
{
        if (pipe2(fd, O_CLOEXEC) < 0)
                return err_errno(e, errno, "pipe");
        if (fcntl(fd[0], F_SETFL, O_NONBLOCK) < 0) {
                int r = err_errno(e, errno, "pipe");
                close(fd[0]);
                close(fd[1]);
                return r;
        }
        return 0;
}

int spawn_exec(char *const argv[], struct spawned *ret, struct err *e)
{
        int out[2], err[2];
        int r = make_pipe(out, e);
        if (r < 0)
                return r;
        if ((r = make_pipe(err, e)) < 0) {
                close(out[0]);
                close(out[1]);
                return r;
        }
        pid_t pid = 0;
        int errnum = start(argv, out[1], err[1], &pid);
        close(out[1]);
        close(err[1]);
        if (errnum != 0) {
                close(out[0]);
                close(err[0]);
                return err_errno(e, errnum, "start %s", argv[0]);
        }
        make_idle(pid);
        *ret = (struct spawned){.pid = pid, .out = out[0], .err = err[0]};
        return 0;
}

void spawn_kill(pid_t pid, int signum)
{
        if (kill(-pid, signum) < 0)
                kill(pid, signum);
}

void spawn_kill_group(pid_t pid, int signum)
{
        kill(-pid, signum);
}

/* run.c: see run.h. */
#include "e2e.h"
#include "run.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 64 << 20 };

static void become(const char *const *argv, const char *variable, int in, int out, int err)
{
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        if (variable)
                putenv((char *)(uintptr_t)variable);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
}

static int input_of(const char *text)
{
        if (!text)
                return open("/dev/null", O_RDONLY | O_CLOEXEC);
        int fd = memfd_create("in", MFD_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        lseek(fd, 0, SEEK_SET);
        return fd;
}

/* false at the end of the stream */
static bool take(int fd, struct buf *b)
{
        char *room = buf_reserve(b, 64 << 10);
        ssize_t n = room ? read(fd, room, 64 << 10) : -1;
        if (n <= 0)
                return false;
        buf_advance(b, (size_t)n);
        return true;
}

void run_program(const char *const *argv, const char *variable, const char *in, int within_ms, struct ran *ret)
{
        int out[2], err[2], status = 0, input = input_of(in);
        uint64_t until = now_ms() + (uint64_t)within_ms;
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        assert_int_equal(pipe2(err, O_CLOEXEC), 0);
        fflush(stdout);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                become(argv, variable, input, out[1], err[1]);
        close(input);
        close(out[1]);
        close(err[1]);
        *ret = (struct ran){0};
        buf_init(&ret->out, OUTPUT_MAX);
        buf_init(&ret->err, OUTPUT_MAX);
        struct pollfd p[] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
        while (p[0].fd >= 0 || p[1].fd >= 0) {
                uint64_t now = now_ms();
                int n = now >= until ? 0 : poll(p, 2, (int)(until - now));
                if (n == 0) {
                        kill(pid, SIGKILL);
                        waitpid(pid, NULL, 0);
                        fail_msg("%s did not end within %d ms", argv[0], within_ms);
                }
                for (size_t i = 0; i < 2; i++)
                        if (p[i].fd >= 0 && p[i].revents && !take(p[i].fd, i == 0 ? &ret->out : &ret->err))
                                p[i].fd = -1;
        }
        close(out[0]);
        close(err[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        buf_puts(&ret->out, "");
        buf_puts(&ret->err, "");
        ret->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void ran_deinit(struct ran *r)
{
        buf_deinit(&r->out);
        buf_deinit(&r->err);
        *r = (struct ran){0};
}

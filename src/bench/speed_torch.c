/* speed_torch.c: the same work in PyTorch, by a script that prints "name value unit" lines. The interpreter is
 * Debian's, whose python3-torch the figures are about; the script runs once with one thread and once with two, and
 * the smaller time of a figure counts, since two threads make small products of that PyTorch slower. */
#include "base/mem.h"
#include "bench/speed.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define PYTHON "/usr/bin/python3"
#define PEER "tests/bench/peers/torch_learn.py"

enum { MAX_WORDS = 4 };

/* Runs python3 with the words; its output is read into `into`, or lost with NULL. Its exit status, or -errno. */
static int python(const char *const words[MAX_WORDS], struct speed_torch *into)
{
        char *argv[MAX_WORDS + 1] = {NULL};
        posix_spawn_file_actions_t actions;
        int pipes[2], status;
        pid_t pid;
        memcpy(argv, words, MAX_WORDS * sizeof(*argv));
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        FILE *in = fdopen(pipes[0], "r");
        if (!in) {
                close(pipes[0]);
                close(pipes[1]);
                return -ENOMEM;
        }
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
        if (!into)
                posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        int code = posix_spawn(&pid, PYTHON, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(pipes[1]);
        if (code == 0 && into)
                speed_torch_read(in, into);
        fclose(in);
        if (code != 0)
                return -code;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void speed_torch_read(FILE *in, struct speed_torch *into)
{
        const struct {
                const char *name;
                double *at;
        } known[] = {
            {"step_plain", &into->step_plain},
            {"step_ewc", &into->step_ewc},
            {"fisher_empirical_row", &into->fisher_row},
        };
        char name[64];
        double value;
        while (fscanf(in, "%63s %lf %*s", name, &value) == 2)
                for (size_t i = 0; i < ARRAY_LEN(known); i++)
                        if (strcmp(name, known[i].name) == 0 && !(*known[i].at <= value))
                                *known[i].at = value;
}

const char *speed_torch_find(const char *asked)
{
        const char *const try[MAX_WORDS] = {PYTHON, "-c", "import torch"};
        if (asked)
                return asked;
        if (access(PEER, R_OK) != 0) {
                fprintf(stderr, "no PyTorch figures: no " PEER " here; name it with --torch\n");
                return NULL;
        }
        if (python(try, NULL) != 0) {
                fprintf(stderr, "no PyTorch figures: " PYTHON " has no torch\n");
                return NULL;
        }
        return PEER;
}

int speed_torch_run(const char *file, const struct speed_net *net, struct speed_torch *ret, struct err *e)
{
        static const char *const threads[] = {"1", "2"};
        for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
                const char *const words[MAX_WORDS] = {PYTHON, file, net->peer, threads[i]};
                int r = python(words, ret);
                if (r < 0)
                        return err_errno(e, -r, "start " PYTHON);
                if (r > 0)
                        return err_field(e, -EIO, "--torch", "%s failed; does python3 have torch?", file);
        }
        return 0;
}

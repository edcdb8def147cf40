/* paths.c: defaults of places. The only file that reads the environment. */
#include "daemon/paths.h"
#include "base/err.h"
#include "daemon/conf.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int join(char ret[PATHS_MAX], const char *dir, const char *name, struct err *e)
{
        int n = snprintf(ret, PATHS_MAX, "%s%s%s", dir, name[0] ? "/" : "", name);
        return n < 0 || n >= PATHS_MAX ? err_set(e, -ENAMETOOLONG, "path of %s is too long", dir) : 0;
}

/* A directory variable of the service manager may list several, separated by colons: the first. */
static int from_env(char ret[PATHS_MAX], const char *variable, const char *fallback, struct err *e)
{
        const char *v = getenv(variable);
        if (!v || !v[0])
                return join(ret, fallback, "", e);
        size_t n = strcspn(v, ":");
        if (n >= PATHS_MAX)
                return err_set(e, -ENAMETOOLONG, "$%s is too long", variable);
        memcpy(ret, v, n);
        ret[n] = '\0';
        return 0;
}

static int find_learner(char ret[PATHS_MAX], const struct conf *c, struct err *e)
{
        char self[PATHS_MAX];
        if (c->learner_path[0])
                return join(ret, c->learner_path, "", e);
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        if (n > 0) {
                self[n] = '\0';
                char *slash = strrchr(self, '/');
                if (slash)
                        *slash = '\0';
                if (join(ret, self, "ewcd-learner", NULL) == 0 && access(ret, X_OK) == 0)
                        return 0;
        }
        return join(ret, EWCD_LIBEXECDIR, "ewcd-learner", e);
}

int paths_find(struct paths *ret, const struct conf *c, struct err *e)
{
        char run[PATHS_MAX];
        struct paths p = {0};
        int r = c->store_dir[0] ? join(p.state, c->store_dir, "", e)
                                : from_env(p.state, "STATE_DIRECTORY", "/var/lib/ewcd", e);
        if (r < 0 || (r = join(p.database, p.state, "ewcd.db", e)) < 0 ||
            (r = join(p.jobs, p.state, "jobs", e)) < 0 || (r = find_learner(p.learner, c, e)) < 0)
                return r;
        if (strcmp(c->listen_socket, "-") != 0) {
                if (c->listen_socket[0])
                        r = join(p.socket, c->listen_socket, "", e);
                else if ((r = from_env(run, "RUNTIME_DIRECTORY", "/run/ewcd", e)) == 0)
                        r = join(p.socket, run, "ewcd.sock", e);
        }
        if (r < 0)
                return r;
        if (access(p.learner, X_OK) < 0)
                return err_field(e, -EINVAL, "learner.path",
                    "the learner %s is not there or not executable; give its place as learner.path", p.learner);
        *ret = p;
        return 0;
}

bool paths_journal(void)
{
        const char *v = getenv("JOURNAL_STREAM");
        uint64_t dev, ino;
        struct stat st;
        return v && sscanf(v, "%" SCNu64 ":%" SCNu64, &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
               st.st_dev == dev && st.st_ino == ino;
}

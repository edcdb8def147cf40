/* jobs_recover.c: what a start finds of the last life.
 *
 * One work item lists the active jobs and removes directories that belong to none of them: jobs that ended in the
 * moment of the crash, and exports of jobs cancelled since. Then every active job that is past QUEUED gets a run
 * that loads it and follows its state's rule. Until the list has been read no job is started. */
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "store/store.h"
#include "super/jobs_in.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static bool is_active(const struct found_list *f, uint64_t id)
{
        for (size_t i = 0; i < f->n; i++)
                if (f->v[i].id == id)
                        return true;
        return false;
}

/* Only names that are numbers are ours to remove. */
static int clean_up(const struct jobs *j, struct err *e)
{
        DIR *d = opendir(j->dir);
        if (!d)
                return errno == ENOENT ? 0 : err_errno(e, errno, "open %s", j->dir);
        for (struct dirent *entry; (entry = readdir(d));) {
                char path[PATH_CAP];
                uint64_t id;
                if (!slice_u64(slice_of(entry->d_name), &id) || is_active(&j->found, id))
                        continue;
                int n = snprintf(path, sizeof(path), "%s/%s", j->dir, entry->d_name);
                struct err why = ERR_NULL;
                if (n > 0 && (size_t)n < sizeof(path) && file_remove_tree(path, &why) < 0)
                        log_warning("leftover of job %" PRIu64 ": %s", id, why.msg);
        }
        closedir(d);
        return 0;
}

static int recover_work(struct store *s, struct store_work *w, struct err *e)
{
        struct jobs *j = w->arg;
        int r = found_fill(s, &j->found, e);
        return r == 0 && !j->conf.keep_files ? clean_up(j, e) : r;
}

static void start_runs(struct jobs *j)
{
        for (size_t i = 0; i < j->found.n; i++) {
                const struct found *f = &j->found.v[i];
                if (f->state == JOB_QUEUED || run_find(j, f->id))
                        continue;
                struct run *r = run_new(j, f);
                if (!r) {
                        log_error("job %" PRIu64 ": out of memory", f->id);
                        continue;
                }
                log_info("job %" PRIu64 " was %s when the daemon last stopped", f->id, job_state_name(f->state));
                r->restarted = true;
                run_go(r, STEP_LOAD);
        }
}

static void on_recovered(struct store_work *w)
{
        struct jobs *j = w->arg;
        jobs_returned(j);
        if (!j->stopping && w->result == 0) {
                j->recovered = true;
                start_runs(j);
                jobs_pump(j);
                policy_ask(j, 0);
        } else if (!j->stopping) {
                log_error("jobs of the last run: %s; trying again", w->err.msg);
                jobs_nudge(j, jobs_backoff(j, ++j->recover_tries));
        }
        jobs_check_stop(j);
}

void jobs_recover(struct jobs *j)
{
        j->pump_work = (struct store_work){.run = recover_work, .done = on_recovered, .arg = j};
        if (jobs_submit(j, j->deps.reader, &j->pump_work) < 0)
                jobs_nudge(j, SUBMIT_AGAIN_MS);
}

/* rebuild.c: does the lineage of a version still give the version?
 *
 * The job that trained it is exported again as it was claimed (as_of.h). The bundle's digest was kept with the
 * version, so whether the inputs are still the same is known before anything is trained. Then the learner runs on it,
 * and the bits are compared: equal bundles on the same machine and program give equal bits; another processor or BLAS
 * may not, which is said instead of guessed. */
#include "super/rebuild.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/pack.h"
#include "proto/bundle.h"
#include "proto/json_model.h"
#include "store/store.h"
#include "super/records.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)256 << 20)

/* It was trained from the parent's parameters. */
static int check_parent(struct store *s, const struct version *v, struct arena *a, struct err *e)
{
        struct version parent;
        int r = store_version_get(s, v->parent, a, &parent, e);
        if (r != 0)
                return err_wrap(e, r, "parent of version %" PRIu64, v->number);
        if (!parent.pruned)
                return 0;
        return err_set(e, REBUILD_IMPOSSIBLE,
            "version %" PRIu64 " cannot be rebuilt: version %" PRIu64
            ", which it was trained from, was pruned and its parameters are gone",
            v->number, parent.number);
}

int rebuild_origin(
    struct store *s, const struct job *rebuild, struct arena *a, struct rebuild_origin *ret, struct err *e)
{
        struct version v;
        int r = store_version_get(s, rebuild->rebuild_of, a, &v, e);
        if (r != 0)
                return err_wrap(e, r, "version to rebuild");
        if (v.job == 0)
                return err_set(e, REBUILD_IMPOSSIBLE,
                    "version %" PRIu64 " cannot be rebuilt: no job trained it; it was drawn from seed %" PRIu64,
                    v.number, v.seed);
        struct job made;
        if ((r = store_job_get(s, v.job, a, &made, e)) != 0)
                return err_wrap(e, r, "job that made version %" PRIu64, v.number);
        if (made.kind == JOB_REWEIGHT)
                return err_set(e, REBUILD_IMPOSSIBLE,
                    "version %" PRIu64 " cannot be rebuilt: nothing was trained for it, a task's weight was changed; "
                    "its parameters are those of version %" PRIu64,
                    v.number, v.parent_number);
        if ((r = check_parent(s, &v, a, e)) != 0)
                return r;
        if (digest_eq(&v.job_file, &(struct digest){0}))
                return err_set(e, REBUILD_IMPOSSIBLE,
                    "version %" PRIu64 " cannot be rebuilt: the digest of its job file was not recorded", v.number);
        struct rebuild_origin o = {
            .number = v.number, .threads = v.threads, .job_file = v.job_file, .theta = v.theta, .job = made};
        snprintf(o.program, sizeof(o.program), "%s", v.program);
        *ret = o;
        return 0;
}

int rebuild_check_bundle(const struct rebuild_origin *o, const char *path, struct err *e)
{
        struct digest d;
        char then[DIGEST_HEX], now[DIGEST_HEX];
        int r = bundle_job_digest(path, &d, e);
        if (r < 0)
                return r;
        if (digest_eq(&d, &o->job_file))
                return 0;
        digest_hex(&o->job_file, then);
        digest_hex(&d, now);
        return err_set(e, REBUILD_IMPOSSIBLE,
            "version %" PRIu64 " cannot be rebuilt: its job file would be another one (sha256 %.12s…, then %.12s…); "
            "rows have been erased, superseded or expired since, trusted holdouts were added, or the program of then "
            "wrote job files otherwise",
            o->number, now, then);
}

/* --- comparing --- */

struct difference {
        size_t n, of; /* numbers that differ */
        double most;
};

static struct difference compare(const float *a, const float *b, size_t n)
{
        struct difference d = {.of = n};
        for (size_t i = 0; i < n; i++) {
                if (memcmp(&a[i], &b[i], sizeof(a[i])) == 0)
                        continue;
                d.n++;
                d.most = fmax(d.most, fabs((double)a[i] - (double)b[i]));
        }
        return d;
}

/* theta of the version against the result's; a pruned version has its digest only. */
static int compare_theta(struct store *s, const struct job *rebuild, const struct rebuild_origin *o,
    const struct learn_result *res, struct difference *ret, struct err *e)
{
        struct digest d;
        size_t P = res->n_params;
        digest_of(res->theta, P * sizeof(float), &d);
        *ret = (struct difference){.of = P};
        if (digest_eq(&d, &o->theta))
                return 0;
        _free_ float *stored = new_array(float, P);
        if (!stored)
                return err_oom(e);
        int r = store_version_tensor(s, rebuild->rebuild_of, TENSOR_THETA, stored, P, e);
        if (r == STORE_NOT_FOUND) {
                ret->n = P;
                ret->most = NAN;
                return 0;
        }
        if (r == 0)
                *ret = compare(res->theta, stored, P);
        return r;
}

static int find_task(
    struct store *s, const struct rebuild_origin *o, struct arena *a, struct task *ret, struct err *e)
{
        struct task *tasks;
        size_t n;
        int r = store_task_list(s, o->job.model, a, &tasks, &n, e);
        for (size_t i = 0; r == 0 && i < n; i++)
                if (tasks[i].id == o->job.task) {
                        *ret = tasks[i];
                        return 0;
                }
        return r != 0 ? r : err_set(e, -EBADMSG, "the version's task is not there any more");
}

/* The record of the task the version closed, where it did; a rejected rollover closed none. */
static int compare_fisher(struct store *s, const struct job *rebuild, const struct rebuild_origin *o,
    const struct learn_job *file, struct learn_result *res, struct arena *a, struct difference *ret, struct err *e)
{
        struct task t = {0};
        struct model m;
        struct learning l;
        struct packed packed = {0};
        struct budget all = {SIZE_MAX};
        size_t P = res->n_params;
        int r = find_task(s, o, a, &t, e);
        *ret = (struct difference){0};
        if (r != 0 || !res->fisher || t.closed_by != rebuild->rebuild_of)
                return r;
        _free_ float *stored = new_array(float, P);
        if (!stored)
                return err_oom(e);
        if ((r = store_model_by_id(s, o->job.model, a, &m, e)) != 0 ||
            (r = json_learning_read(m.learning_json, &l, e)) != 0 ||
            (r = record_fisher(s, &t, &file->net, &all, stored, e)) != 0)
                return r;
        r = fisher_pack(&file->net, &l, res->fisher, &packed, e); /* what is stored is what counts */
        free(packed.bytes);
        if (r == 0)
                *ret = compare(res->fisher, stored, P);
        return r;
}

static void say(const struct rebuild_origin *o, const struct difference *theta, const struct difference *fisher,
    const char *program, struct rebuild_verdict *ret)
{
        ret->same = theta->n == 0 && fisher->n == 0;
        if (ret->same) {
                snprintf(ret->reason, sizeof(ret->reason),
                    "verified: version %" PRIu64 " again from its lineage, all %zu parameters%s bit for bit",
                    o->number, theta->of, fisher->of > 0 ? " and the Fisher of the task it closed" : "");
                return;
        }
        snprintf(ret->reason, sizeof(ret->reason),
            "differs: %zu of %zu parameters%s, by %.3g at most; the job file is the same, so another processor, BLAS "
            "or "
            "program is why (%s then, %s now)",
            theta->n, theta->of, fisher->n > 0 ? " and the Fisher" : "", fmax(theta->most, fisher->most), o->program,
            program);
}

static int judge(struct store *s, const struct job *rebuild, const struct rebuild_origin *o, const char *job_path,
    const char *result_path, const char *program, struct arena *a, struct rebuild_verdict *ret, struct err *e)
{
        struct file_map map = {0};
        struct learn_job file;
        struct learn_result res = {0};
        struct difference theta, fisher;
        struct digest d;
        int r = bundle_read_job(job_path, a, &map, &file, &d, e);
        if (r == 0 && (r = bundle_read_result(result_path, &d, &file.net, &res, e)) == BUNDLE_OTHER_JOB)
                r = err_set(e, -EBADMSG, "result refused: it answers another job file");
        if (r == 0 && res.outcome != LEARN_DONE) {
                ret->same = false;
                snprintf(
                    ret->reason, sizeof(ret->reason), "differs: training ended early this time: %.300s", res.reason);
        } else if (r == 0 && (r = compare_theta(s, rebuild, o, &res, &theta, e)) == 0 &&
                   (r = compare_fisher(s, rebuild, o, &file, &res, a, &fisher, e)) == 0) {
                say(o, &theta, &fisher, program, ret);
        }
        learn_result_free(&res);
        file_unmap(&map);
        return r;
}

int rebuild_judge(struct store *s, const struct job *rebuild, const char *job_path, const char *result_path,
    const char *program, struct rebuild_verdict *ret, struct err *e)
{
        struct arena a;
        struct rebuild_origin o;
        arena_init(&a, ARENA_MAX);
        int r = rebuild_origin(s, rebuild, &a, &o, e);
        if (r == 0)
                r = judge(s, rebuild, &o, job_path, result_path, program, &a, ret, e);
        arena_deinit(&a);
        return r;
}

/* settle.c: from the result file to what is committed.
 *
 * The job file and the result file are read again from disk, so a settlement after a restart is the same as one
 * without. The result must answer exactly that job file (its digest), and the job file must be this job's. Then the
 * gate judges (settle_judge.c), and the version's protection is put together: that of the closed tasks, plus that
 * of the task a promoted rollover closes, whose anchor is the new theta and whose Fisher is what the store will have
 * of it. Vectors become blobs, each staged once even when two of them are the same bytes. Nothing here writes to the
 * store. */
#include "super/settle.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "domain/protection.h"
#include "proto/bundle.h"
#include "proto/json_admin.h"
#include "super/reweight.h"
#include "super/settle_in.h"
#include <errno.h>
#include <math.h>
#include <string.h>

#define ARENA_MAX ((size_t)256 << 20)
#define TRIES_MAX 4096 /* bytes: LEARN_MAX_TRIES of six numbers and their names */

void settlement_free(struct settlement *s)
{
        if (!s)
                return;
        learn_result_free(&s->result);
        free(s->packed.bytes);
        free(s->fisher);
        free(s->anchor);
        arena_deinit(&s->arena);
        free(s);
}

static int failed(struct err *e, int code, const char *what)
{
        if (code == -ENOMEM)
                return code;
        err_wrap(e, code < 0 ? code : -EBADMSG, "%s", what);
        return SETTLE_FAILED;
}

/* --- the files --- */

static int check_own(const struct job *job, const struct layout *l, const struct learn_job *file, struct err *e)
{
        bool same = ewc_spec_equal(&file->net, &l->spec.net);
        if (file->id != job->id || file->kind != job->kind || file->train.task != job->task || !same ||
            file->n_fresh != l->n_fresh)
                return err_set(e, -EBADMSG, "the job file is of another job");
        return 0;
}

static int read_result(
    const char *path, const struct digest *d, const struct learn_job *job, struct settlement *s, struct err *e)
{
        int r = bundle_read_result(path, d, &job->net, &s->result, e);
        if (r == BUNDLE_OTHER_JOB)
                return err_set(e, -EBADMSG, "result refused: it answers another job file");
        return r < 0 ? r : settle_check(job, &s->result, e);
}

/* --- the protection --- */

/* 0: the task is closed without protection. */
static double alpha_of(const struct task *t)
{
        return t->alpha >= 0 && isfinite(t->alpha) ? t->alpha : 1.0;
}

/* The records the version is protected by: those of the job, then that of the task it closes. */
static int merge(struct settlement *s, const struct learn_job *job, struct err *e)
{
        size_t P = s->result.n_params, n = job->n_past;
        struct learn_past *past = arena_new_array(&s->arena, struct learn_past, n + 1);
        if (n == 0 && !s->has_close)
                return 0;
        s->fisher = new_array(float, P);
        s->anchor = new_array(float, P);
        if (!past || !s->fisher || !s->anchor)
                return err_oom(e);
        for (size_t i = 0; i < n; i++)
                past[i] = job->past[i];
        if (s->has_close)
                past[n++] = (struct learn_past){
                    .task = s->layout.open->id,
                    .alpha = alpha_of(s->layout.open),
                    .fisher = s->result.fisher,
                    .anchor = s->result.theta,
                    .factor = protection_factor(&s->result.fisher_info),
                };
        return protection_merge(&job->plan, P, n, past, s->fisher, s->anchor, &s->outcome.fisher_scale, e);
}

static uint64_t samples_of(const struct settlement *s)
{
        uint64_t n = s->has_close ? s->result.fisher_info.n_samples : 0;
        for (size_t i = 0; i < s->layout.n_tasks; i++)
                if (s->layout.tasks[i].state == TASK_CLOSED && s->layout.tasks[i].has_fisher)
                        n += s->layout.tasks[i].fisher.n_samples;
        return n;
}

static struct digest add_blob(struct settlement *s, const void *v, size_t size)
{
        struct settle_blob b = {.data = v, .size = size};
        digest_of(b.data, b.size, &b.digest);
        for (size_t i = 0; i < s->n_blobs; i++)
                if (digest_eq(&s->blobs[i].digest, &b.digest))
                        return b.digest;
        s->blobs[s->n_blobs++] = b;
        return b.digest;
}

static struct digest add_vector(struct settlement *s, const float *v)
{
        return add_blob(s, v, s->result.n_params * sizeof(float));
}

/* What a search tried, as people will read it. Nothing when lambda was given. */
static int list_tries(struct settlement *s, const struct learn_plan *plan, struct err *e)
{
        if (!plan->lambda_auto || s->result.n_tries == 0)
                return 0;
        struct buf b;
        buf_init(&b, TRIES_MAX);
        json_tries_write(&b, s->result.tries, s->result.n_tries);
        char *text = buf_ok(&b) ? arena_strndup(&s->arena, b.data, b.len) : NULL;
        buf_deinit(&b);
        s->outcome.tries = text;
        return text ? 0 : err_oom(e);
}

static void fill_outcome(struct settlement *s, const struct job *job, const struct learn_job *file,
    const struct digest *d, const struct settle_conf *c)
{
        struct outcome *o = &s->outcome;
        o->job = job->id;
        o->reason = s->verdict.reason;
        o->threads = file->plan.threads;
        o->n_train = file->train.n;
        o->replayed = file->n_replay > 0;
        o->job_file = *d;
        o->n_outputs = s->layout.n_outputs;
        o->outputs = s->layout.outputs;
        o->n_params = s->result.n_params;
        o->theta = add_vector(s, s->result.theta);
        if (s->fisher) {
                o->fisher = add_vector(s, s->fisher);
                o->anchor = add_vector(s, s->anchor);
        }
        o->fisher_kind = file->plan.fisher;
        o->importance = file->plan.importance;
        o->fisher_samples = samples_of(s);
        o->lambda = s->result.lambda;
        o->prior = s->has_close || job->kind != JOB_ROLLOVER ? s->result.prior : 0;
        o->program = c->program;
        if (!s->has_close)
                return;
        s->close = (struct task_close){
            .fisher =
                s->packed.bytes ? add_blob(s, s->packed.bytes, s->packed.size) : add_vector(s, s->result.fisher),
            .anchor = o->theta,
            .info = s->result.fisher_info,
            .importance = file->plan.importance,
            .stored = s->packed.stored,
            .alpha = alpha_of(s->layout.open),
            .n_outputs = o->n_outputs,
        };
}

/* layout and result are there. */
static int conclude(struct store *st, struct settlement *s, const struct job *job, const struct settle_conf *c,
    const struct learn_job *file, const struct digest *d, struct err *e)
{
        int r = list_tries(s, &file->plan, e);
        if (r < 0 || (r = settle_judge(st, s, job, file, c->refusal, e)) < 0)
                return r;
        s->has_close = job->kind == JOB_ROLLOVER && s->verdict.promote;
        if (s->has_close && (r = fisher_pack(&file->net, &s->layout.learning, s->result.fisher, &s->packed, e)) < 0)
                return failed(e, r, "settle");
        if ((r = merge(s, file, e)) < 0)
                return failed(e, r, "settle");
        fill_outcome(s, job, file, d, c);
        return 0;
}

static int settle_trained(
    struct store *st, const struct job *job, const struct settle_conf *c, struct settlement *s, struct err *e)
{
        struct arena files;
        struct file_map map = {0};
        struct learn_job file;
        struct digest d;
        arena_init(&files, ARENA_MAX);
        int r = bundle_read_job(c->job_path, &files, &map, &file, &d, e);
        if (r == 0)
                r = check_own(job, &s->layout, &file, e);
        if (r == 0)
                r = read_result(c->result_path, &d, &file, s, e);
        r = r < 0 ? failed(e, r, "settle") : conclude(st, s, job, c, &file, &d, e);
        file_unmap(&map);
        arena_deinit(&files);
        return r;
}

/* No learner ran: what it would say follows from the parent. */
static int settle_reweighted(
    struct store *st, const struct job *job, const struct settle_conf *c, struct settlement *s, struct err *e)
{
        const struct digest none = {0};
        struct reweighting w;
        int r = reweight_load(st, job, &s->layout, &w, &s->result, e);
        if (r == 0)
                r = conclude(st, s, job, c, &w.file, &none, e);
        reweighting_free(&w);
        return r;
}

int settle_prepare(
    struct store *st, const struct job *job, const struct settle_conf *c, struct settlement **ret, struct err *e)
{
        struct settlement *s = new_zero(struct settlement);
        if (!s)
                return err_oom(e);
        arena_init(&s->arena, ARENA_MAX);
        int r = layout_load(st, job, &s->arena, &s->layout, e);
        if (r < 0)
                r = r == -ESTALE || r == -EBADMSG ? failed(e, r, "settle") : r;
        else
                r = job->kind == JOB_REWEIGHT ? settle_reweighted(st, job, c, s, e)
                                              : settle_trained(st, job, c, s, e);
        if (r != 0) {
                settlement_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

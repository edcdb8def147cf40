/* jobs_step.c: what each step of a run does on a store's thread, and where its outcome leads on the control thread.
 *
 * work() has the run to itself while it is with a queue. A step may be done twice, when a group's commit failed or
 * the daemon died in between, and must stand that: exports replace, chunks are idempotent, moves say CONFLICT. */
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/json_model.h"
#include "store/store.h"
#include "super/export.h"
#include "super/jobs_in.h"
#include "super/jobs_notes.h"
#include <errno.h>
#include <ewc/rng.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A job that is not where we left it will not come back; anything else may pass, and the job keeps its state. */
static uint32_t tries_for(int code)
{
        return code == STORE_CONFLICT || code == STORE_NOT_FOUND ? 1 : 0;
}

/* What may pass by itself is tried again a few times. Damaged data, a description nobody can read, a task that is
 * gone will be the same next time: the job fails and says it. */
uint32_t jobs_tries(int code)
{
        static const int passing[] = {
            STORE_FULL, STORE_READONLY, -EAGAIN, -EBUSY, -EIO, -ENOMEM, -ENOSPC, -EDQUOT, -EMFILE, -ENFILE, -EROFS};
        for (size_t i = 0; i < ARRAY_LEN(passing); i++)
                if (code == passing[i])
                        return STORE_TRIES;
        return 1;
}

/* --- claim, load --- */

static int read_job(struct store *s, struct run *r, struct err *e)
{
        arena_reset(&r->arena);
        int code = store_job_get(s, r->id, &r->arena, &r->job, e);
        if (code != 0)
                return code;
        struct task open;
        r->attempts = r->job.attempts;
        if (store_task_get(s, r->job.model, NULL, &r->arena, &open, NULL) == 0)
                snprintf(r->task, sizeof(r->task), "%s", open.name);
        return 0;
}

/* Of the model's seed and the job's number, so that two jobs differ and a replay of the store does not; 53 bits,
 * which every reader of JSON can hold. */
static int seed_of(struct store *s, struct run *r, uint64_t *ret, struct err *e)
{
        struct model m;
        struct learning l;
        int code = store_model_by_id(s, r->job.model, &r->arena, &m, e);
        if (code == 0)
                code = json_learning_read(m.learning_json, &l, e);
        if (code != 0)
                return err_wrap(e, code, "model of job %" PRIu64, r->id);
        struct ewc_rng rng;
        ewc_rng_seed(&rng, l.seed, r->id);
        *ret = ewc_rng_u64(&rng) >> 11;
        return 0;
}

static int claim_work(struct store *s, struct run *r, struct err *e)
{
        uint64_t seed = 0;
        int code = read_job(s, r, e);
        if (code == 0)
                code = seed_of(s, r, &seed, e);
        if (code == 0)
                code = store_job_claim(s, r->id, seed, e);
        if (code == STORE_NOT_FOUND && seed != 0) /* the job is there: what it starts from is not */
                code = err_set(e, -EBADMSG, "claim: its model has no champion");
        return code == 0 ? read_job(s, r, e) : code;
}

static void claim_done(struct run *r, int code, const struct err *e)
{
        if (code == STORE_NOT_FOUND || code == STORE_CONFLICT) { /* ended, or taken, since it was listed */
                struct jobs *j = r->jobs;
                run_drop(r);
                jobs_pump(j);
                return;
        }
        if (code != 0) {
                r->job.state = JOB_QUEUED; /* what the group did was undone */
                run_again(r, e, code < 0 ? jobs_tries(code) : 0);
                return;
        }
        board_names(&r->jobs->board, &r->live, r->job.model_name, r->task);
        run_go(r, STEP_EXPORT);
}

static int load_work(struct store *s, struct run *r, struct err *e)
{
        r->has_job_file = file_exists(r->job_path);
        r->has_result_file = file_exists(r->result_path);
        struct notes n;
        notes_read(r->notes_path, &n);
        r->n_unusable = n.n_unusable;
        return read_job(s, r, e);
}

/* A reweight needs no learner, and so no files. */
static bool trains(const struct run *r)
{
        return r->job.kind != JOB_REWEIGHT;
}

/* The restart rule: domain/job_sm.h says which, here is how. */
static void resume(struct run *r)
{
        switch (job_restart_rule(r->job.state)) {
        case RESTART_KEEP:
                run_drop(r); /* queued: the pump finds it */
                return;
        case RESTART_REQUEUE:
                run_go(r, STEP_REQUEUE);
                return;
        case RESTART_REJUDGE:
                if ((r->has_result_file && r->has_job_file) || !trains(r)) {
                        run_go(r, STEP_SETTLE);
                        return;
                }
                break;
        case RESTART_RESUME:
                break;
        }
        if (!r->has_job_file && trains(r))
                run_fail(r, "its job file was gone after a restart");
        else
                run_go(r, STEP_ATTEMPT);
}

static void load_done(struct run *r, int code, const struct err *e)
{
        if (code == STORE_NOT_FOUND || (code == 0 && job_has_ended(r->job.state))) {
                run_drop(r);
                return;
        }
        if (code != 0) {
                if (r->cancelled && !r->restarted) { /* nothing known of the job: a cancel may be sent again */
                        log_error("job %" PRIu64 ": cancel: %s", r->id, e->msg);
                        run_drop(r);
                        return;
                }
                run_again(r, e, jobs_tries(code) == 1 ? 1 : 0);
                return;
        }
        board_names(&r->jobs->board, &r->live, r->job.model_name, r->task);
        if (r->cancelled)
                run_end(r, JOB_CANCELLED, "cancelled on request");
        else
                resume(r);
}

static int requeue_work(struct store *s, struct run *r, struct err *e)
{
        return store_job_move(s, r->id, JOB_EXPORTING, JOB_QUEUED, "the daemon restarted during the export", e);
}

static void requeue_done(struct run *r, int code, const struct err *e)
{
        struct jobs *j = r->jobs;
        if (code != 0 && code != STORE_CONFLICT) {
                run_again(r, e, 0);
                return;
        }
        run_drop(r);
        jobs_pump(j);
}

/* --- export, learner --- */

/* The job that trained the version, exported as it was claimed. */
static int export_origin(struct store *s, struct run *r, struct export_conf *c, struct err *e)
{
        struct rebuild_origin origin;
        int code = rebuild_origin(s, &r->job, &r->arena, &origin, e);
        if (code != 0)
                return code;
        c->threads = origin.threads;
        code = export_job(s, &origin.job, c, &r->n_unusable, e);
        return code == 0 ? rebuild_check_bundle(&origin, c->path, e) : code;
}

static int export_bundle(struct store *s, struct run *r, struct err *e)
{
        struct export_conf c = {.path = r->job_path, .threads = r->jobs->conf.learner_threads};
        if (!trains(r))
                return 0;
        return r->job.kind == JOB_REBUILD ? export_origin(s, r, &c, e)
                                          : export_job(s, &r->job, &c, &r->n_unusable, e);
}

_Static_assert((int)EXPORT_EMPTY == (int)REBUILD_IMPOSSIBLE, "both end the job with the text");

static int export_work(struct store *s, struct run *r, struct err *e)
{
        int code = file_remove_tree(r->dir, e);
        if (code == 0)
                code = file_mkdir(r->dir, 0700, e);
        if (code == 0)
                code = export_bundle(s, r, e);
        const struct notes n = {.n_unusable = r->n_unusable};
        return code == 0 ? notes_write(r->notes_path, &n, e) : code;
}

static void export_done(struct run *r, int code, const struct err *e)
{
        if (code == EXPORT_EMPTY) {
                run_fail(r, e->msg);
                return;
        }
        if (code != 0) {
                run_again(r, e, jobs_tries(code));
                return;
        }
        if (r->n_unusable > 0)
                log_warning(
                    "job %" PRIu64 ": %" PRIu64 " rows cannot be used and were left out", r->id, r->n_unusable);
        run_go(r, STEP_ATTEMPT);
}

static int attempt_work(struct store *s, struct run *r, struct err *e)
{
        int code = notes_start(r, e);
        if (code == 0 && r->job.state == JOB_EXPORTING)
                code = store_job_move(s, r->id, JOB_EXPORTING, JOB_RUNNING, NULL, e);
        return code == 0 ? store_job_attempt(s, r->id, &r->started, e) : code;
}

static void fail_spent(struct run *r)
{
        char text[REASON_SIZE];
        snprintf(text, sizeof(text),
            "the learner was started %" PRIu32 " times in a row without getting further%s%.400s",
            r->jobs->conf.max_attempts, r->why[0] ? "; the last one: " : ", before a restart", r->why);
        run_fail(r, text);
}

static void attempt_done(struct run *r, int code, const struct err *e)
{
        if (code == NOTES_SPENT) {
                fail_spent(r);
                return;
        }
        if (code != 0) {
                run_again(r, e, tries_for(code));
                return;
        }
        if (r->job.state == JOB_EXPORTING)
                r->job.state = JOB_RUNNING;
        r->attempts = r->started;
        run_go(r, trains(r) ? STEP_LEARN : STEP_JUDGE);
}

/* --- judge, settle, stage, commit --- */

static int judge_work(struct store *s, struct run *r, struct err *e)
{
        return store_job_move(s, r->id, JOB_RUNNING, JOB_JUDGING, NULL, e);
}

static void judge_done(struct run *r, int code, const struct err *e)
{
        if (code != 0) {
                run_again(r, e, tries_for(code));
                return;
        }
        r->job.state = JOB_JUDGING;
        run_go(r, STEP_SETTLE);
}

static int settle_work(struct store *s, struct run *r, struct err *e)
{
        const struct settle_conf c = {
            .job_path = r->job_path,
            .result_path = r->result_path,
            .program = r->jobs->conf.program,
            .refusal = r->refusal[0] ? r->refusal : NULL,
        };
        settlement_free(r->settlement);
        r->settlement = NULL;
        if (r->job.kind == JOB_REBUILD) {
                int code = rebuild_judge(s, &r->job, r->job_path, r->result_path, c.program, &r->rebuilt, e);
                return code == -EBADMSG ? SETTLE_FAILED : code;
        }
        return settle_prepare(s, &r->job, &c, &r->settlement, e);
}

/* The verdict stands on the rows that could be used; whoever reads it is told of the others. */
static void add_unusable(const struct run *r, char reason[REASON_SIZE])
{
        size_t n = strnlen(reason, REASON_SIZE - 1);
        if (r->n_unusable > 0)
                snprintf(reason + n, REASON_SIZE - n,
                    "; %" PRIu64 " row%s could not be used: another size, a class without an output, or not finite "
                    "or beyond 1e12 after scale and offset",
                    r->n_unusable, r->n_unusable == 1 ? "" : "s");
}

static void settle_done(struct run *r, int code, const struct err *e)
{
        if (code == SETTLE_FAILED) {
                run_fail(r, e->msg);
                return;
        }
        if (code != 0) {
                run_again(r, e, jobs_tries(code));
                return;
        }
        if (r->job.kind == JOB_REBUILD) {
                run_go(r, STEP_COMMIT);
                return;
        }
        add_unusable(r, r->settlement->verdict.reason);
        r->blob = 0;
        r->chunk = 0;
        run_go(r, STEP_STAGE);
}

static int stage_work(struct store *s, struct run *r, struct err *e)
{
        const struct settle_blob *b = &r->settlement->blobs[r->blob];
        size_t at = (size_t)r->chunk * BLOB_CHUNK, left = b->size - at;
        bool complete;
        return store_blob_chunk(s, &b->digest, b->size, r->chunk, (const char *)b->data + at,
            left < BLOB_CHUNK ? left : BLOB_CHUNK, &complete, e);
}

static void stage_done(struct run *r, int code, const struct err *e)
{
        const struct settlement *s = r->settlement;
        if (code != 0) { /* full, read-only: the result waits on disk for better days */
                run_again(r, e, code == STORE_CONFLICT ? STORE_TRIES : 0);
                return;
        }
        r->tries = 0;
        if ((size_t)++r->chunk * BLOB_CHUNK >= s->blobs[r->blob].size) {
                r->chunk = 0;
                r->blob++;
        }
        run_go(r, r->blob < s->n_blobs ? STEP_STAGE : STEP_COMMIT);
}

static int commit_work(struct store *s, struct run *r, struct err *e)
{
        const struct settlement *t = r->settlement;
        if (r->job.kind == JOB_REBUILD)
                return store_rebuild_commit(s, r->id, r->rebuilt.same, r->rebuilt.reason, e);
        if (r->job.kind == JOB_ROLLOVER)
                return store_rollover_commit(s, &t->outcome, t->has_close ? &t->close : NULL, &r->version, e);
        return store_consolidation_commit(s, &t->outcome, &r->version, e);
}

static void rebuild_done(struct run *r, int code, const struct err *e)
{
        if (code != 0) {
                run_again(r, e, code == STORE_FULL || code == STORE_READONLY ? 0 : STORE_TRIES);
                return;
        }
        snprintf(r->reason, sizeof(r->reason), "%s", r->rebuilt.reason);
        run_finished(r, r->rebuilt.same ? JOB_VERIFIED : JOB_REJECTED);
}

static void commit_done(struct run *r, int code, const struct err *e)
{
        if (r->job.kind == JOB_REBUILD) {
                rebuild_done(r, code, e);
                return;
        }
        bool promote = r->settlement->outcome.promote, candidate = r->settlement->outcome.candidate;
        if (code == 0) {
                snprintf(r->reason, sizeof(r->reason), "%s", r->settlement->outcome.reason);
                run_finished(r, promote ? JOB_PROMOTED : candidate ? JOB_CANDIDATE : JOB_REJECTED);
        } else if (code == STORE_CONFLICT && promote && !r->refusal[0]) {
                snprintf(r->refusal, sizeof(r->refusal),
                    "parent replaced: version %" PRIu64 ", which it was trained from, is not the champion any more",
                    r->job.parent_number);
                run_go(r, STEP_SETTLE);
        } else if (code == STORE_NOT_FOUND &&
                   r->restaged++ < STORE_TRIES) { /* a chunk was swept up before its commit */
                r->blob = 0;
                r->chunk = 0;
                run_go(r, STEP_STAGE);
        } else if (code == STORE_FULL || code == STORE_READONLY) {
                run_again(r, e, 0);
        } else {
                run_again(r, e, STORE_TRIES);
        }
}

/* --- end, clean --- */

static int end_work(struct store *s, struct run *r, struct err *e)
{
        return store_job_move(s, r->id, r->job.state, r->end, r->reason, e);
}

static void end_done(struct run *r, int code, const struct err *e)
{
        if (code == STORE_CONFLICT || code == STORE_NOT_FOUND) {
                log_error("job %" PRIu64 ": %s", r->id, e->msg);
                run_go(r, STEP_CLEAN);
        } else if (code != 0) {
                run_again(r, e, 0);
        } else {
                run_finished(r, r->end);
        }
}

static int clean_work(struct store *s, struct run *r, struct err *e)
{
        (void)s;
        return r->jobs->conf.keep_files ? 0 : file_remove_tree(r->dir, e);
}

static void clean_done(struct run *r, int code, const struct err *e)
{
        struct jobs *j = r->jobs;
        if (code != 0)
                log_warning("job %" PRIu64 ": %s", r->id, e->msg);
        run_drop(r);
        jobs_pump(j);
}

const struct step_row step_rows[STEP_COUNT] = {
    [STEP_CLAIM] = {"claim", ON_WRITER, claim_work, claim_done},
    [STEP_LOAD] = {"load", ON_READER, load_work, load_done},
    [STEP_REQUEUE] = {"requeue", ON_WRITER, requeue_work, requeue_done},
    [STEP_EXPORT] = {"export", ON_EXPORTER, export_work, export_done},
    [STEP_ATTEMPT] = {"start", ON_WRITER, attempt_work, attempt_done},
    [STEP_LEARN] = {"learn", ON_WRITER, NULL, NULL},
    [STEP_JUDGE] = {"judge", ON_WRITER, judge_work, judge_done},
    [STEP_SETTLE] = {"settle", ON_EXPORTER, settle_work, settle_done},
    [STEP_STAGE] = {"stage", ON_WRITER, stage_work, stage_done},
    [STEP_COMMIT] = {"commit", ON_WRITER, commit_work, commit_done},
    [STEP_END] = {"end", ON_WRITER, end_work, end_done},
    [STEP_CLEAN] = {"clean", ON_EXPORTER, clean_work, clean_done},
};

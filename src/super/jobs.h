/* jobs.h: jobs from request to end: claim, export, learner, judgement, commit, publish; restart rules after a
 * crash.
 *
 * Everything runs on the control thread but the functions marked "any thread". It never touches the database
 * itself: work items go to the threads of the store, the reader and the exporter and come back as messages. */
#pragma once
#include "base/err.h"
#include "base/mailbox.h"
#include "domain/policy.h"
#include "domain/report.h"
#include "super/learner_port.h"
#include <stdbool.h>

struct clock;
struct jobs;
struct loop;
struct publish;
struct store_queue;

struct jobs_conf {
        const char *dir;          /* holds <job id>/job.safetensors, checkpoint.safetensors, result.safetensors */
        uint32_t learner_threads; /* of a learner */
        uint32_t max_attempts;    /* learner starts in a row that brought a job no newer checkpoint, 3 */
        uint32_t policy_ms;       /* how often due-ness is asked at the latest */
        uint32_t max_learners;    /* at the same time, over all models */
        uint32_t backoff_ms;      /* first wait before something that failed is tried again, then doubled; 0: 1000 */
        const char *program;      /* "ewcd 0.1.0", stored with versions */
        bool keep_files;          /* leave job directories behind for inspection */
};

struct jobs_deps {
        struct loop *control;
        struct store_queue *writer, *reader;
        struct store_queue *exporter; /* read-only, for items that take long; NULL: the reader */
        struct publish *publish;
        struct learner_port learner;
};

/* Applies each active job's restart rule, removes job directories without a live job, then pumps. The work begins
 * here and goes on once the control loop runs. */
int jobs_start(struct jobs **ret, const struct jobs_conf *c, const struct jobs_deps *d, struct err *e);
/* SIGTERM to learners, then runs the control loop until they and all work items are back: its message handler must
 * still be there, the queues must still run. Checkpoints and states stay. Accepts NULL. */
void jobs_stop(struct jobs *j);
bool jobs_dispatch(struct jobs *j, const struct msg *m); /* control thread's message handler; true if m was its own */

enum { JOBS_MSG_PUMP = 0x4A01, JOBS_MSG_CANCEL = 0x4A02, JOBS_MSG_COUNTERS = 0x4A03 };

/* Any thread. 0, or -EAGAIN when the control mailbox is full. */
int jobs_post_pump(struct jobs *j);                 /* a job was created */
int jobs_post_counters(struct jobs *j, model_id m); /* feedback of m was committed */
int jobs_post_cancel(struct jobs *j, job_id id);    /* the state moves to cancelled soon after */

/* Any thread: what the learner of job id said last; false if none runs and nothing is being switched. */
bool jobs_live(struct jobs *j, job_id id, struct job_live *ret);

struct jobs_asked { /* what came of the last question whether a model is due */
        int64_t at_ms;
        struct due due;
        struct watch watch;           /* champion 0: nothing is watched, or it could not be */
        struct shadow_verdict shadow; /* while a challenger is compared (watch.shadow.challenger above 0) */
};
bool jobs_asked(struct jobs *j, model_id m, struct jobs_asked *ret); /* any thread; false: not asked yet */
bool jobs_watch(struct jobs *j, model_id m, struct watch *ret);      /* any thread; false: nothing is watched */

struct jobs_stats {
        uint64_t promoted, rejected, failed, cancelled, candidates, verified;
        uint32_t running;
        double last_seconds; /* duration of the last finished job */
        bool stuck;          /* a learner past its stall limit that would not die */
        char status[160];    /* one line for STATUS=: "model mnist: consolidating task high, epoch 3/10" or "idle" */
};
void jobs_stats(struct jobs *j, struct jobs_stats *ret); /* any thread */

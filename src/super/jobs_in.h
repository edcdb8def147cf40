/* jobs_in.h: what the jobs_*.c files share; nobody else includes it. */
#pragma once
#include "base/arena.h"
#include "domain/policy.h"
#include "domain/report.h"
#include "store/queue.h"
#include "super/jobs.h"
#include "super/jobs_policy.h"
#include "super/rebuild.h"
#include "super/settle.h"
#include <pthread.h>

enum { PATH_CAP = 4096, SUBMIT_AGAIN_MS = 20, WAIT_MAX_MS = 60000, STORE_TRIES = 8 };

enum step {           /* of a run; each is one work item, but LEARN, which is a learner */
        STEP_CLAIM,   /* QUEUED -> EXPORTING, and reads the job */
        STEP_LOAD,    /* after a restart: reads the job */
        STEP_REQUEUE, /* after a restart: EXPORTING -> QUEUED */
        STEP_EXPORT,
        STEP_ATTEMPT, /* counts a learner start; EXPORTING -> RUNNING */
        STEP_LEARN,
        STEP_JUDGE, /* RUNNING -> JUDGING */
        STEP_SETTLE,
        STEP_STAGE,  /* one chunk of one blob, again until all are there */
        STEP_COMMIT, /* from here on a cancel is too late */
        STEP_END,    /* -> FAILED or CANCELLED */
        STEP_CLEAN,  /* removes the directory */
        STEP_COUNT
};

struct told { /* a model as the policy saw it last; guarded by the board's lock */
        struct told *next;
        model_id model;
        struct jobs_asked asked;
};

struct live { /* what others may see of a run; guarded by the board's lock */
        struct live *next;
        struct job_live now;
        char model[NAME_SIZE], task[NAME_SIZE];
        enum step step;
        bool learning; /* a learner is under way */
        bool stuck;
};

struct board {
        pthread_mutex_t lock;
        struct live *live;
        struct told *told;
        struct jobs_stats stats; /* status is made when asked for */
};

struct run { /* one job under way */
        struct run *next;
        struct jobs *jobs;
        struct arena arena; /* of job */
        job_id id;
        struct job job;       /* as claimed or loaded; state follows our moves */
        char task[NAME_SIZE]; /* name of the open task */
        enum step step;
        struct store_work work;    /* one at a time */
        struct loop_source *timer; /* waits before the step is tried again */
        uint32_t tries;            /* of this step */
        bool cancelled, restarted;
        bool has_job_file, has_result_file; /* LOAD */
        struct learner_run *learner;
        uint32_t attempts;     /* learner starts so far, as the store counts them */
        uint32_t started;      /* ATTEMPT: the same with this one, until it is committed */
        uint32_t fruitless;    /* starts in a row without a newer checkpoint, this one included */
        char why[REASON_SIZE]; /* what the last learner died of */
        uint64_t n_unusable;   /* EXPORT */
        struct settlement *settlement;
        char refusal[REASON_SIZE];      /* not "": settle as rejected, with this reason */
        struct rebuild_verdict rebuilt; /* SETTLE of a rebuild, in place of a settlement */
        size_t blob;                    /* STAGE: which one, and which chunk */
        uint32_t chunk;
        uint32_t restaged;  /* times a blob was gone at the commit */
        version_id version; /* COMMIT */
        enum job_state end; /* END */
        char reason[REASON_SIZE];
        uint64_t start_ns;
        char dir[PATH_CAP], job_path[PATH_CAP], result_path[PATH_CAP], checkpoint_path[PATH_CAP],
            notes_path[PATH_CAP];
        struct live live;
};

struct found { /* an active job of the store */
        job_id id;
        model_id model;
        enum job_state state;
};

struct found_list {
        struct found *v;
        size_t n, cap;
};

struct jobs {
        struct jobs_conf conf; /* strings are copies */
        struct jobs_deps deps;
        char *dir, *program;
        struct run *runs;
        struct policy policy;
        struct board board;
        size_t in_flight; /* work items with queues */
        bool recovered, stopping, stop_waits;
        bool pumping, pump_again;
        struct store_work pump_work;
        struct found_list found;
        struct loop_source *nudge; /* pumps again after a full queue */
        uint32_t recover_tries;
};

/* jobs.c */
int jobs_submit(struct jobs *j, struct store_queue *q, struct store_work *w); /* counts it; -EAGAIN */
void jobs_returned(struct jobs *j);                                           /* first line of every done() */
void jobs_check_stop(struct jobs *j); /* last line of it, and of a learner's exit */
void jobs_pump(struct jobs *j);
void jobs_nudge(struct jobs *j, uint64_t ms); /* pump (or recover) again after ms */
uint64_t jobs_backoff(const struct jobs *j, uint32_t tries);
int found_fill(struct store *s, struct found_list *f, struct err *e); /* lists active jobs, oldest first */

/* jobs_run.c */
struct run *run_new(struct jobs *j, const struct found *f); /* in j->runs; NULL: memory */
void run_go(struct run *r, enum step step);
void run_again(struct run *r, const struct err *why, uint32_t max_tries); /* the step again, later; then fail */
void run_end(struct run *r, enum job_state end, const char *why);
void run_fail(struct run *r, const char *why);
void run_cancel(struct run *r);
void run_drop(struct run *r); /* takes it out and frees it; the job stays as it is in the store */
void run_finished(struct run *r, enum job_state end); /* the store has the end: counts, hold, clean */
struct run *run_find(struct jobs *j, job_id id);
void run_learn(struct run *r);

/* jobs_step.c */
enum step_thread { ON_WRITER, ON_READER, ON_EXPORTER };
struct step_row {
        const char *name;
        enum step_thread thread;
        int (*work)(struct store *s, struct run *r, struct err *e);
        void (*done)(struct run *r, int result, const struct err *e); /* control thread */
};
uint32_t jobs_tries(int code); /* how often a step that ended so is tried; 1: it will not get better */
extern const struct step_row step_rows[STEP_COUNT];

/* jobs_recover.c */
void jobs_recover(struct jobs *j);

/* jobs_board.c; the setters are called on the control thread */
void board_init(struct board *b);
void board_deinit(struct board *b);
void board_add(struct board *b, struct live *l);
void board_remove(struct board *b, struct live *l);
void board_names(struct board *b, struct live *l, const char *model, const char *task);
void board_step(struct board *b, struct live *l, enum step step);
void board_learning(struct board *b, struct live *l, bool learning);
void board_stuck(struct board *b, struct live *l);
void board_line(struct board *b, struct live *l, const struct progress_line *p);
void board_count(struct board *b, enum job_state end, double seconds);
void board_asked(struct board *b, model_id m, const struct jobs_asked *asked);

/* sim.h: a house, a year of traffic, and what must be so after every step.
 * The house is real: either store engine, policy, watch, jobs, settlement, publication to a serving loop, learn_run.
 * What is not: threads, time (one_thread.h) and the process boundary of the learner (lib/fake_learner.h). A scenario
 * is a row of a table: the model's keys, the stream, what the operator does and when, and what must have been seen at
 * the end. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "domain/model.h"
#include "domain/report.h"
#include "lib/fake_clock.h"
#include "lib/fake_learner.h"
#include "super/jobs.h"
#include "world.h"

enum { SIM_SEED = 7 };
enum { SIM_HIDDEN = 24, SIM_TEST = 600, SIM_MAX_TASKS = 12, SIM_MAX_ACTS = 24, SIM_BATCH_MS = 4 * 3600000 };
#define SIM_DAY_MS INT64_C(86400000)

struct sim;

struct act { /* what the operator does */
        double day;
        void (*fn)(struct sim *s, double arg);
        double arg;
};

enum meddle { MEDDLE_NONE = 0, MEDDLE_CANCEL, MEDDLE_RESTART }; /* with a job that has come to a state */
struct meddling {
        enum job_state at;
        enum meddle what;
        bool learning; /* RUNNING: once its learner has been started */
};

struct script {
        const char *name;
        enum scenario kind;
        double days;
        void (*keys)(struct learning *l); /* what differs from sim_keys */
        struct stream stream;
        double learner_hours;          /* that a learner takes; 0: none */
        struct act acts[SIM_MAX_ACTS]; /* ascending by day, ends with fn NULL */
        const struct meddling *meddle; /* one a job, in order; ends with at 0 */
        bool erases;                   /* a holdout row of a closed task after each job */
        void (*expect)(struct sim *s); /* at the end, with SIM_SEED; what holds for every seed is check.c's */
        double sqlite_days;            /* the same on SQLite, cut to so many days and without expect; 0: not */
        bool sqlite_only;              /* on SQLite alone, whole */
};

struct row { /* the simulator's own book of what it sent */
        struct drawn d;
        int64_t predicted_ms, due_ms; /* when its label comes */
        uint64_t number;              /* its event id */
        uint64_t seq;                 /* 0: not acknowledged yet */
        uint64_t served;              /* version number */
        int32_t said, frozen_said;    /* frozen: -1 until there is a frozen version */
        float probability;
        bool erased;
};

struct net { /* a version's parameters, as the simulator answers by them */
        uint64_t number;
        struct sky sky; /* it was trained under last; concept -1: none */
        size_t n_outputs, P;
        struct output_row outputs[SIM_MAX_TASKS * WORLD_CLASSES];
        float *theta;
};

struct past { /* a closed task: what its closing version could do, on rows nobody has learned from */
        task_id id;
        uint64_t closed_by, n_holdout;
        bool excused; /* an operator went back to before its close */
        struct drawn test[SIM_TEST];
        bool right[SIM_TEST];   /* of the closing version */
        double accuracy, worst; /* the same, and the most that was lost since */
};

struct tally { /* predictions, by the truth */
        uint64_t n, adaptive, frozen, won, lost;
};

struct sim {
        const struct script *script;
        const struct store_ops *ops;
        uint64_t seed;
        double days;
        bool whole;
        struct err e;
        struct arena a; /* of one check */
        char *dir, path[256], jobs_dir[256];
        struct fake_clock clock;
        int64_t start_ms;
        struct loop *control, *serving;
        struct vtable *table;
        struct store_queue *writer, *reader, *exporter;
        struct store *s; /* the writer's */
        struct publish *publish;
        struct fake_learner fake;
        struct jobs_conf conf;
        struct jobs *jobs;
        struct learning learning;
        model_id m;
        struct world world;
        struct ewc_rng traffic, labels, tests;
        int64_t traffic_ms; /* next batch of predictions */
        double owed;        /* rows, less than one */
        size_t next_act, next_meddle;
        job_id meddled;   /* the job that the last meddling was with */
        size_t n_paid;    /* jobs that a row was erased after */
        uint64_t written; /* items of the writing queue when the last check was made */
        bool writes_fail; /* the disk is full */
        uint64_t n_erased, n_trusted;
        struct row *rows; /* in order of prediction; labels come in this order */
        size_t n_rows, cap_rows, n_sent;
        uint64_t n_again;  /* rows sent twice */
        struct job *ended; /* in order of their ends; what lay in arenas is gone */
        size_t n_ended, cap_ended;
        struct net *nets;
        size_t n_nets, cap_nets;
        uint64_t champion, frozen; /* version numbers; frozen 0: none promoted yet */
        struct past *past;         /* (SIM_MAX_TASKS) */
        size_t n_past;
        uint64_t past_seq;       /* newest row of closed tasks */
        struct tally all, known; /* known: under a sky that the champion was trained under */
};

void sim_keys(struct learning *ret); /* what all scenarios begin with */
void sim_run(const struct script *c, const struct store_ops *ops, uint64_t seed);

extern bool sim_tells; /* of every job, as it ends */
extern const struct script scenarios[];
extern const size_t n_scenarios;

/* house.c */
void house_open(struct sim *s);
void house_close(struct sim *s);
void house_jobs_start(struct sim *s);
void house_jobs_stop(struct sim *s);

/* traffic.c */
double sim_day(const struct sim *s);
void traffic_predict(struct sim *s);                       /* a batch that is due */
void traffic_label(struct sim *s);                         /* what is due of labels */
int64_t traffic_label_ms(const struct sim *s);             /* when the next label is due; INT64_MAX: none */
const struct net *sim_net(struct sim *s, uint64_t number); /* read from the store once, its digest checked */
int32_t net_answer(const struct sim *s, const struct net *n, task_id task, const float *x, float *ret_probability);
struct task sim_open_task(struct sim *s);

/* check.c */
void check_step(struct sim *s); /* after every step; looks when the store has been written to */
void check_idle(struct sim *s); /* when nothing may run: what is served is what the alias says */
void check_end(struct sim *s);  /* row by row, the figures, and the whole scenario against the frozen version */
size_t check_active(struct sim *s, struct job *ret); /* jobs that are; ret may be NULL */
#define sim_require(s, what, ...)                                                                                    \
        do {                                                                                                         \
                if (!(what))                                                                                         \
                        sim_fail(s, #what, __VA_ARGS__);                                                             \
        } while (0)
void sim_fail(const struct sim *s, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* acts.c */
void act_job(struct sim *s, double ignored);     /* a manual consolidation */
void act_rollover(struct sim *s, double n);      /* to a task named after n */
void act_rollback(struct sim *s, double n);      /* champion to the n-th version before it, or the first */
void act_restart(struct sim *s, double ignored); /* jobs stop and start */
void act_die(struct sim *s, double epoch);       /* the next learner dies after so many epochs, once */
void act_trusted(struct sim *s, double n);       /* n holdout rows of the operator's, with true labels */
void act_erase(struct sim *s, double n);         /* n rows at random, by event */
void act_unlearn(struct sim *s, double ignored); /* source "bad", then a job */
void act_disk(struct sim *s, double full);       /* 1: full, 0: not */
void meddle_step(struct sim *s);                 /* after every step of the house, as the next */
void erase_step(struct sim *s);

/* for expect */
size_t sim_count(const struct sim *s, enum job_state state, enum trigger_kind trigger, double from, double to);
double sim_job_day(const struct sim *s, const struct job *j);
/* Right among the predictions of these days: of what served, or of the frozen version. */
double sim_share(const struct sim *s, double from, double to, bool frozen);

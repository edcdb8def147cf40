/* boundary.h: whether the task has changed, which scenario the data shows, and what EWC can do there. Pure.
 *
 * New labels make it class-incremental; the same labels again, with or without drift, domain-incremental; events that
 * name their task make it task-incremental (van de Ven and Tolias 2019, arXiv:1904.07734). A model of scenario task
 * is taken at its word: its predictions name their task, so new labels and old ones say nothing against it. */
#pragma once
#include "domain/model.h"
#include "domain/watch.h"

struct scene {                     /* what is known of a model's data */
        enum scenario scenario;    /* as the model says */
        bool drifted;              /* accuracy or inputs fired */
        uint64_t n_open_classes;   /* labels of the open task's rows */
        uint64_t n_new_classes;    /* of them, that no closed task has */
        uint64_t n_shared_classes; /* of them, that a closed task has too */
        uint64_t n_named;          /* rows of the open task that named it */
        uint64_t n_closed;         /* closed tasks */
        uint64_t n_retained;       /* rows of closed tasks still there to replay */
        bool replay, distill;      /* the model's keys have them on, or strategy is auto */
};
struct scene_verdict {
        enum scenario scenario; /* that the data shows */
        bool agrees;            /* with the model's own */
        bool advise_replay;     /* as the model answers, EWC alone cannot be expected to hold */
        char words[REASON_SIZE]; /* "class-incremental: …; EWC alone …; replay is off and possible: 1200 rows …" */
};
struct scene_verdict scene_judge(const struct scene *s);

struct boundary {           /* an answer to: does a new task begin? */
        bool propose, roll; /* roll: only in mode auto */
        uint64_t upto_seq;  /* last row of the old task */
        char reason[REASON_SIZE];
};
/* Drift that fired over at least DRIFT_MIN_ROWS rows ends the open task: that of answers behind the newest row a
 * finished job has used, served or not, since all answers watched came later; that of inputs alone behind the
 * champion's range. Never before the open task was trained on. What cannot be told, or was tried, is proposed only:
 * inputs alone after a job that used rows up and did not come to serve, and anything after a rejected rollover. */
struct boundary boundary_judge(const struct watch *w, const struct counters *c, enum boundary_mode mode);
/* "drift-3": the first name of that shape with a number of at least n that taken (n_taken names) lacks. */
void boundary_task_name(uint64_t n, size_t n_taken, const char *const *taken, char ret[NAME_SIZE]);

/* jobs_policy.h: what decides about jobs nobody asked for: jobs_policy.c and its parts. A part of jobs_in.h. */
#pragma once
#include "domain/policy.h"
#include "domain/report.h"
#include "store/queue.h"

struct jobs;
struct loop_source;
struct watcher;

enum { ASK_MAX = 64 };

struct hold { /* no automatic job of a model for a while */
        struct hold *next;
        model_id model;
        uint32_t failures; /* in a row */
        uint64_t until_ns; /* monotonic */
        bool for_feedback; /* cancelled: until newer feedback than seq comes */
        bool seq_known;
        uint64_t seq;
};

struct subject { /* a model as the policy knows it; stays until the end */
        struct subject *next;
        model_id model;
        struct watcher *watcher; /* lent to the question under way; NULL: nothing is watched */
        char complaint[REASON_SIZE];
        bool care_under_way;
        uint64_t care_ns; /* not before this, monotonic */
};

struct policy {
        struct store_work work;
        bool busy;
        bool all;        /* next question is about every model */
        size_t n_models; /* else about these */
        model_id models[ASK_MAX];
        struct hold *holds;
        struct subject *subjects;
        struct loop_source *timer;
        uint64_t timer_ns; /* when it fires, monotonic */
};

/* jobs_policy.c */
int policy_start(struct jobs *j, struct err *e);
void policy_stop(struct jobs *j); /* timers only */
void policy_free(struct jobs *j);
void policy_ask(struct jobs *j, model_id m); /* 0: all */
void policy_ended(struct jobs *j, model_id m, enum job_state end);

/* jobs_hold.c */
void hold_after(struct jobs *j, model_id m, enum job_state end);
bool hold_on(struct jobs *j, model_id m, uint64_t last_seq); /* an automatic job of m must wait */
void holds_free(struct policy *p);

/* jobs_create.c, jobs_shadow.c, jobs_care.c: work items of their own; name: of the model */
void policy_create(struct jobs *j, model_id m, const char *name, const struct due *d);
void shadow_decide(struct jobs *j, model_id m, const char *name, const struct shadow_score *s,
    const struct shadow_verdict *v); /* nothing while it says WAIT */
void care_tick(struct jobs *j, struct subject *s, const char *name, const struct learning *l, int64_t now_ms);

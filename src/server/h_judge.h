/* h_judge.h: labelled events judged against what is served, each with a verdict of its own; the good ones as rows. */
#pragma once
#include "infer/recall.h"
#include "proto/json_feedback.h"
#include "store/store.h"

struct arena;
struct served;
struct served_task;
struct server;

struct h_events { /* one body */
        model_id model;
        struct feedback_rules rules;
        size_t n, n_rows;
        struct event *events;               /* (n) */
        struct event_verdict *verdicts;     /* (n) */
        struct feedback *rows;              /* (n_rows) */
        size_t *event_of;                   /* (n_rows) index of a row's event */
        enum feedback_verdict *row_verdict; /* (n_rows) by the store */
        bool *claimed;                      /* (n_rows) its event has just become that of its prediction */
        struct receipt receipt;
        bool ndjson;
};

struct h_judge {
        struct server *server; /* for ids of predictions and of events */
        const struct served *served;
        const struct served_task *trusted; /* whose trusted holdout the rows are; NULL: feedback like any other */
        struct arena *arena;               /* of the work: rows borrow from it */
        int64_t now_ms;
        float *inputs; /* (n_inputs) where the next prediction's go; NULL: taken */
};

/* events, n, ndjson are filled; fills the rest but what the store says. On the loop. 0, -ENOMEM. */
int h_judge_all(struct h_judge *j, struct h_events *b);
/* Those that the store did not take. */
void h_judge_stored(struct h_events *b, struct arena *a);
/* Predictions whose event was not stored may be named by another one. Any thread. */
void h_judge_release(struct server *server, struct h_events *b);

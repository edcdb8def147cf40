/* json_feedback.h: labelled events from JSON or ndjson into plain rows; verdicts back. */
#pragma once
#include "base/digest.h"
#include "base/str.h"
#include "domain/model.h"
#include "domain/problem.h"
#include "domain/types.h"

struct arena;
struct buf;
struct err;

struct event {                                /* one event as sent; the handler turns it into struct feedback */
        int problem;                          /* enum problem of this event alone; 0 if it reads well */
        struct err *why;                      /* with field relative to the body ("/events/2/label"), NULL if none */
        size_t line;                          /* ndjson: 1-based line; JSON: 0 */
        const char *event_id, *prediction_id; /* NULL if absent */
        const char *source, *task;            /* NULL if absent */
        size_t n_inputs;
        const float *inputs;
        const char *label; /* NULL if absent; a JSON integer is its text */
        size_t n_labels;   /* "labels": multi-label; SIZE_MAX if absent */
        const char *const *labels;
        size_t n_target; /* "target": numbers; 0 if absent */
        const float *target;
        float weight; /* 1 if absent */
        int64_t observed_ms;
        struct digest
            payload; /* over the content: prediction_id, inputs, labels, target, weight, task, observed_at */
};

/* Returns 0 when the body could be read, with one entry per event, each with its own verdict; PROBLEM_MALFORMED, or
 * another PROBLEM_* that concerns the body as a whole, when it could not. "inputs" is an array of numbers or one OIP
 * tensor in an array; "target" may be a single number too. Exactly one of label, labels and target is there; inputs,
 * prediction_id or both. */
int json_feedback_read(
    struct slice body, bool ndjson, struct arena *a, struct event **ret, size_t *ret_n, struct err *e);

struct event_verdict {
        int problem;      /* 0 accepted or duplicate */
        const char *slug; /* of problem */
        const char *field, *detail;
};
/* {"accepted":…,"duplicate":…,"quarantined":…,"late":…,"superseded":…,"rejected":[{"index":…,"pointer":…,"type":…,
 * "detail":…}],"first_seq":…,"last_seq":…,"durable":true}; ndjson gives "line" instead of "index". */
void json_receipt_write(
    struct buf *b, const struct receipt *r, const struct event *events, const struct event_verdict *v, size_t n);

/* The first max of the rejected ones as the array [{"index":…,"pointer":…,"type":…,"detail":…}]. */
void json_rejected_write(
    struct buf *b, const struct event *events, const struct event_verdict *v, size_t n, size_t max);

/* GET feedback/{id}: {"id","seq","state","received_at","label","task","source","split","trusted","job","version",
 * "prediction":{"version","label","probability"} or null,"reason"} */
struct fate_view {
        const char *id, *state, *label, *task, *source, *reason;
        uint64_t seq;
        bool holdout, trusted;
        int64_t received_ms;
        uint64_t job, version;
        uint64_t served_version; /* 0: it named no prediction */
        const char *served_label;
        float served_probability;
};
void json_fate_write(struct buf *b, const struct fate_view *f);

/* --- a label's later life (json_labels.c) --- */

struct erased_view {
        uint64_t n, n_used, first_version; /* first_version 0: null */
        bool backups;                      /* copies from before a migration lie beside the database, with the rows */
        const char *detail;                /* NULL: nothing to add */
};
/* {"erased":…,"used":…,"first_version":"7" or null,"backups":true,"detail":…} */
void json_erased_write(struct buf *b, const struct erased_view *x);

/* {"reason":"…"}, or nothing at all. PROBLEM_*. */
int json_reason_read(struct slice body, struct arena *a, const char **ret, struct err *e);
/* {"accept":true,"reason":"…"} or false. PROBLEM_*. */
int json_release_read(struct slice body, struct arena *a, bool *ret_accept, const char **ret_reason, struct err *e);
void json_release_write(struct buf *b, const char *id, bool accepted, uint64_t n); /* {"id","accepted","released"} */

struct source_view {
        const char *name;
        uint64_t n, n_live, n_used;
        uint64_t n_served, n_agreed; /* of labels that named their prediction */
        uint64_t first_seq, last_seq;
};
/* {"source","rows","live","used","served","agreed","first_seq","last_seq"} */
void json_source_row(struct buf *b, const struct source_view *s, bool first);

struct unlearned_view {
        const char *source;
        uint64_t n_erased, from, to, job; /* numbers of versions; job 0: none */
        bool backups;                     /* as in struct erased_view */
        size_t n_aliases;                 /* beside champion, that went to version `to` */
        const char (*aliases)[NAME_SIZE];
        const char *detail; /* NULL: nothing to add */
};
/* {"source","erased","from_version","version","aliases":[name],"job","backups","detail"} */
void json_unlearned_write(struct buf *b, const struct unlearned_view *u);

/* recall.h: what was predicted a little while ago, so that a label can name its prediction instead of repeating
 * its inputs.
 *
 * A ring per serving loop and model, made by the loop's first prediction of that model: after it nothing is
 * allocated. The loop that predicts writes its own ring; a label may come by any loop, so each ring has a lock,
 * held while one row is copied and never while anything is computed. Rings live as long as the process, rows until
 * they are overwritten or too old. */
#pragma once
#include "domain/types.h"

struct err;
struct recall;

enum { RECALL_ID = 16, RECALL_LANES = 64 };
#define RECALL_MAX_BYTES ((size_t)512 << 20) /* what the daemon allows the predictions of all models */

struct recalled {
        uint8_t id[RECALL_ID]; /* never twice */
        uint64_t mac;          /* what else the id says; compared by the caller */
        uint64_t version;      /* version.number */
        task_id task;
        int32_t class; /* index of the class it said, -1 if it said none */
        float probability;
        int64_t at_ms;
        size_t n_inputs;
        const float *inputs; /* (n_inputs) raw */
};

/* For 1 to RECALL_LANES loops. max_bytes: of all rings together. A ring takes no more than half of its loop's share
 * of what is left, so that a later model finds room, too; longer rows make shorter rings, down to one row. */
int recall_new(struct recall **ret, size_t n_lanes, size_t max_bytes, struct err *e);
void recall_free(struct recall *r); /* after the loops; accepts NULL */

/* The loop `lane`: remembers a copy of p in place of its oldest. rows: of all loops together, as the model said
 * when its first ring was made. False: memory was short, or taken, when the ring was to be made; p is forgotten. */
bool recall_put(struct recall *r, unsigned lane, model_id m, size_t rows, const struct recalled *p);
/* Any thread. The row with this id, not older than oldest_ms, its inputs in inputs (n); false: there is none, or its
 * row has another length. */
bool recall_find(struct recall *r, model_id m, const uint8_t id[RECALL_ID], int64_t oldest_ms, float *inputs,
    size_t n, struct recalled *ret);
/* Any thread. The row with this id is of this event from now on, unless another has claimed it: one prediction is one
 * event. Asked and answered under the ring's lock, so that of two events that come at once one is the first. */
enum recall_claimed {
        RECALL_CLAIMED, /* now */
        RECALL_SAME,    /* by this event, before */
        RECALL_OTHER,   /* by the event in ret_first */
        RECALL_GONE     /* there is no such row any more */
};
enum recall_claimed recall_claim(
    struct recall *r, model_id m, const uint8_t id[RECALL_ID], const char *event, char ret_first[KEY_SIZE]);
/* Any thread. The event that claimed the row came to nothing: another one may. */
void recall_unclaim(struct recall *r, model_id m, const uint8_t id[RECALL_ID], const char *event);
/* Any thread. Every row that this event has claimed, as recall_forget; looks at all of the model's rows. */
void recall_forget_event(struct recall *r, model_id m, const char *event);
/* Any thread. All of the model's rows; their memory is given back until the next one. */
void recall_clear(struct recall *r, model_id m);
size_t recall_bytes(const struct recall *r); /* of all rings */
/* Any thread. The row with this id, if there is one, is not found again; its inputs are overwritten. */
void recall_forget(struct recall *r, model_id m, const uint8_t id[RECALL_ID]);

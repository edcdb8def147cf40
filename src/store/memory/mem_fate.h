/* mem_fate.h: states of rows and the votes of their events, for the verbs that change them. */
#pragma once
#include "store/memory/mem.h"

/* An active job's range, from the first row on while it reads the store; 0: none. */
job_id mem_frozen(struct mem *m, model_id model, struct seq_range *ret);
bool mem_used_then(const struct mem_row *row, const struct mem_job *j); /* j, a job that trained, used the row */
job_id mem_first_job(struct mem *m, const struct mem_row *row);         /* 0: none */
bool mem_has_served(struct mem *m, const struct mem_job *j); /* its version serves, or did by what the jobs tell */
/* To another state, and overwritten as well. whole: as in struct mem_row. */
int mem_row_move(struct mem *m, struct mem_row *row, enum row_state to, const char *why, bool whole, struct err *e);
int mem_row_overwrite(
    struct mem *m, struct mem_row *row, enum row_state to, const char *why, bool whole, struct err *e);

/* The row that counts is live, the others are superseded; receipt: of who asked, or NULL. */
int mem_vote_settle(struct mem *m, model_id model, const char *event_id, enum conflict_policy p,
    struct receipt *receipt, struct err *e);
int mem_vote_again(struct mem *m, const struct mem_row *erased, struct err *e);
int mem_vote_waiting(struct mem *m, model_id model, struct err *e);

/* --- mem_erase.c: of an event, or of a source --- */
int mem_rows_erase(struct mem *m, model_id model, const struct feedback_selection *sel, const char *why,
    struct erased *ret, struct err *e);
bool mem_row_selected(const struct mem_row *row, model_id model, const struct feedback_selection *sel);

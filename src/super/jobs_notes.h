/* jobs_notes.h: what is kept beside a run's job file. Files only, on whichever thread has the run. */
#pragma once
#include "base/digest.h"
#include <stdbool.h>
#include <stdint.h>

struct err;
struct run;

struct notes {
        uint32_t starts, fruitless; /* as in struct run */
        uint64_t n_unusable;
        struct digest seen; /* the checkpoint the last start found */
        bool under_way;     /* the last start has not been seen to end */
        uint32_t orphaned;  /* starts in a row that a dying daemon took along, without a newer checkpoint */
};

enum { NOTES_SPENT = 100 };                           /* beside the store's outcomes */
void notes_read(const char *path, struct notes *ret); /* all-zero if there are none */
int notes_write(const char *path, const struct notes *n, struct err *e);
int notes_start(struct run *r, struct err *e); /* counts a start; NOTES_SPENT: no more of them */
void notes_take_back(const struct run *r);     /* the last start was ended by us */
void notes_ended(const struct run *r);         /* the learner ended by itself, or did not start */

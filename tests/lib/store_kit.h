/* store_kit.h: a store with small things in it, for the contract suite and the store's own tests. Assertions inside
 * are cmocka's: a kit function fails the test that called it. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "lib/fake_clock.h"
#include "store/store.h"

enum { KIT_P = 12, KIT_I = 2 }; /* parameters and inputs of the kit's models */

struct kit {
        const struct store_ops *ops;
        struct store *s;
        struct fake_clock clock;
        struct arena a;
        struct err e;
        char *dir;
        char path[256];
        float theta[KIT_P];
};

void kit_open(struct kit *k, const struct store_ops *ops);
void kit_close(struct kit *k);
void kit_reopen(struct kit *k); /* closes and opens again; memory: does nothing */

model_id kit_model(struct kit *k, const char *name, enum scenario s); /* classes a b c, first task "one" */
struct task kit_task(struct kit *k, model_id m, const char *name);    /* NULL: the open one */

/* A row of the open task; payload follows from id and class. */
struct feedback kit_row(const char *id, int32_t class, bool holdout);
struct receipt kit_add(struct kit *k, model_id m, struct feedback row); /* one row; the verb must return 0 */
struct receipt kit_fill(
    struct kit *k, model_id m, int from, int to); /* rows "e<i>", class i % 3, each 4th held out */
uint64_t kit_rows(struct kit *k, model_id m);     /* rows stored */

struct digest kit_blob(struct kit *k, const float *v, size_t P); /* stages it completely */
job_id kit_job(struct kit *k, model_id m, const char *next_task, bool given, size_t n, const char *const *classes);
job_id kit_ask(struct kit *k, struct job_new n); /* trigger and who are filled */
void kit_to_judging(struct kit *k, job_id j); /* from QUEUED */

/* An outcome of job j: fresh theta from seed, Fisher and anchor too when protect; one evaluation of each task. */
struct kit_outcome {
        struct outcome o;
        struct task_close close;
        struct evaluation before[8], after[8];
        struct output_row outputs[8];
        float theta[KIT_P], fisher[KIT_P], anchor[KIT_P];
};
void kit_outcome(
    struct kit *k, struct kit_outcome *ret, model_id m, job_id j, bool promote, unsigned seed, bool protect);

version_id kit_consolidate(struct kit *k, model_id m, unsigned seed, bool promote); /* a whole job */
version_id kit_roll(struct kit *k, model_id m, const char *next_task, unsigned seed);
version_id kit_candidate(struct kit *k, model_id m, unsigned seed); /* a whole job; its reason: "candidate: waits" */

struct version kit_version(struct kit *k, model_id m, uint64_t number);
struct alias kit_alias(struct kit *k, model_id m, const char *name);
/* The audit row that is `back` rows before the newest. */
void kit_told(struct kit *k, model_id m, size_t back, const char *what, const char *detail);

/* house.h: a memory store with a model whose net has known numbers, for the tests of this room. */
#pragma once
#include "base/err.h"
#include "store/store.h"
#include <ewc/fisher.h>

enum { HOUSE_I = 3, HOUSE_O = 4, HOUSE_P = HOUSE_I * HOUSE_O + HOUSE_O };

struct house {
        struct store *s;
        struct err e;
        float theta[HOUSE_P];
};

void house_open(struct house *h);
void house_close(struct house *h);
/* A linear softmax model of classes a b c d, scale 2, offset 1. SCENARIO_TASK: the first task has a and c only,
 * with a row for each; its theta is then the first rows of house.theta. */
model_id house_model(struct house *h, const char *name, enum scenario s);

/* What a job would have made of the model: a new version with these numbers, promoted. fisher: a rollover, which
 * closes the open task with it (kind, N 9, m 0.5) and opens next_task, in scenario task with the classes b and d.
 * Returns the version's number. P: of the open layout. */
struct house_step {
        model_id model;
        size_t n_outputs;
        const struct output_row *outputs;
        const float *theta, *fisher;
        double prior; /* 0: none */
        enum ewc_fisher kind;
        const char *next_task;
};
enum { HOUSE_N = 9 };
#define HOUSE_FACTOR 0.5
uint64_t house_step(struct house *h, const struct house_step *s);
void house_alias(struct house *h, model_id m, const char *alias, uint64_t number);
/* Feedback rows, one per class: a rollover needs some. */
void house_feedback(struct house *h, model_id m, int n, uint32_t n_classes);
task_id house_task(struct house *h, model_id m, const char *name);

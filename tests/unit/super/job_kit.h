/* job_kit.h: a small model in a store, for the tests of super. Assertions inside are cmocka's.
 *
 * Two inputs, hidden layer of 6 tanh units, four classes; task "low" has classes 0 and 1, "high" 2 and 3. Rows are
 * two clouds left and right of the second axis, so a few epochs learn them. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "domain/model.h"
#include "store/store.h"

enum { KIT_INPUTS = 2, KIT_CLASSES = 4 };

struct model_kit {
        enum scenario scenario;
        enum ewc_loss loss;
        bool open_classes; /* the first task has the classes of its feedback */
        struct learning learning;
};

void kit_defaults(struct model_kit *k); /* scenario task, softmax, sgd; 4 epochs, batch 8, gate wide open */
int kit_model_create(struct store *s, const struct model_kit *k, const char *name, model_id *ret, struct err *e);

/* n rows of the task that is open, ids from `from` on, labels alternating a, b; two of every eight are held out. */
int kit_rows_add(
    struct store *s, const struct model_kit *k, model_id m, int from, int n, int32_t a, int32_t b, struct err *e);

/* Raw inputs of row i of class c: what kit_rows_add writes. */
void kit_row_inputs(int i, int32_t c, int32_t a, float ret[KIT_INPUTS]);

/* One row of the open task as live traffic brings it: row i of classes 0 and 1, one of every eight held out. */
struct kit_row {
        uint64_t by;  /* number of the version whose prediction it answers; 0: none */
        bool right;   /* that prediction was */
        bool swapped; /* the other class is true of these inputs */
        float shift;  /* of the second input */
        bool trusted;
};
void kit_row_add(struct store *s, model_id m, int i, const struct kit_row *row);

/* A version with theta of a job that was claimed now, without a learner: promoted, or waiting as @challenger. theta
 * has as many parameters as version 1. trained: rows it says it was trained on. */
enum kit_end { KIT_PROMOTED, KIT_CANDIDATE, KIT_REJECTED, KIT_LEFT_OPEN /* a candidate for an operator */ };
version_id kit_version(
    struct store *s, model_id m, enum kit_end end, const float *theta, size_t P, uint64_t trained, struct err *e);

/* Parameters of the model's first net (scenario task, softmax, two outputs) that answer every row of kit_rows_add
 * right (sign 1) or wrong (sign -1); by the second input, which is right by chance (sign 0). */
enum { KIT_P = 32 };
void kit_theta(int sign, float ret[KIT_P]);

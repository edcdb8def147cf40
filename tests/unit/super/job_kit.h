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

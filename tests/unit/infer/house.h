/* house.h: a memory store with a model whose net has known numbers, for the tests of this room. */
#pragma once
#include "base/err.h"
#include "store/store.h"

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

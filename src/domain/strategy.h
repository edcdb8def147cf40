/* strategy.h: the simplest way to learn whose gate passes. Pure.
 *
 * The ladder: the penalty alone; and replay of retained rows; and distillation. A model with strategy auto begins at
 * the bottom for every batch of rows, and after a rejected job climbs one step, as long as a step is left that its
 * data allows. */
#pragma once
#include "domain/model.h"

struct ladder {
        bool climb;
        enum strategy next;
        char reason[REASON_SIZE];
};
enum strategy strategy_first(const struct learning *l); /* FIXED unless auto */
/* After a job with strategy `had` was rejected by the gate; n_retained: rows of closed tasks there to replay.
 * Without any the step to replay alone is left out: distillation needs none. Never without a closed task. */
struct ladder strategy_climb(enum strategy had, const struct learning *l, uint64_t n_closed, uint64_t n_retained);
/* Puts the strategy's terms into a plan made by learning_plan; FIXED leaves it alone. What a step needs and the keys
 * leave at 0 it brings itself: 20 rows of each class to replay, 0.5 as the weight of distillation. */
void strategy_apply(enum strategy s, const struct learning *l, struct learn_plan *plan);

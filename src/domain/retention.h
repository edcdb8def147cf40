/* retention.h: how long features are kept, and what each choice costs. Pure. */
#pragma once
#include "domain/model.h"

struct retention { /* what expires; holdouts and the reservoir are kept up to their caps */
        enum retention_mode mode;
        int64_t before_ms;          /* DAYS: rows received before */
        uint32_t holdout_per_class; /* kept of each task's class, 0: all */
        uint32_t replay_per_class;  /* train rows kept of each closed or used class, 0: none. FOREVER: all */
};
void retention_of(const struct learning *l, int64_t now_ms, struct retention *ret);
/* What the choice costs in guarantees, in words: joint training, rebuild, replay, unlearning, the gate. */
void retention_words(const struct learning *l, char ret[REASON_SIZE]);

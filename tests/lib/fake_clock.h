/* fake_clock.h: a clock that advances only on request.
 *
 * Monotonic and wall time move together; the wall may also be set, as an administrator would. May be read from any
 * thread while one advances it. The struct must outlive what was given &f->clock. */
#pragma once
#include "base/clock.h"
#include <stdatomic.h>

struct fake_clock {
        struct clock clock; /* hand out its address */
        atomic_ullong mono_ns;
        atomic_llong wall_ms;
};

void fake_clock_init(struct fake_clock *f, int64_t wall_ms); /* monotonic time starts at one second */
void fake_clock_advance_ms(struct fake_clock *f, uint64_t ms);
void fake_clock_set_wall_ms(struct fake_clock *f, int64_t wall_ms); /* monotonic time stays */

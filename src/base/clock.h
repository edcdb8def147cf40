/* clock.h: the only source of time. Read it once per loop turn and pass "now" down. */
#pragma once
#include <stdint.h>

struct clock {
        uint64_t (*mono_ns)(void *arg); /* never steps back; origin unspecified */
        int64_t (*wall_ms)(void *arg);  /* milliseconds since the epoch, UTC */
        void *arg;
};

extern const struct clock clock_system; /* read-only; thread-safe */

static inline uint64_t clock_mono_ns(const struct clock *c)
{
        return c->mono_ns(c->arg);
}

static inline int64_t clock_wall_ms(const struct clock *c)
{
        return c->wall_ms(c->arg);
}

/* "2026-11-23T22:31:10.123Z" (24 characters and NUL) and back; parse takes optional fraction, "Z" or +hh:mm. */
void clock_format(int64_t wall_ms, char ret[25]);
int clock_parse(const char *text, int64_t *ret_ms); /* 0, or -EINVAL */

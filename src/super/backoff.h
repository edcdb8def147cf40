/* backoff.h: how long to wait before trying again. Pure. */
#pragma once
#include <stdint.h>

/* Milliseconds before try number `attempt` + 1: base, 2 base, 4 base … at most max. attempt counts from 1; 0 is 1. */
uint64_t backoff_next(uint32_t attempt, uint64_t base_ms, uint64_t max_ms);

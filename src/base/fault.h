/* fault.h: a counter that makes the n-th fallible call fail, for tests; always present, free when not armed. */
#pragma once
#include <stdbool.h>

void fault_arm(int delay, int repeat); /* let `delay` ticks pass, then fail `repeat` times (-1: for ever) */
bool fault_fired(void);                /* since the last arm */
void fault_disarm(void);
bool fault_tick(void); /* called by base/mem.c and base/file.c before each fallible call */

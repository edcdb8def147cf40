/* one_thread.h: a house without threads and without waiting.
 * one_thread.c defines the functions of loop/loop.h and store/queue.h anew, so that whatever super and infer do is a
 * chain of steps on the caller's thread, in an order that is always the same. Time is a fake clock's and moves only
 * when somebody moves it.
 * What may run now, in this order: a message of a loop (loops in order of creation, messages in order of arrival); an
 * item of a queue (queues in order of creation, items in order of arrival; each a transaction of its own, and its
 * answer becomes a message); a timer whose time has come (the earliest first, of equal ones the one that was set
 * first). */
#pragma once
#include "lib/fake_clock.h"
#include <stdbool.h>
#include <stdint.h>

struct store;
struct store_queue;

void one_thread_clock(struct fake_clock *c); /* of all loops, before the first */
bool one_thread_step(void);                  /* one of the above; false: nothing may run now */
bool one_thread_next_ms(int64_t *ret_wall);  /* when the next timer fires, never before now; false: none is set */
uint64_t one_thread_written(void);           /* items that writing queues have run, ever */
struct store *one_thread_store(struct store_queue *q); /* between two steps: the store behind a queue */

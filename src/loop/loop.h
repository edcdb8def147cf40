/* loop.h: one thread's event loop: timers, file descriptors, signals, child exits and one mailbox.
 *
 * Everything here belongs to the thread that runs the loop; only loop_post (or a put into its mailbox) and loop_turns
 * may be called from others. Timers run on libevent's monotonic time; the clock given to loop_new is what callbacks
 * ask for "now". */
#pragma once
#include "base/clock.h"
#include "base/mailbox.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct event_base; /* libevent's; only loop.c and server/http*.c look inside */
struct loop;

typedef void (*loop_fn)(void *arg);
typedef bool (*loop_turn_fn)(void *arg);
typedef void (*loop_msg_fn)(void *arg, const struct msg *m);
typedef void (*loop_fd_fn)(void *arg, int fd);
typedef void (*loop_child_fn)(void *arg, pid_t pid, int wait_status);

int loop_new(struct loop **ret, const struct clock *clock, size_t mailbox_capacity, struct err *e);
void loop_free(struct loop *l);              /* accepts NULL; sources are freed and messages taken before */
int loop_run(struct loop *l, struct err *e); /* until loop_stop; at once if that came before */
void loop_stop(struct loop *l);              /* from the loop's own thread; others post a message */
struct event_base *loop_base(struct loop *l);
const struct clock *loop_clock(const struct loop *l);
/* Atomic counter of turns and timer ticks: the watchdog's proof of progress. */
uint64_t loop_turns(const struct loop *l);
/* fn is called at the end of every turn, when all that had arrived in it has been handled; true: it has more to do,
 * and the next turn only looks at what is ready instead of waiting. Costs no call of the system. NULL: nobody. */
void loop_on_turn(struct loop *l, loop_turn_fn fn, void *arg);

void loop_on_msg(struct loop *l, loop_msg_fn fn, void *arg); /* until then, and with NULL, messages wait */
int loop_post(struct loop *l, const struct msg *m);          /* any thread; 0 or -EAGAIN when the mailbox is full */
struct mailbox *loop_mailbox(struct loop *l); /* the same door, for work items that name where they come back */
bool loop_take_msg(struct loop *l, struct msg *ret); /* what is left when the loop has ended; false when empty */

/* Each adder returns a handle to be freed with loop_source_free, or NULL when memory or descriptors are short (child:
 * also when pid is no child of ours). A child whose status someone else took is reported as exit status 255. */
struct loop_source;
/* repeat: every after_ms, at least 1 ms apart; otherwise once. */
struct loop_source *loop_timer(struct loop *l, uint64_t after_ms, bool repeat, loop_fn fn, void *arg);
struct loop_source *loop_fd_read(struct loop *l, int fd, loop_fd_fn fn, void *arg); /* fires while readable */
struct loop_source *loop_signal(struct loop *l, int signum, loop_fn fn, void *arg); /* main thread's loop only */
/* Once; reaps the child (pidfd). */
struct loop_source *loop_child(struct loop *l, pid_t pid, loop_child_fn fn, void *arg);
void loop_source_free(struct loop_source *s); /* accepts NULL; safe inside its own callback */

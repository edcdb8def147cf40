/* mailbox.h: bounded queue of messages from many threads to one, with an eventfd to wait on. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mailbox;
struct err;

struct msg {
        uint16_t kind;       /* the receiver's enum */
        uint16_t from;       /* sender's loop index, or 0 */
        uint32_t generation; /* for answers to requests that may be gone */
        uint64_t id;
        void *payload; /* changes owner with the message */
};

int mailbox_new(struct mailbox **ret, size_t capacity, struct err *e);
void mailbox_free(struct mailbox *m); /* accepts NULL; messages still inside are the caller's to drain first */

int mailbox_put(struct mailbox *to, const struct msg *m); /* any thread; 0, or -EAGAIN when full */
bool mailbox_get(struct mailbox *m, struct msg *ret);     /* the receiving thread; false when empty */
int mailbox_fd(const struct mailbox *m);                  /* readable while messages wait; mailbox_get clears it */

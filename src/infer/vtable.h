/* vtable.h: one loop's own table: model name -> its row of served versions, the champion and the others that are
 * loaded. Plain pointers of one thread; no lock. A row is built elsewhere and put as a whole, so that a loop sees a
 * model's versions change between two turns and never halfway. */
#pragma once
#include "base/str.h"
#include <stddef.h>

struct census;
struct served;
struct vtable;
struct err;

struct vrow {
        struct served *champion;
        struct census *census; /* of all its versions, loaded or not; NULL: not known. As vrow_new leaves it */
        size_t n;
        struct served *others[]; /* (n) ascending by number, without the champion */
};

/* New references to all of them; others ascending by number. NULL when memory is short. */
struct vrow *vrow_new(struct served *champion, size_t n, struct served *const *others);
void vrow_free(struct vrow *r); /* drops its references; accepts NULL */

int vtable_new(struct vtable **ret, struct err *e);
void vtable_free(struct vtable *t);                    /* drops its references; accepts NULL */
void vtable_set_lane(struct vtable *t, unsigned lane); /* the loop's number, below SERVED_LANES; 0 until then */
unsigned vtable_lane(const struct vtable *t);          /* for served_used */
int vtable_put(struct vtable *t, struct vrow *r, struct err *e); /* takes r; drops the row it replaces */

/* Borrowed until the loop's next message; NULL. */
struct served *vtable_get(const struct vtable *t, struct slice name); /* the champion */
struct served *vtable_find(const struct vtable *t, struct slice name, uint64_t number);
const struct vrow *vtable_row(const struct vtable *t, struct slice name);

size_t vtable_size(const struct vtable *t);                 /* models */
struct served *vtable_at(const struct vtable *t, size_t i); /* champions in name order */

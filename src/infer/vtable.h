/* vtable.h: one loop's own table: model name -> served champion. Plain pointers of one thread; no lock. */
#pragma once
#include "base/str.h"
#include <stddef.h>

struct served;
struct vtable;
struct err;

int vtable_new(struct vtable **ret, struct err *e);
void vtable_free(struct vtable *t); /* drops its references; accepts NULL */
struct served *vtable_get(
    const struct vtable *t, struct slice name);                    /* borrowed until the loop's next message; NULL */
int vtable_put(struct vtable *t, struct served *s, struct err *e); /* takes the reference; drops the replaced one */
size_t vtable_size(const struct vtable *t);
struct served *vtable_at(const struct vtable *t, size_t i); /* in name order */

/* shelf.h: what is loaded of every model, and what has to make room. Control thread only.
 *
 * A shelf holds one model's versions: its champion, those that other aliases name (pinned), and those that were asked
 * for by number. The last go when nobody has asked for them for a while, or, least recently used first, when all
 * shelves together hold more than the limit. A change is reported through `changed`, and the owner brings it to the
 * loops. */
#pragma once
#include "domain/types.h"

struct census;
struct err;
struct served;
struct shelf;
struct vrow;

enum { SHELF_ROWS = 256 }; /* of one model, beside its champion */

struct shelves {
        struct shelf *first;
        size_t max_bytes;
        void (*changed)(void *arg, struct shelf *s); /* a version has been taken from it */
        void *arg;
};

void shelves_free(struct shelves *all);
struct shelf *shelf_of(struct shelves *all, model_id m); /* NULL: none yet */
struct shelf *shelf_next(const struct shelf *s);
model_id shelf_model(const struct shelf *s);
struct served *shelf_find(const struct shelf *s, uint64_t number); /* the champion too; NULL */

/* Takes a reference of its own. The replaced champion stays as one of the others, while it knows the same tasks; so
 * do the others. Makes room for it if it can. *ret: the model's shelf, made when it is the first. -ENOMEM. */
int shelf_set_champion(struct shelves *all, struct served *v, uint64_t now_ns, struct shelf **ret, struct err *e);
/* Takes a reference of its own. -ENOBUFS: it does not fit beside what may not be dropped, the text has the numbers.
 * */
int shelf_add(struct shelves *all, struct shelf *s, struct served *v, uint64_t now_ns, struct err *e);
/* Exactly these numbers (n) are pinned from now on. */
void shelf_pin(struct shelf *s, size_t n, const uint64_t *numbers, uint64_t now_ns);

/* Notes who has been used since the last look, and drops what has not been for idle_ns. */
void shelves_look(struct shelves *all, uint64_t now_ns, uint64_t idle_ns);
void shelves_count(const struct shelves *all, size_t *ret_versions, size_t *ret_bytes);

/* Takes a reference of its own: what is known of all of the model's versions. */
void shelf_set_census(struct shelf *s, struct census *c);

struct vrow *shelf_row(const struct shelf *s); /* as a loop gets it; NULL when memory is short */

/* class_index.c: a hash table of names with open addressing, built once and never changed.
 *
 * Feedback may name each of thousands of classes in each of thousands of events: with a search from the front that
 * would be seconds of a loop's time. The names are the model's own: nobody who labels can choose them to collide. */
#include "infer/class_index.h"
#include "base/arena.h"
#include "base/str.h"
#include <errno.h>
#include <string.h>

static size_t hash(const char *s)
{
        uint64_t h = str_hash(s);
        return (size_t)(h ^ h >> 32);
}

int class_index_new(struct class_index *ret, struct arena *a, size_t n, const char *const *names)
{
        size_t n_slots = 4;
        if (n >= (size_t)1 << 30)
                return -ENOMEM;
        while (n_slots <= 2 * n)
                n_slots *= 2;
        uint32_t *slots = arena_new_array(a, uint32_t, n_slots);
        if (!slots)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                size_t at = hash(names[i]) & (n_slots - 1);
                while (slots[at] != 0)
                        at = (at + 1) & (n_slots - 1);
                slots[at] = (uint32_t)i + 1;
        }
        *ret = (struct class_index){n_slots, slots, names};
        return 0;
}

int class_index_find(const struct class_index *x, const char *name)
{
        for (size_t at = hash(name) & (x->n_slots - 1); x->slots[at] != 0; at = (at + 1) & (x->n_slots - 1)) {
                uint32_t i = x->slots[at] - 1;
                if (strcmp(x->names[i], name) == 0)
                        return (int)i;
        }
        return -1;
}

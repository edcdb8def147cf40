/* class_index.h: from the name of a class to its number, in one look, however many classes a model has. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct arena;

struct class_index {
        size_t n_slots;           /* a power of two, more than half of them free */
        const uint32_t *slots;    /* (n_slots) index of a class + 1; 0: free */
        const char *const *names; /* of the classes */
};

/* names are borrowed, unequal, fewer than 2^30. 0 or -ENOMEM. */
int class_index_new(struct class_index *ret, struct arena *a, size_t n, const char *const *names);
int class_index_find(const struct class_index *x, const char *name); /* -1: there is none */

/* oip_scan.h: the strict JSON scanner of this room, for bodies that carry tensors.
 *
 * A scanner walks the bytes of one body once; strings are unescaped into the arena, numbers go straight into floats.
 * Functions return 0, a PROBLEM_* with field and byte offset in e, or -ENOMEM. Stricter than RFC 8259 where it leaves
 * room: keys of an object are unique, strings are UTF-8 without NUL, nesting has a limit. */
#pragma once
#include "base/str.h"
#include "domain/problem.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct oip_tensor;

enum { SCAN_MAX_DEPTH = 32, SCAN_MAX_KEYS = 64, SCAN_MAX_NESTING = 8, SCAN_FIELD_SIZE = 96 };

struct scan {
        const char *p, *end, *start; /* start: where offsets count from */
        struct arena *arena;
        struct err *e;
};

/* One object or array being walked. */
struct scan_walk {
        size_t n; /* members so far */
        const char *keys[SCAN_MAX_KEYS];
};

void scan_init(struct scan *s, struct slice text, struct arena *a, struct err *e);
int scan_end(struct scan *s); /* nothing but space is left */

/* MALFORMED with " at byte N" behind the message. */
int scan_malformed(struct scan *s, const char *field, const char *what);

void scan_space(struct scan *s);
char scan_peek(struct scan *s);        /* next byte that is not space, '\0' at the end */
const char *scan_kind(struct scan *s); /* of the next value in words, e.g. "a string" */

/* BAD_VALUE "<field> must be an object" unless one starts here; enters it. Arrays likewise. */
int scan_open(struct scan *s, char bracket, const char *field);
/* *more: a member follows (its key, unescaped, in *key), or the object or array was closed. key NULL: an array. */
int scan_next(struct scan *s, struct scan_walk *w, const char *field, const char **key, bool *more);

int scan_string(struct scan *s, const char *field, const char **ret); /* BAD_VALUE if it is none */
int scan_uint(struct scan *s, const char *field, uint64_t max, uint64_t *ret);
int scan_bool(struct scan *s, const char *field, bool *ret);   /* BAD_VALUE */
int scan_float(struct scan *s, const char *field, float *ret); /* BAD_VALUE; NON_FINITE */
/* A string, or an integer which stands for its text. */
int scan_label(struct scan *s, const char *field, const char **ret);
/* Any value, checked and passed over; *ret (may be NULL) is its text. */
int scan_skip(struct scan *s, const char *field, struct slice *ret);

/* An array of numbers, flat or regularly nested. */
struct scan_numbers {
        const char *what, *field; /* "tensor 'input'", "/inputs/0/data" */
        size_t max_nesting;
        bool integers; /* only those that a float32 can hold */
        bool words;    /* true and false stand for 1 and 0 */
        int64_t lo;    /* integers: lowest value */
        uint64_t hi;   /* integers: highest */
        size_t limit;  /* elements kept; the rest is only counted. 0: all, growing */
        /* out */
        float *data;
        size_t n, cap, nesting, dims[SCAN_MAX_NESTING];
};
int scan_numbers(struct scan *s, struct scan_numbers *t);

/* One tensor object of the Open Inference Protocol; at is its pointer. In oip_tensor.c. */
int oip_tensor_read(struct scan *s, const char *at, struct oip_tensor *ret);

/* run.h: another program, run to its end, with what it said. */
#pragma once
#include "base/buf.h"

struct ran {
        int code; /* exit status, or 128 + signal */
        struct buf out, err;
};

/* argv ends with NULL; argv[0] is a path. variable is one "NAME=value" more for its environment, or NULL. in: its
 * stdin, NULL for none. Fails the test when it takes longer than within_ms. */
void run_program(const char *const *argv, const char *variable, const char *in, int within_ms, struct ran *ret);
void ran_deinit(struct ran *r); /* accepts an all-zero ran */

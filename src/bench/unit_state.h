/* unit_state.h: what a unit keeps between tasks and at its end, in files named by the digest of its settings. */
#pragma once
#include "base/digest.h"
#include "bench/bench.h"

struct unit_state {
        uint32_t done; /* finished tasks */
        size_t n_params, n_optim;
        uint64_t optim_steps;
        float *theta, *optim; /* (n_params), (n_optim) owned; optim NULL: fresh */
        uint32_t n_past;      /* closed tasks with a record */
        uint32_t past_task[BENCH_MAX_TASKS];
        float *fisher[BENCH_MAX_TASKS], *anchor[BENCH_MAX_TASKS]; /* (n_params) owned */
        double factor[BENCH_MAX_TASKS], trace[BENCH_MAX_TASKS];
        double anytime_sum, anytime_n;
        struct unit_result result;
};
void unit_state_deinit(struct unit_state *s);

int unit_state_write(const char *dir, const struct digest *key, const struct unit_state *s, struct err *e);
/* 0, or STATE_NONE: nothing usable there. */
enum { STATE_NONE = 1 };
int unit_state_read(
    const char *dir, const struct digest *key, size_t n_params, struct unit_state *ret, struct err *e);
void unit_state_remove(const char *dir, const struct digest *key);

int unit_result_write(const char *dir, const struct digest *key, const struct unit_result *r, struct err *e);
int unit_result_read(const char *dir, const struct digest *key, struct unit_result *ret, struct err *e);

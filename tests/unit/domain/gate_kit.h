/* gate_kit.h: tasks and a judgement, for the tests of the gate. */
#pragma once
#include "base/mem.h"
#include "base/str.h"
#include "domain/gate.h"
#include "domain/model.h"
#include <ewc/rng.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { CHECKS_MAX = 4096 };
static struct gate_check checks[CHECKS_MAX];
static const struct gate_conf conf = {
    .max_forgetting = 0.02, .min_gain = 0, .max_ece_rise = 1, .max_predicted = 0.1, .holdout = 0.1};

static inline struct verdict judge(
    const struct gate_task *tasks, size_t n, const struct gate_conf *c, enum ewc_loss loss)
{
        assert_in_range(gate_checks_max(tasks, n, c), 0, CHECKS_MAX);
        struct verdict v = gate_judge(tasks, n, c, loss, checks);
        assert_in_range(v.n_checks, 0, gate_checks_max(tasks, n, c));
        return v;
}

static inline struct gate_task task(const char *name, bool open, uint64_t n, double before, double after)
{
        return (struct gate_task){.name = name,
            .open = open,
            .before = {.n = n, .accuracy = before, .loss = before},
            .after = {.n = n, .accuracy = after, .loss = after, .predicted = NAN}};
}

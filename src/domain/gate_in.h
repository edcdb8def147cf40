/* gate_in.h: what gate.c finds and gate_words.c says. */
#pragma once
#include "domain/gate.h"

#define GATE_TOLERANCE 1e-9

struct gate_scan {    /* what the walk over the tasks found; SIZE_MAX: none */
        size_t worst; /* closed task with the greatest loss */
        size_t open;  /* open task, judged or not */
        size_t lost;  /* first closed task with holdout rows that was not measured */
        size_t n_closed, n_blind, n_lost;
        size_t n_guarded; /* by the prediction alone */
        size_t unseen;    /* first closed task that had holdout rows and has none now, where that matters */
        size_t n_unseen, n_given_up;
        bool nothing; /* was measured or predicted, where that matters */
        double worst_loss, open_loss;
        bool open_blocks;
};

struct gate_view {
        const struct gate_task *tasks;
        size_t n;
        const struct gate_conf *conf;
        enum ewc_loss loss;
        const struct gate_check *checks;
        size_t n_checks;
};

bool gate_judged(const struct gate_task *t);
bool gate_lost(const struct gate_task *t);         /* closed, should have been measured and was not */
bool gate_guarded(const struct gate_task *t);      /* closed, without holdout rows, and the Fisher says something */
bool gate_rows_changed(const struct gate_task *t); /* since its close */
bool gate_since_close(const struct gate_task *t, enum ewc_loss loss); /* its loss counts from its close */
double gate_loss(const struct gate_task *t, enum ewc_loss loss);      /* what it lost; below 0: gained */
double gate_carried(const struct gate_task *t, enum ewc_loss loss);   /* of that, before its rows changed */
double gate_task_noise(const struct gate_task *t, const struct gate_conf *c, enum ewc_loss loss);

void gate_check_words(const struct gate_view *v, struct gate_check *c);
void gate_reason(const struct gate_view *v, const struct gate_scan *s, struct verdict *ret);

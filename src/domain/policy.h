/* policy.h: when to train, and what. Pure: now, counters, watch and configuration in; a decision with its numbers
 * out. */
#pragma once
#include "domain/model.h"
#include "domain/types.h"
#include "domain/watch.h"

struct due {
        bool train;
        enum trigger_kind trigger;
        uint64_t value; /* what fired: rows, seconds, or the job that was rejected */
        enum strategy strategy;
        bool rollover; /* a new task begins: close the open one with its rows up to upto_seq */
        uint64_t upto_seq;
        uint64_t ask_again_ms;    /* wall-clock ms to ask at without new feedback; 0: only when counters change */
        char reason[REASON_SIZE]; /* in words, also when nothing is due */
};

/* The triggers in order: a stronger strategy after a rejected job, accuracy, inputs, min_feedback, daily, interval.
 * Each is off or on by its key. Between two jobs lie at least trigger_cool_down_s (not before a stronger strategy).
 * While a challenger is compared on live rows (promotion shadow) no job starts by itself.
 *
 * A stronger strategy learns the same rows again, so it asks for no new ones; a rejected rollover is not tried again
 * by itself. Accuracy and inputs fire as the watch says, which looks at rows only that no finished job has used; so
 * one piece of evidence starts one job, whether or not its version came to serve. With task_boundary auto they may
 * ask for a rollover; with propose the reason says so.
 * min_feedback fires when n_new >= trigger_min_feedback; daily when its minute has come since the last job ended (or
 * the oldest new row came); interval when trigger_interval_s have passed since then. A stamp in the future counts as
 * passed. All but a stronger strategy need at least one new row.
 *
 * Never while a job is active, nor with fewer than 2 train rows of the open task, nor (softmax) when all of these
 * have the same label: whatever answered that label to everything would be right. In scenario class a task of one
 * class is as good as any other once closed tasks gave the head other classes. due.strategy is filled whether or not
 * a job is due. */
struct due policy_due(int64_t now_ms, const struct counters *c, const struct watch *w, const struct learning *l,
    enum scenario scenario, enum ewc_loss loss); /* w: NULL: nothing is watched */

/* policy.h: when to train. Pure: now, counters and configuration in; a decision with its numbers out. */
#pragma once
#include "domain/model.h"
#include "domain/types.h"

struct due {
        bool train;
        enum trigger_kind trigger;
        uint64_t value;           /* what fired: rows, or seconds */
        uint64_t ask_again_ms;    /* wall-clock ms to ask at without new feedback; 0: only when counters change */
        char reason[REASON_SIZE]; /* in words, also when nothing is due */
};

/* min_feedback fires when n_new >= trigger_min_feedback; interval when trigger_interval_s have passed since the last
 * job ended (or the oldest new row came), or that moment lies in the future, and there is at least one new row. Never
 * while a job is active, nor with fewer than 2 train rows, nor (softmax) when all rows have the same label and the
 * head to be trained has no other class. */
struct due policy_due(int64_t now_ms, const struct counters *c, const struct learning *l, enum ewc_loss loss);

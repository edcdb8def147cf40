/* label_kit.h: what the suites about labels share. A kit function fails the test that called it. */
#pragma once
#include "lib/store_kit.h"

struct feedback label(const char *id, const char *source, int32_t class);
struct feedback label_in(enum row_state state, const char *id, const char *source, int32_t class);
struct receipt label_add(struct kit *k, model_id m, struct feedback f, enum conflict_policy p,
    enum feedback_verdict *v); /* v may be NULL */
struct feedback_fate label_fate(struct kit *k, model_id m, const char *id);
struct counters label_counts(struct kit *k, model_id m);
int32_t label_counting(struct kit *k, model_id m); /* class of the one live row, -1: there is none */
/* Counters, tasks and rows tell the same, by task and in all; the check finds nothing. */
void labels_agree(struct kit *k, model_id m);
struct erased label_erase(struct kit *k, model_id m, struct feedback_selection sel);
uint64_t label_expire(struct kit *k, model_id m, struct retention how, size_t limit);
struct unlearned label_unlearn(struct kit *k, model_id m, const char *source);

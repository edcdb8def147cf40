/* store_labels.h: what the suites about labels share. */
#pragma once
#include "lib/store_kit.h"

struct feedback label(const char *id, const char *source, int32_t class);
struct receipt label_add(struct kit *k, model_id m, struct feedback f, enum conflict_policy p,
    enum feedback_verdict *v); /* v may be NULL */
struct feedback_fate label_fate(struct kit *k, model_id m, const char *id);
struct counters label_counts(struct kit *k, model_id m);
void labels_agree(struct kit *k, model_id m); /* counters, tasks and rows tell the same; the check finds nothing */

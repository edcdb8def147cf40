/* words.h: the sentences of the audit, the same for every engine. Pure; text is cut to fit. */
#pragma once
#include "store/store.h"

enum { WORDS_SIZE = 1024 };

struct words {
        char text[WORDS_SIZE];
};

struct words words_model(const struct model_new *m);
struct words words_job(job_id j, const struct job_new *n);
struct words words_claim(job_id j, uint64_t parent_number, const char *task, struct seq_range range, uint64_t seed);
struct words words_attempt(job_id j, uint32_t attempts);
struct words words_outcome(job_id j, uint64_t number, bool promoted, const char *reason);
struct words words_rollover(job_id j, uint64_t number, const char *closed, const char *opened, const char *reason);
struct words words_alias(const char *alias, uint64_t number, uint64_t was, uint64_t epoch, const char *reason);

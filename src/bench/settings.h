/* settings.h: from a protocol and the command line to a unit with every choice made. Pure. */
#pragma once
#include "base/digest.h"
#include "bench/options.h"

struct buf;

/* -EINVAL, with the flag as field, for options that contradict each other or the protocol. data_id: dataset_id. */
int settings_make(const struct options *o, const struct protocol *p, enum bench_method m, uint64_t seed,
    uint64_t data_id, struct settings *ret, struct err *e);

/* The cut of the data as the settings have it. */
struct cut settings_cut(const struct settings *s);
struct ewc_spec settings_net(const struct settings *s, uint32_t n_inputs, uint32_t n_outputs);

/* The learner's plan of task k (0-based). */
struct learn_plan settings_plan(const struct settings *s, uint32_t k);

/* What departs from the protocol beyond method, Fisher, rows and lambda, as flags: " --form prox --huber 0.1" or
 * nothing. Every value with all its digits, so that the flags give the same settings again. */
void settings_flags(const struct settings *s, struct buf *out);

/* Identifies everything that decides the figures: equal digests, equal results. */
void settings_digest(const struct settings *s, struct digest *ret);

/* What the reader must know about these settings, or "". */
const char *settings_warning(const struct settings *s);

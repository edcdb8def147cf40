/* unit.h: one method with one seed over all tasks of a protocol, resumable between tasks. */
#pragma once
#include "bench/dataset.h"

struct unit_callbacks { /* NULL members are skipped */
        void (*progress)(void *arg, double fraction, const char *text);
        bool (*should_stop)(void *arg);
        void *arg;
};

/* Keeps its state after every task in dir (created as needed; NULL: nowhere) and goes on from there; a finished
 * unit's result is read, not computed again. The same settings give the same R, interrupted or not; only seconds
 * differ. 0; UNIT_STOPPED: asked to; negative: broken. A run that diverged is a result, with R not measured from
 * there on. */
enum { UNIT_STOPPED = 1 };
int unit_run(const struct settings *s, const struct dataset *d, const char *dir, const struct unit_callbacks *cb,
    struct unit_result *ret, struct err *e);

/* The kept result alone. UNIT_NONE: there is none. */
enum { UNIT_NONE = 2 };
int unit_kept(const struct settings *s, const char *dir, struct unit_result *ret, struct err *e);

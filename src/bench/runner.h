/* runner.h: a list of units, one after the other or several processes at a time. */
#pragma once
#include "bench/dataset.h"
#include "bench/options.h"

struct work {
        struct settings s;
        struct unit_result result; /* filled by runner_run */
};

/* Units whose result is kept are read. With jobs > 1 the others run as `ewc-bench unit` of this very program (exec,
 * so that no BLAS is forked), whose results come back through the state directory. Progress goes to stderr.
 * 0; RUNNER_STOPPED: interrupted by a signal, what is finished is kept. */
enum { RUNNER_STOPPED = 1 };
int runner_run(struct work *work, size_t n, const struct options *o, const struct dataset *d, struct err *e);

/* The signal handler's flag: SIGINT and SIGTERM end a run at the next mini-batch. */
void runner_signals(void);
bool runner_stopped(void);

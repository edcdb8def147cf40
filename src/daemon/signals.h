/* signals.h: what the daemon's signals mean. Main thread. */
#pragma once

struct app;
struct err;
struct signals;

int signals_new(struct signals **ret, struct app *a, struct err *e);
void signals_free(struct signals *s); /* accepts NULL */

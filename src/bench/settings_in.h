/* settings_in.h: the parts of settings_make, for settings*.c only. All: 0, or -EINVAL with the flag as field. */
#pragma once
#include "bench/settings.h"

bool method_merges(enum bench_method m); /* as the protocol or the command line says */

int settings_check_method(const struct options *o, enum bench_method m, struct err *e);
int settings_check_protocol(const struct options *o, const struct protocol *p, struct err *e);
int settings_check_made(const struct options *o, const struct settings *s, struct err *e); /* has a penalty */

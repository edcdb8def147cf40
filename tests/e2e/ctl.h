/* ctl.h: ewcctl as the tests call it. Included after e2e.h. */
#pragma once
#include "lib/daemon.h"
#include "run.h"

struct json_doc;

enum { CTL_MS = 60000 };

extern struct ran ctl_last; /* of the last call; for ran_deinit at the end */

void ctl_use(const struct daemon *d); /* --socket of the calls to come */

/* Runs ewcctl with words (split at spaces); its exit status. in: its stdin. */
int ctl(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int ctl_with(const char *in, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define CTL(want, ...)                                                                                               \
        do {                                                                                                         \
                if (ctl(__VA_ARGS__) != (want))                                                                      \
                        fail_msg("exit status %d instead of %d\n%s\n%s", ctl_last.code, (want), ctl_last.out.data,   \
                            ctl_last.err.data);                                                                      \
        } while (0)

/* Of the last call. json_out: its output as JSON; the caller frees it. check_error_json: an error on this side with
 * --json, one object of the daemon's shape on stdout, the words alone on stderr. */
void check_out(const char *part);
void check_err(const char *part);
struct json_doc *json_out(void);
double json_out_number(const char *pointer);
void check_error_json(const char *kind);

/* cli.h: what every command of ewcctl gets: options, positional arguments, a connection, and ways to print.
 *
 * Data goes to stdout, everything else to stderr; with --json stdout gets JSON whatever happens. A command returns an
 * exit code; nothing here calls exit. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exit_code { /* a stable contract */
        EXIT_OK = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_NOT_FOUND = 3,
        EXIT_CONFLICT = 4,
        EXIT_REJECTED = 5, /* the gate said no */
        EXIT_UNREACHABLE = 6,
        EXIT_DEGRADED = 7,
};

enum { CLI_MAX_POS = 4 };

struct options {
        const char *socket, *url; /* where the daemon is */
        bool json, help, version, wait, dry_run, reject, rebuild;
        const char *task, *classes, *only, *source, *label_column, *labels_file, *reason;
        bool labels;
        uint64_t limit, skip, batch;
        const char *noun; /* with help and without a command: all of its commands are explained; NULL */
        const char *pos[CLI_MAX_POS];
        size_t n_pos;
};

struct client;

/* bar.c: progress on stderr: a bar when that is a terminal, else a line at most every few seconds; none with
 * --json. */
struct bar {
        const char *what;
        uint64_t started_ns, shown_ns;
        bool tty, quiet;
        bool open; /* a bar stands on the terminal's line, which is not ended */
};
struct cli;
void bar_start(struct cli *c, const char *what); /* what must outlive the bar */
void bar_show(struct cli *c, double fraction, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void bar_end(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* draws it full */
void bar_break(struct bar *b); /* ends the terminal's line before other words */

struct cli {
        struct options opt;
        struct client *client; /* connected on first use */
        struct bar bar;
};

struct command {
        const char *name; /* "task rollover" */
        int (*run)(struct cli *c);
        const char *args; /* "MODEL TASK" */
        size_t min_pos, max_pos;
        uint32_t flags; /* FLAG_* it accepts besides the global ones */
        const char *help;
};

extern const struct command commands[];
extern const size_t n_commands;

/* options.c: one table of flags for parsing, usage and the manual. */
enum {
        FLAG_WAIT = 1 << 0,
        FLAG_TASK = 1 << 1,
        FLAG_CLASSES = 1 << 2,
        FLAG_ONLY = 1 << 3,
        FLAG_SOURCE = 1 << 4,
        FLAG_LABEL_COLUMN = 1 << 5,
        FLAG_LABELS = 1 << 6,
        FLAG_REASON = 1 << 7,
        FLAG_LIMIT = 1 << 8,
        FLAG_SKIP = 1 << 9,
        FLAG_BATCH = 1 << 10,
        FLAG_DRY_RUN = 1 << 11,
        FLAG_REJECT = 1 << 12,
        FLAG_REBUILD = 1 << 13,
        FLAG_GLOBAL = 1 << 30,
};
int options_parse(int argc, char **argv, struct options *ret, const struct command **ret_command, struct err *e);
bool options_json(int argc, char **argv); /* --json stands there; for command lines that do not parse */
/* Of one command; NULL: of all that begin with noun, or, NULL too, of the whole program. To stdout. */
void usage_print(const struct command *c, const char *noun);

/* out.c */
void out_json(const struct buf *body); /* as the daemon sent it, with a newline */
struct out_table;
struct out_table *out_table_new(size_t n_columns, const char *const *headings);
void out_table_cell(struct out_table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));                 /* left to right, row by row */
void out_table_print(struct out_table *t);                 /* and frees it */
bool out_list_has(const char *list, const char *item);     /* comma-separated; NULL list has everything */
void out_percent(char *ret, size_t size, double share);    /* "97.3 %", or "-" for NaN */
void out_number(char *ret, size_t size, double v);         /* whole ones in full, since seeds are long; "-" for NaN */
void out_table_percent(struct out_table *t, double share); /* the next cell */
void out_table_number(struct out_table *t, double v);
void out_table_fixed(struct out_table *t, double v); /* four places */

/* fail.c: how a command ends that could not do its work. Each prints and returns an exit code. */
int cli_refuse(struct cli *c, int code, int status, const char *fmt, ...) /* status: the daemon's, 0 for none */
    __attribute__((format(printf, 4, 5)));
int cli_fail(struct cli *c, const struct err *e); /* EXIT_FAILED */
void fail_json(struct buf *b, int code, int status, const char *detail);

int cmd_status(struct cli *c);
int cmd_model_create(struct cli *c);
int cmd_model_list(struct cli *c);
int cmd_model_show(struct cli *c);
int cmd_feedback_import(struct cli *c);
int cmd_holdout_import(struct cli *c);
int cmd_feedback_show(struct cli *c);
int cmd_feedback_erase(struct cli *c);
int cmd_feedback_release(struct cli *c);
int cmd_source_list(struct cli *c);
int cmd_source_unlearn(struct cli *c);
int cmd_predict(struct cli *c);
int cmd_consolidate(struct cli *c);
int cmd_task_list(struct cli *c);
int cmd_task_rollover(struct cli *c);
int cmd_task_show(struct cli *c);
int cmd_task_weigh(struct cli *c);
int cmd_gate_explain(struct cli *c);
int cmd_version_list(struct cli *c);
int cmd_version_show(struct cli *c);
int cmd_version_rollback(struct cli *c);
int cmd_version_promote(struct cli *c);
int cmd_version_diff(struct cli *c);
int cmd_version_lineage(struct cli *c);
int cmd_version_verify(struct cli *c);
int cmd_version_prune(struct cli *c);
int cmd_alias_list(struct cli *c);
int cmd_alias_set(struct cli *c);
int cmd_alias_delete(struct cli *c);
int cmd_job_list(struct cli *c);
int cmd_job_watch(struct cli *c);
int cmd_job_cancel(struct cli *c);

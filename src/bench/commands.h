/* commands.h: one function per command; returns the program's exit status. */
#pragma once
#include "bench/options.h"

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 10 };

int cmd_list(const struct options *o);
int cmd_run(const struct options *o);
int cmd_table(const struct options *o);
int cmd_unit(const struct options *o);
int cmd_sweep(const struct options *o);
int cmd_two_task(const struct options *o);
int cmd_federated(const struct options *o);
int cmd_similarity(const struct options *o);
int cmd_speed(const struct options *o);

/* Prints e on stderr and gives the exit status that belongs to r (0, positive: stopped, negative: broken). */
int command_end(int r, const struct err *e);
/* Prints what b holds, if wanted, and gives b back. -ENOMEM where it does not hold all. */
struct buf;
int command_write(struct buf *b, bool wanted, struct err *e);
/* Says on stderr how many seeds of a method diverged, and at which lambda. Where all of them did and it is the method
 * that was asked for, -ERANGE with that line in *e instead. */
struct settings;
struct summary;
int command_diverged(const struct settings *s, const struct summary *sum, bool asked, struct err *e);
/* Whether a drawing can be written to path, before hours of training; NULL is none. The field is --plot. */
int command_plot(const char *path, struct err *e);
/* The protocol named, or the command's own. */
int command_protocol(const struct options *o, const char *own, const struct protocol **ret, struct err *e);
/* Opens what the protocol reads, or a file of the user's. */
struct dataset;
int command_data(const struct options *o, const struct protocol *p, struct dataset *ret, struct err *e);

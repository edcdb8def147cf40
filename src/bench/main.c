/* main.c: ewc-bench: the command table, and nothing else. */
#include "base/err.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "bench/runner.h"
#include <ewc/team.h>
#include <stdio.h>
#include <string.h>

static const struct {
        const char *name;
        int (*run)(const struct options *o);
} commands[] = {
    {"list", cmd_list},
    {"run", cmd_run},
    {"table", cmd_table},
    {"sweep", cmd_sweep},
    {"two-task", cmd_two_task},
    {"federated", cmd_federated},
    {"similarity", cmd_similarity},
    {"speed", cmd_speed},
    {"unit", cmd_unit},
};

/* A result that did not reach its reader is none. */
static int written(int status)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;
        fprintf(stderr, "ewc-bench: cannot write to standard output\n");
        return EXIT_FAILED;
}

int main(int argc, char **argv)
{
        struct options o;
        struct err e = ERR_NULL;
        if (options_parse(argc, argv, &o, &e) < 0)
                return command_end(e.code, &e);
        if (o.help) {
                options_usage(o.bare ? stderr : stdout);
                return o.bare ? EXIT_USAGE : written(EXIT_DONE);
        }
        runner_signals();
        ewc_blas_alone();
        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
                if (strcmp(commands[i].name, o.command) == 0)
                        return written(commands[i].run(&o));
        return EXIT_USAGE;
}

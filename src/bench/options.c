/* options.c: one table of flags for parsing and help. Every command lists the flags it takes, so that a flag without
 * effect is an error and not a surprise. */
#include "bench/options.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { /* commands, as bits */
        LIST = 1 << 0,
        RUN = 1 << 1,
        SWEEP = 1 << 2,
        TWO = 1 << 3,
        SPEED = 1 << 4,
        UNIT = 1 << 5,
        UNITS = RUN | SWEEP | TWO | UNIT
};

static const struct command {
        const char *name;
        unsigned bit;
        bool protocol;
        const char *help;
} commands[] = {
    {"list", LIST, false, "protocols, their scenario and what was published"},
    {"run", RUN, true, "a protocol with a method, none and joint beside it"},
    {"sweep", SWEEP, false, "accuracy over lambda for the Fisher variants, raw and canonical scale"},
    {"two-task", TWO, false, "old task before and after, new task, forgetting, for four methods"},
    {"speed", SPEED, false, "time of steps, Fisher passes, inference and the matrix product in one run"},
    {"unit", UNIT, true, "one method and seed of a protocol, as run starts it for --jobs"},
};

enum kind { TEXT, NUMBER, REAL, FLAG, OTHER };

static const struct flag {
        const char *name;
        enum kind kind;
        unsigned commands;
        size_t offset;
        uint32_t min; /* NUMBER */
        const char *arg, *help;
} flags[] = {
    {"--method", OTHER, RUN | UNIT, 0, 0, "M", "ewc (default) online-ewc si mas lwf replay ewc-replay none joint"},
    {"--fisher", OTHER, UNITS, 0, 0, "V", "exact empirical sample batched (default: the protocol's)"},
    {"--fisher-samples", NUMBER, UNITS, offsetof(struct options, fisher_samples), 0, "N", "rows of a Fisher; 0: all"},
    {"--lambda", OTHER, RUN | TWO | UNIT, 0, 0, "X|auto", "strength, without the 1/2 of the papers; auto searches"},
    {"--seeds", NUMBER, RUN | SWEEP | TWO, offsetof(struct options, seeds), 1, "N", "independent runs (default 1)"},
    {"--seed", OTHER, UNITS, 0, 0, "N", "the first seed (default 1)"},
    {"--data", TEXT, UNITS, offsetof(struct options, data), 0, "DIR", "directory of the datasets; split: the file"},
    {"--labels", TEXT, RUN | UNIT, offsetof(struct options, labels), 0, "FILE", "split: label file of an idx file"},
    {"--tasks", NUMBER, UNITS, offsetof(struct options, tasks), 1, "K", "split: tasks to cut; else the first K only"},
    {"--scenario", OTHER, RUN | UNIT, 0, 0, "S", "split: task, domain or class"},
    {"--steps", NUMBER, UNITS, offsetof(struct options, steps), 1, "N",
        "steps of each task instead of the protocol's"},
    {"--rows", NUMBER, UNITS, offsetof(struct options, rows), 1, "N", "training rows of each task at most"},
    {"--from", REAL, SWEEP, offsetof(struct options, from), 0, "X", "first lambda as papers write it (default 1)"},
    {"--to", REAL, SWEEP, offsetof(struct options, to), 0, "X", "last (default 1e13)"},
    {"--factor", REAL, SWEEP, offsetof(struct options, factor), 0, "X", "ratio of neighbours (default 10)"},
    {"--jobs", NUMBER, RUN | SWEEP | TWO, offsetof(struct options, jobs), 1, "J", "processes at a time (default 1)"},
    {"--threads", NUMBER, UNITS | SPEED, offsetof(struct options, threads), 1, "N",
        "BLAS threads of each (default 1)"},
    {"--state", TEXT, UNITS, offsetof(struct options, state), 0, "DIR", "kept results (default .ewc-bench)"},
    {"--torch", TEXT, SPEED, offsetof(struct options, torch), 0, "FILE", "torch_learn.py, to compare with PyTorch"},
    {"--plot", TEXT, RUN | SWEEP, offsetof(struct options, plot), 0, "FILE", "draw an SVG"},
    {"--json", FLAG, UNITS | SPEED | LIST, offsetof(struct options, json), 0, "", "objects a program can read"},
    {"--help", FLAG, ~0U, offsetof(struct options, help), 0, "", "this text"},
};

void options_usage(void)
{
        printf("ewc-bench: published continual-learning protocols on the daemon's own learner\n\n");
        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
                printf("  ewc-bench %s%s\n      %s\n", commands[i].name, commands[i].protocol ? " PROTOCOL" : "",
                    commands[i].help);
        printf("\n");
        for (size_t i = 0; i < ARRAY_LEN(flags); i++)
                printf("  %-16s %-7s %s\n", flags[i].name, flags[i].arg, flags[i].help);
}

static int bad(const char *flag, const char *value, const char *want, struct err *e)
{
        return err_field(e, -EINVAL, flag, "%s %s: %s", flag, value, want);
}

static int parse_real(const char *flag, const char *value, double *ret, struct err *e)
{
        char *end;
        double v = strtod(value, &end);
        if (end == value || *end != '\0' || !isfinite(v) || v < 0)
                return bad(flag, value, "not a number of at least 0", e);
        *ret = v;
        return 0;
}

static int parse_other(const char *flag, const char *value, struct options *o, struct err *e)
{
        if (strcmp(flag, "--method") == 0 && !method_parse(value, &o->method))
                return bad(flag, value, "no such method", e);
        if (strcmp(flag, "--fisher") == 0 && ewc_fisher_parse(value, &o->fisher) < 0)
                return bad(flag, value, "no such Fisher variant", e);
        if (strcmp(flag, "--scenario") == 0 && !scenario_parse(value, &o->scenario))
                return bad(flag, value, "task, domain or class", e);
        if (strcmp(flag, "--seed") == 0 && !slice_u64(slice_of(value), &o->seed))
                return bad(flag, value, "not a number", e);
        if (strcmp(flag, "--lambda") == 0) {
                o->lambda_given = true;
                o->lambda_auto = strcmp(value, "auto") == 0;
                return o->lambda_auto ? 0 : parse_real(flag, value, &o->lambda, e);
        }
        return 0;
}

static int parse_value(const struct flag *f, const char *value, struct options *o, struct err *e)
{
        char *at = (char *)o + f->offset;
        uint64_t n;
        switch (f->kind) {
        case TEXT:
                memcpy(at, &value, sizeof(value));
                return 0;
        case REAL:
                return parse_real(f->name, value, (double *)(void *)at, e);
        case NUMBER:
                if (!slice_u64(slice_of(value), &n) || n < f->min || n > UINT32_MAX)
                        return bad(f->name, value, "not a number in range", e);
                *(uint32_t *)(void *)at = (uint32_t)n;
                o->fisher_samples_given |= at == (char *)&o->fisher_samples;
                return 0;
        default:
                return parse_other(f->name, value, o, e);
        }
}

static const struct flag *find_flag(const char *name)
{
        for (size_t i = 0; i < ARRAY_LEN(flags); i++)
                if (strcmp(flags[i].name, name) == 0)
                        return &flags[i];
        return NULL;
}

static int parse_flags(int argc, char **argv, const struct command *c, struct options *o, struct err *e)
{
        for (int i = 2; i < argc; i++) {
                const char *arg = argv[i];
                const struct flag *f = find_flag(arg);
                if (arg[0] != '-' && c->protocol && !o->protocol) {
                        o->protocol = arg;
                        continue;
                }
                if (!f)
                        return err_field(e, -EINVAL, arg, "%s: no such flag; see ewc-bench --help", arg);
                if (!(f->commands & c->bit))
                        return err_field(e, -EINVAL, arg, "%s has no meaning for %s", arg, c->name);
                if (f->kind == FLAG) {
                        *(bool *)(void *)((char *)o + f->offset) = true;
                        continue;
                }
                if (++i == argc)
                        return err_field(e, -EINVAL, arg, "%s needs a value", arg);
                int r = parse_value(f, argv[i], o, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int options_parse(int argc, char **argv, struct options *ret, struct err *e)
{
        struct options o = {.seeds = 1, .jobs = 1, .threads = 1, .seed = 1, .from = 1, .to = 1e13, .factor = 10};
        const struct command *c = NULL;
        o.help = argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0;
        for (size_t i = 0; !o.help && i < ARRAY_LEN(commands); i++)
                if (strcmp(commands[i].name, argv[1]) == 0)
                        c = &commands[i];
        if (!o.help && !c)
                return err_field(e, -EINVAL, argv[1], "%s: no such command; see ewc-bench --help", argv[1]);
        if (c) {
                o.command = c->name;
                int r = parse_flags(argc, argv, c, &o, e);
                if (r < 0)
                        return r;
                if (c->protocol && !o.protocol && !o.help)
                        return err_field(e, -EINVAL, "PROTOCOL", "name a protocol; ewc-bench list shows them");
        }
        if (o.state == NULL)
                o.state = ".ewc-bench";
        *ret = o;
        return 0;
}

/* options.c: one table of flags for parsing and help. Every command lists the flags it takes, so that a flag without
 * effect is an error and not a surprise; what a method or protocol has no use for is refused in settings_check.c. */
#include "bench/options.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include <errno.h>
#include <ewc/team.h>
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
        TABLE = 1 << 6,
        FED = 1 << 7,
        ALIKE = 1 << 8,
        UNITS = RUN | SWEEP | TWO | UNIT,
        TRAIN = UNITS | TABLE,
        LEARN = TRAIN | FED | ALIKE,
        ONE = RUN | TWO | UNIT, /* one lambda */
};

enum takes { NO_PROTOCOL, MAY_PROTOCOL, NEEDS_PROTOCOL };

static const struct command {
        const char *name;
        unsigned bit;
        enum takes protocol;
        const char *help;
} commands[] = {
    {"list", LIST, NO_PROTOCOL, "protocols, their scenario and what was published"},
    {"run", RUN, NEEDS_PROTOCOL, "a protocol with a method, none and joint beside it"},
    {"table", TABLE, NEEDS_PROTOCOL, "every method of a protocol beside the figures that were published"},
    {"sweep", SWEEP, MAY_PROTOCOL, "accuracy over lambda for the Fisher variants (default split-mnist-task)"},
    {"two-task", TWO, MAY_PROTOCOL, "a drift: old task, new task, forgetting (default permuted-mnist-small)"},
    {"federated", FED, NO_PROTOCOL, "clients of two digits each, averaged with and without each other's Fishers"},
    {"similarity", ALIKE, NO_PROTOCOL, "how alike the Fishers of rotated and of permuted tasks are"},
    {"speed", SPEED, NO_PROTOCOL, "time of steps, Fisher passes, inference and the matrix product in one run"},
    {"unit", UNIT, NEEDS_PROTOCOL, "one method and seed of a protocol, as run starts it for --jobs"},
};

/* Values with a meaning of their own: each parser is one word of the language below. */

static bool to_method(const char *v, struct options *o)
{
        return method_parse(v, &o->method);
}

static bool to_fisher(const char *v, struct options *o)
{
        return ewc_fisher_parse(v, &o->fisher) == 0;
}

static bool to_scenario(const char *v, struct options *o)
{
        return scenario_parse(v, &o->scenario);
}

static bool to_seed(const char *v, struct options *o)
{
        return slice_u64(slice_of(v), &o->seed);
}

static bool to_real(const char *v, double *ret)
{
        char *end;
        double x = strtod(v, &end);
        if (end == v || *end != '\0' || !isfinite(x) || x < 0)
                return false;
        *ret = x;
        return true;
}

/* "20%" in (0,100]. */
static bool to_percent(const char *v, double *ret)
{
        char text[64];
        size_t n = strlen(v);
        double x;
        if (n < 2 || n >= sizeof(text) || v[n - 1] != '%')
                return false;
        memcpy(text, v, n - 1);
        text[n - 1] = '\0';
        if (!to_real(text, &x) || !(x > 0 && x <= 100))
                return false;
        *ret = x;
        return true;
}

static bool to_samples(const char *v, struct options *o)
{
        uint64_t n;
        o->fisher_samples_given = true;
        o->fisher_samples = 0;
        o->fisher_percent = 0;
        if (to_percent(v, &o->fisher_percent))
                return true;
        if (!slice_u64(slice_of(v), &n) || n > UINT32_MAX)
                return false;
        o->fisher_samples = (uint32_t)n;
        return true;
}

static bool to_lambda(const char *v, struct options *o)
{
        o->lambda_given = true;
        o->lambda_auto = strcmp(v, "auto") == 0;
        return o->lambda_auto || to_real(v, &o->lambda);
}

static bool to_start(const char *v, struct options *o)
{
        return (o->start_given = learn_start_parse(v, &o->start));
}

static bool to_brake(const char *v, struct options *o)
{
        return (o->brake_given = to_real(v, &o->brake) && o->brake <= 1);
}

static bool to_form(const char *v, struct options *o)
{
        return (o->form_given = learn_form_parse(v, &o->form));
}

static bool to_scale(const char *v, struct options *o)
{
        return (o->scale_given = learn_scale_parse(v, &o->scale));
}

static bool to_merge(const char *v, struct options *o)
{
        return (o->merge_given = learn_merge_rule_parse(v, &o->merge));
}

/* The library's names, with or without the bits of an entry. */
static bool to_encoding(const char *v, struct options *o)
{
        static const char *const bits[] = {"", "16", "32"};
        for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
                char name[32];
                int n = snprintf(name, sizeof(name), "%s%s", v, bits[i]);
                if (n > 0 && (size_t)n < sizeof(name) && ewc_pack_parse(name, &o->encoding) == 0)
                        return true;
        }
        return false;
}

static bool to_active(const char *v, struct options *o)
{
        o->active = strcmp(v, "all") == 0 ? ACTIVE_ALL : strcmp(v, "task") == 0 ? ACTIVE_TASK : 0;
        return o->active > 0;
}

static bool to_keep(const char *v, struct options *o)
{
        return to_percent(v, &o->keep_percent);
}

enum kind { TEXT, NUMBER, REAL, FLAG, OTHER };

static const struct flag {
        const char *name;
        enum kind kind;
        unsigned commands;
        size_t offset; /* of struct options, but for OTHER */
        const char *arg, *help;
        bool (*parse)(const char *value, struct options *o); /* OTHER */
        const char *want;                                    /* OTHER: what a value must be */
} flags[] = {
#define AT(field) offsetof(struct options, field)
    {"--method", OTHER, RUN | UNIT, 0, "M",
        "ewc (default) online-ewc si mas lwf hybrid replay ewc-replay derpp none joint", to_method,
        "one of ewc online-ewc si mas lwf hybrid replay ewc-replay derpp none joint"},
    {"--fisher", OTHER, UNITS, 0, "V",
        "exact empirical sample batched argmax truncated mixed reversed (default: the protocol's)", to_fisher,
        "one of exact empirical sample batched argmax truncated mixed reversed"},
    {"--fisher-samples", OTHER, UNITS | FED | ALIKE, 0, "N|P%", "rows of a Fisher, or that share of them; 0: all",
        to_samples, "a whole number from 0 to 4294967295, or a share above 0% and at most 100%"},
    {"--damping", REAL, UNITS, AT(damping), "X", "share of its mean added to a Fisher", NULL, NULL},
    {"--lambda", OTHER, ONE | FED, 0, "X|auto", "strength, without the 1/2 of the papers; auto searches", to_lambda,
        "a finite number of at least 0, or auto"},
    {"--lambda-start", OTHER, ONE, 0, "S", "where auto begins: similarity (default) tasks top", to_start,
        "one of similarity tasks top"},
    {"--brake", OTHER, ONE, 0, "X", "what auto may cost the earlier tasks' held-out rows (default 0.02); 0: anything",
        to_brake, "a share from 0 to 1"},
    {"--scale", OTHER, ONE, 0, "S", "what lambda multiplies: unit raw l2 minmax (default: the protocol's)", to_scale,
        "one of unit raw l2 minmax"},
    {"--merge", OTHER, ONE, 0, "R", "of ewc: separate sum online ema (default: the protocol's)", to_merge,
        "one of separate sum online ema"},
    {"--merge-decay", REAL, ONE, AT(merge_decay), "X", "what a step of online or ema leaves of older tasks", NULL,
        NULL},
    {"--form", OTHER, UNITS, 0, "F", "of the penalty: prox or grad (default: the protocol's)", to_form,
        "prox or grad"},
    {"--huber", REAL, UNITS, AT(huber), "X", "distance from which the penalty is linear", NULL, NULL},
    {"--rate-new", REAL, UNITS, AT(rate_new), "X", "factor on the rate of every task but the first", NULL, NULL},
    {"--rate-floor", REAL, UNITS, AT(rate_floor), "X", "rate of a layer that carries the whole Fisher, below 1", NULL,
        NULL},
    {"--keep", OTHER, UNITS, 0, "P%", "largest entries of a stored Fisher; the rest a product of means", to_keep,
        "a share above 0% and at most 100%, with its sign, as 20%"},
    {"--encoding", OTHER, UNITS, 0, "E", "of a stored Fisher: dense bitmap log8 csr", to_encoding,
        "one of dense bitmap log8 csr"},
    {"--distill", REAL, RUN | UNIT, AT(distill), "X", "weight of distillation beside lwf's 1 (default: the method's)",
        NULL, NULL},
    {"--active", OTHER, RUN | UNIT, 0, "A", "class scenario: outputs that a task trains: all (default) or task",
        to_active, "all or task"},
    {"--seeds", NUMBER, RUN | TABLE | SWEEP | TWO | FED | ALIKE, AT(seeds), "N", "independent runs (default 1)", NULL,
        NULL},
    {"--seed", OTHER, LEARN, 0, "N", "the first seed (default 1)", to_seed,
        "a whole number from 0 to 18446744073709551615"},
    {"--data", TEXT, LEARN, AT(data), "DIR", "directory of the datasets; split: the file", NULL, NULL},
    {"--labels", TEXT, RUN | TABLE | UNIT, AT(labels), "FILE", "split: label file of an idx file", NULL, NULL},
    {"--tasks", NUMBER, RUN | TABLE | SWEEP | UNIT, AT(tasks), "K", "split: tasks to cut; else the first K only",
        NULL, NULL},
    {"--scenario", OTHER, TRAIN, 0, "S", "task, domain or class, where the protocol has a choice", to_scenario,
        "one of task domain class"},
    {"--steps", NUMBER, LEARN, AT(steps), "N", "steps of each task instead of the protocol's", NULL, NULL},
    {"--rows", NUMBER, LEARN, AT(rows), "N", "training rows of each task at most", NULL, NULL},
    {"--clients", NUMBER, FED, AT(clients), "N", "of two digits each, 2 to 5 (default 4)", NULL, NULL},
    {"--rounds", NUMBER, FED, AT(rounds), "N", "of training and averaging (default 10)", NULL, NULL},
    {"--from", REAL, SWEEP, AT(from), "X", "first lambda as papers write it (default 1)", NULL, NULL},
    {"--to", REAL, SWEEP, AT(to), "X", "last (default 1e13)", NULL, NULL},
    {"--factor", REAL, SWEEP, AT(factor), "X", "ratio of neighbours (default 10)", NULL, NULL},
    {"--jobs", NUMBER, RUN | TABLE | SWEEP | TWO, AT(jobs), "J", "processes at a time (default 1)", NULL, NULL},
    {"--threads", NUMBER, LEARN | SPEED, AT(threads), "N",
        "threads of each (default 1; speed: 2 where there are two CPUs)", NULL, NULL},
    {"--state", TEXT, TRAIN, AT(state), "DIR", "kept results (default .ewc-bench)", NULL, NULL},
    {"--torch", TEXT, SPEED, AT(torch), "FILE", "torch_learn.py, to compare with PyTorch", NULL, NULL},
    {"--plot", TEXT, RUN | SWEEP, AT(plot), "FILE", "draw an SVG", NULL, NULL},
    {"--json", FLAG, LEARN | SPEED | LIST, AT(json), "", "objects a program can read", NULL, NULL},
    {"--help", FLAG, ~0U, AT(help), "", "this text", NULL, NULL},
#undef AT
};

void options_usage(FILE *to)
{
        static const char *const protocol[] = {"", " [PROTOCOL]", " PROTOCOL"};
        fprintf(to, "ewc-bench: published continual-learning protocols on the daemon's own learner\n\n");
        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
                fprintf(to, "  ewc-bench %s%s\n      %s\n", commands[i].name, protocol[commands[i].protocol],
                    commands[i].help);
        fprintf(to, "\n");
        for (size_t i = 0; i < ARRAY_LEN(flags); i++)
                fprintf(to, "  %-16s %-7s %s\n", flags[i].name, flags[i].arg, flags[i].help);
        fputs("\nObjects: lambda is null for a method without penalty; forgetting_mean is null for a stream, which\n"
              "has no tasks to come back to. speed --json prints an object a line with name, value, unit and, where\n"
              "it belongs to one, net; src/bench/README.md says what the names mean.\n",
            to);
}

static int bad(const struct flag *f, const char *value, const char *want, struct err *e)
{
        return err_field(e, -EINVAL, f->name, "%s '%.60s': must be %s", f->name, value, want);
}

static int parse_value(const struct flag *f, const char *value, struct options *o, struct err *e)
{
        char *at = (char *)o + f->offset;
        double x;
        uint64_t n;
        switch (f->kind) {
        case TEXT:
                if (value[0] == '\0')
                        return bad(f, value, "a name, not empty", e);
                memcpy(at, &value, sizeof(value));
                return 0;
        case REAL:
                if (!to_real(value, &x) || !(x > 0))
                        return bad(f, value, "a finite number above 0", e);
                *(double *)(void *)at = x;
                return 0;
        case NUMBER:
                if (!slice_u64(slice_of(value), &n) || n < 1 || n > UINT32_MAX)
                        return bad(f, value, "a whole number from 1 to 4294967295", e);
                *(uint32_t *)(void *)at = (uint32_t)n;
                return 0;
        default:
                return f->parse(value, o) ? 0 : bad(f, value, f->want, e);
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
                if (arg[0] != '-' && c->protocol != NO_PROTOCOL && !o->protocol) {
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
        struct options o = {.seeds = 1, .jobs = 1, .seed = 1, .from = 1, .to = 1e13, .factor = 10};
        const struct command *c = NULL;
        o.bare = argc < 2;
        o.help = o.bare || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0;
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
                if (c->protocol == NEEDS_PROTOCOL && !o.protocol && !o.help)
                        return err_field(e, -EINVAL, "PROTOCOL", "name a protocol; ewc-bench list shows them");
        }
        if (o.threads > EWC_MAX_TEAM)
                return err_field(e, -EINVAL, "--threads", "%u, must be at most %d", o.threads, EWC_MAX_TEAM);
        if (o.seeds > 0 && o.seed > UINT64_MAX - (o.seeds - 1))
                return err_field(e, -EINVAL, "--seed", "the last of %u seeds is too large", o.seeds);
        if (o.threads == 0 && !(c && c->bit == SPEED)) /* speed chooses by the processors */
                o.threads = 1;
        if (o.state == NULL)
                o.state = ".ewc-bench";
        *ret = o;
        return 0;
}

struct options options_plain(const struct options *o)
{
        struct options c = *o;
        c.fisher = 0;
        c.fisher_samples_given = c.lambda_given = c.lambda_auto = false;
        c.start_given = c.form_given = c.scale_given = c.merge_given = c.brake_given = false;
        c.distill = c.damping = c.merge_decay = c.huber = c.rate_new = c.rate_floor = c.keep_percent = 0;
        c.encoding = 0;
        return c;
}

/* options.h: what the command line may say. */
#pragma once
#include "bench/bench.h"
#include <stdio.h>

struct options {
        const char *command, *protocol; /* protocol: NULL where it may be left out */
        enum bench_method method;       /* 0: not given */
        enum ewc_fisher fisher;         /* 0: not given */
        enum scenario scenario;         /* 0: not given */
        bool fisher_samples_given, lambda_given, lambda_auto, json, help;
        bool bare; /* no command: help is shown, but nothing was asked for */
        uint32_t fisher_samples;
        double fisher_percent; /* 0: rows */
        double lambda;
        bool start_given, form_given, scale_given, merge_given, brake_given;
        enum learn_start start; /* of a search for lambda */
        double brake;           /* the same; 0: none */
        enum learn_form form;
        enum learn_scale scale;
        enum learn_merge_rule merge;
        double damping, distill;                         /* 0: not given */
        enum bench_active active;                        /* 0: not given */
        double merge_decay, huber, rate_new, rate_floor; /* 0: not given */
        enum ewc_pack_encoding encoding;                 /* 0: not given */
        double keep_percent;                             /* 0: not given */
        uint32_t seeds, jobs, threads;                   /* at least 1; threads of speed: 0 if not given */
        uint64_t seed;                                   /* the first */
        uint32_t tasks, steps, rows;                     /* 0: the protocol's own */
        uint32_t clients, rounds;                        /* federated; 0: its own */
        double from, to, factor; /* sweep: lambda as in the papers, and the ratio of neighbours */
        const char *data, *labels, *plot, *state, *torch;
};

/* -EINVAL with the flag as field. A flag that the command does not take is refused. */
int options_parse(int argc, char **argv, struct options *ret, struct err *e);
void options_usage(FILE *to);
/* The same choices without those that only a method with a penalty, a Fisher or distillation knows: for the
 * companions that run beside it. */
struct options options_plain(const struct options *o);

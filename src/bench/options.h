/* options.h: what the command line may say. */
#pragma once
#include "bench/bench.h"

struct options {
        const char *command, *protocol;
        enum bench_method method; /* 0: not given */
        enum ewc_fisher fisher;   /* 0: not given */
        enum scenario scenario;   /* 0: not given */
        bool fisher_samples_given, lambda_given, lambda_auto, json, help;
        uint32_t fisher_samples;
        double lambda;
        uint32_t seeds, jobs, threads; /* at least 1 */
        uint64_t seed;                 /* the first */
        uint32_t tasks, steps, rows;   /* 0: the protocol's own */
        double from, to, factor;       /* sweep: lambda as in the papers, and the ratio of neighbours */
        const char *data, *labels, *plot, *state, *torch;
};

/* -EINVAL with the flag as field. A flag that the command does not take is refused. */
int options_parse(int argc, char **argv, struct options *ret, struct err *e);
void options_usage(void); /* to stdout */

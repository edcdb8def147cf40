/* lambda.h: the search for lambda inside one job (Stability Decay, De Lange et al. 2021, arXiv:1909.08383, sec. 3.3).
 *
 * First try: lambda 0, which gives A*, the accuracy reachable on the new task. Then from a high start lambda is
 * halved until the new task reaches (1 - drop) * A*, or the tries are used up. Needs no old data. Pure. */
#pragma once
#include "domain/learn_job.h"

struct lambda_conf {
        double start;       /* first non-zero try, canonical scale */
        double decay;       /* 0.5 */
        double drop;        /* 0.02: share of A* that may be given up */
        uint32_t max_tries; /* including the first; <= LEARN_MAX_TRIES */
};

struct lambda_next {
        bool stop;
        double lambda;   /* stop: the chosen one; else the next to try */
        uint32_t chosen; /* stop: index of the chosen try */
        char reason[REASON_SIZE];
};

extern const struct lambda_conf lambda_conf_default;
struct lambda_next lambda_next(const struct learn_try *tries, uint32_t n, const struct lambda_conf *conf);

/* The try to keep as candidate among the first n >= 1: the most accurate one with a penalty, earlier ones winning
 * ties; index 0 while there is none. lambda_next never chooses another. */
uint32_t lambda_best(const struct learn_try *tries, uint32_t n);

/* lambda.h: the search for lambda inside one job (Stability Decay, De Lange et al. 2021, arXiv:1909.08383, sec.
 * 3.3).
 *
 * First try: lambda 0, which gives A*, the accuracy reachable on the new task. Then from a start lambda is halved
 * until the new task reaches (1 - drop) * A*, or the tries are used up. The published rule starts high and only
 * falls; a start below the answer would cost protection for nothing. So when the start already reaches the target,
 * and gives up no more than a quarter of the drop, lambda is doubled for as long as that holds. Needs no old data.
 *
 * Where closed tasks have holdouts they are a brake: a try after which their mean accuracy lies below past_floor
 * doubles lambda, whatever the new task reached, until one keeps the brake, a greater lambda is known already, or the
 * band or the tries are used up. A try whose past_accuracy is NaN breaks no brake.
 * Every lambda is on the canonical scale and inside the band [low, high]; none is tried twice. Pure. */
#pragma once
#include "domain/learn_job.h"

struct lambda_conf {
        double start;       /* first non-zero try, canonical scale */
        double decay;       /* 0.5 */
        double drop;        /* share of A* that may be given up */
        double low, high;   /* the band */
        uint32_t max_tries; /* including the first; <= LEARN_MAX_TRIES */
        double past_floor;  /* least mean accuracy over closed tasks' holdouts of a kept try; NaN or 0: no brake */
};

struct lambda_next {
        bool stop;
        double lambda;   /* stop: the chosen one; else the next to try */
        uint32_t chosen; /* stop: index of the chosen try */
        char reason[REASON_SIZE];
};

/* For one closed task, starting at the top. */
extern const struct lambda_conf lambda_conf_default;
/* For n closed tasks: one task pays for what n keep, so the drop grows with the root of n, up to the 0.2 of the
 * paper. */
struct lambda_conf lambda_conf_of(uint64_t n);
struct lambda_next lambda_next(const struct learn_try *tries, uint32_t n, const struct lambda_conf *conf);

/* The try to keep as candidate among the first n >= 1: of those with a penalty that keep the brake and reach the
 * target the one of the greatest lambda; while there is none the most accurate that keeps the brake; while none keeps
 * it the one that comes nearest to it. Earlier ones win ties; index 0 while no try has a penalty. lambda_next never
 * chooses another, and a candidate once overtaken never returns. */
uint32_t lambda_best(const struct learn_try *tries, uint32_t n, const struct lambda_conf *conf);

/* Starts, inside the band of conf. Similarity: ewc/similarity.h of the new task's Fisher and the closed tasks'. At
 * 0.65 and below the top; from there on the more alike, the lower, evenly in the logarithm, to 40 units of 1e-4 at 1:
 * tasks that want the same of a parameter need little protection from each other. Tasks: 500 / n units of 1e-4 for
 * n >= 1 closed tasks. */
double lambda_start_similarity(double similarity, const struct lambda_conf *conf);
double lambda_start_tasks(uint64_t n, const struct lambda_conf *conf);

/* lambda.c: the search for lambda, as a function of the tries made so far.
 *
 * Nothing is kept between calls: the whole search follows from the list of tries, so an interrupted job goes on where
 * it was. A try that reaches the target ends the search; every earlier one missed it, so the chosen try is always the
 * most accurate one with a penalty, and a caller needs to keep a single candidate (lambda_best). */
#include "domain/lambda.h"
#include <math.h>
#include <stdio.h>

#define TOLERANCE 1e-9 /* accuracies are ratios of counts; far below one row of any holdout */

/* The top of the useful band of lambda on the canonical scale (about 1e-5 to 1e-1), then down seven halvings. */
const struct lambda_conf lambda_conf_default = {
    .start = 0.1, .decay = 0.5, .drop = 0.02, .max_tries = LEARN_MAX_TRIES};

static double accuracy_of(const struct learn_try *t)
{
        return isnan(t->accuracy) ? 0.0 : t->accuracy;
}

uint32_t lambda_best(const struct learn_try *tries, uint32_t n)
{
        uint32_t best = n > 1 ? 1 : 0;
        for (uint32_t i = 2; i < n; i++) /* ties go to the earlier, larger lambda: it protects more */
                if (accuracy_of(&tries[i]) > accuracy_of(&tries[best]))
                        best = i;
        return best;
}

static struct lambda_next go_on(double lambda, const char *why)
{
        struct lambda_next r = {.lambda = lambda};
        snprintf(r.reason, sizeof(r.reason), "lambda %g: %s", lambda, why);
        return r;
}

struct lambda_next lambda_next(const struct learn_try *tries, uint32_t n, const struct lambda_conf *conf)
{
        uint32_t max_tries = conf->max_tries < LEARN_MAX_TRIES ? conf->max_tries : LEARN_MAX_TRIES;
        if (n == 0)
                return go_on(0.0, "no penalty, for the accuracy the new task can reach");
        if (n == 1 && max_tries > 1)
                return go_on(conf->start, "the highest value tried");
        double reachable = accuracy_of(&tries[0]), target = (1.0 - conf->drop) * reachable;
        bool reached = n > 1 && accuracy_of(&tries[n - 1]) >= target - TOLERANCE;
        if (!reached && n < max_tries)
                return go_on(tries[n - 1].lambda * conf->decay, "the last value cost the new task too much");
        struct lambda_next r = {.stop = true, .chosen = reached ? n - 1 : lambda_best(tries, n)};
        r.lambda = tries[r.chosen].lambda;
        snprintf(r.reason, sizeof(r.reason), "lambda %g after %u tries: the new task reaches %.4f of %.4f, %s %.4f",
            r.lambda, n, accuracy_of(&tries[r.chosen]), reachable,
            reached ? "at least the target" : "the best tried, though below the target", target);
        return r;
}

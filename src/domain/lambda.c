/* lambda.c: the search for lambda, as a function of the tries made so far.
 *
 * Nothing is kept between calls: the whole search follows from the list of tries, so an interrupted job goes on where
 * it was. The last try says where to go: up when it broke the brake or cost the new task little, down when it cost it
 * too much. A search never turns round, so the values it would meet again end it. Which try is best is an order among
 * tries that no later one changes, so the chosen one can always be kept as a single candidate (lambda_best). */
#include "domain/lambda.h"
#include <math.h>
#include <stdio.h>

#define TOLERANCE 1e-9 /* accuracies are ratios of counts; far below one row of any holdout */
#define UNIT 1e-4      /* of lambda on the canonical scale: the useful band is [0.5, 1000] of it */
#define TASKS_UNITS 500.0
#define DROP_MAX 0.2
#define EASILY 4.0 /* a try that gives up no more than this part of the drop is worth a greater lambda */
/* Measured in a net that knows a task, on 1000 rows of each: other rows of the same task come to 0.98, its neighbours
 * (digits turned by 15 degrees) to 0.94 to 0.96, turned by 60 degrees to 0.82 to 0.87, strangers (pixels permuted) to
 * 0.58 to 0.83, as the net goes. */
#define STRANGE 0.65     /* what is no more alike begins at the top */
#define ALIKE_UNITS 40.0 /* where a search begins when the tasks are one and the same */

/* From the top of the band five halvings: seven tries with the first. */
const struct lambda_conf lambda_conf_default = {
    .start = 1000 * UNIT, .decay = 0.5, .drop = 0.02, .low = 0.5 * UNIT, .high = 1000 * UNIT, .max_tries = 7};

struct lambda_conf lambda_conf_of(uint64_t n)
{
        struct lambda_conf conf = lambda_conf_default;
        conf.drop *= sqrt((double)(n > 0 ? n : 1));
        conf.drop = conf.drop < DROP_MAX ? conf.drop : DROP_MAX;
        return conf;
}

static double accuracy_of(const struct learn_try *t)
{
        return isnan(t->accuracy) ? 0.0 : t->accuracy;
}

static double into_band(double lambda, const struct lambda_conf *conf)
{
        return lambda > conf->high ? conf->high : lambda > conf->low ? lambda : conf->low; /* NaN: low */
}

/* Whether a try gives up at most this share of what the new task can reach. */
static bool reaches(const struct learn_try *tries, uint32_t i, double drop)
{
        return accuracy_of(&tries[i]) >= (1.0 - drop) * accuracy_of(&tries[0]) - TOLERANCE;
}

static bool breaks(const struct learn_try *t, const struct lambda_conf *conf)
{
        return conf->past_floor > 0 && t->past_accuracy < conf->past_floor - TOLERANCE; /* a NaN breaks nothing */
}

static bool better(const struct learn_try *tries, uint32_t i, uint32_t than, const struct lambda_conf *conf)
{
        const struct learn_try *a = &tries[i], *b = &tries[than];
        if (breaks(a, conf) || breaks(b, conf))
                return breaks(a, conf) && breaks(b, conf) ? a->past_accuracy > b->past_accuracy : breaks(b, conf);
        bool now = reaches(tries, i, conf->drop), before = reaches(tries, than, conf->drop);
        return now && before ? a->lambda > b->lambda : !before && accuracy_of(a) > accuracy_of(b);
}

uint32_t lambda_best(const struct learn_try *tries, uint32_t n, const struct lambda_conf *conf)
{
        uint32_t best = n > 1 ? 1 : 0;
        for (uint32_t i = 2; i < n; i++) /* ties go to the earlier one */
                if (better(tries, i, best, conf))
                        best = i;
        return best;
}

static struct lambda_next go_on(double lambda, const char *why)
{
        struct lambda_next r = {.lambda = lambda};
        snprintf(r.reason, sizeof(r.reason), "lambda %g: %s", lambda, why);
        return r;
}

/* The lambda after the last try, or that one again where the search ends. */
static double step(const struct learn_try *tries, uint32_t n, const struct lambda_conf *conf)
{
        const struct learn_try *last = &tries[n - 1];
        double least = tries[1].lambda, greatest = tries[1].lambda;
        for (uint32_t i = 2; i < n; i++) {
                least = tries[i].lambda < least ? tries[i].lambda : least;
                greatest = tries[i].lambda > greatest ? tries[i].lambda : greatest;
        }
        bool broke = breaks(last, conf);
        if (!broke && !reaches(tries, n - 1, conf->drop))
                return last->lambda > least ? last->lambda : into_band(last->lambda * conf->decay, conf);
        bool room = reaches(tries, n - 1, conf->drop / EASILY) && accuracy_of(&tries[0]) > 0;
        bool rise = (broke || room) && last->lambda >= greatest;
        return rise ? into_band(last->lambda / conf->decay, conf) : last->lambda;
}

static const char *why_on(const struct learn_try *last, double next, const struct lambda_conf *conf)
{
        if (breaks(last, conf))
                return "the last value cost the closed tasks more than the brake allows";
        return next < last->lambda ? "the last value cost the new task too much"
                                   : "the last value cost the new task little";
}

static struct lambda_next choose(const struct learn_try *tries, uint32_t n, const struct lambda_conf *conf)
{
        struct lambda_next r = {.stop = true, .chosen = lambda_best(tries, n, conf)};
        const struct learn_try *t = &tries[r.chosen];
        double reachable = accuracy_of(&tries[0]);
        r.lambda = t->lambda;
        int m = snprintf(r.reason, sizeof(r.reason),
            "lambda %g after %u tries: the new task reaches %.4f of %.4f, %s %.4f", r.lambda, n, accuracy_of(t),
            reachable,
            reaches(tries, r.chosen, conf->drop) ? "at least the target" : "the best tried, though below the target",
            (1.0 - conf->drop) * reachable);
        if (conf->past_floor > 0 && !isnan(t->past_accuracy))
                snprintf(r.reason + m, sizeof(r.reason) - (size_t)m, "; the closed tasks keep %.4f, %s %.4f",
                    t->past_accuracy, breaks(t, conf) ? "and no try kept the brake's" : "at least the brake's",
                    conf->past_floor);
        return r;
}

struct lambda_next lambda_next(const struct learn_try *tries, uint32_t n, const struct lambda_conf *conf)
{
        uint32_t max_tries = conf->max_tries < LEARN_MAX_TRIES ? conf->max_tries : LEARN_MAX_TRIES;
        if (n == 0)
                return go_on(0.0, "no penalty, for the accuracy the new task can reach");
        if (n >= max_tries)
                return choose(tries, n, conf);
        if (n == 1)
                return go_on(into_band(conf->start, conf), "where the search begins");
        double last = tries[n - 1].lambda, next = step(tries, n, conf);
        return next == last ? choose(tries, n, conf) : go_on(next, why_on(&tries[n - 1], next, conf));
}

double lambda_start_similarity(double similarity, const struct lambda_conf *conf)
{
        double s = similarity > 1 ? 1 : similarity > STRANGE ? similarity : STRANGE; /* NaN: strange */
        return into_band(conf->high * pow(ALIKE_UNITS * UNIT / conf->high, (s - STRANGE) / (1 - STRANGE)), conf);
}

double lambda_start_tasks(uint64_t n, const struct lambda_conf *conf)
{
        return into_band(TASKS_UNITS * UNIT / (double)(n > 0 ? n : 1), conf);
}

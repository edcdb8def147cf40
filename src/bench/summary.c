/* summary.c: R of every seed read by libewc's metrics, then mean and standard error. A figure that a unit does not
 * have (joint has no forgetting, a diverged run no accuracy) is left out of the mean, and n says so. */
#include "bench/summary.h"
#include <ewc/metrics.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

struct sums {
        double sum, square;
        uint32_t n;
};

static void add(struct sums *s, double v)
{
        if (!isfinite(v))
                return;
        s->sum += v;
        s->square += v * v;
        s->n++;
}

static struct figure figure(const struct sums *s)
{
        if (s->n == 0)
                return (struct figure){.mean = (double)NAN, .sem = (double)NAN};
        double n = s->n, mean = s->sum / n, var = s->square / n - mean * mean;
        return (struct figure){mean, sqrt((var > 0 ? var : 0) / n), s->n};
}

struct figure summary_figure(const double *v, size_t n)
{
        struct sums s = {0};
        for (size_t i = 0; i < n; i++)
                add(&s, v[i]);
        return figure(&s);
}

enum {
        ACCURACY,
        FORGETTING,
        FIRST_LAST,
        BACKWARD,
        FORWARD,
        INTRANSIGENCE,
        ANYTIME_MEAN,
        ANYTIME_MIN,
        LAMBDA,
        FACTOR,
        TRACE,
        SECONDS,
        FISHER_SECONDS,
        PACKED_SHARE,
        N_FIGURES
};

static const size_t places[N_FIGURES] = {
    [ACCURACY] = offsetof(struct summary, accuracy),
    [FORGETTING] = offsetof(struct summary, forgetting),
    [FIRST_LAST] = offsetof(struct summary, first_last),
    [BACKWARD] = offsetof(struct summary, backward),
    [FORWARD] = offsetof(struct summary, forward),
    [INTRANSIGENCE] = offsetof(struct summary, intransigence),
    [ANYTIME_MEAN] = offsetof(struct summary, anytime_mean),
    [ANYTIME_MIN] = offsetof(struct summary, anytime_min),
    [LAMBDA] = offsetof(struct summary, lambda),
    [FACTOR] = offsetof(struct summary, factor),
    [TRACE] = offsetof(struct summary, trace),
    [SECONDS] = offsetof(struct summary, seconds),
    [FISHER_SECONDS] = offsetof(struct summary, fisher_seconds),
    [PACKED_SHARE] = offsetof(struct summary, packed_share),
};

static double accuracy_of(const struct unit_result *u)
{
        double sum = 0;
        for (uint32_t j = 0; j < u->tasks; j++)
                sum += u->R[u->tasks - 1][j];
        return sum / u->tasks;
}

/* Forgetting and transfer need every row of R; joint has the last one only. */
static bool whole(const struct unit_result *u)
{
        for (uint32_t i = 0; i < u->tasks; i++)
                for (uint32_t j = 0; j <= i; j++)
                        if (isnan(u->R[i][j]))
                                return false;
        return u->tasks > 1;
}

static void add_matrix(const struct unit_result *u, struct sums *s)
{
        double R[BENCH_MAX_TASKS * BENCH_MAX_TASKS];
        size_t T = u->tasks;
        for (size_t i = 0; i < T; i++)
                memcpy(&R[i * T], u->R[i], T * sizeof(double));
        add(&s[FORGETTING], ewc_metrics_forgetting(T, R));
        add(&s[FIRST_LAST], ewc_metrics_forgetting_first(T, R));
        add(&s[BACKWARD], ewc_metrics_backward_transfer(T, R));
        add(&s[FORWARD], ewc_metrics_forward_transfer(T, R, u->start));
}

static void add_unit(const struct unit_result *u, const struct unit_result *joint, struct sums *s)
{
        size_t last = u->tasks - 1;
        add(&s[ACCURACY], accuracy_of(u));
        if (whole(u))
                add_matrix(u, s);
        if (joint && whole(u))
                add(&s[INTRANSIGENCE], joint->R[last][last] - u->R[last][last]);
        add(&s[ANYTIME_MEAN], u->anytime_mean);
        add(&s[ANYTIME_MIN], u->anytime_min);
        add(&s[LAMBDA], u->lambda);
        add(&s[FACTOR], u->factor);
        add(&s[TRACE], u->trace);
        add(&s[SECONDS], u->seconds);
        add(&s[FISHER_SECONDS], u->fisher_seconds);
        if (u->record_bytes > 0)
                add(&s[PACKED_SHARE], u->packed_bytes / u->record_bytes);
}

void summary_of(const struct unit_result *units, const struct unit_result *joint, uint32_t n, struct summary *ret)
{
        struct sums s[N_FIGURES] = {0};
        struct summary out = {.seeds = n, .tasks = units[0].tasks, .test_rows = units[0].test_rows};
        for (uint32_t i = 0; i < n; i++) {
                add_unit(&units[i], joint ? &joint[i] : NULL, s);
                out.diverged += isnan(accuracy_of(&units[i])) ? 1u : 0u;
        }
        for (size_t k = 0; k < N_FIGURES; k++) {
                struct figure f = figure(&s[k]);
                memcpy((char *)&out + places[k], &f, sizeof(f));
        }
        for (uint32_t i = 0; i < out.tasks; i++)
                for (uint32_t j = 0; j < out.tasks; j++) {
                        struct sums cell = {0};
                        for (uint32_t k = 0; k < n; k++)
                                add(&cell, units[k].R[i][j]);
                        out.R[i][j] = figure(&cell).mean;
                }
        *ret = out;
}

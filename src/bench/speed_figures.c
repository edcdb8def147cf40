/* speed_figures.c: times of parts into figures, and figures into lines.
 *
 * A figure is a row of the table: the median time of a part, or how two parts compare. Ratios of parts that take
 * turns are medians of the rounds' ratios, so that a busy machine, which slows both alike, does not show. The ceiling
 * is the exception: its best round counts, because it stands for what the machine can do. */
#include "base/mem.h"
#include "bench/speed.h"
#include <math.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
        double x, y;
        memcpy(&x, a, sizeof(x));
        memcpy(&y, b, sizeof(y));
        return (x > y) - (x < y);
}

double speed_median(size_t n, const double *v)
{
        double sorted[SPEED_MAX_ROUNDS];
        if (n == 0 || n > SPEED_MAX_ROUNDS)
                return (double)NAN;
        memcpy(sorted, v, n * sizeof(*v));
        qsort(sorted, n, sizeof(*sorted), by_value);
        return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static double best(size_t n, const double *v)
{
        double least = (double)INFINITY;
        for (size_t i = 0; i < n; i++)
                least = v[i] < least ? v[i] : least;
        return least;
}

static double time_of(const struct speed_times *t, enum speed_part part)
{
        return t->has[part] ? speed_median(t->rounds, t->ms[part]) : (double)NAN;
}

static double ratio_of(const struct speed_times *t, enum speed_part over, enum speed_part under)
{
        double v[SPEED_MAX_ROUNDS];
        if (!t->has[over] || !t->has[under])
                return (double)NAN;
        for (size_t i = 0; i < t->rounds; i++)
                v[i] = t->ms[over][i] / t->ms[under][i];
        return speed_median(t->rounds, v);
}

static double gflops(double flops, double ms)
{
        return flops / ms / 1e6;
}

static double ceiling_of(const struct speed_times *t)
{
        const double n = SPEED_CEILING;
        return t->has[PART_CEILING] ? gflops(2 * n * n * n, best(t->rounds, t->ms[PART_CEILING])) : (double)NAN;
}

enum form { RATIO, SAMPLED, STEP_RATE, CEILING, OF_CEILING, ALLOCATIONS, TORCH_PLAIN, TORCH_EWC, TORCH_FISHER };

static const struct row {
        const char *name, *unit;
        enum form form;
        enum speed_part a, b;
        bool dense, conv; /* which nets it is a figure of */
} rows[] = {
    {"step_rate", "gflops", STEP_RATE, PART_STEP_PLAIN, 0, true, true},
    {"sgemm_ceiling", "gflops", CEILING, 0, 0, true, true},
    {"allocations_per_step", "count", ALLOCATIONS, 0, 0, true, true},
    {"step_ewc_over_plain", "ratio", RATIO, PART_STEP_EWC, PART_STEP_PLAIN, true, true},
    {"train_over_sgemm", "ratio", OF_CEILING, PART_STEP_PLAIN, 0, true, false},
    {"exact_over_empirical", "ratio", RATIO, PART_EXACT, PART_EMPIRICAL, true, false},
    {"sampled_speedup", "speedup", SAMPLED, PART_EXACT, PART_EXACT_TENTH, true, false},
    {"torch_step_plain", "ms", TORCH_PLAIN, N_PARTS, 0, true, true},
    {"torch_step_ewc", "ms", TORCH_EWC, N_PARTS, 0, true, true},
    {"torch_fisher_row", "ms", TORCH_FISHER, N_PARTS, 0, true, false},
    {"train_over_torch", "speedup", TORCH_EWC, PART_STEP_EWC, 0, true, false},
    {"fisher_over_torch", "speedup", TORCH_FISHER, PART_EMPIRICAL, 0, true, false},
    {"conv_over_torch", "speedup", TORCH_PLAIN, PART_STEP_PLAIN, 0, false, true},
};

/* The peer's time, or how much longer it is than ours. */
static double against(double peer, const struct speed_times *t, enum speed_part ours)
{
        return ours == N_PARTS ? peer : peer / time_of(t, ours);
}

static double value_of(const struct row *r, const struct speed_times *t, const struct speed_torch *torch)
{
        switch (r->form) {
        case RATIO:
                return ratio_of(t, r->a, r->b);
        case SAMPLED: /* a row of one against a pass of the other */
                return t->rows * ratio_of(t, r->a, r->b);
        case STEP_RATE:
                return gflops(t->flops, time_of(t, r->a));
        case CEILING:
                return ceiling_of(t);
        case OF_CEILING:
                return gflops(t->flops, time_of(t, r->a)) / ceiling_of(t);
        case ALLOCATIONS:
                return t->allocations;
        case TORCH_PLAIN:
                return against(torch->step_plain, t, r->a);
        case TORCH_EWC:
                return against(torch->step_ewc, t, r->a);
        case TORCH_FISHER:
                return against(torch->fisher_row, t, r->a);
        }
        return (double)NAN;
}

static size_t put(struct speed_figure *ret, size_t n, const char *name, const char *unit, double value)
{
        if (!isfinite(value) || n == SPEED_MAX_FIGURES)
                return n;
        ret[n] = (struct speed_figure){name, unit, value};
        return n + 1;
}

size_t speed_figures(
    const struct speed_times *t, const struct speed_torch *torch, struct speed_figure ret[SPEED_MAX_FIGURES])
{
        const bool dense = t->has[PART_EXACT];
        size_t n = 0;
        for (size_t part = 0; part < N_PARTS; part++)
                n = put(ret, n, speed_part_name((enum speed_part)part), "ms", time_of(t, (enum speed_part)part));
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (dense ? rows[i].dense : rows[i].conv)
                        n = put(ret, n, rows[i].name, rows[i].unit, value_of(&rows[i], t, torch));
        return n;
}

void speed_print(FILE *to, bool json, const char *net, const struct speed_figure *f)
{
        if (!json)
                fprintf(to, "%-26s %-18s %10.4f %s\n", f->name, net ? net : "", f->value, f->unit);
        else if (net)
                fprintf(to, "{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"net\":\"%s\"}\n", f->name, f->value,
                    f->unit, net);
        else
                fprintf(to, "{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n", f->name, f->value, f->unit);
}

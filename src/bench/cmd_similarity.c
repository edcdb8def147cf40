/* cmd_similarity.c: the figure that a search for lambda starts from, where the answer is known: rotations of the same
 * digits are more alike the nearer their angles, and all of them more than any permutation of the pixels. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/alike.h"
#include "bench/bar.h"
#include "bench/commands.h"
#include "bench/settings.h"
#include "bench/summary.h"
#include "proto/json.h"
#include <errno.h>
#include <stdio.h>

#define ROTATED "rotated-mnist"
#define PERMUTED "permuted-mnist-small"

/* Enough for the first task to be known (92 to 96 %), well before its Fisher vanishes. */
enum { STEPS = 400 };
enum { MAX_PAIRS = 1 + BENCH_MAX_ANGLES + BENCH_MAX_TASKS };

struct pairs {
        const struct options *o;
        const struct protocol *rotated, *permuted;
        struct settings first; /* of the rotations, first seed */
        uint32_t n_rotated, n_permuted;
        double *v; /* (MAX_PAIRS, seeds): the same task, then the rotations, then the permutations */
};

static double *of(const struct pairs *p, uint32_t pair)
{
        return p->v + (size_t)pair * p->o->seeds;
}

static int make(const struct pairs *p, const struct protocol *of_protocol, uint32_t seed, uint64_t data_id,
    struct settings *ret, struct err *e)
{
        struct options c = *p->o;
        c.steps = c.steps ? c.steps : STEPS;
        int r = settings_make(&c, of_protocol, METHOD_EWC, c.seed + seed, data_id, ret, e);
        if (r == 0 && ret->fisher_percent > 0)
                r = err_field(e, -EINVAL, "--fisher-samples", "a number of rows, not a share of them");
        else if (r == 0 && ret->fisher_samples == 0)
                r = err_field(e, -EINVAL, "--fisher-samples", "at least 1: two samples of a task are compared");
        return r;
}

static int run(struct pairs *p, const struct dataset *d, struct err *e)
{
        struct bar bar;
        int r = 0;
        bar_start(&bar, 0);
        for (uint32_t i = 0; r == 0 && i < p->o->seeds; i++) {
                struct alike turned = {0}, mixed = {0};
                struct settings s;
                bar_show(&bar, (double)i / p->o->seeds, "similarity");
                r = make(p, p->rotated, i, dataset_id(d), &s, e);
                if (r == 0)
                        r = alike_measure(&s, d, &turned, e);
                if (r == 0)
                        r = make(p, p->permuted, i, dataset_id(d), &s, e);
                if (r == 0)
                        r = alike_measure(&s, d, &mixed, e);
                of(p, 0)[i] = turned.same;
                for (uint32_t k = 0; k < p->n_rotated; k++)
                        of(p, 1 + k)[i] = turned.task[k];
                for (uint32_t k = 0; k < p->n_permuted; k++)
                        of(p, 1 + p->n_rotated + k)[i] = mixed.task[k];
        }
        bar_end(&bar);
        return r;
}

/* Whether every rotation is above every permutation. */
static bool ranked(const struct pairs *p, uint32_t seed)
{
        double least = 2, most = -2;
        for (uint32_t k = 0; k < p->n_rotated; k++)
                least = of(p, 1 + k)[seed] < least ? of(p, 1 + k)[seed] : least;
        for (uint32_t k = 0; k < p->n_permuted; k++)
                most = of(p, 1 + p->n_rotated + k)[seed] > most ? of(p, 1 + p->n_rotated + k)[seed] : most;
        return least > most;
}

static void put(struct buf *b, const char *key, double v)
{
        json_put_key(b, key);
        json_put_number(b, v);
}

/* n values: a line of the table and the members of an object. */
static void put_values(const char *name, const double *v, size_t n, struct buf *b)
{
        struct figure f = summary_figure(v, n);
        double least = v[0], most = v[0];
        for (size_t i = 1; i < n; i++) {
                least = v[i] < least ? v[i] : least;
                most = v[i] > most ? v[i] : most;
        }
        printf("%-24s %8.3f (%.3f) %10.3f %10.3f\n", name, f.mean, f.sem, least, most);
        buf_puts(b, "{\"name\":");
        json_put_string(b, name);
        put(b, "mean", f.mean);
        put(b, "sem", f.sem);
        put(b, "min", least);
        put(b, "max", most);
        buf_putc(b, '}');
}

static void put_ranking(const struct pairs *p, struct buf *b)
{
        uint32_t n = 0;
        for (uint32_t i = 0; i < p->o->seeds; i++)
                n += ranked(p, i);
        printf("every rotation above every permutation in %u of %u seeds\n", n, p->o->seeds);
        put(b, "seeds_ranked", n);
        put(b, "ranked_share", (double)n / p->o->seeds);
}

static int print(const struct pairs *p, struct err *e)
{
        const uint32_t seeds = p->o->seeds;
        struct buf b;
        char name[64];
        buf_init(&b, 1 << 16);
        printf("similarity of the first task to others after %u steps, EXACT Fishers of %u rows, n=%u seeds\n"
               "%-24s %8s (%s) %12s %10s\n",
            p->first.steps, p->first.fisher_samples, seeds, "", "mean", "SEM", "least", "most");
        buf_puts(&b, "{\"protocol\":\"similarity\"");
        put(&b, "seeds", seeds);
        put(&b, "steps", p->first.steps);
        put(&b, "fisher_samples", p->first.fisher_samples);
        json_put_key(&b, "same");
        put_values("itself, other rows", of(p, 0), seeds, &b);
        json_put_key(&b, "rotations");
        for (uint32_t k = 0; k < p->n_rotated; k++) {
                const float *degrees = p->rotated->cut.degrees;
                snprintf(name, sizeof(name), "rotated by %g", (double)(degrees[k + 1] - degrees[0]));
                buf_putc(&b, k > 0 ? ',' : '[');
                put_values(name, of(p, 1 + k), seeds, &b);
        }
        buf_putc(&b, ']');
        json_put_key(&b, "permutations");
        put_values("permuted", of(p, 1 + p->n_rotated), (size_t)p->n_permuted * seeds, &b);
        put_ranking(p, &b);
        buf_puts(&b, "}\n");
        return command_write(&b, p->o->json, e);
}

int cmd_similarity(const struct options *o)
{
        struct err e = ERR_NULL;
        struct dataset d = {0};
        struct pairs p = {.o = o, .rotated = protocol_find(ROTATED), .permuted = protocol_find(PERMUTED)};
        p.n_rotated = p.rotated->cut.tasks - 1;
        p.n_permuted = p.permuted->cut.tasks - 1;
        _free_ double *v = new_array(double, (size_t)MAX_PAIRS * o->seeds);
        p.v = v;
        int r = v ? make(&p, p.rotated, 0, 0, &p.first, &e) : err_oom(&e);
        if (r == 0)
                r = command_data(o, p.rotated, &d, &e);
        if (r == 0)
                r = run(&p, &d, &e);
        if (r == 0)
                r = print(&p, &e);
        dataset_close(&d);
        return command_end(r, &e);
}

/* cmd_sweep.c: accuracy on Split MNIST, or another protocol, over lambda, for every Fisher variant, on the raw and on
 * the canonical scale.
 *
 * On the raw scale the variants' curves lie up to six decades apart; on the canonical scale (lambda times the
 * Fisher's mean) they should fall together. Points are units like all others: a sweep that is interrupted goes on. */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "bench/runner.h"
#include "bench/settings.h"
#include "bench/summary.h"
#include "bench/svg.h"
#include "proto/json.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_POINTS = 64 };

static const struct variant {
        const char *name;
        enum ewc_fisher fisher;
        uint32_t samples;
} variants[] = {
    {"exact", EWC_FISHER_EXACT, 0},
    {"exact n=500", EWC_FISHER_EXACT, 500},
    {"sample", EWC_FISHER_SAMPLE, 0},
    {"empirical", EWC_FISHER_EMPIRICAL, 0},
    {"batched 128", EWC_FISHER_BATCHED, 0},
};

struct curve {
        const struct variant *v;
        double paper[MAX_POINTS], hat[MAX_POINTS], accuracy[MAX_POINTS], sem[MAX_POINTS];
        uint32_t n[MAX_POINTS];
};

struct sweep {
        const struct options *o;
        const struct protocol *p;
        size_t n_points, n_curves;
        struct curve curve[ARRAY_LEN(variants)]; /* (n_curves) */
        struct work *work;                       /* (n_curves, n_points, seeds) */
};

static int choose(struct sweep *w, struct err *e)
{
        const struct options *o = w->o;
        double points;
        if (!(o->from > 0) || !(o->to >= o->from) || !(o->factor > 1))
                return err_field(e, -EINVAL, "--from", "the grid needs 0 < from <= to and a factor above 1");
        points = floor(log(o->to / o->from) / log(o->factor) + 1e-9) + 1;
        if (points > MAX_POINTS)
                return err_field(e, -EINVAL, "--factor", "%.0f points, at most %d", points, MAX_POINTS);
        w->n_points = (size_t)points;
        for (size_t k = 0; k < ARRAY_LEN(variants); k++) {
                const struct variant *v = &variants[k];
                if (o->fisher && v->fisher != o->fisher)
                        continue;
                if (o->fisher_samples_given && (o->fisher_percent > 0 || v->samples != o->fisher_samples))
                        continue;
                w->curve[w->n_curves++].v = v;
        }
        if (w->n_curves == 0)
                return err_field(
                    e, -EINVAL, "--fisher-samples", "the sweep has exact with 0 and 500 rows, others with 0");
        return 0;
}

static int make(struct sweep *w, uint64_t data_id, struct err *e)
{
        size_t at = 0;
        for (size_t k = 0; k < w->n_curves; k++)
                for (size_t i = 0; i < w->n_points; i++) {
                        struct options o = *w->o;
                        double paper = o.from * pow(o.factor, (double)i);
                        o.fisher = w->curve[k].v->fisher;
                        o.fisher_samples = w->curve[k].v->samples;
                        o.fisher_samples_given = true;
                        o.fisher_percent = 0;
                        o.lambda_given = true;
                        o.lambda = paper / 2;
                        w->curve[k].paper[i] = paper;
                        for (uint32_t s = 0; s < o.seeds; s++) {
                                int r = settings_make(&o, w->p, METHOD_EWC, o.seed + s, data_id, &w->work[at++].s, e);
                                if (r < 0)
                                        return r;
                        }
                }
        return 0;
}

/* -ERANGE if nothing but divergence was found. */
static int collect(struct sweep *w, struct err *e)
{
        uint32_t seeds = w->o->seeds;
        bool any = false;
        _free_ struct unit_result *u = new_array(struct unit_result, seeds);
        struct summary s;
        if (!u)
                return err_oom(e);
        for (size_t k = 0; k < w->n_curves; k++)
                for (size_t i = 0; i < w->n_points; i++) {
                        struct curve *c = &w->curve[k];
                        for (uint32_t j = 0; j < seeds; j++)
                                u[j] = w->work[(k * w->n_points + i) * seeds + j].result;
                        summary_of(u, NULL, seeds, &s);
                        command_diverged(&w->work[(k * w->n_points + i) * seeds].s, &s, false, e);
                        any |= s.diverged < seeds;
                        c->hat[i] = c->paper[i] / 2 * s.factor.mean;
                        c->accuracy[i] = s.accuracy.mean;
                        c->sem[i] = s.accuracy.sem;
                        c->n[i] = s.accuracy.n;
                }
        return any ? 0 : err_set(e, -ERANGE, "every seed of every point diverged");
}

/* Every unit, as it was tried. */
static void print_tries(const struct sweep *w)
{
        uint32_t seeds = w->o->seeds;
        printf("%-12s %12s %12s %6s %10s %9s\n", "fisher", "lambda_paper", "lambda", "seed", "accuracy", "seconds");
        for (size_t at = 0; at < w->n_curves * w->n_points * seeds; at++) {
                const struct curve *c = &w->curve[at / seeds / w->n_points];
                const struct unit_result *u = &w->work[at].result;
                double sum = 0;
                for (uint32_t j = 0; j < u->tasks; j++)
                        sum += u->R[u->tasks - 1][j];
                printf("%-12s %12.3g %12.3g %6" PRIu64 " %10.2f %9.1f\n", c->v->name,
                    c->paper[at / seeds % w->n_points], w->work[at].s.lambda, w->work[at].s.seed,
                    100 * sum / u->tasks, u->seconds);
        }
        printf("\n");
}

static void print(const struct sweep *w)
{
        printf("%s, accuracy %% (canonical lambda), n=%u seeds\n%12s %12s", w->p->name, w->o->seeds, "lambda_paper",
            "lambda");
        for (size_t k = 0; k < w->n_curves; k++)
                printf("  %18s", w->curve[k].v->name);
        printf("\n");
        for (size_t i = 0; i < w->n_points; i++) {
                printf("%12.3g %12.3g", w->curve[0].paper[i], w->curve[0].paper[i] / 2);
                for (size_t k = 0; k < w->n_curves; k++)
                        printf("  %7.2f (%8.1e)", 100 * w->curve[k].accuracy[i], w->curve[k].hat[i]);
                printf("\n");
        }
        for (size_t k = 0; k < w->n_curves; k++) {
                const struct curve *c = &w->curve[k];
                size_t best = 0, near = 0;
                for (size_t i = 1; i < w->n_points; i++)
                        best = c->accuracy[i] > c->accuracy[best] ? i : best;
                while (near < best && !(c->accuracy[near] >= c->accuracy[best] - 0.01))
                        near++;
                printf("%-12s best %.2f at lambda_paper %.1e (canonical %.1e); within 1 pp from %.1e (%.1e)\n",
                    c->v->name, 100 * c->accuracy[best], c->paper[best], c->hat[best], c->paper[near], c->hat[near]);
        }
}

static void put(struct buf *b, const char *key, double v)
{
        json_put_key(b, key);
        json_put_number(b, v);
}

static void print_json(const struct sweep *w)
{
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_puts(&b, "{\"protocol\":");
        json_put_string(&b, w->p->name);
        json_put_key(&b, "scenario");
        json_put_string(&b, scenario_name(w->p->scenario));
        json_put_key(&b, "method");
        json_put_string(&b, method_name(METHOD_EWC));
        put(&b, "seeds", w->o->seeds);
        json_put_key(&b, "points");
        for (size_t k = 0; k < w->n_curves; k++)
                for (size_t i = 0; i < w->n_points; i++) {
                        const struct curve *c = &w->curve[k];
                        buf_puts(&b, k + i > 0 ? ",{\"fisher\":" : "[{\"fisher\":");
                        json_put_string(&b, ewc_fisher_name(c->v->fisher));
                        put(&b, "fisher_samples", c->v->samples);
                        put(&b, "lambda_paper", c->paper[i]);
                        put(&b, "lambda", c->paper[i] / 2);
                        put(&b, "lambda_canonical", c->hat[i]);
                        put(&b, "accuracy_mean", c->accuracy[i]);
                        put(&b, "accuracy_sem", c->sem[i]);
                        put(&b, "n", c->n[i]);
                        buf_putc(&b, '}');
                }
        buf_puts(&b, "]}\n");
        if (buf_ok(&b))
                fwrite(b.data, 1, b.len, stdout);
        buf_deinit(&b);
}

static int plot(const struct sweep *w, const char *path, bool canonical, struct err *e)
{
        struct svg_line lines[ARRAY_LEN(variants)];
        double y[ARRAY_LEN(variants)][MAX_POINTS];
        struct buf b;
        for (size_t k = 0; k < w->n_curves; k++) {
                const struct curve *c = &w->curve[k];
                for (size_t i = 0; i < w->n_points; i++)
                        y[k][i] = 100 * c->accuracy[i];
                lines[k] = (struct svg_line){c->v->name, w->n_points, canonical ? c->hat : c->paper, y[k]};
        }
        const struct svg_chart chart = {
            .title = w->p->title,
            .x_name = canonical ? "lambda, canonical scale" : "lambda as papers write it",
            .y_name = "accuracy %",
            .log_x = true,
            .n = w->n_curves,
            .lines = lines,
        };
        buf_init(&b, 1 << 20);
        svg_draw(&chart, &b);
        int r = buf_ok(&b) ? file_replace(path, b.data, b.len, e) : err_oom(e);
        buf_deinit(&b);
        return r;
}

enum { PLOT_NAME = 1024 };

/* The second drawing's name. */
static int canonical_name(const struct options *o, char ret[PLOT_NAME], struct err *e)
{
        int n = snprintf(ret, PLOT_NAME, "%s.canonical.svg", o->plot);
        return n >= 0 && n < PLOT_NAME ? 0 : err_field(e, -ENAMETOOLONG, "--plot", "too long a name");
}

static int check_plots(const struct options *o, struct err *e)
{
        char other[PLOT_NAME];
        if (!o->plot)
                return 0;
        int r = canonical_name(o, other, e);
        if (r == 0)
                r = command_plot(o->plot, e);
        return r == 0 ? command_plot(other, e) : r;
}

static int put_results(const struct sweep *w, struct err *e)
{
        char other[PLOT_NAME];
        int r = 0;
        print_tries(w);
        print(w);
        if (w->o->plot) {
                r = canonical_name(w->o, other, e);
                if (r == 0)
                        r = plot(w, w->o->plot, false, e);
                if (r == 0)
                        r = plot(w, other, true, e);
        }
        if (r == 0 && w->o->json)
                print_json(w);
        return r;
}

/* The figures are told even where all diverged. */
static int finish(struct sweep *w, struct err *e)
{
        struct err told = ERR_NULL;
        int r = collect(w, e);
        if (r < 0 && r != -ERANGE)
                return r;
        int c = put_results(w, r == 0 ? e : &told);
        return r == 0 ? c : r;
}

int cmd_sweep(const struct options *o)
{
        struct err e = ERR_NULL;
        struct dataset d = {0};
        _free_ struct sweep *w = new_zero(struct sweep);
        if (!w)
                return command_end(err_oom(&e), &e);
        w->o = o;
        int r = command_protocol(o, "split-mnist-task", &w->p, &e);
        if (r == 0 && w->p->stream)
                r = err_field(&e, -EINVAL, "PROTOCOL", "%s has no units", w->p->name);
        if (r == 0)
                r = choose(w, &e);
        if (r == 0)
                r = check_plots(o, &e);
        size_t n = w->n_curves * w->n_points * o->seeds;
        if (r == 0 && !(w->work = new_array(struct work, n)))
                r = err_oom(&e);
        if (r == 0)
                r = command_data(o, w->p, &d, &e);
        if (r == 0)
                r = make(w, dataset_id(&d), &e);
        if (r == 0)
                r = runner_run(w->work, n, o, &d, &e);
        if (r == 0)
                r = finish(w, &e);
        free(w->work);
        dataset_close(&d);
        return command_end(r, &e);
}

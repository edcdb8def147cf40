/* report.c: see report.h. Accuracies are shares 0..1 in JSON and percent in tables; every figure stands with the
 * number of seeds behind it. */
#include "bench/report.h"
#include "base/buf.h"
#include "base/mem.h"
#include "bench/settings.h"
#include "proto/json.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static const struct row {
        const char *key, *text;
        size_t offset;
        double unit; /* factor for the table; 0: as it is, in %g */
} rows[] = {
    {"accuracy", "accuracy, all tasks %", offsetof(struct summary, accuracy), 100},
    {"forgetting", "forgetting, max rule pp", offsetof(struct summary, forgetting), 100},
    {"forgetting_first_last", "forgetting, first-last pp", offsetof(struct summary, first_last), 100},
    {"backward_transfer", "backward transfer pp", offsetof(struct summary, backward), 100},
    {"forward_transfer", "forward transfer pp", offsetof(struct summary, forward), 100},
    {"intransigence", "intransigence, last task pp", offsetof(struct summary, intransigence), 100},
    {"anytime", "anytime accuracy, mean %", offsetof(struct summary, anytime_mean), 100},
    {"anytime_minimum", "anytime accuracy, minimum %", offsetof(struct summary, anytime_min), 100},
    {"lambda_used", "lambda as trained", offsetof(struct summary, lambda), 0},
    {"fisher_factor", "Fisher's mean m (geometric)", offsetof(struct summary, factor), 0},
    {"fisher_trace", "Fisher's trace", offsetof(struct summary, trace), 0},
    {"train_seconds", "seconds", offsetof(struct summary, seconds), 1},
    {"fisher_seconds", "seconds in Fisher passes", offsetof(struct summary, fisher_seconds), 1},
};

static const struct figure *figure_at(const struct summary *s, size_t row)
{
        return (const struct figure *)(const void *)((const char *)s + rows[row].offset);
}

static void print_cell(const struct figure *f, double unit)
{
        char text[48];
        if (f->n == 0)
                snprintf(text, sizeof(text), "-");
        else if (unit == 0)
                snprintf(text, sizeof(text), "%.3g", f->mean);
        else
                snprintf(text, sizeof(text), "%.2f (%.2f) n=%u", unit * f->mean, unit * f->sem, f->n);
        printf("  %22s", text);
}

static void print_matrix(const struct report *r)
{
        printf("\nR of %s: accuracy %% after each task (rows) on each task (columns)\n", method_name(r->s->method));
        for (uint32_t i = 0; i < r->sum.tasks; i++) {
                printf("  %2u ", i + 1);
                for (uint32_t j = 0; j < r->sum.tasks; j++) {
                        if (isnan(r->sum.R[i][j]))
                                printf("      -");
                        else
                                printf(" %6.2f", 100 * r->sum.R[i][j]);
                }
                printf("\n");
        }
}

void report_print(const struct report *v, size_t n)
{
        const struct settings *s = v[0].s;
        printf("%s (%s): %s, scenario %s\n", s->protocol->name, s->protocol->id, s->protocol->title,
            scenario_name(s->scenario));
        if (method_has_penalty(s->method)) {
                printf("lambda %g%s, scale %s, penalty %s", s->lambda, s->lambda_auto ? " (searched)" : "",
                    learn_scale_name(s->lambda_auto ? LEARN_SCALE_UNIT : s->protocol->scale),
                    learn_form_name(s->protocol->form));
                if (method_has_fisher(s->method) && s->fisher_samples > 0)
                        printf(", %s Fisher of %u rows", ewc_fisher_name(s->fisher), s->fisher_samples);
                else if (method_has_fisher(s->method))
                        printf(", %s Fisher of all rows", ewc_fisher_name(s->fisher));
                printf("\n");
        }
        printf("%u tasks, %" PRIu64 " test rows, seeds %" PRIu64 " to %" PRIu64 "\n\n%-30s", v[0].sum.tasks,
            v[0].sum.test_rows, s->seed, s->seed + v[0].sum.seeds - 1, "mean (SEM)");
        for (size_t i = 0; i < n; i++)
                printf("  %22s", method_name(v[i].s->method));
        printf("\n");
        for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
                printf("%-30s", rows[k].text);
                for (size_t i = 0; i < n; i++)
                        print_cell(figure_at(&v[i].sum, k), rows[k].unit);
                printf("\n");
        }
        for (size_t i = 0; i < n; i++)
                if (v[i].sum.diverged > 0)
                        printf("%s diverged with %u of %u seeds\n", method_name(v[i].s->method), v[i].sum.diverged,
                            v[i].sum.seeds);
        print_matrix(&v[0]);
        if (s->protocol->expects[0])
                printf("\npublished: %s\n", s->protocol->expects);
}

static void put_figures(struct buf *b, const struct summary *s)
{
        for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
                char key[64];
                const struct figure *f = figure_at(s, k);
                snprintf(key, sizeof(key), "%s_mean", rows[k].key);
                json_put_key(b, key);
                json_put_number(b, f->mean);
                snprintf(key, sizeof(key), "%s_sem", rows[k].key);
                json_put_key(b, key);
                json_put_number(b, f->sem);
                snprintf(key, sizeof(key), "%s_n", rows[k].key);
                json_put_key(b, key);
                buf_put_u64(b, f->n);
        }
        json_put_key(b, "seconds");
        json_put_number(b, s->seconds.mean * s->seconds.n); /* of all seeds together */
        json_put_key(b, "diverged");
        buf_put_u64(b, s->diverged);
}

static void put_matrix(struct buf *b, const struct summary *s)
{
        json_put_key(b, "R");
        for (uint32_t i = 0; i < s->tasks; i++) {
                buf_putc(b, i > 0 ? ',' : '[');
                for (uint32_t j = 0; j < s->tasks; j++) {
                        buf_putc(b, j > 0 ? ',' : '[');
                        json_put_number(b, s->R[i][j]);
                }
                buf_putc(b, ']');
        }
        buf_putc(b, ']');
}

static void put_text(struct buf *b, const char *key, const char *value)
{
        json_put_key(b, key);
        json_put_text(b, value);
}

static void put_number(struct buf *b, const char *key, uint64_t v)
{
        json_put_key(b, key);
        buf_put_u64(b, v);
}

void report_json(const struct report *v, size_t n, struct buf *b)
{
        const struct settings *s = v[0].s;
        bool penalty = method_has_penalty(s->method), fisher = method_has_fisher(s->method);
        buf_puts(b, "{\"protocol\":");
        json_put_string(b, s->protocol->name);
        put_text(b, "scenario", scenario_name(s->scenario));
        put_text(b, "method", method_name(s->method));
        put_text(b, "fisher", fisher ? ewc_fisher_name(s->fisher) : NULL);
        put_number(b, "fisher_samples", fisher ? s->fisher_samples : 0);
        json_put_key(b, "lambda");
        json_put_number(b, penalty ? v[0].sum.lambda.mean : (double)NAN);
        json_put_key(b, "lambda_auto");
        buf_puts(b, s->lambda_auto ? "true" : "false");
        put_text(
            b, "scale", penalty ? learn_scale_name(s->lambda_auto ? LEARN_SCALE_UNIT : s->protocol->scale) : NULL);
        put_number(b, "seeds", v[0].sum.seeds);
        put_number(b, "first_seed", s->seed);
        put_number(b, "tasks", v[0].sum.tasks);
        put_number(b, "test_rows", v[0].sum.test_rows);
        put_number(b, "threads", s->threads);
        put_figures(b, &v[0].sum);
        put_matrix(b, &v[0].sum);
        for (size_t i = 1; i < n; i++) {
                json_put_key(b, method_name(v[i].s->method));
                buf_puts(b, "{\"method\":");
                json_put_string(b, method_name(v[i].s->method));
                put_figures(b, &v[i].sum);
                buf_putc(b, '}');
        }
        put_text(b, "warning", settings_warning(s)[0] ? settings_warning(s) : NULL);
        buf_puts(b, "}\n");
}

/* report.c: see report.h. Accuracies are shares 0..1 in JSON and percent in tables; every figure stands with the
 * number of seeds behind it. */
#include "bench/report.h"
#include "base/buf.h"
#include "base/mem.h"
#include "bench/published.h"
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
    {"packed_share", "stored Fishers, % of float32", offsetof(struct summary, packed_share), 100},
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

static void print_penalty(const struct settings *s)
{
        struct buf flags;
        if (s->lambda_auto)
                printf("lambda searched");
        else
                printf("lambda %g", s->lambda);
        printf(", scale %s, penalty %s, merge %s", learn_scale_name(s->scale), learn_form_name(s->form),
            learn_merge_rule_name(s->merge));
        if (method_has_fisher(s->method)) {
                printf(", %s Fisher of ", ewc_fisher_name(s->fisher));
                if (s->fisher_percent > 0)
                        printf("%g %% of the rows", s->fisher_percent);
                else if (s->fisher_samples > 0)
                        printf("%u rows", s->fisher_samples);
                else
                        printf("all rows");
        }
        buf_init(&flags, 1024);
        settings_flags(s, &flags);
        printf("%s%s\n", flags.len > 0 ? ";" : "", flags.len > 0 ? flags.data : "");
        buf_deinit(&flags);
}

static void print_tries(const struct report *r)
{
        bool head = false;
        for (uint32_t i = 0; i < r->n_units; i++)
                for (uint32_t k = 0; k < r->units[i].n_tries; k++) {
                        const struct bench_try *t = &r->units[i].tries[k];
                        if (!head)
                                printf("\ntries of %s: accuracy %% on a tenth of the new task's rows, and on closed "
                                       "tasks' tests\n  %4s %4s %12s %8s %8s %12s %10s %8s\n",
                                    method_name(r->s->method), "seed", "task", "lambda", "new", "closed", "penalty",
                                    "loss", "seconds");
                        head = true;
                        printf("  %4" PRIu64 " %4u %12.4g %8.2f %8.2f %12.4g %10.4f %8.2f\n", r->s->seed + i,
                            t->task + 1, t->t.lambda, 100 * t->t.accuracy, 100 * t->t.past_accuracy, t->t.penalty,
                            t->t.loss, t->t.seconds);
                }
}

static void print_published(const struct protocol *p)
{
        struct buf line;
        buf_init(&line, 4096);
        published_line(p, &line);
        if (line.len > 0)
                printf("\npublished: %s\n", line.data);
        buf_deinit(&line);
}

void report_print(const struct report *v, size_t n)
{
        const struct settings *s = v[0].s;
        printf("%s (%s): %s, scenario %s\n", s->protocol->name, s->protocol->id, s->protocol->title,
            scenario_name(s->scenario));
        if (method_has_penalty(s->method))
                print_penalty(s);
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
        print_tries(&v[0]);
        print_published(s->protocol);
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

static void put_tries(struct buf *b, const struct report *r)
{
        bool first = true;
        json_put_key(b, "tries");
        buf_putc(b, '[');
        for (uint32_t i = 0; i < r->n_units; i++)
                for (uint32_t k = 0; k < r->units[i].n_tries; k++) {
                        const struct bench_try *t = &r->units[i].tries[k];
                        const struct {
                                const char *key;
                                double v;
                        } numbers[] = {
                            {"task", t->task + 1},
                            {"lambda", t->t.lambda},
                            {"accuracy", t->t.accuracy},
                            {"past_accuracy", t->t.past_accuracy},
                            {"penalty", t->t.penalty},
                            {"loss", t->t.loss},
                            {"seconds", t->t.seconds},
                        };
                        buf_puts(b, first ? "{\"seed\":" : ",{\"seed\":");
                        first = false;
                        buf_put_u64(b, r->s->seed + i);
                        for (size_t j = 0; j < ARRAY_LEN(numbers); j++) {
                                json_put_key(b, numbers[j].key);
                                json_put_number(b, numbers[j].v);
                        }
                        buf_putc(b, '}');
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

static void put_flags(struct buf *b, const struct settings *s)
{
        struct buf flags;
        buf_init(&flags, 1024);
        settings_flags(s, &flags);
        put_text(b, "departures", flags.len > 1 ? flags.data + 1 : NULL); /* without the leading blank */
        buf_deinit(&flags);
}

void report_fields(const struct report *r, struct buf *b)
{
        const struct settings *s = r->s;
        bool penalty = method_has_penalty(s->method), fisher = method_has_fisher(s->method);
        buf_puts(b, "\"protocol\":");
        json_put_string(b, s->protocol->name);
        put_text(b, "scenario", scenario_name(s->scenario));
        put_text(b, "method", method_name(s->method));
        put_text(b, "fisher", fisher ? ewc_fisher_name(s->fisher) : NULL);
        put_number(b, "fisher_samples", fisher ? s->fisher_samples : 0);
        json_put_key(b, "fisher_percent");
        json_put_number(b, s->fisher_percent > 0 ? s->fisher_percent : (double)NAN);
        json_put_key(b, "lambda");
        json_put_number(b, !penalty ? (double)NAN : s->lambda_auto ? r->sum.lambda.mean : s->lambda);
        json_put_key(b, "lambda_auto");
        buf_puts(b, s->lambda_auto ? "true" : "false");
        put_text(b, "scale", penalty ? learn_scale_name(s->scale) : NULL);
        put_text(b, "form", penalty ? learn_form_name(s->form) : NULL);
        put_text(b, "merge", penalty ? learn_merge_rule_name(s->merge) : NULL);
        put_text(b, "encoding", s->encoding ? ewc_pack_name(s->encoding) : NULL);
        put_number(b, "seeds", r->sum.seeds);
        put_number(b, "first_seed", s->seed);
        put_number(b, "tasks", r->sum.tasks);
        put_number(b, "test_rows", r->sum.test_rows);
        put_number(b, "threads", s->threads);
        put_figures(b, &r->sum);
        put_matrix(b, &r->sum);
        put_flags(b, s);
        if (s->lambda_auto)
                put_tries(b, r);
        put_text(b, "warning", settings_warning(s)[0] ? settings_warning(s) : NULL);
}

void report_json(const struct report *v, size_t n, struct buf *b)
{
        buf_putc(b, '{');
        report_fields(&v[0], b);
        for (size_t i = 1; i < n; i++) {
                json_put_key(b, method_name(v[i].s->method));
                buf_puts(b, "{\"method\":");
                json_put_string(b, method_name(v[i].s->method));
                put_figures(b, &v[i].sum);
                buf_putc(b, '}');
        }
        buf_puts(b, "}\n");
}

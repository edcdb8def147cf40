/* report_table.c: see table.h. A difference is ours less theirs, in percent points. */
#include "base/buf.h"
#include "base/mem.h"
#include "bench/published.h"
#include "bench/settings.h"
#include "bench/table.h"
#include "proto/json.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NOTES = 16, CELL = 32 };

struct notes { /* the sources, numbered as they come up */
        size_t n;
        char text[MAX_NOTES][PUBLISHED_TEXT];
};

static size_t note(struct notes *v, const struct published *f)
{
        char text[PUBLISHED_TEXT];
        size_t i = 0;
        published_source(f, text);
        while (i < v->n && strcmp(v->text[i], text) != 0)
                i++;
        if (i == v->n && v->n < MAX_NOTES)
                memcpy(v->text[v->n++], text, sizeof(text));
        return i + 1;
}

static void print_figure(const struct figure *f)
{
        char text[CELL] = "-";
        if (f->n > 0)
                snprintf(text, sizeof(text), "%.2f (%.2f)", 100 * f->mean, 100 * f->sem);
        printf(" %14s", text);
}

static void print_theirs(const struct figure *ours, const struct published *f, struct notes *notes)
{
        char text[CELL], difference[CELL] = "-";
        double sem = published_sem(f);
        if (isnan(sem))
                snprintf(text, sizeof(text), "%.0f", f->mean);
        else
                snprintf(text, sizeof(text), "%.2f (%.2f)", f->mean, sem);
        if (ours->n > 0)
                snprintf(difference, sizeof(difference), "%+.2f", 100 * ours->mean - f->mean);
        printf(" %14s %10s  [%zu]\n", text, difference, note(notes, f));
}

static void print_row(const struct table_row *row, struct notes *notes)
{
        const struct settings *s = &row->s;
        const struct summary *sum = &row->report.sum;
        const struct published *f = published_at(s, 0);
        char fisher[PUBLISHED_TEXT] = "-", lambda[CELL] = "-";
        if (method_has_fisher(s->method))
                published_fisher(s->fisher, s->fisher_samples, fisher);
        if (method_has_penalty(s->method))
                snprintf(lambda, sizeof(lambda), "%g", s->lambda);
        printf("%-10s %-12s %7s", method_name(s->method), fisher, lambda);
        print_figure(&sum->accuracy);
        print_figure(&sum->forgetting);
        print_figure(&sum->first_last);
        printf(" %3u", sum->accuracy.n);
        if (!f)
                printf(" %14s %10s\n", "-", "-");
        for (size_t k = 0; (f = published_at(s, k)); k++) {
                if (k > 0)
                        printf("%-80s", "");
                print_theirs(&sum->accuracy, f, notes);
        }
}

/* A schedule cut short is not the published one. */
static void print_cut(const struct settings *s)
{
        const struct protocol *p = s->protocol;
        bool fewer = p->data && s->tasks < p->cut.tasks;
        if (!s->steps && !s->rows && !fewer)
                return;
        printf("not the protocol's own schedule:");
        if (s->steps)
                printf(" %u steps a task", s->steps);
        if (s->rows)
                printf("%s at most %u rows a task", s->steps ? "," : "", s->rows);
        if (fewer)
                printf("%s the first %u tasks", s->steps || s->rows ? "," : "", s->tasks);
        printf("; the published figures are not measured so\n");
}

static void print_remarks(const struct table_of *t, const struct notes *notes)
{
        bool any = false;
        for (size_t i = 0; i < t->n; i++) {
                const struct table_row *row = &t->row[i];
                if (row->as_ewc)
                        printf("%s: the training of ewc, which this protocol merges in the same way\n",
                            method_name(row->s.method));
                if (row->report.sum.diverged > 0)
                        printf("%s diverged with %u of %u seeds\n", method_name(row->s.method),
                            row->report.sum.diverged, t->seeds);
        }
        for (size_t m = 0; m < METHOD_END; m++)
                if (t->left_out[m]) {
                        printf("%s%s", any ? ", " : "left out, no lambda known: ", method_name((enum bench_method)m));
                        any = true;
                }
        if (any)
                printf("\n");
        for (size_t i = 0; i < notes->n; i++)
                printf("[%zu] %s\n", i + 1, notes->text[i]);
}

void table_print(const struct table_of *t)
{
        const struct settings *s = &t->row[0].s;
        const struct summary *sum = &t->row[0].report.sum;
        struct notes notes = {0};
        printf("%s (%s): %s, scenario %s\n", s->protocol->name, s->protocol->id, s->protocol->title,
            scenario_name(s->scenario));
        printf("%u tasks, %" PRIu64 " test rows, seeds %" PRIu64 " to %" PRIu64 "; mean (SEM), n seeds\n", sum->tasks,
            sum->test_rows, s->seed, s->seed + t->seeds - 1);
        print_cut(s);
        printf("\n%-23s %7s %14s %29s %3s %14s %10s\n", "", "", "accuracy", "forgetting pp", "", "published",
            "difference");
        printf("%-10s %-12s %7s %14s %14s %14s %3s %14s %10s  source\n", "method", "Fisher", "lambda", "%",
            "max rule", "first-last", "n", "%", "pp");
        for (size_t i = 0; i < t->n; i++)
                print_row(&t->row[i], &notes);
        printf("\n");
        print_remarks(t, &notes);
}

static void put_number(struct buf *b, const char *key, double v)
{
        json_put_key(b, key);
        json_put_number(b, v);
}

static void put_published(struct buf *b, const struct figure *ours, const struct published *f)
{
        char text[PUBLISHED_TEXT];
        put_number(b, "published", f ? f->mean / 100 : (double)NAN);
        put_number(b, "published_sem", f ? published_sem(f) / 100 : (double)NAN);
        put_number(b, "difference", f ? ours->mean - f->mean / 100 : (double)NAN);
        json_put_key(b, "source");
        if (f)
                published_source(f, text);
        json_put_text(b, f ? text : NULL);
}

static void put_row(struct buf *b, const struct table_row *row)
{
        const struct figure *ours = &row->report.sum.accuracy;
        const struct published *f;
        buf_putc(b, '{');
        report_fields(&row->report, b);
        put_published(b, ours, published_at(&row->s, 0));
        json_put_key(b, "also_published");
        buf_putc(b, '[');
        for (size_t k = 1; (f = published_at(&row->s, k)); k++) {
                buf_puts(b, k > 1 ? ",{\"method\":" : "{\"method\":");
                json_put_string(b, method_name(f->method));
                put_published(b, ours, f);
                buf_putc(b, '}');
        }
        buf_puts(b, "]}\n");
}

void table_json(const struct table_of *t, struct buf *b)
{
        const struct settings *s = &t->row[0].s;
        bool any = false;
        for (size_t i = 0; i < t->n; i++)
                put_row(b, &t->row[i]);
        buf_puts(b, "{\"protocol\":");
        json_put_string(b, s->protocol->name);
        json_put_key(b, "scenario");
        json_put_string(b, scenario_name(s->scenario));
        put_number(b, "seeds", t->seeds);
        json_put_key(b, "first_seed");
        buf_put_u64(b, s->seed);
        put_number(b, "tasks", t->row[0].report.sum.tasks);
        json_put_key(b, "test_rows");
        buf_put_u64(b, t->row[0].report.sum.test_rows);
        put_number(b, "steps", s->steps ? s->steps : (double)NAN); /* null: the protocol's own */
        put_number(b, "rows", s->rows ? s->rows : (double)NAN);
        put_number(b, "threads", s->threads);
        put_number(b, "methods", (double)t->n);
        json_put_key(b, "left_out");
        buf_putc(b, '[');
        for (size_t m = 0; m < METHOD_END; m++)
                if (t->left_out[m]) {
                        if (any)
                                buf_putc(b, ',');
                        json_put_string(b, method_name((enum bench_method)m));
                        any = true;
                }
        buf_putc(b, ']');
        put_number(b, "seconds", t->seconds);
        buf_puts(b, "}\n");
}

/* cmd_task.c: task list, rollover, show (what its Fisher protects), weigh. */
#include "base/mem.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "proto/json.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cmd_task_list(struct cli *c)
{
        const char *heads[] = {"TASK", "STATE", "CLASSES", "TRAIN", "HOLDOUT", "AT CLOSE", "NOW", "FISHER", "ALPHA"};
        struct json_doc *doc;
        struct answer a;
        struct out_table *t;
        int r = cli_get(c, &a, &doc, "/v2/models/%s/tasks", c->opt.pos[0]);

        if (r != EXIT_OK)
                return r;
        if (c->opt.json)
                out_json(&a.body);
        t = c->opt.json ? NULL : out_table_new(ARRAY_LEN(heads), heads);
        for (int i = 0, n = json_length(doc, "/tasks"); t && i < n; i++) {
                out_table_cell(t, "%s", doc_text(doc, "?", "/tasks/%d/task", i));
                out_table_cell(t, "%s", doc_text(doc, "?", "/tasks/%d/state", i));
                out_table_cell(t, "%d", doc_length(doc, "/tasks/%d/classes", i));
                out_table_cell(t, "%.0f", doc_number(doc, 0, "/tasks/%d/feedback/train", i));
                out_table_cell(t, "%.0f", doc_number(doc, 0, "/tasks/%d/feedback/holdout", i));
                out_table_percent(t, doc_number(doc, (double)NAN, "/tasks/%d/accuracy/at_close", i));
                out_table_percent(t, doc_number(doc, (double)NAN, "/tasks/%d/accuracy/now", i));
                out_table_cell(t, "%s", doc_text(doc, "-", "/tasks/%d/fisher/variant", i));
                out_table_number(t, doc_number(doc, (double)NAN, "/tasks/%d/alpha", i));
        }
        out_table_print(t);
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

static void put_rollover(struct buf *b, const struct options *o)
{
        buf_puts(b, "{\"task\":");
        json_put_string(b, o->pos[1]);
        if (o->classes) {
                buf_puts(b, ",\"classes\":[");
                for (const char *p = o->classes; *p;) {
                        size_t n = strcspn(p, ",");

                        json_put_string_n(b, p, n);
                        p += n;
                        if (*p == ',' && *++p)
                                buf_putc(b, ',');
                }
                buf_putc(b, ']');
        }
        buf_putc(b, '}');
}

int cmd_task_rollover(struct cli *c)
{
        struct buf body;
        int r;

        buf_init(&body, 1 << 20);
        put_rollover(&body, &c->opt);
        r = job_ask(c, "POST", "tasks", &body);
        buf_deinit(&body);
        return r;
}

/* --- show --- */

enum { MAX_BINS = 32 };

/* One character a bin, the fuller the darker; any entry at all is seen. */
static void histogram(const struct json_doc *doc, int layer, char ret[MAX_BINS + 1])
{
        static const char shades[] = " .:-=+*#";
        int n = doc_length(doc, "/layers/%d/histogram", layer);
        double most = 0, bins[MAX_BINS];

        if (n < 0 || n > MAX_BINS)
                n = 0;
        for (int i = 0; i < n; i++) {
                bins[i] = doc_number(doc, 0, "/layers/%d/histogram/%d", layer, i);
                most = bins[i] > most ? bins[i] : most;
        }
        for (int i = 0; i < n; i++)
                ret[i] = most > 0 ? shades[(int)ceil(bins[i] / most * (double)(sizeof(shades) - 2))] : ' ';
        ret[n] = 0;
}

static void show_fisher(const struct json_doc *doc)
{
        const char *heads[] = {"LAYER", "ENTRIES", "ZEROS", "TRACE SHARE", "MEAN", "MAX", "HISTOGRAM"};
        const char *other[] = {"OVERLAP WITH", "SIMILARITY"};
        struct out_table *t = out_table_new(ARRAY_LEN(heads), heads);
        char top[16], alpha[DOC_VALUE], samples[DOC_VALUE];

        out_percent(top, sizeof(top), doc_number(doc, (double)NAN, "/top_fifth_share"));
        printf("task %s, alpha %s: %s, over %s rows\n", doc_text(doc, "?", "/task"), doc_value(alpha, doc, "/alpha"),
            doc_text(doc, "?", "/variant"), doc_value(samples, doc, "/samples"));
        printf("%s of its trace lies in the largest fifth of the entries\n\n", top);
        for (int i = 0, n = json_length(doc, "/layers"); i < n; i++) {
                char bar[MAX_BINS + 1];

                histogram(doc, i, bar);
                out_table_cell(t, "%s", doc_text(doc, "?", "/layers/%d/layer", i));
                out_table_cell(t, "%.0f", doc_number(doc, 0, "/layers/%d/n", i));
                out_table_cell(t, "%.0f", doc_number(doc, 0, "/layers/%d/n_zero", i));
                out_table_percent(t, doc_number(doc, (double)NAN, "/layers/%d/share", i));
                out_table_cell(t, "%.4g", doc_number(doc, (double)NAN, "/layers/%d/mean", i));
                out_table_cell(t, "%.4g", doc_number(doc, (double)NAN, "/layers/%d/max", i));
                out_table_cell(t, "[%s]", bar);
        }
        out_table_print(t);
        printf("histogram: entries above 0 by decade, the first below 1e-6, the last from 1e4 up\n");
        if (json_length(doc, "/overlaps") <= 0)
                return;
        putchar('\n');
        t = out_table_new(ARRAY_LEN(other), other);
        for (int i = 0, n = json_length(doc, "/overlaps"); i < n; i++) {
                out_table_cell(t, "%s", doc_text(doc, "?", "/overlaps/%d/task", i));
                out_table_number(t, doc_number(doc, (double)NAN, "/overlaps/%d/similarity", i));
        }
        out_table_print(t);
}

int cmd_task_show(struct cli *c)
{
        char task[URL_PART];
        struct json_doc *doc;
        struct answer a;
        int r = cli_get(c, &a, &doc, "/v2/models/%s/tasks/%s/fisher", c->opt.pos[0], url_part(task, c->opt.pos[1]));

        return r != EXIT_OK ? r : cli_show(c, &a, doc, show_fisher);
}

int cmd_task_weigh(struct cli *c)
{
        const char *text = c->opt.pos[2];
        char task[URL_PART], what[URL_PART + 16], *end;
        double alpha = strtod(text, &end);
        struct buf body;
        int r;

        if (end == text || *end || !isfinite(alpha) || alpha < 0)
                return cli_refuse(c, EXIT_USAGE, 0,
                    "a weight is a number from 0 up, not '%s'; 0 drops the task's protection", text);
        snprintf(what, sizeof(what), "tasks/%s/alpha", url_part(task, c->opt.pos[1]));
        buf_init(&body, 64 << 10);
        buf_puts(&body, "{\"alpha\":");
        json_put_number(&body, alpha);
        put_reason(&body, c);
        buf_putc(&body, '}');
        r = job_ask(c, "PUT", what, &body);
        buf_deinit(&body);
        return r;
}

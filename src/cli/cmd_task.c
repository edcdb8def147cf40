/* cmd_task.c: task list, task rollover. */
#include "cli/client.h"
#include "cli/doc.h"
#include "proto/json.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

int cmd_task_list(struct cli *c)
{
        const char *heads[] = {"TASK", "STATE", "CLASSES", "TRAIN", "HOLDOUT", "AT CLOSE", "NOW", "FISHER"};
        struct json_doc *doc;
        struct answer a;
        struct out_table *t;
        int r = cli_get(c, &a, &doc, "/v2/models/%s/tasks", c->opt.pos[0]);

        if (r != EXIT_OK)
                return r;
        if (c->opt.json)
                out_json(&a.body);
        t = c->opt.json ? NULL : out_table_new(8, heads);
        for (int i = 0, n = json_length(doc, "/tasks"); t && i < n; i++) {
                char close[16], now[16];

                out_percent(close, sizeof(close), doc_number(doc, (double)NAN, "/tasks/%d/accuracy/at_close", i));
                out_percent(now, sizeof(now), doc_number(doc, (double)NAN, "/tasks/%d/accuracy/now", i));
                out_table_cell(t, "%s", doc_text(doc, "?", "/tasks/%d/task", i));
                out_table_cell(t, "%s", doc_text(doc, "?", "/tasks/%d/state", i));
                out_table_cell(t, "%d", doc_length(doc, "/tasks/%d/classes", i));
                out_table_cell(t, "%.0f", doc_number(doc, 0, "/tasks/%d/feedback/train", i));
                out_table_cell(t, "%.0f", doc_number(doc, 0, "/tasks/%d/feedback/holdout", i));
                out_table_cell(t, "%s", close);
                out_table_cell(t, "%s", now);
                out_table_cell(t, "%s", doc_text(doc, "-", "/tasks/%d/fisher/variant", i));
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
        r = job_post(c, "tasks", &body);
        buf_deinit(&body);
        return r;
}

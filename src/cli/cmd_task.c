/* cmd_task.c: task list, task rollover. */
#include "cli/client.h"
#include "proto/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static double number_or(const struct json_doc *doc, double fallback, const char *fmt, int i)
{
        char at[96];
        double v;

        snprintf(at, sizeof(at), fmt, i);
        return json_number(doc, at, &v) == 0 ? v : fallback;
}

static const char *text_or(const struct json_doc *doc, const char *fallback, const char *fmt, int i)
{
        char at[96];
        const char *v;

        snprintf(at, sizeof(at), fmt, i);
        v = json_text(doc, at);
        return v ? v : fallback;
}

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
                char at[64], close[16], now[16];

                out_percent(close, sizeof(close), number_or(doc, (double)NAN, "/tasks/%d/accuracy/at_close", i));
                out_percent(now, sizeof(now), number_or(doc, (double)NAN, "/tasks/%d/accuracy/now", i));
                snprintf(at, sizeof(at), "/tasks/%d/classes", i);
                out_table_cell(t, "%s", text_or(doc, "?", "/tasks/%d/task", i));
                out_table_cell(t, "%s", text_or(doc, "?", "/tasks/%d/state", i));
                out_table_cell(t, "%d", json_length(doc, at));
                out_table_cell(t, "%.0f", number_or(doc, 0, "/tasks/%d/feedback/train", i));
                out_table_cell(t, "%.0f", number_or(doc, 0, "/tasks/%d/feedback/holdout", i));
                out_table_cell(t, "%s", close);
                out_table_cell(t, "%s", now);
                out_table_cell(t, "%s", text_or(doc, "-", "/tasks/%d/fisher/variant", i));
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
        struct json_doc *doc = NULL;
        struct answer a;
        struct buf body;
        char path[160];
        uint64_t id;
        int r;

        buf_init(&body, 1 << 20);
        put_rollover(&body, &c->opt);
        snprintf(path, sizeof(path), "/v2/models/%.64s/tasks", c->opt.pos[0]);
        r = cli_call(c, "POST", path, "Content-Type: application/json\r\n", &body, &a, &doc);
        buf_deinit(&body);
        if (r != EXIT_OK)
                return r;
        id = (uint64_t)number_or(doc, 0, "/id", 0);
        if (!c->opt.wait && c->opt.json)
                out_json(&a.body);
        else if (!c->opt.wait)
                printf("job %" PRIu64 " queued; follow it with: ewcctl job watch %s %" PRIu64 "\n", id, c->opt.pos[0],
                    id);
        json_free(doc);
        answer_deinit(&a);
        return c->opt.wait ? job_follow(c, c->opt.pos[0], id) : EXIT_OK;
}

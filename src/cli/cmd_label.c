/* cmd_label.c: feedback show, erase, release: the life of a label after it was taken. */
#include "base/mem.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "proto/json.h"

#include <math.h>
#include <stdio.h>

static void show_fate(const struct json_doc *doc)
{
        static const char *const rows[][2] = {{"event", "/id"}, {"seq", "/seq"}, {"state", "/state"},
            {"reason", "/reason"}, {"received", "/received_at"}, {"label", "/label"}, {"task", "/task"},
            {"source", "/source"}, {"split", "/split"}, {"job", "/job"}, {"version", "/version"}};
        const char *version = json_text(doc, "/prediction/version");
        char value[DOC_VALUE], probability[16];

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const char *text = json_text(doc, rows[i][1]);

                printf("%-10s %s\n", rows[i][0], text ? text : doc_value(value, doc, "%s", rows[i][1]));
        }
        printf("%-10s %s\n", "trusted", json_bool(doc, "/trusted") == 1 ? "yes" : "no");
        out_percent(probability, sizeof(probability), doc_number(doc, (double)NAN, "/prediction/probability"));
        if (version)
                printf("%-10s %s with %s, by version %s\n", "predicted", doc_text(doc, "-", "/prediction/label"),
                    probability, version);
        else
                printf("%-10s -\n", "predicted");
}

int cmd_feedback_show(struct cli *c)
{
        char id[URL_PART];
        struct json_doc *doc;
        struct answer a;
        int r = cli_get(c, &a, &doc, "/v2/models/%s/feedback/%s", c->opt.pos[0], url_part(id, c->opt.pos[1]));

        return r != EXIT_OK ? r : cli_show(c, &a, doc, show_fate);
}

static void show_erased(const struct json_doc *doc)
{
        double n = doc_number(doc, 0, "/erased");
        const char *detail = json_text(doc, "/detail");

        printf("erased the features and label of %.0f row%s\n", n, n == 1 ? "" : "s");
        if (detail)
                printf("%s\n", detail);
}

int cmd_feedback_erase(struct cli *c)
{
        const char *id = c->opt.n_pos > 1 ? c->opt.pos[1] : NULL, *source = c->opt.source;
        char part[URL_PART], why[URL_REASON], path[1280];
        struct json_doc *doc;
        struct answer a;
        int r;

        if (!id == !source)
                return cli_refuse(c, EXIT_USAGE, 0, "say what to erase: one event's ID, or all of --source NAME");
        snprintf(path, sizeof(path), "/v2/models/%.64s/feedback%s%s%s", c->opt.pos[0],
            id ? "/" : "?source=", url_part(part, id ? id : source), url_reason(why, c, !id));
        r = cli_call(c, "DELETE", path, "", NULL, &a, &doc);
        return r != EXIT_OK ? r : cli_show(c, &a, doc, show_erased);
}

static void show_released(const struct json_doc *doc)
{
        double n = doc_number(doc, 0, "/released");

        printf("%s %.0f row%s of event %s\n", json_bool(doc, "/accepted") == 1 ? "released" : "rejected and erased",
            n, n == 1 ? "" : "s", doc_text(doc, "?", "/id"));
}

int cmd_feedback_release(struct cli *c)
{
        char id[URL_PART], path[640];
        struct json_doc *doc;
        struct answer a;
        struct buf body;
        int r;

        snprintf(
            path, sizeof(path), "/v2/models/%.64s/feedback/%s/release", c->opt.pos[0], url_part(id, c->opt.pos[1]));
        buf_init(&body, 64 << 10);
        buf_printf(&body, "{\"accept\":%s", c->opt.reject ? "false" : "true");
        put_reason(&body, c);
        buf_putc(&body, '}');
        r = cli_call(c, "POST", path, "Content-Type: application/json\r\n", &body, &a, &doc);
        buf_deinit(&body);
        return r != EXIT_OK ? r : cli_show(c, &a, doc, show_released);
}

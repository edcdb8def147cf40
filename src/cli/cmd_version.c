/* cmd_version.c: version list, show, rollback. */
#include "base/str.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "proto/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* "-" where there is no number; whole ones in full, since seeds are long. */
static const char *show_number(char ret[32], double v)
{
        if (isnan(v))
                snprintf(ret, 32, "-");
        else
                snprintf(ret, 32, v == floor(v) && fabs(v) < 1e16 ? "%.0f" : "%g", v);
        return ret;
}

static void aliases_at(const struct json_doc *doc, int i, char *ret, size_t size)
{
        *ret = 0;
        for (int k = 0, n = doc_length(doc, "/versions/%d/aliases", i); k < n; k++) {
                size_t used = strlen(ret);

                snprintf(ret + used, size - used, "%s@%s", k ? " " : "",
                    doc_text(doc, "?", "/versions/%d/aliases/%d", i, k));
        }
}

int cmd_version_list(struct cli *c)
{
        const char *heads[] = {"VERSION", "STATE", "ALIASES", "PARENT", "TASK", "LAMBDA", "CREATED", "REASON"};
        struct json_doc *doc;
        struct answer a;
        struct out_table *t;
        int r = cli_get(
            c, &a, &doc, "/v2/models/%s/versions?limit=%" PRIu64, c->opt.pos[0], c->opt.limit ? c->opt.limit : 100);

        if (r != EXIT_OK)
                return r;
        if (c->opt.json)
                out_json(&a.body);
        t = c->opt.json ? NULL : out_table_new(8, heads);
        for (int i = 0, n = json_length(doc, "/versions"); t && i < n; i++) {
                char aliases[128], number[32];

                aliases_at(doc, i, aliases, sizeof(aliases));
                out_table_cell(t, "%s", doc_text(doc, "-", "/versions/%d/version", i));
                out_table_cell(t, "%s", doc_text(doc, "-", "/versions/%d/state", i));
                out_table_cell(t, "%s", aliases);
                out_table_cell(t, "%s", doc_text(doc, "-", "/versions/%d/parent", i));
                out_table_cell(t, "%s", doc_text(doc, "-", "/versions/%d/task", i));
                out_table_cell(t, "%s", show_number(number, doc_number(doc, (double)NAN, "/versions/%d/lambda", i)));
                out_table_cell(t, "%s", doc_text(doc, "-", "/versions/%d/created_at", i));
                out_table_cell(t, "%s", doc_text(doc, "-", "/versions/%d/gate/reason", i));
        }
        out_table_print(t);
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

static void show(const struct json_doc *doc)
{
        static const char *const texts[][2] = {{"version", "/version"}, {"state", "/state"}, {"digest", "/digest"},
            {"parent", "/parent"}, {"task", "/task"}, {"created", "/created_at"}, {"program", "/program"},
            {"fisher", "/fisher/variant"}, {"reason", "/gate/reason"}};
        static const char *const numbers[][2] = {{"job", "/job"}, {"lambda", "/lambda"}, {"seed", "/seed"},
            {"fisher samples", "/fisher/samples"}, {"first seq", "/range/first_seq"},
            {"last seq", "/range/last_seq"}};
        const char *heads[] = {"TASK", "ROWS", "ACCURACY", "LOSS"};
        struct out_table *t = out_table_new(4, heads);
        char number[32];

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                printf("%-15s %s\n", texts[i][0], doc_text(doc, "-", "%s", texts[i][1]));
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                printf("%-15s %s\n", numbers[i][0],
                    show_number(number, doc_number(doc, (double)NAN, "%s", numbers[i][1])));
        for (int i = 0, n = json_length(doc, "/evaluations"); i < n; i++) {
                char accuracy[16];

                out_percent(accuracy, sizeof(accuracy), doc_number(doc, (double)NAN, "/evaluations/%d/accuracy", i));
                out_table_cell(t, "%s", doc_text(doc, "-", "/evaluations/%d/task", i));
                out_table_cell(t, "%.0f", doc_number(doc, 0, "/evaluations/%d/n", i));
                out_table_cell(t, "%s", accuracy);
                out_table_cell(t, "%.4f", doc_number(doc, (double)NAN, "/evaluations/%d/loss", i));
        }
        out_table_print(t);
}

int cmd_version_show(struct cli *c)
{
        struct json_doc *doc;
        struct answer a;
        int r = cli_get(c, &a, &doc, "/v2/models/%s/versions/%s", c->opt.pos[0], c->opt.pos[1]);

        if (r != EXIT_OK)
                return r;
        if (c->opt.json)
                out_json(&a.body);
        else
                show(doc);
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

int cmd_version_rollback(struct cli *c)
{
        struct json_doc *doc = NULL;
        struct answer a;
        struct buf body;
        char path[192], headers[160];
        int r;

        snprintf(path, sizeof(path), "/v2/models/%.64s/aliases/champion", c->opt.pos[0]);
        r = cli_call(c, "GET", path, "", NULL, &a, NULL);
        if (r != EXIT_OK)
                return r;
        snprintf(headers, sizeof(headers), "Content-Type: application/json\r\nIf-Match: %.64s\r\n", a.etag);
        answer_deinit(&a);
        buf_init(&body, 64 << 10);
        buf_puts(&body, "{\"version\":");
        json_put_string(&body, c->opt.pos[1]);
        if (c->opt.reason) {
                buf_puts(&body, ",\"reason\":");
                json_put_string(&body, c->opt.reason);
        }
        buf_putc(&body, '}');
        r = cli_call(c, "PUT", path, headers, &body, &a, &doc);
        buf_deinit(&body);
        if (r != EXIT_OK)
                return r;
        if (c->opt.json)
                out_json(&a.body);
        else
                printf("model %s now serves version %s\n", c->opt.pos[0], json_text(doc, "/version"));
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

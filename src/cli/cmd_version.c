/* cmd_version.c: version list, show, rollback. */
#include "base/str.h"
#include "cli/client.h"
#include "proto/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* "/versions/3" + "/lambda": every answer here is read at some prefix. */
static const char *text_at(const struct json_doc *doc, const char *prefix, const char *pointer)
{
        char at[128];
        const char *v;

        snprintf(at, sizeof(at), "%s%s", prefix, pointer);
        v = json_text(doc, at);
        return v ? v : "-";
}

static double number_at(const struct json_doc *doc, const char *prefix, const char *pointer)
{
        char at[128];
        double v;

        snprintf(at, sizeof(at), "%s%s", prefix, pointer);
        return json_number(doc, at, &v) == 0 ? v : (double)NAN;
}

/* "-" where there is no number; whole ones in full, since seeds are long. */
static const char *show_number(char ret[32], double v)
{
        if (isnan(v))
                snprintf(ret, 32, "-");
        else
                snprintf(ret, 32, v == floor(v) && fabs(v) < 1e16 ? "%.0f" : "%g", v);
        return ret;
}

static void aliases_at(const struct json_doc *doc, const char *prefix, char *ret, size_t size)
{
        char at[128];
        int n;

        *ret = 0;
        snprintf(at, sizeof(at), "%s/aliases", prefix);
        n = json_length(doc, at);
        for (int i = 0; i < n; i++) {
                size_t used = strlen(ret);

                snprintf(at, sizeof(at), "%s/aliases/%d", prefix, i);
                snprintf(ret + used, size - used, "%s@%s", i ? " " : "", json_text(doc, at));
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
                char at[32], aliases[128], number[32];

                snprintf(at, sizeof(at), "/versions/%d", i);
                aliases_at(doc, at, aliases, sizeof(aliases));
                out_table_cell(t, "%s", text_at(doc, at, "/version"));
                out_table_cell(t, "%s", text_at(doc, at, "/state"));
                out_table_cell(t, "%s", aliases);
                out_table_cell(t, "%s", text_at(doc, at, "/parent"));
                out_table_cell(t, "%s", text_at(doc, at, "/task"));
                out_table_cell(t, "%s", show_number(number, number_at(doc, at, "/lambda")));
                out_table_cell(t, "%s", text_at(doc, at, "/created_at"));
                out_table_cell(t, "%s", text_at(doc, at, "/gate/reason"));
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
                printf("%-15s %s\n", texts[i][0], text_at(doc, "", texts[i][1]));
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
                printf("%-15s %s\n", numbers[i][0], show_number(number, number_at(doc, "", numbers[i][1])));
        for (int i = 0, n = json_length(doc, "/evaluations"); i < n; i++) {
                char at[32], accuracy[16];

                snprintf(at, sizeof(at), "/evaluations/%d", i);
                out_percent(accuracy, sizeof(accuracy), number_at(doc, at, "/accuracy"));
                out_table_cell(t, "%s", text_at(doc, at, "/task"));
                out_table_cell(t, "%.0f", number_at(doc, at, "/n"));
                out_table_cell(t, "%s", accuracy);
                out_table_cell(t, "%.4f", number_at(doc, at, "/loss"));
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

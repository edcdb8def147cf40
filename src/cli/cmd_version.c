/* cmd_version.c: version list, show; which one serves (rollback, promote: the alias champion); verify, prune. */
#include "base/mem.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "proto/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

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
        t = c->opt.json ? NULL : out_table_new(ARRAY_LEN(heads), heads);
        for (int i = 0, n = json_length(doc, "/versions"); t && i < n; i++) {
                char aliases[128], number[DOC_VALUE];
                bool pruned = doc_truth(doc, "/versions/%d/pruned", i) == 1;

                aliases_at(doc, i, aliases, sizeof(aliases));
                out_table_cell(t, "%s", doc_text(doc, "-", "/versions/%d/version", i));
                out_table_cell(t, "%s%s", doc_text(doc, "-", "/versions/%d/state", i), pruned ? ", pruned" : "");
                out_table_cell(t, "%s", aliases);
                out_table_cell(t, "%s", doc_text(doc, "-", "/versions/%d/parent", i));
                out_table_cell(t, "%s", doc_text(doc, "-", "/versions/%d/task", i));
                out_table_cell(t, "%s", doc_value(number, doc, "/versions/%d/lambda", i));
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
        static const char *const rows[][2] = {{"version", "/version"}, {"state", "/state"}, {"digest", "/digest"},
            {"parent", "/parent"}, {"task", "/task"}, {"created", "/created_at"}, {"program", "/program"},
            {"fisher", "/fisher/variant"}, {"reason", "/gate/reason"}, {"strategy", "/strategy"},
            {"job digest", "/job_digest"}, {"job", "/job"}, {"lambda", "/lambda"}, {"seed", "/seed"},
            {"threads", "/threads"}, {"rows", "/rows"}, {"fisher samples", "/fisher/samples"}, {"prior", "/prior"},
            {"first seq", "/range/first_seq"}, {"last seq", "/range/last_seq"}};
        const char *heads[] = {"TASK", "ROWS", "ACCURACY", "LOSS"};
        struct out_table *t = out_table_new(ARRAY_LEN(heads), heads);
        char number[DOC_VALUE];

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const char *text = json_text(doc, rows[i][1]);

                printf("%-15s %s\n", rows[i][0], text ? text : doc_value(number, doc, "%s", rows[i][1]));
        }
        printf("%-15s %s\n", "pruned", json_bool(doc, "/pruned") == 1 ? "yes" : "no");
        for (int i = 0, n = json_length(doc, "/evaluations"); i < n; i++) {
                out_table_cell(t, "%s", doc_text(doc, "-", "/evaluations/%d/task", i));
                out_table_cell(t, "%.0f", doc_number(doc, 0, "/evaluations/%d/n", i));
                out_table_percent(t, doc_number(doc, (double)NAN, "/evaluations/%d/accuracy", i));
                out_table_cell(t, "%.4f", doc_number(doc, (double)NAN, "/evaluations/%d/loss", i));
        }
        out_table_print(t);
}

int cmd_version_show(struct cli *c)
{
        struct json_doc *doc;
        struct answer a;
        int r = cli_get(c, &a, &doc, "/v2/models/%s/versions/%s", c->opt.pos[0], c->opt.pos[1]);

        return r != EXIT_OK ? r : cli_show(c, &a, doc, show);
}

/* --- the champion --- */

int cmd_version_rollback(struct cli *c)
{
        return alias_move(c, "champion", c->opt.pos[1], "now serves");
}

int cmd_version_promote(struct cli *c)
{
        return alias_move(c, "champion", c->opt.pos[1], "has a new champion and serves");
}

/* --- proof and end --- */

int cmd_version_verify(struct cli *c)
{
        char version[URL_PART], what[URL_PART + 32];

        if (!c->opt.rebuild)
                return cli_refuse(c, EXIT_USAGE, 0,
                    "version verify needs --rebuild: a version is verified by training it again from what was "
                    "recorded, "
                    "which takes as long as its job did");
        snprintf(what, sizeof(what), "versions/%s/rebuild", url_part(version, c->opt.pos[1]));
        return job_ask(c, "POST", what, NULL);
}

static void show_pruned(const struct json_doc *doc)
{
        double n = doc_number(doc, 0, "/pruned");

        printf("pruned %.0f version%s of model %s: tensors are gone, records stay\n", n, n == 1 ? "" : "s",
            doc_text(doc, "?", "/model"));
        if (json_text(doc, "/detail"))
                printf("%s\n", json_text(doc, "/detail"));
}

int cmd_version_prune(struct cli *c)
{
        struct json_doc *doc;
        struct answer a;
        struct buf body;
        char path[192];
        uint64_t keep;
        int r;

        if (!slice_u64(slice_of(c->opt.pos[1]), &keep))
                return cli_refuse(c, EXIT_USAGE, 0,
                    "KEEP is how many versions stay beside those something needs, not '%s'", c->opt.pos[1]);
        snprintf(path, sizeof(path), "/v2/models/%.64s/versions/prune", c->opt.pos[0]);
        buf_init(&body, 64 << 10);
        buf_printf(&body, "{\"keep\":%" PRIu64, keep);
        put_reason(&body, c);
        buf_putc(&body, '}');
        r = cli_call(c, "POST", path, "Content-Type: application/json\r\n", &body, &a, &doc);
        buf_deinit(&body);
        return r != EXIT_OK ? r : cli_show(c, &a, doc, show_pruned);
}

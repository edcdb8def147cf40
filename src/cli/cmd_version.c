/* cmd_version.c: version list, show; which one serves (rollback, promote); verify, prune. */
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
            {"threads", "/threads"}, {"rows", "/rows"}, {"fisher samples", "/fisher/samples"},
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

/* The number of a version that was named by an alias; *ret stays as given when it was not. */
static int number_of(struct cli *c, const char **ret, char number[DOC_VALUE])
{
        char alias[URL_PART];
        struct json_doc *doc;
        struct answer a;
        int r;

        if ((*ret)[0] != '@')
                return EXIT_OK;
        r = cli_get(c, &a, &doc, "/v2/models/%s/aliases/%s", c->opt.pos[0], url_part(alias, *ret + 1));
        if (r != EXIT_OK)
                return r;
        *ret = doc_value(number, doc, "/version");
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

/* Why the gate rejected the version; "": it did not. What is no number is refused by the call that follows. */
static int rejected_why(struct cli *c, const char *version, char *ret, size_t size)
{
        struct json_doc *doc;
        struct answer a;
        uint64_t number;

        *ret = 0;
        if (!slice_u64(slice_of(version), &number))
                return EXIT_OK;
        int r = cli_get(c, &a, &doc, "/v2/models/%.64s/versions/%" PRIu64, c->opt.pos[0], number);
        if (r != EXIT_OK)
                return r;
        if (strcmp(doc_text(doc, "", "/state"), "rejected") == 0)
                snprintf(ret, size, "%s", doc_text(doc, "rejected", "/gate/reason"));
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

/* The ETag says which champion the change was decided on. words: of the model's name and the version. */
static int champion_move(struct cli *c, const char *words)
{
        struct json_doc *doc = NULL;
        struct answer a;
        struct buf body;
        char path[192], headers[160], number[DOC_VALUE];
        const char *version = c->opt.pos[1];
        char why[512];
        int r = number_of(c, &version, number);

        if (r != EXIT_OK || (r = rejected_why(c, version, why, sizeof(why))) != EXIT_OK)
                return r;
        snprintf(path, sizeof(path), "/v2/models/%.64s/aliases/champion", c->opt.pos[0]);
        r = cli_call(c, "GET", path, "", NULL, &a, NULL);
        if (r != EXIT_OK)
                return r;
        snprintf(headers, sizeof(headers), "Content-Type: application/json\r\nIf-Match: %.64s\r\n", a.etag);
        answer_deinit(&a);
        buf_init(&body, 64 << 10);
        buf_puts(&body, "{\"version\":");
        json_put_string(&body, version);
        put_reason(&body, c);
        buf_putc(&body, '}');
        r = cli_call(c, "PUT", path, headers, &body, &a, &doc);
        buf_deinit(&body);
        if (r != EXIT_OK)
                return r;
        if (why[0])
                fprintf(stderr, "ewcctl: the gate had judged version %s otherwise: %s\n", version, why);
        if (c->opt.json)
                out_json(&a.body);
        else
                printf("model %s %s version %s\n", c->opt.pos[0], words, json_text(doc, "/version"));
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

int cmd_version_rollback(struct cli *c)
{
        return champion_move(c, "now serves");
}

int cmd_version_promote(struct cli *c)
{
        return champion_move(c, "has a new champion and serves");
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

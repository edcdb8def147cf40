/* cmd_lineage.c: version lineage, version diff: where a version came from, and how two lie apart. */
#include "base/mem.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "proto/json.h"

#include <math.h>
#include <stdio.h>

static void show_lineage(const struct json_doc *doc)
{
        const char *heads[] = {
            "VERSION", "STATE", "JOB", "TASK", "STRATEGY", "LAMBDA", "ROWS", "SEED", "CREATED", "TRIGGER"};
        static const char *const keys[] = {
            "version", "state", "job", "task", "strategy", "lambda", "rows", "seed", "created_at"};
        struct out_table *t = out_table_new(ARRAY_LEN(heads), heads);

        for (int i = 0, n = json_length(doc, "/lineage"); i < n; i++) {
                const char *words = doc_text(doc, NULL, "/lineage/%d/trigger_text", i);

                for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
                        char value[DOC_VALUE];

                        out_table_cell(t, "%s", doc_value(value, doc, "/lineage/%d/%s", i, keys[k]));
                }
                out_table_cell(
                    t, "%s%s%s", doc_text(doc, "-", "/lineage/%d/trigger", i), words ? ": " : "", words ? words : "");
        }
        out_table_print(t);
}

int cmd_version_lineage(struct cli *c)
{
        char version[URL_PART];
        struct json_doc *doc;
        struct answer a;
        int r = cli_get(
            c, &a, &doc, "/v2/models/%s/versions/%s/lineage", c->opt.pos[0], url_part(version, c->opt.pos[1]));

        return r != EXIT_OK ? r : cli_show(c, &a, doc, show_lineage);
}

/* --- difference --- */

static void drift_row(struct out_table *t, const struct json_doc *doc, const char *at, const char *name)
{
        out_table_cell(t, "%s", name ? name : doc_text(doc, "?", "%s/layer", at));
        out_table_cell(t, "%.0f", doc_number(doc, 0, "%s/n", at));
        out_table_cell(t, "%.0f", doc_number(doc, 0, "%s/n_changed", at));
        out_table_cell(t, "%.4g", doc_number(doc, (double)NAN, "%s/rms", at));
        out_table_cell(t, "%.4g", doc_number(doc, (double)NAN, "%s/max", at));
        out_table_number(t, doc_number(doc, (double)NAN, "%s/fisher_distance", at));
}

static void show_layers(const struct json_doc *doc)
{
        const char *heads[] = {"LAYER", "ENTRIES", "CHANGED", "RMS", "MAX", "FISHER DISTANCE"};
        struct out_table *t = out_table_new(ARRAY_LEN(heads), heads);

        for (int i = 0, n = json_length(doc, "/layers"); i < n; i++) {
                char at[32];

                snprintf(at, sizeof(at), "/layers/%d", i);
                drift_row(t, doc, at, NULL);
        }
        drift_row(t, doc, "/total", "all");
        out_table_print(t);
}

static void show_tasks(const struct json_doc *doc)
{
        const char *heads[] = {"TASK", "ACCURACY", "TO", "LOSS", "TO"};
        struct out_table *t = out_table_new(ARRAY_LEN(heads), heads);

        for (int i = 0, n = json_length(doc, "/tasks"); i < n; i++) {
                out_table_cell(t, "%s", doc_text(doc, "?", "/tasks/%d/task", i));
                out_table_percent(t, doc_number(doc, (double)NAN, "/tasks/%d/accuracy/from", i));
                out_table_percent(t, doc_number(doc, (double)NAN, "/tasks/%d/accuracy/to", i));
                out_table_fixed(t, doc_number(doc, (double)NAN, "/tasks/%d/loss/from", i));
                out_table_fixed(t, doc_number(doc, (double)NAN, "/tasks/%d/loss/to", i));
        }
        out_table_print(t);
}

static void show_diff(const struct json_doc *doc)
{
        const char *fisher = json_text(doc, "/fisher_of");

        printf("from version %s to %s", doc_text(doc, "?", "/from"), doc_text(doc, "?", "/to"));
        if (fisher)
                printf(", distances by the Fisher of version %s", fisher);
        printf("; outputs: %.0f added, %.0f removed\n\n", doc_number(doc, 0, "/outputs_added"),
            doc_number(doc, 0, "/outputs_removed"));
        show_layers(doc);
        putchar('\n');
        show_tasks(doc);
}

int cmd_version_diff(struct cli *c)
{
        char from[URL_PART], to[URL_PART], path[2 * URL_PART + 128];
        struct json_doc *doc;
        struct answer a;
        int r;

        snprintf(path, sizeof(path), "/v2/models/%.64s/versions/%s/diff/%s", c->opt.pos[0],
            url_part(from, c->opt.pos[1]), url_part(to, c->opt.pos[2]));
        r = cli_call(c, "GET", path, "", NULL, &a, &doc);
        return r != EXIT_OK ? r : cli_show(c, &a, doc, show_diff);
}

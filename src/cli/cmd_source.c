/* cmd_source.c: source list, source unlearn. */
#include "base/mem.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "proto/json.h"

#include <math.h>
#include <stdio.h>

static void show_sources(const struct json_doc *doc)
{
        const char *heads[] = {"SOURCE", "ROWS", "LIVE", "USED", "SERVED", "AGREED", "FIRST SEQ", "LAST SEQ"};
        static const char *const numbers[] = {"rows", "live", "used", "served", "agreed", "first_seq", "last_seq"};
        struct out_table *t = out_table_new(ARRAY_LEN(heads), heads);

        for (int i = 0, n = json_length(doc, "/sources"); i < n; i++) {
                const char *name = doc_text(doc, "", "/sources/%d/source", i);

                out_table_cell(t, "%s", name[0] ? name : "(none named)");
                for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
                        out_table_number(t, doc_number(doc, (double)NAN, "/sources/%d/%s", i, numbers[k]));
        }
        out_table_print(t);
}

int cmd_source_list(struct cli *c)
{
        struct json_doc *doc;
        struct answer a;
        int r = cli_get(c, &a, &doc, "/v2/models/%s/sources", c->opt.pos[0]);

        return r != EXIT_OK ? r : cli_show(c, &a, doc, show_sources);
}

static void show_unlearned(const struct json_doc *doc, FILE *f)
{
        const char *from = doc_text(doc, "-", "/from_version"), *detail = json_text(doc, "/detail");
        double job = doc_number(doc, 0, "/job");

        fprintf(f, "erased %.0f rows of source '%s'; version %s served, version %s serves\n",
            doc_number(doc, 0, "/erased"), doc_text(doc, "?", "/source"), from, doc_text(doc, "-", "/version"));
        if (json_length(doc, "/aliases") > 0) {
                fprintf(f, "moved along:");
                for (int i = 0, n = json_length(doc, "/aliases"); i < n; i++)
                        fprintf(f, " @%s", doc_text(doc, "?", "/aliases/%d", i));
                fprintf(f, "\n");
        }
        if (detail)
                fprintf(f, "%s\n", detail);
        if (job > 0)
                fprintf(f, "job %.0f learns again from what is left\n", job);
}

/* With --json one object: of the source, or with --wait of the job where there is one. */
int cmd_source_unlearn(struct cli *c)
{
        char source[URL_PART], path[640];
        struct json_doc *doc;
        struct answer a;
        struct buf body;
        bool follow;
        uint64_t job;
        int r;

        snprintf(path, sizeof(path), "/v2/models/%.64s/sources/%s/unlearn", c->opt.pos[0],
            url_part(source, c->opt.pos[1]));
        buf_init(&body, 64 << 10);
        if (c->opt.reason) {
                buf_puts(&body, "{\"reason\":");
                json_put_string(&body, c->opt.reason);
                buf_putc(&body, '}');
        }
        r = cli_call(c, "POST", path, c->opt.reason ? "Content-Type: application/json\r\n" : "",
            c->opt.reason ? &body : NULL, &a, &doc);
        buf_deinit(&body);
        if (r != EXIT_OK)
                return r;
        job = (uint64_t)doc_number(doc, 0, "/job");
        follow = c->opt.wait && job > 0;
        if (!c->opt.json || follow)
                show_unlearned(doc, c->opt.json ? stderr : stdout);
        else
                out_json(&a.body);
        json_free(doc);
        answer_deinit(&a);
        return follow ? job_follow(c, c->opt.pos[0], job) : EXIT_OK;
}

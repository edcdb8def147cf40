/* cmd_predict.c: predict: a file in, one label a line out; with --labels the accuracy against the file's own
 * labels. */
#include "base/mem.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "cli/rows_body.h"
#include "proto/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 64 << 20, LABEL_SIZE = 128 };

struct prediction_run {
        struct cli *cli;
        struct cli_rows rows;
        struct buf body;
        char (*truth)[LABEL_SIZE]; /* (batch) */
        uint64_t in_body, n, correct;
        char version[24];
};

static void put_row(struct prediction_run *p, const struct row *row)
{
        buf_puts(&p->body, p->in_body ? "," : "{\"inputs\":[");
        put_numbers(&p->body, row->inputs, row->n);
        snprintf(p->truth[p->in_body], LABEL_SIZE, "%s", row->label ? row->label : "");
}

static void take_prediction(struct prediction_run *p, const struct json_doc *doc, uint64_t i)
{
        const char *label = doc_text(doc, NULL, "/predictions/%llu/label", (unsigned long long)i);
        double probability = doc_number(doc, 0, "/predictions/%llu/probability", (unsigned long long)i);

        p->n++;
        p->correct += label && strcmp(label, p->truth[i]) == 0;
        if (!p->cli->opt.labels && !p->cli->opt.json)
                printf("%s\t%.4f\n", label ? label : "-", probability);
}

static int flush(struct prediction_run *p)
{
        struct json_doc *doc = NULL;
        struct answer a;
        const char *version;
        char path[160];
        int r;

        if (p->in_body == 0)
                return EXIT_OK;
        buf_putc(&p->body, ']');
        if (p->cli->opt.task) {
                buf_puts(&p->body, ",\"task\":");
                json_put_string(&p->body, p->cli->opt.task);
        }
        buf_puts(&p->body, ",\"top_k\":1}");
        snprintf(path, sizeof(path), "/v2/models/%.64s/predict", p->cli->opt.pos[0]);
        r = cli_call(p->cli, "POST", path, "Content-Type: application/json\r\n", &p->body, &a, &doc);
        if (r != EXIT_OK)
                return r;
        if ((version = json_text(doc, "/model_version")))
                snprintf(p->version, sizeof(p->version), "%s", version);
        for (uint64_t i = 0; i < p->in_body; i++)
                take_prediction(p, doc, i);
        if (p->cli->opt.json && !p->cli->opt.labels)
                out_json(&a.body);
        json_free(doc);
        answer_deinit(&a);
        buf_reset(&p->body);
        p->in_body = 0;
        return EXIT_OK;
}

static int predict_rows(struct prediction_run *p)
{
        struct err e = ERR_NULL;
        struct row row;
        int k, r = EXIT_OK;

        while (r == EXIT_OK && (k = cli_rows_next(&p->rows, &row, &e)) > 0) {
                if (row.line || (p->cli->opt.labels && !row.label)) {
                        err_set(&e, -EINVAL,
                            row.line ? "predict reads csv and idx files; send ndjson rows with curl"
                                     : "--labels needs labels: a csv label column, or --labels=FILE for idx images");
                        return cli_fail(p->cli, &e);
                }
                put_row(p, &row);
                if (++p->in_body == p->cli->opt.batch)
                        r = flush(p);
                if (p->cli->opt.labels)
                        bar_show(p->cli, cli_rows_fraction(&p->rows), "%llu rows", (unsigned long long)p->n);
        }
        if (r == EXIT_OK && k < 0)
                return cli_fail(p->cli, &e);
        return r == EXIT_OK ? flush(p) : r;
}

int cmd_predict(struct cli *c)
{
        const char *labels = c->opt.labels_file ? c->opt.labels_file : c->opt.n_pos > 2 ? c->opt.pos[2] : NULL;
        struct prediction_run p = {.cli = c};
        struct err e = ERR_NULL;
        int r;

        if (c->opt.batch == 0 || c->opt.batch > 1024)
                return cli_refuse(c, EXIT_USAGE, 0, "--batch takes 1 to 1024");
        c->opt.labels = c->opt.labels || labels;
        p.truth = mem_array(c->opt.batch, LABEL_SIZE);
        if (!p.truth || cli_rows_open(&p.rows, &c->opt, c->opt.pos[1], labels, &e) < 0) {
                free(p.truth);
                return cli_fail(c, &e);
        }
        buf_init(&p.body, BODY_MAX);
        bar_start(c, "predict");
        r = predict_rows(&p);
        if (r == EXIT_OK && p.n == 0)
                r = cli_rows_none(c, &p.rows);
        if (r == EXIT_OK && c->opt.labels)
                bar_end(c, "%llu rows", (unsigned long long)p.n);
        if (r == EXIT_OK && c->opt.labels && c->opt.json)
                printf("{\"n\":%llu,\"correct\":%llu,\"accuracy\":%.6f,\"version\":\"%s\"}\n",
                    (unsigned long long)p.n, (unsigned long long)p.correct,
                    p.n ? (double)p.correct / (double)p.n : 0.0, p.version);
        else if (r == EXIT_OK && c->opt.labels)
                printf("accuracy %.2f %% (%llu of %llu), version %s\n",
                    p.n ? 100.0 * (double)p.correct / (double)p.n : 0.0, (unsigned long long)p.correct,
                    (unsigned long long)p.n, p.version);
        buf_deinit(&p.body);
        free(p.truth);
        cli_rows_close(&p.rows);
        return r;
}

/* cmd_feedback.c: feedback import, holdout import.
 *
 * Every row's event_id is made of the file's own digest and the row's place in it, so that an import that broke off
 * can simply be run again: what arrived before counts as duplicate. ndjson lines go out as they stand. Trusted
 * holdout rows have event ids of their own: a file that was sent as feedback may still be vouched for. */
#include "base/digest.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "cli/rows_body.h"
#include "proto/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BODY_MAX = 64 << 20, FILE_ID_SIZE = 17 };

struct import {
        struct cli *cli;
        const char *path, *what; /* what: where in the model the rows go */
        const char *prefix;      /* of their ids */
        const char *task;        /* NULL: not named */
        struct cli_rows rows;
        struct buf body;
        char file_id[FILE_ID_SIZE];
        uint64_t in_body, sent, accepted, duplicate, rejected;
        uint64_t set_aside[3]; /* of the accepted; in the order of asides */
        char first_reason[512];
};

static const char *const asides[] = {"quarantined", "late", "superseded"};

static int file_id(const char *path, char ret[FILE_ID_SIZE], struct err *e)
{
        _close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct digest_ctx *ctx = digest_new();
        struct digest d;
        char hex[DIGEST_HEX], chunk[65536];
        ssize_t n;

        if (fd < 0 || !ctx) {
                int saved = fd < 0 ? errno : ENOMEM;

                digest_free(ctx);
                return err_errno(e, saved, "%s", path);
        }
        while ((n = read(fd, chunk, sizeof(chunk))) > 0)
                digest_add(ctx, chunk, (size_t)n);
        digest_finish(ctx, &d);
        if (n < 0)
                return err_errno(e, errno, "%s", path);
        digest_hex(&d, hex);
        memcpy(ret, hex, FILE_ID_SIZE - 1);
        ret[FILE_ID_SIZE - 1] = 0;
        return 0;
}

static void put_event(struct import *im, const struct row *row)
{
        const struct options *o = &im->cli->opt;
        struct buf *b = &im->body;

        if (row->line) { /* ndjson */
                buf_put(b, row->line, row->line_len);
                buf_putc(b, '\n');
                return;
        }
        buf_printf(b, "%s{\"event_id\":\"%s-%s-%llu\",\"label\":", im->in_body ? "," : "{\"events\":[", im->prefix,
            im->file_id, (unsigned long long)row->index);
        json_put_string(b, row->label);
        if (im->task) {
                buf_puts(b, ",\"task\":");
                json_put_string(b, im->task);
        }
        if (o->source) {
                buf_puts(b, ",\"source\":");
                json_put_string(b, o->source);
        }
        buf_puts(b, ",\"inputs\":");
        put_numbers(b, row->inputs, row->n);
        buf_putc(b, '}');
}

static int flush(struct import *im)
{
        bool ndjson = rows_format(im->rows.rows) == ROWS_NDJSON;
        struct json_doc *doc = NULL;
        struct answer a;
        char path[640];
        int r, rejected;

        if (im->in_body == 0)
                return EXIT_OK;
        if (!ndjson)
                buf_puts(&im->body, "]}");
        snprintf(path, sizeof(path), "/v2/models/%.64s/%s", im->cli->opt.pos[0], im->what);
        r = cli_call(im->cli, "POST", path,
            ndjson ? "Content-Type: application/x-ndjson\r\n" : "Content-Type: application/json\r\n", &im->body, &a,
            &doc);
        if (r != EXIT_OK)
                return r;
        rejected = json_length(doc, "/rejected");
        im->sent += im->in_body;
        im->accepted += (uint64_t)doc_number(doc, 0, "/accepted");
        im->duplicate += (uint64_t)doc_number(doc, 0, "/duplicate");
        im->rejected += rejected > 0 ? (uint64_t)rejected : 0;
        for (size_t i = 0; i < ARRAY_LEN(asides); i++)
                im->set_aside[i] += (uint64_t)doc_number(doc, 0, "/%s", asides[i]);
        if (rejected > 0 && !im->first_reason[0])
                snprintf(im->first_reason, sizeof(im->first_reason), "%s", json_text(doc, "/rejected/0/detail"));
        json_free(doc);
        answer_deinit(&a);
        buf_reset(&im->body);
        im->in_body = 0;
        return EXIT_OK;
}

static int send_rows(struct import *im)
{
        struct err e = ERR_NULL;
        struct row row;
        int k, r = EXIT_OK;

        while (r == EXIT_OK && (k = cli_rows_next(&im->rows, &row, &e)) > 0) {
                if (!row.line && !row.label) {
                        err_set(&e, -EINVAL, "%s has no labels: give the label file, or --label-column", im->path);
                        return cli_fail(im->cli, &e);
                }
                put_event(im, &row);
                if (!buf_ok(&im->body)) {
                        err_set(&e, -EMSGSIZE, "a request grew over %d bytes: use a smaller --batch", BODY_MAX);
                        return cli_fail(im->cli, &e);
                }
                if (++im->in_body == im->cli->opt.batch)
                        r = flush(im);
                bar_show(im->cli, cli_rows_fraction(&im->rows), "%llu rows", (unsigned long long)im->sent);
        }
        if (r == EXIT_OK && k < 0)
                return cli_fail(im->cli, &e);
        return r == EXIT_OK ? flush(im) : r;
}

/* An import that broke off has its error on stdout with --json, and tells only people how far it came. */
static void print_counts(const struct import *im, bool whole)
{
        bool json = im->cli->opt.json && whole;
        FILE *f = im->cli->opt.json && !whole ? stderr : stdout;

        fprintf(f,
            json ? "{\"sent\":%llu,\"accepted\":%llu,\"duplicate\":%llu,\"rejected\":%llu"
                 : "sent %llu, accepted %llu, duplicate %llu, rejected %llu",
            (unsigned long long)im->sent, (unsigned long long)im->accepted, (unsigned long long)im->duplicate,
            (unsigned long long)im->rejected);
        for (size_t i = 0; i < ARRAY_LEN(asides); i++)
                if (json)
                        fprintf(f, ",\"%s\":%llu", asides[i], (unsigned long long)im->set_aside[i]);
                else if (im->set_aside[i] > 0)
                        fprintf(f, ", %s %llu", asides[i], (unsigned long long)im->set_aside[i]);
        fputs(json ? "}\n" : "\n", f);
}

/* labels: the idx label file, or NULL. */
static int import(struct import *im, const char *labels)
{
        struct cli *c = im->cli;
        struct err e = ERR_NULL;
        int r;

        if (c->opt.batch == 0 || c->opt.batch > 4096)
                return cli_refuse(c, EXIT_USAGE, 0, "--batch takes 1 to 4096");
        if (file_id(im->path, im->file_id, &e) < 0 || cli_rows_open(&im->rows, &c->opt, im->path, labels, &e) < 0)
                return cli_fail(c, &e);
        buf_init(&im->body, BODY_MAX);
        bar_start(c, im->prefix);
        r = send_rows(im);
        if (r == EXIT_OK && im->sent == 0)
                r = cli_rows_none(c, &im->rows);
        if (r == EXIT_OK)
                bar_end(c, "%llu rows", (unsigned long long)im->sent);
        if (im->sent > 0)
                print_counts(im, r == EXIT_OK);
        if (im->rejected > 0)
                fprintf(stderr, "ewcctl: first rejection: %s\n", im->first_reason);
        buf_deinit(&im->body);
        cli_rows_close(&im->rows);
        return r == EXIT_OK && im->rejected > 0 ? EXIT_FAILED : r;
}

int cmd_feedback_import(struct cli *c)
{
        const struct options *o = &c->opt;
        struct import im = {.cli = c, .path = o->pos[1], .what = "feedback", .prefix = "import", .task = o->task};

        return import(&im, o->n_pos > 2 ? o->pos[2] : NULL);
}

int cmd_holdout_import(struct cli *c)
{
        const struct options *o = &c->opt;
        char what[URL_PART + 16], task[URL_PART];
        struct import im = {.cli = c, .path = o->pos[2], .what = what, .prefix = "holdout"};

        snprintf(what, sizeof(what), "tasks/%s/holdout", url_part(task, o->pos[1]));
        return import(&im, o->n_pos > 3 ? o->pos[3] : NULL);
}

/* cmd_alias.c: alias list, set, delete; and moving an alias, which is also what promotes and rolls back. */
#include "base/mem.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "proto/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void show_aliases(const struct json_doc *doc)
{
        const char *heads[] = {"ALIAS", "VERSION", "UPDATED"};
        struct out_table *t = out_table_new(ARRAY_LEN(heads), heads);

        for (int i = 0, n = json_length(doc, "/aliases"); i < n; i++) {
                out_table_cell(t, "@%s", doc_text(doc, "?", "/aliases/%d/alias", i));
                out_table_cell(t, "%s", doc_text(doc, "-", "/aliases/%d/version", i));
                out_table_cell(t, "%s", doc_text(doc, "-", "/aliases/%d/updated_at", i));
        }
        out_table_print(t);
}

int cmd_alias_list(struct cli *c)
{
        struct json_doc *doc;
        struct answer a;
        int r = cli_get(c, &a, &doc, "/v2/models/%s/aliases", c->opt.pos[0]);

        return r != EXIT_OK ? r : cli_show(c, &a, doc, show_aliases);
}

/* --- one of them --- */

enum { ALIAS_PATH = 128 + URL_PART };

static void path_of(const struct cli *c, const char *alias, char ret[ALIAS_PATH])
{
        char part[URL_PART];

        snprintf(ret, ALIAS_PATH, "/v2/models/%.64s/aliases/%s", c->opt.pos[0], url_part(part, alias));
}

static int exists(struct cli *c, const char *alias, bool *ret)
{
        struct json_doc *doc;
        struct answer a;
        int r = cli_get(c, &a, &doc, "/v2/models/%s/aliases", c->opt.pos[0]);

        if (r != EXIT_OK)
                return r;
        *ret = false;
        for (int i = 0, n = json_length(doc, "/aliases"); i < n; i++)
                *ret = *ret || strcmp(doc_text(doc, "", "/aliases/%d/alias", i), alias) == 0;
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

/* The header that says on which state of the alias the change was decided. */
enum { IF_MATCH = 96 };
static int if_match(struct cli *c, const char *path, char ret[IF_MATCH])
{
        struct answer a;
        int r = cli_call(c, "GET", path, "", NULL, &a, NULL);

        if (r != EXIT_OK)
                return r;
        snprintf(ret, IF_MATCH, "If-Match: %.64s\r\n", a.etag);
        answer_deinit(&a);
        return EXIT_OK;
}

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

static int move(struct cli *c, const char *path, const char *condition, const char *version, const char *words)
{
        char number[DOC_VALUE], why[512], headers[160];
        struct json_doc *doc;
        struct answer a;
        struct buf body;
        int r = number_of(c, &version, number);

        if (r != EXIT_OK || (r = rejected_why(c, version, why, sizeof(why))) != EXIT_OK)
                return r;
        snprintf(headers, sizeof(headers), "Content-Type: application/json\r\n%s", condition);
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

int alias_move(struct cli *c, const char *alias, const char *version, const char *words)
{
        char path[ALIAS_PATH], condition[IF_MATCH];

        path_of(c, alias, path);
        int r = if_match(c, path, condition);
        return r != EXIT_OK ? r : move(c, path, condition, version, words);
}

int cmd_alias_set(struct cli *c)
{
        char path[ALIAS_PATH], words[64];
        bool there = false;
        int r = exists(c, c->opt.pos[1], &there);

        if (r != EXIT_OK)
                return r;
        path_of(c, c->opt.pos[1], path);
        snprintf(words, sizeof(words), "has @%.40s at", c->opt.pos[1]);
        return there ? alias_move(c, c->opt.pos[1], c->opt.pos[2], words)
                     : move(c, path, "If-Match: \"0\"\r\n", c->opt.pos[2], words);
}

static void show_deleted(const struct json_doc *doc)
{
        printf("deleted @%s, which named version %s\n", doc_text(doc, "?", "/alias"), doc_text(doc, "-", "/version"));
}

int cmd_alias_delete(struct cli *c)
{
        char path[ALIAS_PATH], asked[ALIAS_PATH + URL_REASON], condition[IF_MATCH], why[URL_REASON];
        struct json_doc *doc;
        struct answer a;

        path_of(c, c->opt.pos[1], path);
        int r = if_match(c, path, condition);
        if (r != EXIT_OK)
                return r;
        snprintf(asked, sizeof(asked), "%s%s", path, url_reason(why, c, false));
        r = cli_call(c, "DELETE", asked, condition, NULL, &a, &doc);
        return r != EXIT_OK ? r : cli_show(c, &a, doc, show_deleted);
}

/* cmd_model.c: model create, list, show. */
#include "base/file.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "proto/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SPEC_MAX = 16 << 20 };

static int read_description(const char *path, struct buf *ret, struct err *e)
{
        if (strcmp(path, "-") != 0)
                return file_read(path, SPEC_MAX, ret, e);
        for (;;) {
                char *room = buf_reserve(ret, 4096);
                size_t n = room ? fread(room, 1, 4096, stdin) : 0;

                if (!room)
                        return err_set(e, -1, "the description on standard input is longer than %d bytes", SPEC_MAX);
                if (n == 0)
                        return 0;
                buf_advance(ret, n);
        }
}

int cmd_model_create(struct cli *c)
{
        struct json_doc *doc = NULL;
        struct answer a;
        struct err e = ERR_NULL;
        struct buf body;
        int r;

        buf_init(&body, SPEC_MAX);
        if (read_description(c->opt.pos[0], &body, &e) < 0) {
                buf_deinit(&body);
                return cli_fail(c, &e);
        }
        r = cli_call(c, "POST", "/v2/models", "Content-Type: application/json\r\n", &body, &a, &doc);
        buf_deinit(&body);
        if (r != EXIT_OK)
                return r;
        if (c->opt.json)
                out_json(&a.body);
        else
                printf("created model %s, version %s\n", json_text(doc, "/name"), json_text(doc, "/versions/0"));
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

int cmd_model_list(struct cli *c)
{
        struct json_doc *doc;
        struct answer a;
        int r = cli_get(c, &a, &doc, "/v2/models");

        if (r != EXIT_OK)
                return r;
        if (c->opt.json)
                out_json(&a.body);
        for (int i = 0, n = json_length(doc, "/models"); !c->opt.json && i < n; i++) {
                char at[48];

                snprintf(at, sizeof(at), "/models/%d", i);
                printf("%s\n", json_text(doc, at));
        }
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

/* "[1, 0.5]": a list of numbers on one line. */
static void show_list(const struct json_doc *doc, const char *at, const char *name, int n)
{
        printf("  %-24s [", name);
        for (int i = 0; i < n; i++)
                printf("%s%g", i > 0 ? ", " : "", doc_number(doc, (double)NAN, "%s/%d", at, i));
        printf("]\n");
}

static void show_learning(const struct json_doc *doc, const char *pointer, const char *prefix)
{
        for (int i = 0, n = json_length(doc, pointer); i < n; i++) {
                const char *key = json_key(doc, pointer, (size_t)i), *text;
                char at[256], name[128];
                double v;
                int truth, length;

                snprintf(at, sizeof(at), "%s/%s", pointer, key);
                snprintf(name, sizeof(name), "%s%s", prefix, key);
                if ((text = json_text(doc, at)))
                        printf("  %-24s %s\n", name, text);
                else if (json_number(doc, at, &v) == 0)
                        printf("  %-24s %g\n", name, v);
                else if ((truth = json_bool(doc, at)) >= 0)
                        printf("  %-24s %s\n", name, truth ? "true" : "false");
                else if ((length = json_length(doc, at)) >= 0 && !json_key(doc, at, 0))
                        show_list(doc, at, name, length);
                else {
                        strncat(name, ".", sizeof(name) - strlen(name) - 1);
                        show_learning(doc, at, name);
                }
        }
}

int cmd_model_show(struct cli *c)
{
        struct json_doc *doc;
        struct answer a;
        double params = 0, champion = 0;
        const char *champion_text;
        int r = cli_get(c, &a, &doc, "/v2/models/%s", c->opt.pos[0]);

        if (r != EXIT_OK)
                return r;
        if (c->opt.json) {
                out_json(&a.body);
        } else {
                json_number(doc, "/parameters", &params);
                champion_text = json_text(doc, "/ewcd_champion");
                json_number(doc, "/ewcd_champion", &champion);
                printf("model      %s\nscenario   %s\nclasses    %d\nparameters %.0f\n", json_text(doc, "/name"),
                    json_text(doc, "/scenario"), json_length(doc, "/classes"), params);
                if (champion_text)
                        printf("champion   %s\n", champion_text);
                else
                        printf("champion   %.0f\n", champion);
                printf("learning\n");
                show_learning(doc, "/learning", "");
        }
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

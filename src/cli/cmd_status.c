/* cmd_status.c: status. */
#include "cli/client.h"
#include "proto/json.h"

#include <stdio.h>

/* Prints an object's members as "path value" lines, nested ones indented; keys are the daemon's own words. */
static void print_object(const struct json_doc *doc, const char *pointer, int depth)
{
        for (int i = 0, n = json_length(doc, pointer); i < n; i++) {
                const char *key = json_key(doc, pointer, (size_t)i), *text;
                char at[512], index[16];
                double v;
                int flag;

                if (!key) {
                        snprintf(index, sizeof(index), "%d", i);
                        key = index;
                }
                snprintf(at, sizeof(at), "%s/%s", pointer, key);
                printf("%*s%-*s ", 2 * depth, "", 24 - 2 * depth, key);
                if ((text = json_text(doc, at)))
                        printf("%s\n", text);
                else if (json_number(doc, at, &v) == 0)
                        printf("%.12g\n", v);
                else if ((flag = json_bool(doc, at)) >= 0)
                        printf("%s\n", flag ? "yes" : "no");
                else {
                        printf("%s", json_length(doc, at) > 0 ? "\n" : "-\n");
                        print_object(doc, at, depth + 1);
                }
        }
}

int cmd_status(struct cli *c)
{
        struct json_doc *doc;
        struct answer a;
        int r = cli_get(c, &a, &doc, "/v2/status");

        if (r != EXIT_OK)
                return r;
        if (c->opt.json)
                out_json(&a.body);
        else
                print_object(doc, "", 0);
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

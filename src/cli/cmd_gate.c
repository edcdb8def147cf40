/* cmd_gate.c: gate explain: the verdict, each check with its operands, and every task before and after. */
#include "base/mem.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "domain/job_sm.h"
#include "proto/json.h"

#include <math.h>
#include <stdio.h>

static void print_check(const struct json_doc *doc, int i)
{
        const char *class = doc_text(doc, NULL, "/gate/checks/%d/class", i);
        char value[DOC_VALUE], limit[DOC_VALUE], noise[DOC_VALUE];

        printf("%s  %s of task %s%s%s: value %s, limit %s, noise %s; %s\n",
            doc_truth(doc, "/gate/checks/%d/passed", i) == 1 ? "passed" : "FAILED",
            doc_text(doc, "?", "/gate/checks/%d/check", i), doc_text(doc, "?", "/gate/checks/%d/task", i),
            class ? ", class " : "", class ? class : "", doc_value(value, doc, "/gate/checks/%d/value", i),
            doc_value(limit, doc, "/gate/checks/%d/limit", i), doc_value(noise, doc, "/gate/checks/%d/noise", i),
            doc_text(doc, "", "/gate/checks/%d/words", i));
}

/* The prediction counts from the task's close, the measured change from the champion before. */
static void print_tasks(const struct json_doc *doc)
{
        static const struct {
                const char *head, *key;
                bool share;
        } columns[] = {{"ACCURACY", "accuracy_before", true}, {"AFTER", "accuracy_after", true},
            {"LOSS", "loss_before", false}, {"AFTER", "loss_after", false}, {"ECE", "ece_before", false},
            {"AFTER", "ece_after", false}};
        const char *heads[ARRAY_LEN(columns) + 4] = {"TASK", "ROWS"};
        struct out_table *t;

        for (size_t k = 0; k < ARRAY_LEN(columns); k++)
                heads[k + 2] = columns[k].head;
        heads[ARRAY_LEN(columns) + 2] = "LOSS CHANGE";
        heads[ARRAY_LEN(columns) + 3] = "PREDICTED SINCE CLOSE";
        t = out_table_new(ARRAY_LEN(heads), heads);
        for (int i = 0, n = json_length(doc, "/gate/tasks"); i < n; i++) {
                out_table_cell(t, "%s", doc_text(doc, "?", "/gate/tasks/%d/task", i));
                out_table_cell(t, "%.0f", doc_number(doc, 0, "/gate/tasks/%d/n", i));
                for (size_t k = 0; k < ARRAY_LEN(columns); k++) {
                        double v = doc_number(doc, (double)NAN, "/gate/tasks/%d/%s", i, columns[k].key);

                        if (columns[k].share)
                                out_table_percent(t, v);
                        else
                                out_table_fixed(t, v);
                }
                out_table_fixed(t, doc_number(doc, (double)NAN, "/gate/tasks/%d/loss_after", i) -
                                       doc_number(doc, (double)NAN, "/gate/tasks/%d/loss_before", i));
                out_table_fixed(t, doc_number(doc, (double)NAN, "/gate/tasks/%d/loss_change_predicted", i));
        }
        out_table_print(t);
}

static void explain(const struct json_doc *doc)
{
        const char *verdict = doc_text(doc, "?", "/gate/verdict"), *reason = doc_text(doc, "", "/gate/reason");

        printf("version %s of model %s: %s: %s\n", doc_text(doc, "?", "/version"), doc_text(doc, "?", "/model"),
            verdict, job_reason_rest(verdict, reason));
        for (int i = 0, n = json_length(doc, "/gate/checks"); i < n; i++)
                print_check(doc, i);
        putchar('\n');
        print_tasks(doc);
}

int cmd_gate_explain(struct cli *c)
{
        char version[URL_PART];
        struct json_doc *doc;
        struct answer a;
        int r =
            cli_get(c, &a, &doc, "/v2/models/%s/versions/%s/gate", c->opt.pos[0], url_part(version, c->opt.pos[1]));

        return r != EXIT_OK ? r : cli_show(c, &a, doc, explain);
}

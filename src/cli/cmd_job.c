/* cmd_job.c: job list, watch, cancel; consolidate; and following a job to its end for everyone's --wait. */
#include "base/mem.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/doc.h"
#include "domain/job_sm.h"
#include "proto/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define POLL_NS 150000000l

static int exit_of_state(const char *state)
{
        static const struct {
                const char *state;
                int code;
        } ends[] = {{"promoted", EXIT_OK}, {"candidate", EXIT_OK}, {"verified", EXIT_OK}, {"rejected", EXIT_REJECTED},
            {"cancelled", EXIT_FAILED}, {"failed", EXIT_FAILED}};

        for (size_t i = 0; state && i < sizeof(ends) / sizeof(ends[0]); i++)
                if (strcmp(state, ends[i].state) == 0)
                        return ends[i].code;
        return -1; /* not ended */
}

/* A search's lambdas, in the order they were tried. */
static void print_tries(const struct json_doc *doc)
{
        const char *heads[] = {"LAMBDA", "ACCURACY", "PAST", "PENALTY", "LOSS", "SECONDS"};
        int n = json_length(doc, "/tries");
        struct out_table *t;

        if (n <= 0 || !(t = out_table_new(6, heads)))
                return;
        for (int i = 0; i < n; i++) {
                out_table_cell(t, "%g", doc_number(doc, (double)NAN, "/tries/%d/lambda", i));
                out_table_percent(t, doc_number(doc, (double)NAN, "/tries/%d/accuracy", i));
                out_table_percent(t, doc_number(doc, (double)NAN, "/tries/%d/past_accuracy", i));
                out_table_cell(t, "%.4g", doc_number(doc, (double)NAN, "/tries/%d/penalty", i));
                out_table_cell(t, "%.4g", doc_number(doc, (double)NAN, "/tries/%d/loss", i));
                out_table_cell(t, "%.1f", doc_number(doc, (double)NAN, "/tries/%d/seconds", i));
        }
        out_table_print(t);
}

/* Why the job was, in its trigger's own words where it has some: "min_feedback 200". */
static void trigger_words(const struct json_doc *doc, const char *at, char *ret, size_t size)
{
        double value = doc_number(doc, (double)NAN, "%s/trigger/value", at);
        const char *kind = doc_text(doc, "-", "%s/trigger/kind", at);
        const char *text = doc_text(doc, NULL, "%s/trigger/text", at);

        if (text)
                snprintf(ret, size, "%s: %s", kind, text);
        else if (isnan(value))
                snprintf(ret, size, "%s", kind);
        else
                snprintf(ret, size, "%s %.0f", kind, value);
}

static const char *dry(const struct json_doc *doc, const char *at)
{
        return doc_truth(doc, "%s/dry_run", at) == 1 ? ", dry run" : "";
}

static void print_end(const struct json_doc *doc)
{
        const char *heads[] = {"TASK", "ROWS", "BEFORE", "AFTER"};
        const char *state = json_text(doc, "/state"), *reason = json_text(doc, "/reason");
        int n = json_length(doc, "/tasks");
        char trigger[640];
        struct out_table *t;

        printf("job %.0f %s%s%s\n", doc_number(doc, 0, "/id"), state, reason ? ": " : "",
            reason ? job_reason_rest(state, reason) : "");
        trigger_words(doc, "", trigger, sizeof(trigger));
        printf("%s%s, strategy %s, trigger %s\n", doc_text(doc, "?", "/kind"), dry(doc, ""),
            doc_text(doc, "-", "/strategy"), trigger);
        print_tries(doc);
        if (n <= 0 || !(t = out_table_new(4, heads)))
                return;
        for (int i = 0; i < n; i++) {
                out_table_cell(t, "%s", doc_text(doc, "?", "/tasks/%d/task", i));
                out_table_cell(t, "%.0f", doc_number(doc, 0, "/tasks/%d/n", i));
                out_table_percent(t, doc_number(doc, (double)NAN, "/tasks/%d/accuracy_before", i));
                out_table_percent(t, doc_number(doc, (double)NAN, "/tasks/%d/accuracy_after", i));
        }
        out_table_print(t);
}

static void show_progress(struct cli *c, const struct json_doc *doc)
{
        bar_show(c, doc_number(doc, 0, "/progress"), "%s  epoch %.0f/%.0f  loss %.4f  penalty ratio %.3f",
            json_text(doc, "/state"), doc_number(doc, 0, "/epoch"), doc_number(doc, 0, "/epochs"),
            doc_number(doc, 0, "/loss"), doc_number(doc, 0, "/penalty_ratio"));
}

int job_follow(struct cli *c, const char *model, uint64_t job)
{
        char what[32];
        int code = -1;

        snprintf(what, sizeof(what), "job %" PRIu64, job);
        bar_start(c, what);
        while (code < 0) {
                struct json_doc *doc = NULL;
                struct answer a;
                int r = cli_get(c, &a, &doc, "/v2/models/%s/jobs/%" PRIu64, model, job);

                if (r != EXIT_OK)
                        return r;
                code = exit_of_state(json_text(doc, "/state"));
                if (code < 0) {
                        show_progress(c, doc);
                } else {
                        bar_end(c, "%s", json_text(doc, "/state"));
                        if (c->opt.json)
                                out_json(&a.body);
                        else
                                print_end(doc);
                }
                json_free(doc);
                answer_deinit(&a);
                if (code < 0)
                        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
        }
        return code;
}

int job_ask(struct cli *c, const char *method, const char *what, const struct buf *body)
{
        struct json_doc *doc = NULL;
        struct answer a;
        char path[640];
        uint64_t id;
        int r;

        snprintf(path, sizeof(path), "/v2/models/%.64s/%s", c->opt.pos[0], what);
        r = cli_call(c, method, path, "Content-Type: application/json\r\n", body, &a, &doc);
        if (r != EXIT_OK)
                return r;
        id = (uint64_t)doc_number(doc, 0, "/id");
        if (!c->opt.wait && c->opt.json)
                out_json(&a.body);
        else if (!c->opt.wait)
                printf("job %" PRIu64 " queued; follow it with: ewcctl job watch %s %" PRIu64 "\n", id, c->opt.pos[0],
                    id);
        json_free(doc);
        answer_deinit(&a);
        return c->opt.wait ? job_follow(c, c->opt.pos[0], id) : EXIT_OK;
}

int cmd_consolidate(struct cli *c)
{
        struct buf body;
        int r;

        buf_init(&body, 256);
        buf_printf(&body, "{\"kind\":\"consolidate\"%s}", c->opt.dry_run ? ",\"dry_run\":true" : "");
        r = job_ask(c, "POST", "jobs", &body);
        buf_deinit(&body);
        return r;
}

int cmd_job_list(struct cli *c)
{
        const char *heads[] = {"JOB", "KIND", "STATE", "VERSION", "PROGRESS", "STRATEGY", "TRIGGER", "REASON"};
        struct json_doc *doc;
        struct answer a;
        struct out_table *t;
        int r = cli_get(
            c, &a, &doc, "/v2/models/%s/jobs?limit=%" PRIu64, c->opt.pos[0], c->opt.limit ? c->opt.limit : 100);

        if (r != EXIT_OK)
                return r;
        if (c->opt.json)
                out_json(&a.body);
        t = c->opt.json ? NULL : out_table_new(ARRAY_LEN(heads), heads);
        for (int i = 0, n = json_length(doc, "/jobs"); t && i < n; i++) {
                char at[32], trigger[640];

                snprintf(at, sizeof(at), "/jobs/%d", i);
                trigger_words(doc, at, trigger, sizeof(trigger));
                out_table_cell(t, "%.0f", doc_number(doc, 0, "/jobs/%d/id", i));
                out_table_cell(t, "%s%s", doc_text(doc, "?", "/jobs/%d/kind", i), dry(doc, at));
                out_table_cell(t, "%s", doc_text(doc, "?", "/jobs/%d/state", i));
                out_table_cell(t, "%s", doc_text(doc, "-", "/jobs/%d/version", i));
                out_table_cell(t, "%.0f %%", 100 * doc_number(doc, 0, "/jobs/%d/progress", i));
                out_table_cell(t, "%s", doc_text(doc, "-", "/jobs/%d/strategy", i));
                out_table_cell(t, "%s", trigger);
                out_table_cell(t, "%s", doc_text(doc, "", "/jobs/%d/reason", i));
        }
        out_table_print(t);
        json_free(doc);
        answer_deinit(&a);
        return EXIT_OK;
}

static int job_argument(struct cli *c, uint64_t *ret)
{
        if (slice_u64(slice_of(c->opt.pos[1]), ret))
                return EXIT_OK;
        return cli_refuse(c, EXIT_USAGE, 0, "a job is a number, not '%s'", c->opt.pos[1]);
}

int cmd_job_watch(struct cli *c)
{
        uint64_t id;
        int r = job_argument(c, &id);

        return r != EXIT_OK ? r : job_follow(c, c->opt.pos[0], id);
}

int cmd_job_cancel(struct cli *c)
{
        struct answer a;
        char path[192];
        uint64_t id;
        int r = job_argument(c, &id);

        if (r != EXIT_OK)
                return r;
        snprintf(path, sizeof(path), "/v2/models/%.64s/jobs/%" PRIu64, c->opt.pos[0], id);
        r = cli_call(c, "DELETE", path, "", NULL, &a, NULL);
        if (r != EXIT_OK)
                return r;
        if (c->opt.json)
                out_json(&a.body);
        else
                printf("job %" PRIu64 " is being cancelled\n", id);
        answer_deinit(&a);
        return EXIT_OK;
}

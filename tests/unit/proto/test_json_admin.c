/* test_json_admin.c: tasks, jobs, versions, aliases and errors as JSON to the byte; the bodies that change them. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/json_admin.h"
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { T0 = 1000 }; /* 1970-01-01T00:00:01.000Z */
#define AT(s) "\"1970-01-01T00:00:0" #s ".000Z\""

static void expect(struct buf *b, const char *want)
{
        assert_true(buf_ok(b));
        assert_string_equal(b->data, want);
        json_t *v = json_loadb(b->data, b->len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(v);
        json_decref(v);
        buf_reset(b);
}

static void tasks(void **state)
{
        (void)state;
        const uint32_t classes[] = {0, 1};
        const char *const names[] = {"0", "a\"b"};
        const struct task closed = {.name = "low",
            .state = TASK_CLOSED,
            .n_classes = 2,
            .classes = classes,
            .alpha = 1,
            .opened_ms = T0,
            .closed_ms = 2 * T0,
            .n_train = 5400,
            .n_holdout = 600,
            .has_fisher = true,
            .fisher = {.kind = EWC_FISHER_EXACT, .n_samples = 5400},
            .stored = {EWC_PACK_BITMAP16, 1090, 2000, 400},
            .accuracy_at_close = 0.981,
            .n_at_close = 600};
        const struct task bare = {.name = "mid",
            .state = TASK_CLOSED,
            .alpha = 0.5,
            .opened_ms = T0,
            .closed_ms = 2 * T0,
            .accuracy_at_close = NAN};
        const struct task open = {
            .name = "high", .state = TASK_OPEN, .opened_ms = 3 * T0, .n_train = 812, .n_holdout = 90};
        const struct task_view views[] = {{&closed, names, 0.978, 600}, {&bare, NULL, NAN, 0}, {&open, NULL, NAN, 0}};
        struct buf b;
        buf_init(&b, 1 << 16);
        json_task_list_write(&b, views, 3);
        expect(&b,
            "{\"tasks\":[{\"task\":\"low\",\"state\":\"closed\",\"classes\":[\"0\",\"a\\\"b\"],\"opened_at\":" AT(
                1) ",\"closed_at\":" AT(2) ",\"alpha\":1,\"feedback\":{\"train\":5400,\"holdout\":600},"
                                           "\"fisher\":{\"variant\":\"exact\",\"samples\":5400,\"encoding\":"
                                           "\"bitmap16\",\"bytes\":1090,\"kept\":0.2},"
                                           "\"accuracy\":{\"at_close\":0.981,\"now\":0.978,\"n\":600}},"
                                           "{\"task\":\"mid\",\"state\":\"closed\",\"classes\":[],\"opened_"
                                           "at\":" AT(1) ",\"closed_at\":" AT(
                                               2) ",\"alpha\":0.5,\"feedback\":{\"train\":0,\"holdout\":0},"
                                                  "\"fisher\":null,"
                                                  "\"accuracy\":{\"at_close\":null,\"now\":null,\"n\":0}},"
                                                  "{\"task\":\"high\",\"state\":\"open\",\"classes\":[],\"opened_"
                                                  "at\":" AT(3) ",\"closed_at\":null,"
                                                                "\"feedback\":{\"train\":812,\"holdout\":90}}]}");
        json_task_list_write(&b, NULL, 0);
        expect(&b, "{\"tasks\":[]}");
        const struct task path = {.name = "path",
            .state = TASK_CLOSED,
            .has_fisher = true,
            .importance = LEARN_IMPORTANCE_SI,
            .fisher = {.kind = EWC_FISHER_EXACT, .n_samples = 9},
            .stored = {FISHER_PLAIN, 80, 20, 20}};
        json_task_list_write(&b, &(struct task_view){&path, NULL, NAN, 0}, 1);
        assert_non_null(strstr(b.data,
            "\"fisher\":{\"variant\":\"si\",\"samples\":9,\"encoding\":\"dense32\",\"bytes\":80,\"kept\":1}"));
        buf_deinit(&b);
}

static void jobs(void **state)
{
        (void)state;
        struct job_task rows[] = {
            {"low", {.n = 600, .accuracy = 0.981}, {.n = 600, .accuracy = 0.978}}, {"new", {0}, {0}}};
        struct job j = {.id = 12,
            .model_name = "mnist",
            .kind = JOB_CONSOLIDATE,
            .state = JOB_PROMOTED,
            .parent_number = 6,
            .version_number = 7,
            .trigger = TRIGGER_MIN_FEEDBACK,
            .trigger_value = 500,
            .trigger_text = "due: 500 new rows",
            .strategy = STRATEGY_REPLAY,
            .dry_run = true,
            .range = {1201, 1842},
            .seed = 42,
            .lambda = 310,
            .reason = "promoted: task low lost 0.3 pt",
            .created_ms = T0,
            .started_ms = 2 * T0,
            .ended_ms = 3 * T0,
            .n_tasks = 2,
            .tasks = rows,
            .tries = "[{\"lambda\":310}]"};
        const struct job_live live = {
            .id = 12, .progress = 0.4, .epoch = 4, .epochs = 10, .lambda = 5, .loss = 0.113, .penalty_ratio = 0.21};
        struct buf b;
        buf_init(&b, 1 << 16);
        json_job_write(&b, &j, &live);
        expect(&b, "{\"id\":12,\"model\":\"mnist\",\"kind\":\"consolidate\",\"state\":\"promoted\",\"progress\":1,"
                   "\"parent\":\"6\",\"version\":\"7\","
                   "\"trigger\":{\"kind\":\"min_feedback\",\"value\":500,\"text\":\"due: 500 new rows\"},"
                   "\"strategy\":\"replay\",\"dry_run\":true,\"range\":{\"first_seq\":1201,\"last_seq\":1842},"
                   "\"seed\":42,"
                   "\"lambda\":310,\"epoch\":4,\"epochs\":10,\"loss\":0.113,\"penalty_ratio\":0.21,\"reason\":"
                   "\"promoted: task low lost 0.3 pt\","
                   "\"tasks\":[{\"task\":\"low\",\"n\":600,\"accuracy_before\":0.981,\"accuracy_after\":0.978},"
                   "{\"task\":\"new\",\"n\":0,\"accuracy_before\":null,\"accuracy_after\":null}],"
                   "\"tries\":[{\"lambda\":310}],"
                   "\"created_at\":" AT(1) ",\"started_at\":" AT(2) ",\"ended_at\":" AT(3) "}");
        const struct job queued = {.id = 13,
            .model_name = "mnist",
            .kind = JOB_ROLLOVER,
            .state = JOB_QUEUED,
            .trigger = TRIGGER_MANUAL,
            .range = {1, 0},
            .seed = UINT64_MAX,
            .lambda = NAN,
            .next_task = "high",
            .created_ms = T0};
        json_job_list_begin(&b);
        json_job_list_row(&b, &queued, NULL, true);
        j.state = JOB_RUNNING;
        j.lambda = NAN;
        j.n_tasks = 0;
        j.tries = NULL;
        j.reason[0] = '\0';
        j.ended_ms = 0;
        json_job_list_row(&b, &j, &live, false);
        json_job_list_end(&b, 12);
        expect(&b, "{\"jobs\":[{\"id\":13,\"model\":\"mnist\",\"kind\":\"rollover\",\"state\":\"queued\","
                   "\"progress\":0,\"parent\":null,\"version\":null,"
                   "\"trigger\":{\"kind\":\"manual\",\"value\":null,\"text\":null},\"strategy\":\"fixed\","
                   "\"dry_run\":false,\"next_task\":\"high\",\"range\":null,\"seed\":"
                   "\"18446744073709551615\","
                   "\"lambda\":null,\"epoch\":null,\"epochs\":null,\"loss\":null,\"penalty_ratio\":null,\"reason\":"
                   "null,\"tasks\":[],\"tries\":[],"
                   "\"created_at\":" AT(1) ",\"started_at\":null,\"ended_at\":null},"
                                           "{\"id\":12,\"model\":\"mnist\",\"kind\":\"consolidate\",\"state\":"
                                           "\"running\",\"progress\":0.4,\"parent\":\"6\",\"version\":\"7\","
                                           "\"trigger\":{\"kind\":\"min_feedback\",\"value\":500,\"text\":"
                                           "\"due: 500 new rows\"},\"strategy\":\"replay\",\"dry_run\":true,"
                                           "\"range\":{\"first_seq\":1201,\"last_seq\":1842},\"seed\":42,"
                                           "\"lambda\":5,\"epoch\":4,\"epochs\":10,\"loss\":0.113,\"penalty_ratio\":"
                                           "0.21,\"reason\":null,\"tasks\":[],\"tries\":[],"
                                           "\"created_at\":" AT(1) ",\"started_at\":" AT(
                                               2) ",\"ended_at\":null}],\"next_cursor\":\"12\"}");
        json_job_list_begin(&b);
        json_job_list_end(&b, 0);
        expect(&b, "{\"jobs\":[],\"next_cursor\":null}");
        const struct learn_try tries[] = {{0, 0.9, NAN, 0, 0.25, 1.5}, {310, 0.875, 0.98, 0.125, 0.3, 2}};
        json_tries_write(&b, tries, 2);
        expect(&b,
            "[{\"lambda\":0,\"accuracy\":0.9,\"past_accuracy\":null,\"penalty\":0,\"loss\":0.25,\"seconds\":1.5},"
            "{\"lambda\":310,\"accuracy\":0.875,\"past_accuracy\":0.98,\"penalty\":0.125,\"loss\":0.3,"
            "\"seconds\":2}]");
        json_tries_write(&b, NULL, 0);
        expect(&b, "[]");
        buf_deinit(&b);
}

static void versions(void **state)
{
        (void)state;
        const char *const aliases[] = {"champion"}, *const names[] = {"low", "high"};
        const struct evaluation evals[] = {
            {.n = 600, .accuracy = 0.978, .loss = 0.071, .ece = 0.02}, {.n = 0, .accuracy = NAN, .loss = NAN}};
        const struct version v = {.number = 7,
            .state = VERSION_PROMOTED,
            .parent_number = 6,
            .job = 12,
            .has_fisher = true,
            .fisher_kind = EWC_FISHER_EMPIRICAL, /* means nothing beside the next line */
            .importance = LEARN_IMPORTANCE_MAS,
            .fisher_samples = 5400,
            .lambda = 310,
            .prior = 6.25,
            .seed = 42,
            .range = {1201, 1842},
            .program = "ewcd 0.9.1",
            .reason = "why",
            .strategy = STRATEGY_EWC,
            .threads = 2,
            .n_train = 5400,
            .job_file = {{1}},
            .pruned = true,
            .created_ms = T0,
            .n_evaluations = 2,
            .evaluations = evals,
            .n_aliases = 1,
            .aliases = aliases};
        const struct version first = {
            .number = 1, .state = VERSION_INITIAL, .seed = 1, .program = "ewcd 0.9.1", .created_ms = T0};
        struct buf b;
        buf_init(&b, 1 << 16);
        json_version_list_begin(&b);
        json_version_list_row(&b, &(struct version_view){&v, names, "high", LOADED_UNSAID}, true);
        json_version_list_row(&b, &(struct version_view){&first, NULL, NULL, LOADED_UNSAID}, false);
        json_version_list_end(&b, 5);
#define ZEROS "\"sha256:0000000000000000000000000000000000000000000000000000000000000000\""
        expect(&b,
            "{\"versions\":[{\"version\":\"7\",\"digest\":" ZEROS
            ",\"state\":\"promoted\",\"aliases\":[\"champion\"],\"created_at\":" AT(
                1) ",\"parent\":\"6\",\"job\":12,\"task\":\"high\",\"lambda\":310,\"fisher\":{\"variant\":"
                   "\"mas\",\"samples\":5400},"
                   "\"prior\":6.25,\"seed\":42,\"range\":{\"first_seq\":1201,\"last_seq\":1842},\"program\":\"ewcd "
                   "0.9.1\",\"strategy\":\"ewc\",\"threads\":2,\"rows\":5400,\"job_digest\":\"sha256:01"
                   "00000000000000000000000000000000000000000000000000000000000000\",\"pruned\":true,"
                   "\"evaluations\":["
                   "{\"task\":\"low\",\"n\":600,\"accuracy\":0.978,\"loss\":0.071,\"ece\":0.02},{\"task\":\"high\","
                   "\"n\":0,\"accuracy\":null,\"loss\":null,\"ece\":null}],"
                   "\"gate\":{\"verdict\":\"promoted\",\"reason\":\"why\"}},"
                   "{\"version\":\"1\",\"digest\":" ZEROS ",\"state\":\"initial\",\"aliases\":[],\"created_at\":" AT(
                       1) ",\"parent\":null,"
                          "\"job\":null,\"task\":null,\"lambda\":null,\"fisher\":null,\"prior\":null,\"seed\":1,"
                          "\"range\":null,"
                          "\"program\":\"ewcd 0.9.1\",\"strategy\":null,\"threads\":null,\"rows\":null,"
                          "\"job_digest\":null,\"pruned\":false,"
                          "\"evaluations\":[],\"gate\":null}],\"next_cursor\":\"5\"}");
        json_alias_write(&b, &(struct alias){.name = "champion", .number = 7, .updated_ms = 2 * T0});
        expect(&b, "{\"alias\":\"champion\",\"version\":\"7\",\"updated_at\":" AT(2) "}");
        buf_deinit(&b);
}

static void requests(void **state)
{
        (void)state;
        struct arena a;
        struct rollover_request q;
        struct job_request j;
        struct alias_request v;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 16);
        assert_int_equal(json_rollover_read(slice_of("{\"task\":\"high\",\"classes\":[\"5\",6]}"), &a, &q, &e), 0);
        assert_string_equal(q.task, "high");
        assert_true(q.classes_given);
        assert_int_equal(q.n_classes, 2);
        assert_string_equal(q.classes[1], "6");
        assert_int_equal(json_rollover_read(slice_of("{\"task\":\"high\"}"), &a, &q, &e), 0);
        assert_false(q.classes_given);
        double weight;
        uint64_t keep;
        const char *why = "stale";
        assert_int_equal(
            json_job_request_read(slice_of("{\"kind\":\"consolidate\",\"dry_run\":true}"), &a, &j, &e), 0);
        assert_true(j.dry_run);
        assert_int_equal(json_job_request_read(slice_of("{\"kind\":\"consolidate\"}"), &a, &j, &e), 0);
        assert_false(j.dry_run);
        assert_int_equal(json_alpha_read(slice_of("{\"alpha\":0.25}"), &a, &weight, &why, &e), 0);
        assert_null(why);
        assert_true(weight == 0.25);
        assert_int_equal(json_prune_read(slice_of("{\"keep\":5,\"reason\":\"disk\"}"), &a, &keep, &why, &e), 0);
        assert_string_equal(why, "disk");
        assert_int_equal(keep, 5);
        assert_int_equal(j.kind, JOB_CONSOLIDATE);
        assert_int_equal(json_alias_request_read(slice_of("{\"version\":\"6\",\"reason\":\"x\"}"), &a, &v, &e), 0);
        assert_int_equal(v.version, 6);
        assert_string_equal(v.reason, "x");
        assert_int_equal(json_alias_request_read(slice_of("{\"version\":6}"), &a, &v, &e), 0);
        assert_int_equal(v.version, 6);
        assert_null(v.reason);
        arena_deinit(&a);
}

static int rollover(const char *text, struct arena *a, struct err *e)
{
        struct rollover_request q;
        return json_rollover_read(slice_of(text), a, &q, e);
}

static int job(const char *text, struct arena *a, struct err *e)
{
        struct job_request q;
        return json_job_request_read(slice_of(text), a, &q, e);
}

static int alias(const char *text, struct arena *a, struct err *e)
{
        struct alias_request q;
        return json_alias_request_read(slice_of(text), a, &q, e);
}

static int alpha(const char *text, struct arena *a, struct err *e)
{
        double ret;
        const char *why;
        return json_alpha_read(slice_of(text), a, &ret, &why, e);
}

static int prune(const char *text, struct arena *a, struct err *e)
{
        uint64_t keep;
        const char *why;
        return json_prune_read(slice_of(text), a, &keep, &why, e);
}

static void refusals(void **state)
{
        (void)state;
        static const struct {
                int (*read)(const char *text, struct arena *a, struct err *e);
                const char *text;
                int problem;
                const char *field, *in_message;
        } cases[] = {
            {rollover, "", PROBLEM_MALFORMED, "", "not JSON"},
            {rollover, "{\"task\":\"a\"} x", PROBLEM_MALFORMED, "", "byte"},
            {rollover, "{}", PROBLEM_BAD_VALUE, "/task", "missing"},
            {rollover, "{\"task\":\"a/b\"}", PROBLEM_BAD_NAME, "/task", "'a/b'"},
            {rollover, "{\"task\":\"a\",\"classes\":[]}", PROBLEM_BAD_VALUE, "/classes", "1 to"},
            {rollover, "{\"task\":\"a\",\"classes\":[1,\"1\"]}", PROBLEM_BAD_VALUE, "/classes/1", "twice"},
            {rollover, "{\"task\":\"a\",\"clases\":[1]}", PROBLEM_UNKNOWN_KEY, "/clases", "known: task, classes"},
            {job, "{}", PROBLEM_BAD_VALUE, "/kind", "missing"},
            {job, "{\"kind\":\"train\"}", PROBLEM_BAD_VALUE, "/kind", "'train'"},
            {job, "{\"kind\":\"rollover\"}", PROBLEM_BAD_VALUE, "/kind", "tasks"},
            {job, "{\"kind\":\"rebuild\"}", PROBLEM_BAD_VALUE, "/kind", "to a version's rebuild"},
            {job, "{\"kind\":\"consolidate\",\"dry_run\":1}", PROBLEM_BAD_VALUE, "/dry_run", "true or false"},
            {job, "{\"kind\":\"consolidate\",\"dry\":true}", PROBLEM_UNKNOWN_KEY, "/dry", "known: kind, dry_run"},
            {alpha, "{}", PROBLEM_BAD_VALUE, "/alpha", "a number"},
            {alpha, "{\"alpha\":-0.1}", PROBLEM_BAD_VALUE, "/alpha", "between 0 and"},
            {alpha, "{\"alpha\":1e300}", PROBLEM_BAD_VALUE, "/alpha", "between 0 and"},
            {prune, "{\"keep\":-1}", PROBLEM_BAD_VALUE, "/keep", ""},
            {alias, "{}", PROBLEM_BAD_VALUE, "/version", "missing"},
            {alias, "{\"version\":\"0\"}", PROBLEM_BAD_VALUE, "/version", "'0'"},
            {alias, "{\"version\":-1}", PROBLEM_BAD_VALUE, "/version", "'-1'"},
            {alias, "{\"version\":\"latest\"}", PROBLEM_BAD_VALUE, "/version", "'latest'"},
            {alias, "{\"version\":\"6\",\"reason\":null}", PROBLEM_BAD_VALUE, "/reason", "a string"},
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct arena a;
                struct err e = ERR_NULL;
                arena_init(&a, 1 << 16);
                int r = cases[i].read(cases[i].text, &a, &e);
                if (r != cases[i].problem || strcmp(e.field, cases[i].field) != 0 ||
                    !strstr(e.msg, cases[i].in_message))
                        fail_msg("%s: %d '%s' '%s'", cases[i].text, r, e.field, e.msg);
                arena_deinit(&a);
        }
}

static void errors(void **state)
{
        (void)state;
        struct buf b;
        buf_init(&b, 1 << 16);
        json_error_write(&b, PROBLEM_UNKNOWN_MODEL, 404, "no model named 'mnits'; known: mnist", "", "urn:uuid:1");
        expect(&b, "{\"type\":\"urn:ewcd:problem:unknown-model\",\"title\":\"Unknown "
                   "model\",\"status\":404,\"detail\":\"no model named 'mnits'; "
                   "known: mnist\",\"instance\":\"urn:uuid:1\",\"error\":\"unknown-model: no model named 'mnits'; "
                   "known: mnist\"}");
        json_error_write(&b, PROBLEM_NON_FINITE, 400, "a \"b\"\n\xff", "/inputs/0/data", NULL);
        expect(&b, "{\"type\":\"urn:ewcd:problem:non-finite\",\"title\":\"Number not "
                   "finite\",\"status\":400,\"detail\":\"a \\\"b\\\"\\n\xef\xbf\xbd\","
                   "\"error\":\"non-finite: a "
                   "\\\"b\\\"\\n\xef\xbf\xbd\",\"errors\":[{\"pointer\":\"/inputs/0/data\",\"detail\":\"a "
                   "\\\"b\\\"\\n\xef\xbf\xbd\"}]}");
        struct buf list;
        buf_init(&list, 100);
        buf_puts(&list, "[{\"pointer\":\"/a\"},{}]");
        json_error_list_write(&b, PROBLEM_ALL_REJECTED, 422, "both", &list, NULL);
        expect(&b, "{\"type\":\"urn:ewcd:problem:all-rejected\",\"title\":\"Every event was "
                   "rejected\",\"status\":422,\"detail\":\"both\",\"error\":\"all-rejected: "
                   "both\",\"errors\":[{\"pointer\":\"/a\"},{}]}");
        buf_deinit(&list);
        for (int p = 1; p < PROBLEM_COUNT; p++) {
                assert_non_null(problem_slug((enum problem)p));
                assert_non_null(problem_title((enum problem)p));
                for (int q = 1; q < p; q++)
                        assert_string_not_equal(problem_slug((enum problem)p), problem_slug((enum problem)q));
        }
        assert_string_equal(problem_slug((enum problem)9999), "internal");
        buf_deinit(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(tasks),
            cmocka_unit_test(jobs),
            cmocka_unit_test(versions),
            cmocka_unit_test(requests),
            cmocka_unit_test(refusals),
            cmocka_unit_test(errors),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

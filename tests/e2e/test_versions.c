/* test_versions.c: versions beside the champion: loaded when asked for, dropped when idle, held while an alias names
 * them; how sure an answer is, and which task it is of; and a champion that is damaged on disk. */
#include "e2e.h"
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 40, IDLE_MS = 20000 };

#define V "/v2/models/digits/versions"

static struct daemon d;
static struct digits all, low, high;

static const struct description model = {
    .name = "digits",
    .scenario = "task",
    .classes = TEN_CLASSES,
    .task = "low",
    .task_classes = "[\"0\",\"1\",\"2\",\"3\",\"4\"]",
    .layers = "[{\"type\":\"dense\",\"units\":32,\"activation\":\"relu\"}]",
    .learning = "{" ADAM "," BY_HAND ",\"lambda\":0.1,\"epochs\":10,\"gate\":{\"max_forgetting\":1,\"min_gain\":-1}}",
};

static int setup(void **state)
{
        (void)state;
        digits_load(&all);
        digits_pick(&all, 0, 4, DIGITS_SENT, false, &low);
        digits_pick(&all, 5, 9, DIGITS_SENT, false, &high);
        daemon_init(&d);
        daemon_set(&d, "server.threads", "2");
        daemon_set(&d, "versions.idle_s", "1");
        daemon_start(&d);
        model_create(&d, &model);
        feedback_all(&d, "digits", "low", &low);
        rollover(&d, "digits", "{\"task\":\"high\",\"classes\":[5,6,7,8,9]}", "promoted"); /* version 2 */
        feedback_all(&d, "digits", "high", &high);
        consolidate(&d, "digits", "promoted");                                       /* version 3 */
        rollover(&d, "digits", "{\"task\":\"more\",\"classes\":[0,1]}", "promoted"); /* version 4 */
        return 0;
}

static int teardown(void **state)
{
        struct digits *sets[] = {&all, &low, &high};
        (void)state;
        daemon_deinit(&d);
        for (size_t i = 0; i < 3; i++)
                digits_free(sets[i]);
        return 0;
}

static bool is_loaded(int v)
{
        struct http_answer a, list;
        char path[64];
        snprintf(path, sizeof(path), V "/%d", v);
        expect(&d, 200, "GET", path, NULL, &a);
        int loaded = json_bool(a.doc, "/loaded");
        assert_true(loaded == 0 || loaded == 1);
        http_answer_deinit(&a);
        expect(&d, 200, "GET", V, NULL, &list);
        assert_int_equal(json_length(list.doc, "/versions"), 4);
        char at[48];
        snprintf(at, sizeof(at), "/versions/%d/loaded", 4 - v);
        assert_true(json_bool(list.doc, at) >= 0);
        http_answer_deinit(&list);
        return loaded == 1;
}

static void predict_with(const char *version, const char *more, const struct digits *rows, struct http_answer *ret)
{
        struct buf b;
        char path[96];
        buf_init(&b, 1 << 20);
        buf_puts(&b, "{\"inputs\":");
        put_rows(&b, rows, 0, ROWS);
        buf_printf(&b, "%s}", more);
        snprintf(path, sizeof(path), V "/%s/predict", version);
        expect(&d, 200, "POST", path, b.data, ret);
        buf_deinit(&b);
}

static void wait_until_idle(int v)
{
        uint64_t until = now_ms() + IDLE_MS;
        while (is_loaded(v))
                look_again(&d, until, "an idle version");
}

static void test_loaded_on_demand_and_dropped_when_idle(void **state)
{
        struct http_answer a;
        (void)state;
        for (int round = 0; round < 2; round++) {
                wait_until_idle(1);
                wait_until_idle(2);
                assert_true(is_loaded(4));
                predict_with("2", ",\"task\":\"low\"", &low, &a);
                assert_string_equal(text_at(a.doc, "/model_version"), "2");
                http_answer_deinit(&a);
                assert_true(is_loaded(2));
                expect(&d, 200, "GET", V "/1/ready", NULL, NULL); /* ready means that it is there now */
                assert_true(is_loaded(1));
        }
        expect_problem(&d, 404, "unknown-version", "", "POST", V "/5/predict", "{\"inputs\":[[1]]}");
        expect_problem(&d, 404, "unknown-version", "", "GET", V "/@nobody/ready", NULL);
}

static void test_an_alias_holds_its_version(void **state)
{
        struct http_answer a;
        (void)state;
        wait_until_idle(2);
        const char *body = "{\"version\":\"2\"}";
        ask(&d, "PUT", "/v2/models/digits/aliases/challenger", JSON_TYPE "If-Match: \"0\"\r\n", body, strlen(body),
            &a);
        assert_int_equal(a.status, 200);
        http_answer_deinit(&a);
        assert_true(is_loaded(2)); /* warm when the answer came */
        predict_with("3", ",\"task\":\"high\"", &high, &a);
        http_answer_deinit(&a);
        wait_until_idle(3); /* by then 2 has been idle as long */
        assert_true(is_loaded(2));
        predict_with("@challenger", ",\"task\":\"low\"", &low, &a);
        assert_string_equal(text_at(a.doc, "/model_version"), "2");
        http_answer_deinit(&a);
}

static void test_uncertainty_beside_the_same_probabilities(void **state)
{
        struct http_answer plain, sure, other, none;
        double of_low = 0, of_high = 0;
        (void)state;
        predict_with("4", ",\"task\":\"low\",\"top_k\":2", &low, &plain);
        predict_with("4", ",\"task\":\"low\",\"top_k\":2,\"uncertainty\":true", &low, &sure);
        predict_with("4", ",\"task\":\"low\",\"uncertainty\":true", &high, &other);
        assert_string_equal(text_at(sure.doc, "/task"), "low");
        for (int i = 0; i < ROWS; i++) {
                double u = number_at(sure.doc, "/predictions/%d/uncertainty", i);
                assert_true(u >= 0 && u <= 1);
                assert_true(number_at(plain.doc, "/predictions/%d/probability", i) ==
                            number_at(sure.doc, "/predictions/%d/probability", i));
                of_low += u;
                of_high += number_at(other.doc, "/predictions/%d/uncertainty", i);
        }
        assert_true(of_low < of_high); /* digits it has never seen */
        assert_null(strstr(sure.body.data, "uncertainty_reason"));
        predict_with("3", ",\"task\":\"high\",\"uncertainty\":true", &high, &none); /* not closed in version 3 */
        assert_non_null(strstr(none.body.data, "\"uncertainty\":null"));
        assert_non_null(strstr(text_at(none.doc, "/uncertainty_reason"), "when the task is closed"));
        http_answer_deinit(&plain);
        http_answer_deinit(&sure);
        http_answer_deinit(&other);
        http_answer_deinit(&none);
        expect(&d, 200, "GET", V "/1", NULL, &none); /* no job, no prior */
        assert_non_null(strstr(none.body.data, "\"prior\":null"));
        http_answer_deinit(&none);
        for (int v = 2; v <= 4; v++) { /* what the learner process chose has come all the way */
                char path[64];
                snprintf(path, sizeof(path), V "/%d", v);
                expect(&d, 200, "GET", path, NULL, &none);
                double prior = number_at(none.doc, "/prior");
                assert_true(prior > 1e-7 && prior < 1e10);
                http_answer_deinit(&none);
        }
}

/* How many of the rows of a set are taken for the task they are of. */
static int inferred(const char *version, const struct digits *rows, const char *task)
{
        struct http_answer a;
        int n = 0;
        predict_with(version, "", rows, &a);
        assert_null(json_text(a.doc, "/task"));
        for (int i = 0; i < ROWS; i++) {
                char at[64], label[8];
                snprintf(at, sizeof(at), "/predictions/%d/task_inferred", i);
                assert_int_equal(json_bool(a.doc, at), 1);
                const char *got = text_at(a.doc, "/predictions/%d/task", i);
                snprintf(label, sizeof(label), "%s", text_at(a.doc, "/predictions/%d/label", i));
                assert_int_equal(label[0] <= '4', strcmp(got, "low") == 0); /* a label of the task it names */
                n += strcmp(got, task) == 0;
        }
        http_answer_deinit(&a);
        return n;
}

static void test_the_task_is_inferred_and_said(void **state)
{
        (void)state;
        int l = inferred("4", &low, "low"), h = inferred("4", &high, "high");
        print_message("of %d rows each: low %d, high %d rightly inferred\n", ROWS, l, h);
        assert_true(l + h > ROWS * 5 / 4); /* better than chance by far */
        assert_true(inferred("3", &low, "low") + inferred("3", &high, "high") > ROWS * 5 / 4); /* by entropy */
}

static void damage(int v)
{
        sqlite3 *h = NULL;
        char text[256], *why = NULL;
        snprintf(text, sizeof(text),
            "UPDATE blob_chunk SET data = zeroblob(length(data)) WHERE digest = "
            "(SELECT theta FROM version WHERE number = %d)",
            v);
        assert_int_equal(sqlite3_open(d.database, &h), SQLITE_OK);
        if (sqlite3_exec(h, text, NULL, NULL, &why) != SQLITE_OK)
                fail_msg("%s: %s", text, why);
        assert_int_equal(sqlite3_changes(h), 1);
        assert_int_equal(sqlite3_close(h), SQLITE_OK);
}

/* The newest version below v whose theta is another: a rollover that gained nothing keeps its parent's. */
static int other_theta(int v)
{
        sqlite3 *h = NULL;
        sqlite3_stmt *q = NULL;
        assert_int_equal(sqlite3_open(d.database, &h), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(h,
                             "SELECT max(number) FROM version WHERE number < ?1 AND state = 2 AND theta <> "
                             "(SELECT theta FROM version WHERE number = ?1)",
                             -1, &q, NULL),
            SQLITE_OK);
        sqlite3_bind_int(q, 1, v);
        assert_int_equal(sqlite3_step(q), SQLITE_ROW);
        int found = sqlite3_column_int(q, 0);
        sqlite3_finalize(q);
        assert_int_equal(sqlite3_close(h), SQLITE_OK);
        return found;
}

/* Last: what it breaks stays broken. */
static void test_a_damaged_champion_has_a_stand_in(void **state)
{
        struct http_answer a;
        struct buf b;
        char want[96];
        (void)state;
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        int stand_in = other_theta(4);
        damage(4);
        daemon_start(&d);
        char *log = daemon_log(&d);
        snprintf(want, sizeof(want), "its champion, version 4, is damaged; version %d is served instead", stand_in);
        if (!strstr(log, want))
                fail_msg("no '%s' in:\n%s", want, log);
        free(log);
        buf_init(&b, 1 << 20);
        buf_puts(&b, "{\"task\":\"low\",\"inputs\":");
        put_rows(&b, &low, 0, 1);
        buf_putc(&b, '}');
        expect(&d, 200, "POST", "/v2/models/digits/predict", b.data, &a);
        snprintf(want, sizeof(want), "%d", stand_in);
        assert_string_equal(text_at(a.doc, "/model_version"), want);
        http_answer_deinit(&a);
        expect_problem(&d, 503, "not-ready", "", "POST", V "/4/predict", b.data);
        expect(&d, 200, "GET", "/v2/status", NULL, &a);
        assert_string_equal(text_at(a.doc, "/models/0/champion"), "4");
        assert_string_equal(text_at(a.doc, "/models/0/served"), want);
        http_answer_deinit(&a);
        buf_deinit(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_loaded_on_demand_and_dropped_when_idle),
            cmocka_unit_test(test_an_alias_holds_its_version),
            cmocka_unit_test(test_uncertainty_beside_the_same_probabilities),
            cmocka_unit_test(test_the_task_is_inferred_and_said),
            cmocka_unit_test(test_a_damaged_champion_has_a_stand_in),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}

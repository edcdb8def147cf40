/* test_named.c: labels and the predictions they name, through the real daemon: one prediction is one event, whoever
 * names it and however often; and what is left of that after a restart. */
#include "labels_kit.h"

static int setup_named(void **state)
{
        setup(state);
        make("byid", LEARNING(""));
        return 0;
}

static void answer_true(struct buf *b, int digit)
{
        buf_printf(b, "\"label\":\"%d\"", digit);
}

/* --- one event --- */

static void check_other(const char *id, const char *more, const char *slug, const char *pointer, const char *says)
{
        struct http_answer a;
        label("byid", 422, id, 3, more, &a);
        check_rejected(&a, slug, pointer, says);
}

/* Whoever labels a prediction first says what its event is called, and nobody counts it twice. */
static void test_one_prediction_is_one_event(void **state)
{
        char one[2][64], says[128], rest[96];
        struct http_answer a;
        struct buf b;
        (void)state;
        ids_of("byid", 0, 2, one, NULL);
        buf_init(&b, 1 << 16);
        buf_puts(&b, "{\"events\":[");
        for (int i = 0; i < 50; i++)
                buf_printf(&b, "%s{\"prediction_id\":\"%s\",\"event_id\":\"z%d\",\"label\":\"3\"}", i > 0 ? "," : "",
                    one[0], i);
        buf_puts(&b, "]}");
        expect(&d, 200, "POST", path_of("byid", "feedback"), b.data, &a);
        assert_int_equal(number_at(a.doc, "/accepted"), 1);
        assert_int_equal(json_length(a.doc, "/rejected"), 49);
        http_answer_deinit(&a);
        snprintf(says, sizeof(says), "prediction %s was labelled as event 'z0'; send the new label under", one[0]);
        check_other(one[0], "", "duplicate-key", "/events/0/event_id", says);
        check_other(one[0], ",\"event_id\":\"y\"", "duplicate-key", "/events/0/event_id", says);
        label("byid", 200, one[0], 3, ",\"event_id\":\"z0\"", &a); /* a retry */
        assert_int_equal(number_at(a.doc, "/duplicate"), 1);
        http_answer_deinit(&a);
        check_other(one[0], ",\"event_id\":\"z0\",\"weight\":2", "duplicate-key", "/events/0/event_id",
            "feedback.on_conflict earliest");

        buf_reset(&b);
        buf_puts(&b, ",\"inputs\":");
        put_rows(&b, &sent, 0, 1); /* of the first row, and the id of the second */
        snprintf(says, sizeof(says), "prediction %s was of other inputs: number ", one[1]);
        check_other(one[1], b.data, "bad-value", "/events/0/inputs", says);
        buf_reset(&b);
        buf_puts(&b, ",\"inputs\":");
        put_rows(&b, &sent, 1, 1);
        label("byid", 200, one[1], 3, b.data, NULL);
        snprintf(rest, sizeof(rest), "feedback/%s", one[1]);
        expect(&d, 200, "DELETE", path_of("byid", rest), NULL, NULL);
        expect(&d, 200, "DELETE", path_of("byid", "feedback/z0"), NULL, NULL);
        buf_deinit(&b);
}

/* An event that does not come into the store has not named anything. */
static void test_a_refused_event_gives_its_prediction_back(void **state)
{
        char one[2][64];
        struct http_answer a;
        (void)state;
        ids_of("byid", 0, 2, one, NULL);
        label("byid", 200, one[0], 3, ",\"event_id\":\"taken\"", NULL);
        check_other(one[1], ",\"event_id\":\"taken\"", "duplicate-key", "/events/0/event_id", "another payload");
        check_other(
            one[1], ",\"event_id\":\"mine\",\"task\":\"nobody\"", "unknown-task", "/events/0/task", "no task");
        label("byid", 200, one[1], 3, ",\"event_id\":\"other\"", &a);
        assert_int_equal(number_at(a.doc, "/accepted"), 1);
        http_answer_deinit(&a);
        expect(&d, 200, "DELETE", path_of("byid", "feedback/taken"), NULL, NULL);
        expect(&d, 200, "DELETE", path_of("byid", "feedback/other"), NULL, NULL);
}

static void test_the_future_is_refused(void **state)
{
        char one[1][64];
        (void)state;
        ids_of("byid", 0, 1, one, NULL);
        check_other(one[0], ",\"observed_at\":\"2099-01-02T03:04:05Z\"", "bad-value", "/events/0/observed_at",
            "observed 2099-01-02T03:04:05");
}

/* --- restart --- */

static void test_a_restart_forgets_predictions_and_knows_their_ids(void **state)
{
        char one[1][64];
        struct http_answer a;
        struct buf more;
        (void)state;
        ids_of("byid", 5, 1, one, NULL);
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        daemon_start(&d);
        check_refused("byid", one[0], "forgotten-prediction", "no longer remembered, send inputs");
        one[0][42] = one[0][42] == '0' ? '1' : '0';
        check_refused("byid", one[0], "unknown-prediction", "send inputs");
        ids_of("byid", 5, 1, one, NULL);
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        daemon_start(&d);
        buf_init(&more, TEXT);
        buf_puts(&more, ",\"inputs\":");
        put_rows(&more, &sent, 5, 1);
        label("byid", 200, one[0], sent.label[5], more.data, &a);
        assert_int_equal(number_at(a.doc, "/accepted"), 1);
        http_answer_deinit(&a);
        fate("byid", one[0], "queued", &a);
        assert_string_equal(text_at(a.doc, "/prediction/version"), "1"); /* it says which, and no more */
        assert_null(json_text(a.doc, "/prediction/label"));
        http_answer_deinit(&a);
        ids_of("byid", 5, 1, one, NULL);
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        daemon_start(&d);
        buf_puts(&more, ",\"event_id\":\"apart\""); /* could come under many names, so it counts for no version */
        label("byid", 200, one[0], sent.label[5], more.data, NULL);
        fate("byid", "apart", "queued", &a);
        assert_null(json_text(a.doc, "/prediction/version"));
        http_answer_deinit(&a);
        buf_deinit(&more);
}

/* Version 1 gave the id; after the restart only version 3 is loaded. */
static void test_an_older_version_is_known_after_a_restart(void **state)
{
        struct sending rows = {.model = "older", .prefix = "r", .rows = &sent, .n = 60, .answer = answer_true};
        char one[2][64], made_up[64];
        struct http_answer a;
        struct buf with;
        (void)state;
        make("older", LEARNING(""));
        ids_of("older", 5, 2, one, NULL);
        for (int i = 0; i < 2; i++) {
                rows.prefix = i == 0 ? "r" : "s";
                assert_int_equal(feedback_send(&d, &rows).accepted, 60);
                consolidate(&d, "older", "promoted");
        }
        expect(&d, 200, "POST", path_of("older", "versions/prune"), "{\"keep\":0}", &a); /* digests stay */
        http_answer_deinit(&a);
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        daemon_start(&d);
        buf_init(&with, TEXT);
        buf_puts(&with, ",\"inputs\":");
        put_rows(&with, &sent, 5, 1);
        label("older", 200, one[0], sent.label[5], with.data, NULL);
        fate("older", one[0], "queued", &a);
        assert_string_equal(text_at(a.doc, "/prediction/version"), "1");
        http_answer_deinit(&a);
        check_refused("older", one[1], "forgotten-prediction", "send inputs");
        strcpy(made_up, one[1]);
        made_up[42] = made_up[42] == '0' ? '1' : '0';
        check_refused("older", made_up, "unknown-prediction", "send inputs instead");
        label("older", 422, made_up, 1, with.data, &a);
        check_rejected(&a, "unknown-prediction", "/events/0/prediction_id", "leave the prediction_id out");
        buf_deinit(&with);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_one_prediction_is_one_event),
            cmocka_unit_test(test_a_refused_event_gives_its_prediction_back),
            cmocka_unit_test(test_the_future_is_refused),
            cmocka_unit_test(test_a_restart_forgets_predictions_and_knows_their_ids),
            cmocka_unit_test(test_an_older_version_is_known_after_a_restart),
        };
        return cmocka_run_group_tests(tests, setup_named, teardown);
}

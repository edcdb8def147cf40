/* test_scenarios.c: every scenario, loss and method, each learned by the real learner from the digits.
 *
 * What is asserted is what a user relies on: the new task is learned, EWC keeps more of the old one than plain
 * training, replay and joint training keep it. Accuracies are measured on rows never sent. */
#include "e2e.h"
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct daemon d;
static struct digits all, sent, unseen, mirrored, mirrored_unseen;

#define LAYER "[{\"type\":\"dense\",\"units\":48,\"activation\":\"relu\"}]"
#define OPEN_GATE "\"gate\":{\"max_forgetting\":1,\"min_gain\":-1}"

static int setup(void **state)
{
        (void)state;
        digits_load(&all);
        digits_pick(&all, 0, 9, DIGITS_SENT, false, &sent);
        digits_pick(&all, 0, 9, DIGITS_UNSEEN, false, &unseen);
        digits_pick(&all, 0, 9, DIGITS_SENT, true, &mirrored);
        digits_pick(&all, 0, 9, DIGITS_UNSEEN, true, &mirrored_unseen);
        daemon_init(&d);
        daemon_start(&d);
        return 0;
}

static int teardown(void **state)
{
        struct digits *sets[] = {&all, &sent, &unseen, &mirrored, &mirrored_unseen};
        (void)state;
        daemon_deinit(&d);
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
                digits_free(sets[i]);
        return 0;
}

/* --- domain: the same classes, seen in a mirror --- */

struct kept {
        double first_before, first, second;
};

/* Learns the digits, closes them, learns them mirrored. */
static struct kept mirror(const char *name, const char *learning)
{
        struct kept k;
        model_create(&d, &(struct description){.name = name,
                             .scenario = "domain",
                             .classes = TEN_CLASSES,
                             .task = "plain",
                             .layers = LAYER,
                             .learning = learning});
        feedback_all(&d, name, "plain", &sent);
        rollover(&d, name, "{\"task\":\"mirrored\"}", "promoted");
        k.first_before = accuracy(&d, name, NULL, &unseen, NULL);
        feedback_all(&d, name, "mirrored", &mirrored);
        consolidate(&d, name, "promoted");
        k.first = accuracy(&d, name, NULL, &unseen, NULL);
        k.second = accuracy(&d, name, NULL, &mirrored_unseen, NULL);
        print_message("%s: first task %.3f, then %.3f; second %.3f\n", name, k.first_before, k.first, k.second);
        assert_true(k.first_before > 0.9);
        return k;
}

static void test_ewc_keeps_more_than_plain_training(void **state)
{
        (void)state;
        struct kept plain = mirror("plain", "{" ADAM "," BY_HAND "," OPEN_GATE ",\"method\":\"plain\"}");
        struct kept ewc = mirror("ewc", "{" ADAM "," BY_HAND "," OPEN_GATE ",\"lambda\":0.05}");
        assert_true(plain.second > 0.9);
        assert_true(ewc.second > 0.75);
        assert_true(ewc.first > plain.first + 0.08); /* without the penalty the difference stays below 0.05 */
}

static void test_replay_and_joint_training_keep_it(void **state)
{
        (void)state;
        struct kept replay =
            mirror("replay", "{" ADAM "," BY_HAND "," OPEN_GATE ",\"lambda\":0.001,\"replay\":{\"per_class\":30}}");
        struct kept joint = mirror("joint", "{" ADAM "," BY_HAND "," OPEN_GATE ",\"method\":\"joint\"}");
        assert_true(replay.second > 0.85 && replay.first > 0.8);
        assert_true(joint.second > 0.85 && joint.first > 0.9);
}

static const char *parity(int digit)
{
        return digit % 2 ? "odd" : "even";
}

static void answer_parity(struct buf *b, int digit)
{
        buf_printf(b, "\"label\":\"%s\"", parity(digit));
}

static void send_parity(const char *prefix, const struct digits *rows)
{
        struct sent s = feedback_send(
            &d, &(struct sending){.model = "parity", .prefix = prefix, .rows = rows, .answer = answer_parity});
        assert_int_equal(s.accepted, rows->n);
}

static void test_two_classes_over_two_domains(void **state)
{
        struct digits low, high, low_unseen, high_unseen;
        (void)state;
        digits_pick(&all, 0, 4, DIGITS_SENT, false, &low);
        digits_pick(&all, 5, 9, DIGITS_SENT, false, &high);
        digits_pick(&all, 0, 4, DIGITS_UNSEEN, false, &low_unseen);
        digits_pick(&all, 5, 9, DIGITS_UNSEEN, false, &high_unseen);
        model_create(&d, &(struct description){.name = "parity",
                             .scenario = "domain",
                             .classes = "[\"odd\",\"even\"]",
                             .task = "low",
                             .layers = LAYER,
                             .learning = "{" ADAM "," BY_HAND "," OPEN_GATE ",\"lambda\":0.01}"});
        send_parity("low", &low);
        rollover(&d, "parity", "{\"task\":\"high\"}", "promoted");
        double before = accuracy(&d, "parity", NULL, &low_unseen, parity);
        send_parity("high", &high);
        consolidate(&d, "parity", "promoted");
        double after = accuracy(&d, "parity", NULL, &low_unseen, parity),
               learned = accuracy(&d, "parity", NULL, &high_unseen, parity);
        print_message("parity: low %.3f, then %.3f; high %.3f\n", before, after, learned);
        assert_true(before > 0.95 && after > 0.6 && learned > 0.8);
        digits_free(&low);
        digits_free(&high);
        digits_free(&low_unseen);
        digits_free(&high_unseen);
}

/* --- class: the head grows --- */

static void test_the_head_grows_with_new_classes(void **state)
{
        static const int known[] = {3, 6};
        struct digits part[2], part_unseen[2];
        struct http_answer a;
        (void)state;
        for (int i = 0; i < 2; i++) {
                digits_pick(&all, 3 * i, 3 * i + 2, DIGITS_SENT, false, &part[i]);
                digits_pick(&all, 3 * i, 3 * i + 2, DIGITS_UNSEEN, false, &part_unseen[i]);
        }
        model_create(&d,
            &(struct description){.name = "growing",
                .scenario = "class",
                .classes = "[\"0\",\"1\",\"2\"]",
                .task = "t0",
                .layers = LAYER,
                .learning = "{" ADAM "," BY_HAND "," OPEN_GATE ",\"lambda\":0.01,\"replay\":{\"per_class\":20}}"});
        feedback_all(&d, "growing", "t0", &part[0]);
        rollover(&d, "growing", "{\"task\":\"t1\",\"classes\":[\"3\",\"4\",\"5\"]}", "promoted");
        for (int i = 0; i < 2; i++) {
                if (i == 1) {
                        feedback_all(&d, "growing", "t1", &part[1]);
                        consolidate(&d, "growing", "promoted");
                }
                predict(&d, "growing", NULL, &part_unseen[0], &a);
                double sum = 0;
                int n = json_length(a.doc, "/predictions/0/probabilities");
                assert_true(n == known[i] || (i == 0 && n == 6));
                for (int k = 0; k < n; k++)
                        sum += number_at(a.doc, "/predictions/0/probabilities/%d", k); /* classes are named so */
                assert_true(fabs(sum - 1) < 1e-4);
                http_answer_deinit(&a);
        }
        double old = accuracy(&d, "growing", NULL, &part_unseen[0], NULL),
               new = accuracy(&d, "growing", NULL, &part_unseen[1], NULL);
        print_message("growing: old classes %.3f, new classes %.3f\n", old, new);
        assert_true(old > 0.7 && new > 0.8);
        expect(&d, 200, "GET", "/v2/models/growing", NULL, &a);
        assert_int_equal(json_length(a.doc, "/classes"), 6);
        assert_string_equal(text_at(a.doc, "/classes/5"), "5");
        assert_int_equal(number_at(a.doc, "/outputs/0/shape/1"), 6);
        assert_int_equal(number_at(a.doc, "/parameters"), 64 * 48 + 48 + 48 * 6 + 6);
        http_answer_deinit(&a);
        for (int i = 0; i < 2; i++) {
                digits_free(&part[i]);
                digits_free(&part_unseen[i]);
        }
}

/* --- other losses --- */

static void answer_labels(struct buf *b, int digit)
{
        buf_printf(b, "\"labels\":[%s%s%s]", digit % 2 ? "" : "\"even\"", digit % 2 == 0 && digit >= 5 ? "," : "",
            digit >= 5 ? "\"big\"" : "");
}

static void test_several_labels_at_once(void **state)
{
        struct http_answer a;
        size_t right = 0;
        (void)state;
        model_create(&d, &(struct description){.name = "traits",
                             .scenario = "domain",
                             .classes = "[\"even\",\"big\"]",
                             .task = "t",
                             .loss = "sigmoid",
                             .layers = LAYER,
                             .learning = "{" ADAM "," BY_HAND "," OPEN_GATE "}"});
        struct sent s = feedback_send(
            &d, &(struct sending){.model = "traits", .prefix = "t", .rows = &sent, .answer = answer_labels});
        assert_int_equal(s.accepted, sent.n);
        expect_problem(&d, 422, "all-rejected", "/events/0/labels/1", "POST", "/v2/models/traits/feedback",
            "{\"events\":[{\"labels\":[\"even\",\"red\"],\"inputs\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"
            "0,0,0,0,0,0,0,0,"
            "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}]}");
        consolidate(&d, "traits", "promoted");
        predict(&d, "traits", NULL, &unseen, &a);
        for (size_t i = 0; i < unseen.n; i++) {
                double even = number_at(a.doc, "/predictions/%zu/probabilities/even", i),
                       big = number_at(a.doc, "/predictions/%zu/probabilities/big", i);
                assert_true(even >= 0 && even <= 1 && big >= 0 && big <= 1);
                right += (even > 0.5) == (unseen.label[i] % 2 == 0);
                right += (big > 0.5) == (unseen.label[i] >= 5);
        }
        http_answer_deinit(&a);
        print_message("traits: %.3f of the labels are right\n", (double)right / (2.0 * (double)unseen.n));
        assert_true((double)right > 0.93 * 2.0 * (double)unseen.n);
}

static void answer_target(struct buf *b, int digit)
{
        buf_printf(b, "\"target\":[%g,%g]", digit / 10.0, digit >= 5 ? 1.0 : -1.0);
}

static double squared_error(void)
{
        struct http_answer a;
        double sum = 0;
        predict(&d, "gauge", NULL, &unseen, &a);
        for (size_t i = 0; i < unseen.n; i++) {
                double value = number_at(a.doc, "/predictions/%zu/values/value", i) - unseen.label[i] / 10.0;
                double side =
                    number_at(a.doc, "/predictions/%zu/values/side", i) - (unseen.label[i] >= 5 ? 1.0 : -1.0);
                sum += value * value + side * side;
        }
        http_answer_deinit(&a);
        return sum / (double)unseen.n;
}

static void test_regression(void **state)
{
        struct http_answer a;
        (void)state;
        model_create(&d, &(struct description){.name = "gauge",
                             .scenario = "domain",
                             .classes = "[\"value\",\"side\"]",
                             .task = "t",
                             .loss = "squared",
                             .layers = LAYER,
                             .learning = "{" ADAM "," BY_HAND "," OPEN_GATE "}"});
        double before = squared_error();
        struct sent s = feedback_send(
            &d, &(struct sending){.model = "gauge", .prefix = "t", .rows = &sent, .answer = answer_target});
        assert_int_equal(s.accepted, sent.n);
        rollover(&d, "gauge", "{\"task\":\"next\"}", "promoted");
        double after = squared_error();
        print_message("gauge: squared error %.3f, then %.3f\n", before, after);
        assert_true(after < 0.35 && after < before / 2);
        expect(&d, 200, "GET", "/v2/models/gauge", NULL, &a);
        assert_string_equal(text_at(a.doc, "/outputs/0/name"), "values");
        http_answer_deinit(&a);
        /* numbers are near or far, not right or wrong */
        char job[80];
        expect(&d, 200, "GET", "/v2/models/gauge/jobs", NULL, &a);
        snprintf(job, sizeof(job), "/v2/models/gauge/jobs/%.0f", number_at(a.doc, "/jobs/0/id"));
        http_answer_deinit(&a);
        const struct {
                const char *path, *none;
        } accuracies[] = {
            {job, "\"accuracy_before\":null,\"accuracy_after\":null"},
            {"/v2/models/gauge/jobs", "\"accuracy_before\":null,\"accuracy_after\":null"},
            {"/v2/models/gauge/tasks", "\"accuracy\":{\"at_close\":null,\"now\":null,"},
            {"/v2/models/gauge/versions/@champion", "\"accuracy\":null,\"loss\":0."},
            {"/v2/models/gauge/versions", "\"accuracy\":null,\"loss\":0."},
        };
        for (size_t i = 0; i < sizeof(accuracies) / sizeof(accuracies[0]); i++) {
                expect(&d, 200, "GET", accuracies[i].path, NULL, &a);
                if (!strstr(a.body.data, accuracies[i].none))
                        fail_msg("%s: %s", accuracies[i].path, a.body.data);
                http_answer_deinit(&a);
        }
        expect(&d, 200, "GET", "/metrics", NULL, &a);
        assert_non_null(strstr(a.body.data, "ewcd_champion_version{model=\"gauge\"} 2"));
        assert_null(strstr(a.body.data, "ratio{model=\"gauge\""));
        http_answer_deinit(&a);
}

/* --- task: records of closed tasks in a smaller form --- */

static void check_record(const char *model, const char *encoding, double kept)
{
        const double n = 64 * 64 + 64 + 64 * 64 + 64 + 64 * 5 + 5, table = 16 + 16 * 6;
        struct http_answer a;
        char path[96];
        snprintf(path, sizeof(path), "/v2/models/%s/tasks", model);
        expect(&d, 200, "GET", path, NULL, &a);
        assert_string_equal(text_at(a.doc, "/tasks/0/fisher/variant"), "exact");
        assert_string_equal(text_at(a.doc, "/tasks/0/fisher/encoding"), encoding);
        assert_true(number_at(a.doc, "/tasks/0/fisher/bytes") <= n + table); /* a quarter of plain floats */
        assert_true(number_at(a.doc, "/tasks/0/fisher/kept") <= kept);
        http_answer_deinit(&a);
}

/* Half of the rows each time: two consolidations under the record that the restart found on disk. */
static void learn_the_rest(const char *model, const struct digits *high)
{
        struct sending s = {.model = model, .prefix = "high", .rows = high, .n = high->n / 2};
        assert_int_equal(feedback_send(&d, &s).accepted, s.n);
        consolidate(&d, model, "promoted");
        s.first = s.n;
        s.n = 0;
        assert_int_equal(feedback_send(&d, &s).accepted, high->n - s.first);
        consolidate(&d, model, "promoted");
}

static void test_a_small_record_outlives_a_restart(void **state)
{
        static const struct {
                const char *name, *fisher;
                double kept;
        } rows[] = {
            {"bitmap16", "{\"encoding\":\"bitmap16\",\"keep\":0.2}", 0.21},
            {"log8", "{\"encoding\":\"log8\"}", 1},
        };
        struct digits low, high, low_unseen, high_unseen;
        (void)state;
        digits_pick(&all, 0, 4, DIGITS_SENT, false, &low);
        digits_pick(&all, 5, 9, DIGITS_SENT, false, &high);
        digits_pick(&all, 0, 4, DIGITS_UNSEEN, false, &low_unseen);
        digits_pick(&all, 5, 9, DIGITS_UNSEEN, false, &high_unseen);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const char *name = rows[i].name;
                char learning[256];
                snprintf(learning, sizeof(learning),
                    "{" ADAM "," BY_HAND ",\"seed\":7,\"lambda\":0.2,\"fisher\":%s,"
                    "\"gate\":{\"max_forgetting\":0.05,\"min_gain\":-0.05}}",
                    rows[i].fisher);
                model_create(&d, &(struct description){.name = name,
                                     .scenario = "task",
                                     .classes = TEN_CLASSES,
                                     .task = "low",
                                     .task_classes = "[\"0\",\"1\",\"2\",\"3\",\"4\"]",
                                     .learning = learning});
                feedback_all(&d, name, "low", &low);
                rollover(&d, name, "{\"task\":\"high\",\"classes\":[\"5\",\"6\",\"7\",\"8\",\"9\"]}", "promoted");
                double before = accuracy(&d, name, "low", &low_unseen, NULL);
                check_record(name, name, rows[i].kept);
                assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
                daemon_start(&d);
                check_record(name, name, rows[i].kept);
                learn_the_rest(name, &high);
                double now = accuracy(&d, name, "low", &low_unseen, NULL),
                       second = accuracy(&d, name, "high", &high_unseen, NULL);
                print_message(
                    "%s: task low %.3f at its close, %.3f now; task high %.3f\n", name, before, now, second);
                assert_true(before > 0.95 && second > 0.85);
                assert_true(before - now <= 0.05 + 1e-9);
        }
        digits_free(&low);
        digits_free(&high);
        digits_free(&low_unseen);
        digits_free(&high_unseen);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_ewc_keeps_more_than_plain_training),
            cmocka_unit_test(test_replay_and_joint_training_keep_it),
            cmocka_unit_test(test_two_classes_over_two_domains),
            cmocka_unit_test(test_the_head_grows_with_new_classes),
            cmocka_unit_test(test_several_labels_at_once),
            cmocka_unit_test(test_regression),
            cmocka_unit_test(test_a_small_record_outlives_a_restart),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}

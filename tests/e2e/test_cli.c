/* test_cli.c: every command of ewcctl against a real daemon: tables, JSON, exit statuses, and how the daemon is
 * found. */
#include "e2e.h"
#include "base/str.h"
#include "ctl.h"
#include "lib/tmpdir.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct daemon d;
static struct digits all;
static char csv[DAEMON_PATH], images[DAEMON_PATH], labels[DAEMON_PATH], lines[DAEMON_PATH];

static const char description[] =
    "{\"name\":\"digits\",\"input\":{\"shape\":[64],\"scale\":0.0625},\"scenario\":\"task\",\"classes\":" TEN_CLASSES
    ","
    "\"task\":\"low\",\"task_classes\":[0,1,2,3,4],\"layers\":[{\"type\":\"dense\",\"units\":32,\"activation\":"
    "\"relu\"}],"
    "\"learning\":{" ADAM "," BY_HAND ",\"lambda\":0.1,\"gate\":{\"max_forgetting\":0.05,\"min_gain\":-0.05}}}";

static void put_be32(FILE *f, uint32_t v)
{
        for (int shift = 24; shift >= 0; shift -= 8)
                fputc((int)(v >> shift & 0xff), f);
}

/* The digits 5 to 9 that are kept back, as an idx pair. */
static void write_idx(void)
{
        struct digits high;
        digits_pick(&all, 5, 9, DIGITS_UNSEEN, false, &high);
        FILE *x = fopen(images, "we"), *y = fopen(labels, "we");
        assert_true(x && y);
        put_be32(x, 0x803);
        put_be32(x, (uint32_t)high.n);
        put_be32(x, DIGIT_SIDE);
        put_be32(x, DIGIT_SIDE);
        put_be32(y, 0x801);
        put_be32(y, (uint32_t)high.n);
        for (size_t i = 0; i < high.n; i++) {
                for (size_t p = 0; p < DIGIT_PIXELS; p++)
                        fputc((int)high.x[i][p], x);
                fputc(high.label[i], y);
        }
        assert_int_equal(fclose(x) + fclose(y), 0);
        digits_free(&high);
}

static void write_lines(void)
{
        struct sending s = {.model = "digits", .prefix = "line", .rows = &all};
        struct buf b;
        FILE *f = fopen(lines, "we");
        assert_non_null(f);
        buf_init(&b, 1 << 20);
        for (size_t i = 0, n = 0; n < 30; i++) {
                if (all.label[i] < 5)
                        continue;
                put_event(&b, &s, i);
                buf_putc(&b, '\n');
                n++;
        }
        fwrite(b.data, 1, b.len, f);
        assert_int_equal(fclose(f), 0);
        buf_deinit(&b);
}

static int setup(void **state)
{
        (void)state;
        digits_load(&all);
        daemon_init(&d);
        ctl_use(&d);
        tmpdir_path(csv, sizeof(csv), d.dir, "digits.csv.gz"); /* no spaces, wherever the source lies */
        assert_int_equal(symlink(digits_path(), csv), 0);
        tmpdir_path(images, sizeof(images), d.dir, "images.idx");
        tmpdir_path(labels, sizeof(labels), d.dir, "labels.idx");
        tmpdir_path(lines, sizeof(lines), d.dir, "lines.ndjson");
        write_idx();
        write_lines();
        daemon_start(&d);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        ran_deinit(&ctl_last);
        daemon_deinit(&d);
        digits_free(&all);
        return 0;
}

static void test_model_commands(void **state)
{
        char path[DAEMON_PATH];
        (void)state;
        CTL(0, "model list");
        assert_int_equal(ctl_last.out.len, 0);
        FILE *f = fopen(tmpdir_path(path, sizeof(path), d.dir, "model.json"), "we");
        assert_non_null(f);
        fputs(description, f);
        fclose(f);
        CTL(0, "model create %s", path);
        check_out("created model digits, version 1");
        CTL(4, "model create %s", path);
        check_err("digits");
        assert_int_equal(ctl_with(description, "model create -"), 4);
        assert_int_equal(ctl_with("{\"name\":", "model create -"), 1);
        assert_int_equal(ctl_with("{\"name\":\"../x\"}", "model create - --json"), 1);
        struct json_doc *doc = json_out();
        assert_string_equal(text_at(doc, "/type"), "urn:ewcd:problem:bad-name");
        json_free(doc);
        CTL(1, "model create %s.gone", path);
        check_err("gone");
        CTL(0, "model list");
        assert_string_equal(ctl_last.out.data, "digits\n");
        CTL(0, "model list --json");
        assert_string_equal(ctl_last.out.data, "{\"models\":[\"digits\"]}\n");
        CTL(0, "model show digits");
        check_out("scenario   task\n");
        check_out("champion   1\n");
        check_out("optimizer.rate");
        check_out("gate.max_forgetting");
        check_out("  fisher.floor             true\n");
        check_out("  rates.layers             []\n");
        CTL(0, "model show digits --json");
        assert_int_equal(json_out_number("/parameters"), 64 * 32 + 32 + 32 * 5 + 5);
        CTL(3, "model show nothing");
        check_err("no model named 'nothing'; known: digits");
}

static void test_import(void **state)
{
        size_t n_low = 0;
        (void)state;
        for (size_t i = 0; i < all.n; i++)
                n_low += all.label[i] < 5;
        CTL(0, "feedback import digits %s --only 0,1,2,3,4 --limit 400", csv);
        check_out("sent 400, accepted 400, duplicate 0, rejected 0");
        CTL(0, "feedback import digits %s --only 0,1,2,3,4 --limit 400 --batch 7", csv); /* again: nothing twice */
        check_out("sent 400, accepted 0, duplicate 400, rejected 0");
        CTL(0, "feedback import digits %s --only=0,1,2,3,4 --skip 400 --task low --source second --json", csv);
        assert_int_equal(json_out_number("/accepted"), n_low - 400);
        assert_int_equal(json_out_number("/rejected"), 0);
        CTL(1, "feedback import digits %s --only 7 --limit 5", csv); /* not a class of this task: all rejected */
        check_err("all 5 events were rejected");
        CTL(1, "feedback import digits %s --limit 20 --skip 5 --source third", csv); /* some are */
        check_err("first rejection:");
        check_out("rejected");
        CTL(2, "feedback import digits %s --batch 0", csv);
        CTL(2, "feedback import digits %s --batch many", csv);
        CTL(1, "feedback import digits %s.gone", csv);
        check_err("gone");
        CTL(1, "feedback import digits %s --label-column colour", csv);
        check_err("colour");
        CTL(3, "feedback import nothing %s --limit 1", csv);
        CTL(1, "feedback import digits %s", images); /* images alone have no labels */
        check_err("label");
        CTL(2, "feedback import digits");
        check_err("usage: ewcctl feedback import");
}

static const char *write_csv(const char *text)
{
        static char path[DAEMON_PATH];
        FILE *f = fopen(tmpdir_path(path, sizeof(path), d.dir, "small.csv"), "we");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
        return path;
}

/* Files without a header line, without a row, and broken ones; each also as JSON. */
static void test_import_of_odd_files(void **state)
{
        static const char words[] =
            "{\"name\":\"pets\",\"input\":{\"shape\":[2]},\"scenario\":\"domain\",\"classes\":[\"cat\",\"dog\"],"
            "\"task\":\"t\",\"layers\":[],\"learning\":{" BY_HAND "}}";
        (void)state;
        assert_int_equal(ctl_with(words, "model create -"), 0);
        CTL(0, "feedback import pets %s", write_csv("1,2,cat\n"));
        check_out("sent 1, accepted 1, duplicate 0, rejected 0");
        CTL(0, "feedback import pets %s --json", write_csv("1,2,cat\n3,4,dog\n"));
        assert_int_equal(json_out_number("/sent"), 2);
        assert_int_equal(ctl_last.err.len, 0); /* no progress beside JSON */
        CTL(0, "feedback import pets %s --label-column 2", write_csv("5,cat,6\n"));
        check_out("sent 1, accepted 1");
        CTL(0, "feedback import pets %s", write_csv("7,8,cat\n"));
        assert_null(strstr(ctl_last.err.data, "\r")); /* no terminal: no bar is redrawn */
        CTL(1, "feedback import pets %s --json", write_csv("x,y,label\n"));
        check_error_json("failed");
        check_err("has no rows: nothing was sent");
        CTL(1, "feedback import pets %s --only bird", write_csv("1,2,cat\n"));
        check_err("has no row left after --only and --skip: nothing was sent");
        CTL(1, "predict pets %s --labels --skip 1 --json", write_csv("1,2,cat\n"));
        check_error_json("failed");
        CTL(1, "feedback import pets %s --json --batch 1", write_csv("9,2,cat\n1,x,dog\n"));
        struct json_doc *doc = json_out();
        assert_non_null(strstr(text_at(doc, "/detail"), "line 2, column 2: not a number"));
        json_free(doc);
        check_err("sent 1, accepted 1");
        CTL(1, "feedback import pets %s.gone --json", csv);
        check_error_json("failed");
        CTL(1, "predict pets %s.gone --json", csv);
        check_error_json("failed");
        CTL(2, "feedback import pets %s --json --batch 0", csv);
        check_error_json("usage");
        CTL(3, "feedback import nothing %s --json", csv); /* the daemon's own error, once */
        assert_int_equal(json_out_number("/status"), 404);
}

static double accuracy_of_predict(const char *how)
{
        CTL(0, "predict digits %s --json", how);
        double n = json_out_number("/n"), correct = json_out_number("/correct"), share = json_out_number("/accuracy");
        assert_true(n > 0 && correct / n - share < 1e-6 && share - correct / n < 1e-6);
        return correct;
}

static void test_consolidate_and_predict(void **state)
{
        struct digits low;
        char how[DAEMON_PATH + 64];
        (void)state;
        CTL(0, "consolidate digits --wait");
        check_out("job 1 promoted: task low gained ");
        check_out("TASK  ROWS  BEFORE");
        CTL(0, "job watch digits 1");
        check_out("job 1 promoted");
        CTL(0, "job watch digits 1 --json");
        assert_int_equal(json_out_number("/progress"), 1);

        digits_pick(&all, 0, 4, DIGITS_ALL, false, &low);
        double own = accuracy(&d, "digits", NULL, &low, NULL) * (double)low.n;
        snprintf(how, sizeof(how), "%s --only 0,1,2,3,4 --labels", csv);
        assert_true(accuracy_of_predict(how) - own < 0.5 && own - accuracy_of_predict(how) < 0.5);
        CTL(0, "predict digits %s", how);
        char line[128];
        snprintf(
            line, sizeof(line), "accuracy %.2f %% (%.0f of %zu), version 2\n", 100 * own / (double)low.n, own, low.n);
        assert_string_equal(ctl_last.out.data, line);
        digits_free(&low);

        CTL(0, "predict digits %s --limit 3 --task low", csv);
        size_t n_lines = 0;
        for (const char *p = ctl_last.out.data; (p = strchr(p, '\n')); p++)
                n_lines++;
        assert_int_equal(n_lines, 3);
        assert_int_equal(ctl_last.out.data[1], '\t');
        CTL(0, "predict digits %s --limit 3 --json", csv);
        struct json_doc *doc = json_out();
        assert_int_equal(json_length(doc, "/predictions"), 3);
        assert_int_equal(json_length(doc, "/predictions/0/probabilities"), 1);
        json_free(doc);
        CTL(1, "predict digits %s --limit 1 --task middle", csv);
        check_err("middle");
        CTL(1, "predict digits %s", lines);
        check_err("ndjson");
        CTL(2, "predict digits %s --batch 0", csv);
        CTL(3, "predict nothing %s --limit 1", csv);
}

static void test_rollover_and_idx(void **state)
{
        struct digits high;
        char how[2 * DAEMON_PATH + 64];
        (void)state;
        CTL(0, "task rollover digits high --classes 5,6,7,8,9 --wait");
        check_out("job 2 promoted");
        CTL(4, "task rollover digits low");
        CTL(1, "task rollover digits next --classes 5,cat");
        check_err("cat");
        CTL(1, "task rollover digits ../next");
        CTL(0, "feedback import digits %s %s", images, labels);
        check_out("duplicate 0, rejected 0");
        CTL(0, "feedback import digits %s %s --json", images, labels);
        digits_pick(&all, 5, 9, DIGITS_UNSEEN, false, &high);
        assert_int_equal(json_out_number("/duplicate"), high.n);
        CTL(0, "feedback import digits %s", lines);
        check_out("sent 30, accepted 30, duplicate 0, rejected 0");
        CTL(0, "feedback import digits %s", lines);
        check_out("sent 30, accepted 0, duplicate 30, rejected 0");
        CTL(0, "consolidate digits --wait --json");
        struct json_doc *doc = json_out();
        assert_string_equal(text_at(doc, "/state"), "promoted");
        json_free(doc);
        double own = accuracy(&d, "digits", "high", &high, NULL) * (double)high.n;
        snprintf(how, sizeof(how), "%s --labels=%s --task high", images, labels);
        assert_true(own - accuracy_of_predict(how) < 0.5 && accuracy_of_predict(how) - own < 0.5);
        snprintf(how, sizeof(how), "%s %s --task high --batch 1", images, labels);
        assert_true(own - accuracy_of_predict(how) < 0.5 && accuracy_of_predict(how) - own < 0.5);
        CTL(0, "predict digits %s --task high --limit 2", images);
        digits_free(&high);
}

static void test_lists(void **state)
{
        struct json_doc *doc;
        (void)state;
        CTL(0, "task list digits");
        check_out("TASK  STATE   CLASSES  TRAIN  HOLDOUT  AT CLOSE  NOW");
        check_out("low   closed  5 ");
        check_out("high  open    5 ");
        check_out("exact");
        CTL(0, "task list digits --json");
        doc = json_out();
        assert_int_equal(json_length(doc, "/tasks"), 2);
        json_free(doc);
        CTL(0, "version list digits");
        check_out("VERSION  STATE     ALIASES    PARENT  TASK  LAMBDA");
        check_out("4        promoted  @champion  3       high  0.1 ");
        check_out("initial");
        CTL(0, "version list digits --limit 1 --json");
        doc = json_out();
        assert_int_equal(json_length(doc, "/versions"), 1);
        json_free(doc);
        CTL(0, "version show digits 4");
        check_out("digest          sha256:");
        check_out("lambda          0.1\n");
        check_out("prior           ");
        check_out("TASK  ROWS  ACCURACY");
        CTL(0, "version show digits @champion --json");
        doc = json_out();
        assert_string_equal(text_at(doc, "/version"), "4");
        json_free(doc);
        CTL(3, "version show digits 99");
        CTL(0, "job list digits");
        check_out("JOB  KIND         STATE     VERSION  PROGRESS  STRATEGY  TRIGGER  REASON");
        check_out("2    rollover     promoted  3        100 %     fixed     manual   promoted: task low ");
        CTL(0, "job list digits --limit 2 --json");
        doc = json_out();
        assert_int_equal(json_length(doc, "/jobs"), 2);
        json_free(doc);
        CTL(3, "job watch digits 99");
        CTL(2, "job watch digits first");
        CTL(4, "job cancel digits 1");
        CTL(0, "status");
        check_out("program ");
        check_out("digits");
        CTL(0, "status --json");
        doc = json_out();
        assert_string_equal(text_at(doc, "/models/0/champion"), "4");
        json_free(doc);
}

static void test_rollback(void **state)
{
        (void)state;
        CTL(0, "version rollback digits 3 --reason=complaints");
        check_out("model digits now serves version 3");
        assert_int_equal(served_version(&d, "digits"), 3);
        CTL(0, "version rollback digits 4 --json");
        struct json_doc *doc = json_out();
        assert_string_equal(text_at(doc, "/version"), "4");
        json_free(doc);
        CTL(3, "version rollback digits 99");
        CTL(1, "version rollback digits newest");
        CTL(3, "version rollback nothing 1");
        assert_int_equal(served_version(&d, "digits"), 4);
}

static void test_jobs_that_do_not_end_well(void **state)
{
        static const char slow[] =
            "{\"name\":\"slow\",\"input\":{\"shape\":[64]},\"scenario\":\"domain\",\"classes\":" TEN_CLASSES
            ",\"task\":\"t\","
            "\"layers\":[],\"learning\":{" BY_HAND ",\"epochs\":100000}}";
        static const char strict[] =
            "{\"name\":\"strict\",\"input\":{\"shape\":[64],\"scale\":0.0625},\"scenario\":\"domain\","
            "\"classes\":" TEN_CLASSES ",\"task\":\"t\","
            "\"layers\":[],\"learning\":{" BY_HAND ",\"epochs\":1,\"gate\":{\"min_gain\":1}}}";
        struct http_answer a;
        (void)state;
        assert_int_equal(ctl_with(strict, "model create -"), 0);
        CTL(4, "consolidate strict"); /* no rows yet */
        CTL(0, "feedback import strict %s --limit 200", csv);
        CTL(5, "consolidate strict --wait");
        check_out("rejected: ");
        assert_int_equal(ctl_with(slow, "model create -"), 0);
        CTL(0, "feedback import slow %s --limit 200", csv);
        CTL(0, "consolidate slow --json");
        uint64_t id = (uint64_t)json_out_number("/id");
        CTL(4, "consolidate slow");
        job_reach(&d, "slow", id, "running");
        CTL(0, "job cancel slow %" PRIu64, id);
        check_out("being cancelled");
        CTL(1, "job watch slow %" PRIu64, id);
        check_out("cancelled");
        job_end(&d, "slow", id, "cancelled", &a);
        http_answer_deinit(&a);
        CTL(0, "task rollover slow next");
        check_out("follow it with: ewcctl job watch slow ");
}

static void test_names_of_ones_own(void **state)
{
        struct http_answer a;
        (void)state;
        CTL(0, "alias set digits prod 2 --reason audited");
        check_out("model digits has @prod at version 2\n");
        CTL(0, "alias set digits prod 3");
        CTL(0, "alias list digits");
        check_out("ALIAS      VERSION  UPDATED");
        check_out("@champion  ");
        check_out("@prod      3 ");
        CTL(0, "version show digits @prod --json");
        CTL(4, "alias delete digits champion");
        check_err("not deleted");
        expect_problem(&d, 428, "need-precondition", "", "DELETE", "/v2/models/digits/aliases/prod", NULL);
        ask(&d, "DELETE", "/v2/models/digits/aliases/prod", "If-Match: \"77\"\r\n", NULL, 0, &a);
        assert_int_equal(a.status, 412);
        http_answer_deinit(&a);
        CTL(0, "alias delete digits prod --reason gone");
        check_out("deleted @prod, which named version 3\n");
        CTL(3, "alias delete digits prod");
        CTL(3, "version show digits @prod");
}

/* What a search tried is shown with the job. */
static void test_tries_of_a_search(void **state)
{
        static const char words[] =
            "{\"name\":\"seeker\",\"input\":{\"shape\":[64]},\"scenario\":\"task\",\"classes\":[\"0\",\"1\",\"2\","
            "\"3\"],"
            "\"task\":\"low\",\"task_classes\":[\"0\",\"1\"],\"layers\":[],\"learning\":{" BY_HAND
            ",\"lambda\":\"auto\","
            "\"epochs\":2,\"rates\":{\"layers\":[0.5]},\"gate\":{\"max_forgetting\":1,\"min_gain\":-1}}}";
        (void)state;
        assert_int_equal(ctl_with(words, "model create -"), 0);
        CTL(0, "model show seeker");
        check_out("  rates.layers             [0.5]\n");
        CTL(0, "feedback import seeker %s --only 0,1 --limit 60", csv);
        CTL(0, "task rollover seeker high --classes 2,3 --wait");
        check_out("LAMBDA  ACCURACY  PAST  PENALTY  LOSS ");
        check_out("SECONDS\n0 ");
        CTL(0, "feedback import seeker %s --only 2,3 --limit 60", csv);
        CTL(0, "consolidate seeker --wait --json");
        assert_true(json_out_number("/tries/1/lambda") > 0 && json_out_number("/tries/1/seconds") >= 0);
}

static void test_usage(void **state)
{
        static const char *const commands[] = {"status", "model create", "model list", "model show",
            "feedback import", "feedback show", "feedback erase", "feedback release", "holdout import", "source list",
            "source unlearn", "predict", "consolidate", "task list", "task rollover", "task show", "task weigh",
            "gate explain", "version list", "version show", "version rollback", "version promote", "version diff",
            "version lineage", "version verify", "version prune", "alias list", "alias set", "alias delete",
            "job list", "job watch", "job cancel"};
        (void)state;
        CTL(0, "--help");
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
                check_out(commands[i]);
        check_out("exit codes:");
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
                CTL(0, "%s --help", commands[i]);
                check_out("usage: ewcctl ");
                check_out(commands[i]);
        }
        CTL(0, "feedback --help"); /* a noun's own, and no others */
        check_out("usage: ewcctl feedback COMMAND ");
        check_out("feedback erase ");
        assert_null(strstr(ctl_last.out.data, "version "));
        CTL(2, " ");
        CTL(2, "dance");
        CTL(2, "model");
        CTL(2, "model dance");
        CTL(2, "model show");
        CTL(2, "model show digits digits");
        CTL(2, "model show digits --wait");
        check_err("--wait");
        CTL(2, "model show digits --colour");
        check_err("--colour");
        CTL(2, "job list digits --limit -1");
        CTL(2, "a b c d e f g h");
        static const char *const wrong[] = {"--json", "model show --json", "--json model dance",
            "status --colour --json", "job watch digits first --json", "model show digits --json --limit"};
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                CTL(2, "%s", wrong[i]);
                check_error_json("usage");
        }
}

static int call(const char *variable, const char *flag, const char *value)
{
        const char *argv[] = {getenv("EWCCTL_BIN"), "model", "list", flag, value, NULL};
        ran_deinit(&ctl_last);
        run_program(argv, variable, NULL, CTL_MS, &ctl_last);
        return ctl_last.code;
}

static void test_the_daemon_is_found(void **state)
{
        char url[64], variable[DAEMON_PATH + 16];
        (void)state;
        snprintf(url, sizeof(url), "http://127.0.0.1:%u", d.port);
        assert_int_equal(call(NULL, "--url", url), 0);
        check_out("digits\n");
        snprintf(url, sizeof(url), "http://localhost:%u/", d.port);
        assert_int_equal(call(NULL, "--url", url), 0);
        snprintf(variable, sizeof(variable), "EWCD_SOCKET=%s", d.socket);
        assert_int_equal(call(variable, NULL, NULL), 0);
        check_out("digits\n");
        assert_int_equal(call("EWCD_SOCKET=/nonexistent", "--socket", d.socket), 0); /* a flag goes first */
        assert_int_equal(call("EWCD_SOCKET=/nonexistent", NULL, NULL), 6);
        check_err("/nonexistent");
        assert_int_equal(call(NULL, "--socket", "/nonexistent"), 6);
        assert_int_equal(call(NULL, "--url", "http://127.0.0.1:1"), 6);
        assert_int_equal(call(NULL, "--url", "ftp://127.0.0.1"), 2);
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        CTL(6, "status");
        CTL(6, "consolidate digits --wait");
        CTL(6, "status --json");
        check_error_json("unreachable");
        daemon_start(&d);
        CTL(0, "status");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_model_commands),
            cmocka_unit_test(test_import),
            cmocka_unit_test(test_import_of_odd_files),
            cmocka_unit_test(test_consolidate_and_predict),
            cmocka_unit_test(test_rollover_and_idx),
            cmocka_unit_test(test_lists),
            cmocka_unit_test(test_rollback),
            cmocka_unit_test(test_names_of_ones_own),
            cmocka_unit_test(test_tries_of_a_search),
            cmocka_unit_test(test_jobs_that_do_not_end_well),
            cmocka_unit_test(test_usage),
            cmocka_unit_test(test_the_daemon_is_found),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}

/* test_decide.c: what an operator decides and looks into, by ewcctl against a real daemon: dry runs, the gate's
 * checks, where a version came from and whether it can be built again, how two differ, what protects a task and how
 * strongly, which version serves; and the life of labels. */
#include "e2e.h"
#include "ctl.h"
#include "lib/tmpdir.h"
#include <stdio.h>
#include <unistd.h>

static struct daemon d;
static char csv[DAEMON_PATH];

/* Whatever was learned passes, so that the course of the test does not hang on a seed. */
#define PASSES "\"gate\":{\"max_forgetting\":1,\"min_gain\":-1,\"confidence\":0}"

static void create(const char *name, const char *keys)
{
        struct buf b;
        char learning[512];
        snprintf(learning, sizeof(learning), "{" ADAM "," BY_HAND ",\"epochs\":3,\"lambda\":0.1,%s}", keys);
        describe(&(struct description){.name = name,
                     .scenario = "task",
                     .classes = TEN_CLASSES,
                     .task = "low",
                     .task_classes = "[0,1,2,3,4]",
                     .layers = "[{\"type\":\"dense\",\"units\":16,\"activation\":\"relu\"}]",
                     .learning = learning},
            &b);
        assert_int_equal(ctl_with(b.data, "model create -"), 0);
        buf_deinit(&b);
}

static int setup(void **state)
{
        (void)state;
        daemon_init(&d);
        ctl_use(&d);
        tmpdir_path(csv, sizeof(csv), d.dir, "digits.csv.gz"); /* no spaces, wherever the source lies */
        assert_int_equal(symlink(digits_path(), csv), 0);
        daemon_start(&d);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        ran_deinit(&ctl_last);
        daemon_deinit(&d);
        return 0;
}

/* The same command with --json: exit status 0, JSON, nothing on stderr; then text at a pointer, if one is given. */
static void check_json(const char *words, const char *pointer, const char *text)
{
        CTL(0, "%s --json", words);
        struct json_doc *doc = json_out();
        assert_int_equal(ctl_last.err.len, 0);
        if (text)
                assert_string_equal(text_at(doc, "%s", pointer), text);
        json_free(doc);
}

static void check_alias(const char *model, const char *alias, const char *version)
{
        char path[128];
        struct http_answer a;
        snprintf(path, sizeof(path), "/v2/models/%s/aliases/%s", model, alias);
        expect(&d, 200, "GET", path, NULL, &a);
        assert_string_equal(text_at(a.doc, "/version"), version);
        http_answer_deinit(&a);
}

/* --- jobs --- */

static void test_a_dry_run_changes_nothing_that_serves(void **state)
{
        (void)state;
        create("m", PASSES);
        CTL(0, "feedback import m %s --only 0,1,2,3,4 --limit 200", csv);
        CTL(0, "consolidate m --dry-run --wait");
        check_out("job 1 candidate: dry run: would be promoted: task low ");
        check_out("consolidate, dry run, strategy fixed, trigger manual\n");
        check_alias("m", "champion", "1");
        assert_int_equal(served_version(&d, "m"), 1);
        CTL(3, "gate explain m @challenger");
        CTL(0, "job list m");
        check_out("1    consolidate, dry run  candidate  2        100 %     fixed     manual   dry run: would be");
        CTL(0, "version list m");
        check_out("2        candidate             1 ");
        CTL(0, "job watch m 1"); /* a candidate is no failure */
        check_json("job watch m 1", "/state", "candidate");
        CTL(0, "consolidate m --wait"); /* the rows are still there */
        check_out("job 2 promoted");
        check_json("consolidate m --dry-run --wait", "/state", "candidate");
}

static void test_two_tasks(void **state)
{
        (void)state;
        CTL(0, "task rollover m high --classes 5,6,7,8,9 --wait");
        check_alias("m", "champion", "5"); /* 4 was the second dry run */
        CTL(0, "feedback import m %s --only 5,6,7,8,9 --limit 200 --source s%%2F1", csv);
        CTL(0, "consolidate m --wait");
        check_alias("m", "champion", "6");
}

/* --- looking --- */

static void test_the_gate_is_explained(void **state)
{
        (void)state;
        CTL(0, "gate explain m @champion");
        check_out("version 6 of model m: promoted: task low ");
        check_out("passed  forgetting of task low: value ");
        check_out(", limit 1, noise -; task low ");
        check_out("passed  gain of task high: value ");
        check_out("\n\nTASK  ROWS  ACCURACY  AFTER ");
        check_out("LOSS CHANGE  PREDICTED SINCE CLOSE\nlow   ");
        check_json("gate explain m 6", "/gate/verdict", "promoted");
        CTL(3, "gate explain m 1");
        check_err("no gate judged version 1: it is the first");
        CTL(3, "gate explain m 99");
        CTL(3, "gate explain nothing 1");
}

/* What the gate refused is explained as well as what it let pass. */
static void test_a_rejection_is_explained(void **state)
{
        (void)state;
        create("strict", "\"gate\":{\"min_gain\":1,\"confidence\":0}");
        CTL(0, "feedback import strict %s --only 0,1,2,3,4 --limit 100", csv);
        CTL(5, "consolidate strict --wait");
        CTL(0, "gate explain strict 2");
        check_out("version 2 of model strict: rejected: ");
        check_out("FAILED  gain of task low: value ");
        check_json("gate explain strict 2", "/gate/verdict", "rejected");

        CTL(5, "task rollover strict high --wait"); /* the same gate: its task stays open, so it cannot serve */
        CTL(4, "version promote strict 3");
        check_err("closed no task");
        CTL(0, "version promote strict 2"); /* a person may know better, and is told */
        check_out("model strict has a new champion and serves version 2\n");
        check_err("the gate had judged version 2 otherwise: rejected: ");
        CTL(0, "version promote strict 1");
        assert_int_equal(ctl_last.err.len, 0);
}

static void test_two_versions_differ(void **state)
{
        (void)state;
        CTL(0, "version diff m 5 6");
        check_out("from version 5 to 6, distances by the Fisher of version 6; outputs: 5 added, 0 removed\n");
        check_out("LAYER  ENTRIES  CHANGED  RMS ");
        check_out("0.w    1024 ");
        check_out("\nall    ");
        check_out("TASK  ACCURACY  TO ");
        CTL(0, "version diff m 5 5");
        check_out("0.w    1024     0        0 ");
        CTL(0, "version diff m 1 @champion");
        check_out("; outputs: 5 added, 0 removed");
        check_json("version diff m 5 6", "/to", "6");
        CTL(3, "version diff m 5 99");
        CTL(2, "version diff m 5");
}

static void test_where_a_version_came_from(void **state)
{
        (void)state;
        CTL(0, "version lineage m @champion");
        check_out("VERSION  STATE     JOB  TASK  STRATEGY  LAMBDA  ROWS  SEED ");
        check_out("\n6        promoted  5    high  fixed     0.1     ");
        check_out("\n5        promoted  4    low   fixed     0       ");
        check_out("\n1        initial   -    -     -  ");
        assert_null(strstr(ctl_last.out.data, "candidate")); /* dry runs are nobody's parents */
        check_json("version lineage m 6", "/lineage/3/state", "initial");
        CTL(3, "version lineage m 99");
}

static void test_a_version_is_built_again(void **state)
{
        (void)state;
        CTL(2, "version verify m 6");
        check_err("version verify needs --rebuild");
        CTL(0, "version verify m 6 --rebuild --wait");
        check_out(" verified: version 6 again from its lineage, ");
        check_out("rebuild, strategy fixed, trigger manual\n");
        check_json("version verify m @champion --rebuild --wait", "/state", "verified");
        check_alias("m", "champion", "6");
        CTL(4, "version verify m 1 --rebuild");
        check_err("nothing trained version 1");
        CTL(3, "version verify m 99 --rebuild");
}

/* --- deciding --- */

static void test_a_task_is_weighed(void **state)
{
        (void)state;
        CTL(0, "task show m low");
        check_out("task low, alpha 1: exact, over ");
        check_out(" of its trace lies in the largest fifth of the entries\n");
        check_out("LAYER  ENTRIES  ZEROS  TRACE SHARE  MEAN ");
        check_out("0.w    1024 ");
        check_out("out.w  80 ");
        check_json("task show m low", "/task", "low");
        CTL(4, "task show m high");
        check_err("task high is open");
        CTL(3, "task show m middle");
        CTL(0, "task weigh m low 0.5 --wait");
        check_out(" promoted: ");
        check_out("reweight, strategy fixed, trigger manual\n");
        check_alias("m", "champion", "7");
        CTL(0, "task show m low");
        check_out("task low, alpha 0.5: ");
        CTL(0, "task list m");
        check_out(" exact   0.5\n");
        check_json("task weigh m low 0.25 --wait --reason=noisy", "/trigger/text", "noisy");
        CTL(0, "version lineage m @champion");
        check_out(" manual: noisy\n");
        CTL(2, "task weigh m low heavy");
        check_err("0 drops the task's protection");
        CTL(2, "task weigh m low 1x");
        CTL(2, "task weigh m low -1");
        CTL(1, "task weigh m low 1e9"); /* more than the daemon takes */
        CTL(4, "task weigh m high 1");
        CTL(0, "task weigh m low 0 --wait");
        CTL(0, "task show m low");
        check_out("task low, alpha 0: ");
        CTL(0, "version rollback m 7"); /* one call back, and it is protected again */
        CTL(0, "task show m low");
        check_out("task low, alpha 0.5: ");
        CTL(0, "version promote m 9");
        CTL(0, "task show m low");
        check_out("task low, alpha 0: ");
}

static void test_versions_are_pruned(void **state)
{
        (void)state;
        CTL(2, "version prune m few");
        CTL(0, "version prune m 1");
        check_out(" of model m: tensors are gone, records stay\n");
        CTL(0, "version list m");
        check_out("2        candidate, pruned ");
        check_out("3        promoted, pruned ");
        check_out("9        promoted           @champion ");
        CTL(0, "version show m 2");
        check_out("pruned          yes\n");
        CTL(4, "version diff m 2 9");
        check_err("version 2 has no theta any more: it was pruned");
        CTL(4, "version promote m 2");
        check_err("pruned");
        check_alias("m", "champion", "9");
        CTL(0, "version verify m 3 --rebuild --wait"); /* its digest is enough */
        check_out(" verified: ");
        check_json("version prune m 1", "/model", "m");
        assert_int_equal(json_out_number("/pruned"), 0);
}

static void test_an_older_version_is_promoted(void **state)
{
        (void)state;
        CTL(0, "version promote m 8 --reason=complaints");
        assert_string_equal(ctl_last.out.data, "model m has a new champion and serves version 8\n");
        assert_int_equal(served_version(&d, "m"), 8);
        check_json("version promote m 9", "/version", "9");
        CTL(3, "version promote m 99");
        CTL(3, "version promote m @nobody");
        CTL(1, "version promote m newest");
        CTL(3, "version promote nothing 1");
        assert_int_equal(served_version(&d, "m"), 9);
}

/* promotion "manual": what passes waits as @challenger until a person has it serve. */
static void test_a_challenger_waits_for_a_person(void **state)
{
        (void)state;
        create("careful", PASSES ",\"promotion\":\"manual\"");
        CTL(0, "feedback import careful %s --only 0,1,2,3,4 --limit 100", csv);
        CTL(0, "consolidate careful --wait");
        check_out(" candidate: ");
        check_alias("careful", "challenger", "2");
        check_alias("careful", "champion", "1");
        assert_int_equal(served_version(&d, "careful"), 1);
        CTL(0, "version list careful");
        check_out("2        candidate  @challenger  1 ");
        CTL(0, "gate explain careful @challenger");
        check_out("version 2 of model careful: candidate: ");
        CTL(0, "status");
        check_out("passed the gate and waits for an operator: `ewcctl version promote careful 2` has it serve\n");
        CTL(0, "version promote careful @challenger");
        check_alias("careful", "champion", "2");
        assert_int_equal(served_version(&d, "careful"), 2);
}

/* Nobody can say what a closed task has lost when all its holdout rows are gone, and status says what to do. */
static void test_what_cannot_be_judged_waits_for_a_person(void **state)
{
        (void)state;
        create("blind", "\"gate\":{\"min_gain\":-1,\"confidence\":0}");
        CTL(0, "feedback import blind %s --only 0,1,2,3,4 --limit 100 --source first", csv);
        CTL(0, "consolidate blind --wait");
        CTL(0, "task rollover blind high --classes 5,6,7,8,9 --wait");
        CTL(0, "feedback erase blind --source first");
        CTL(0, "feedback import blind %s --only 5,6,7,8,9 --limit 100", csv);
        CTL(0, "consolidate blind --wait");
        check_out(" candidate: an operator must decide");
        check_alias("blind", "challenger", "4");
        CTL(0, "status");
        check_out("version 4 waits for an operator, since the gate could not judge it (candidate: ");
        check_out(": `ewcctl version promote blind 4` has it serve, or import trusted rows of the task with `ewcctl "
                  "holdout import blind TASK FILE`");
}

/* --- labels --- */

enum { EVENT_ID = 64 };

/* Sends a label other than the one predicted of a row: it is kept aside until somebody decides. */
static void contradict(size_t row, char ret_id[EVENT_ID])
{
        struct digits all;
        struct http_answer a;
        struct buf b;
        digits_load(&all);
        buf_init(&b, 8192);
        buf_puts(&b, "{\"inputs\":");
        put_rows(&b, &all, row, 1);
        buf_puts(&b, "}");
        expect(&d, 200, "POST", "/v2/models/labels/predict", b.data, &a);
        snprintf(ret_id, EVENT_ID, "%s", text_at(a.doc, "/predictions/0/id"));
        bool zero = strcmp(text_at(a.doc, "/predictions/0/label"), "0") == 0;
        http_answer_deinit(&a);
        buf_reset(&b);
        buf_printf(&b, "{\"events\":[{\"prediction_id\":\"%s\",\"label\":%d}]}", ret_id, zero);
        expect(&d, 200, "POST", "/v2/models/labels/feedback", b.data, &a);
        assert_int_equal(number_at(a.doc, "/quarantined"), 1);
        http_answer_deinit(&a);
        buf_deinit(&b);
        digits_free(&all);
        CTL(0, "feedback show labels %s", ret_id);
        check_out("state      quarantined\n");
        check_out(" %, by version 1\n");
}

static void test_the_life_of_labels(void **state)
{
        char id[EVENT_ID], words[EVENT_ID + 32];
        (void)state;
        create("labels", PASSES ",\"feedback\":{\"quarantine_confidence\":0}");
        CTL(0, "feedback import labels %s --only 0,1,2,3,4 --limit 60 --source a/b?c%%", csv);
        CTL(0, "feedback import labels %s --only 0,1,2,3,4 --skip 60 --limit 60 --source good", csv);
        CTL(0, "source list labels");
        check_out("SOURCE  ROWS  LIVE  USED  SERVED  AGREED  FIRST SEQ  LAST SEQ\n");
        check_out("a/b?c%  60    60 ");
        check_json("source list labels", "/sources/0/source", "a/b?c%");
        CTL(0, "holdout import labels low %s --only 0,1,2,3,4 --skip 120 --limit 20", csv);
        check_out("sent 20, accepted 20, duplicate 0, rejected 0\n");
        CTL(0, "holdout import labels low %s --only 0,1,2,3,4 --skip 120 --limit 20 --json", csv);
        assert_int_equal(json_out_number("/duplicate"), 20);
        assert_int_not_equal(ctl("holdout import labels middle %s --limit 1", csv), 0);
        check_err("model labels has no task 'middle'");
        CTL(2, "holdout import labels %s", csv);

        contradict(0, id);
        CTL(0, "feedback release labels %s", id);
        check_out("released 1 row of event ");
        CTL(3, "feedback release labels %s --json", id);
        contradict(1, id);
        CTL(0, "feedback release labels %s --reject", id);
        check_out("rejected and erased 1 row of event ");
        snprintf(words, sizeof(words), "feedback show labels %s", id);
        check_json(words, "/state", "erased");
        CTL(3, "feedback show labels nobody/%%");
        check_err("nobody/%");
        CTL(2, "feedback erase labels");
        check_err("say what to erase");
        CTL(2, "feedback erase labels x --source good");
        CTL(3, "feedback erase labels x");
        CTL(3, "feedback erase labels --source nobody");

        CTL(0, "consolidate labels --wait");
        CTL(0, "feedback erase labels --source good");
        check_out("erased the features and label of 60 rows\n");
        check_out("version 2 and those after it still remember them");
        check_json("feedback erase labels --source good", NULL, NULL);
        char copy[DAEMON_PATH + 16]; /* of an upgrade */
        snprintf(copy, sizeof(copy), "%s.level-1", d.database);
        FILE *f = fopen(copy, "w");
        assert_non_null(f);
        fclose(f);
        CTL(0, "feedback erase labels --source=a/b?c%% --reason=asked");
        check_out("copies of the database made before a migration (ewcd.db.level-*) still hold the data");
        assert_int_equal(remove(copy), 0);
}

static void test_a_source_is_taken_out(void **state)
{
        (void)state;
        create("unlearn", PASSES);
        CTL(0, "feedback import unlearn %s --only 0,1,2,3,4 --limit 60 --source good", csv);
        CTL(0, "feedback import unlearn %s --only 0,1,2,3,4 --skip 60 --limit 60 --source a/b?c%%", csv);
        CTL(0, "consolidate unlearn --wait");
        CTL(0, "source unlearn unlearn a/b?c%% --wait");
        check_out("erased 60 rows of source 'a/b?c%'; version 2 served, version 1 serves\n");
        check_out(" learns again from what is left\n");
        check_out(" promoted: ");
        check_out("trigger unlearn: source 'a/b?c%' was taken out: 60 rows\n");
        assert_int_equal(served_version(&d, "unlearn"), 3);
        CTL(0, "job list unlearn --limit 1");
        check_out("unlearn: source 'a/b?c%' was taken out: 60 rows");
        CTL(3, "source unlearn unlearn nobody");
        check_json("source unlearn unlearn good", "/source", "good");
        CTL(0, "source unlearn unlearn good");
        check_out("no job was needed: ");
}

/* The champion's parent is no longer there to train it from. */
static void test_pruning_says_what_is_lost(void **state)
{
        (void)state;
        create("thin", PASSES);
        for (int i = 0; i < 2; i++) {
                CTL(0, "feedback import thin %s --only 0,1,2,3,4 --skip %d --limit 60", csv, 60 * i);
                CTL(0, "consolidate thin --wait");
        }
        CTL(0, "version prune thin 0");
        check_out("pruned 1 version of model thin: tensors are gone, records stay\n");
        check_out("version 3, the champion, can no longer be built again: version 2, which it was trained from, is "
                  "pruned\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_a_dry_run_changes_nothing_that_serves),
            cmocka_unit_test(test_two_tasks),
            cmocka_unit_test(test_the_gate_is_explained),
            cmocka_unit_test(test_a_rejection_is_explained),
            cmocka_unit_test(test_two_versions_differ),
            cmocka_unit_test(test_where_a_version_came_from),
            cmocka_unit_test(test_a_version_is_built_again),
            cmocka_unit_test(test_a_task_is_weighed),
            cmocka_unit_test(test_versions_are_pruned),
            cmocka_unit_test(test_an_older_version_is_promoted),
            cmocka_unit_test(test_a_challenger_waits_for_a_person),
            cmocka_unit_test(test_what_cannot_be_judged_waits_for_a_person),
            cmocka_unit_test(test_the_life_of_labels),
            cmocka_unit_test(test_a_source_is_taken_out),
            cmocka_unit_test(test_pruning_says_what_is_lost),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}

/* What a settlement makes of a verdict: promoted, kept as a candidate or rejected; the loss change that the quadratic
 * model expects, by a plain loop; and the record that goes with the version. */
#include "base/mem.h"
#include "proto/json.h"
#include "settle_kit.h"
#include <math.h>

static void reweight(struct world *w, const char *task, double alpha)
{
        job_id id;
        struct task t;
        must(w, store_task_get(w->s, w->m, task, &w->a, &t, &w->e));
        const struct job_new n = {.model = w->m,
            .kind = JOB_REWEIGHT,
            .trigger = TRIGGER_MANUAL,
            .alpha_task = t.id,
            .alpha = alpha,
            .who = "tester"};
        must(w, store_job_create(w->s, &n, &id, &w->e));
        must(w, store_job_claim(w->s, id, 77, &w->e));
        must(w, store_job_get(w->s, id, &w->a, &w->job, &w->e));
        must(w, store_job_move(w->s, id, JOB_EXPORTING, JOB_RUNNING, NULL, &w->e));
        must(w, store_job_move(w->s, id, JOB_RUNNING, JOB_JUDGING, NULL, &w->e));
        commit(w);
}

static double quadratic(const struct learn_past *p, const float *theta, size_t P)
{
        double sum = 0;
        for (size_t i = 0; i < P; i++)
                sum += p->factor * (double)p->fisher[i] * pow((double)theta[i] - (double)p->anchor[i], 2);
        return sum / 2;
}

static void test_predicted(void **state)
{
        (void)state;
        struct world w;
        begin(&w);
        w.kit.scenario = SCENARIO_DOMAIN; /* one head: learning high moves what low needs */
        learn_high(&w, true);
        const struct settlement *t = settle(&w, NULL);
        assert_int_equal(w.file.n_past, 1);
        const struct learn_past *p = &w.file.past[0];
        size_t P = ewc_spec_params(&w.file.net);
        double start = quadratic(p, w.file.theta, P), end = quadratic(p, t->result.theta, P);
        assert_true(start > 1e-6 && fabs(end - start) > 1e-6);
        assert_int_equal(t->outcome.n_evaluations, 2);
        assert_true(t->outcome.after[0].task == p->task);
        assert_true(fabs(t->outcome.after[0].predicted - (end - start)) < 1e-9 * (end + start));
        assert_true(isnan(t->outcome.before[0].predicted) && isnan(t->outcome.after[1].predicted));
        assert_true(t->outcome.after[0].n_outputs == 2 && t->outcome.after[0].ece >= 0);
        finish(&w);
}

/* Each task by its own record. */
static void test_predicted_of_many(void **state)
{
        (void)state;
        struct world w;
        begin(&w);
        w.kit.scenario = SCENARIO_DOMAIN;
        learn_low(&w, true);
        commit(&w);
        must(&w, kit_rows_add(w.s, &w.kit, w.m, 100, 32, 2, 3, &w.e));
        learn(&w, "third");
        commit(&w);
        must(&w, kit_rows_add(w.s, &w.kit, w.m, 200, 32, 1, 2, &w.e));
        learn(&w, NULL);
        const struct settlement *t = settle(&w, NULL);
        size_t P = ewc_spec_params(&w.file.net);
        assert_true(w.file.n_past == 2 && t->outcome.n_evaluations == 3);
        for (size_t i = 0; i < 2; i++) {
                const struct learn_past *p = &w.file.past[i];
                double want = quadratic(p, t->result.theta, P) - quadratic(p, w.file.theta, P);
                assert_true(p->task == t->outcome.after[i].task);
                assert_true(fabs(t->outcome.after[i].predicted - want) < 1e-9 * (1 + fabs(want)));
        }
        assert_true(t->outcome.after[0].predicted != t->outcome.after[1].predicted);
        finish(&w);
}

/* Only an estimate of the Fisher itself predicts anything. */
static void test_not_predicted(void **state)
{
        (void)state;
        static const struct {
                enum learn_importance importance;
                enum ewc_fisher kind;
                bool known;
        } rows[] = {{LEARN_IMPORTANCE_FISHER, EWC_FISHER_SAMPLE, true},
            {LEARN_IMPORTANCE_FISHER, EWC_FISHER_BATCHED, false},
            {LEARN_IMPORTANCE_FISHER, EWC_FISHER_EMPIRICAL, false}, {LEARN_IMPORTANCE_MAS, EWC_FISHER_EXACT, false}};
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct world w;
                begin(&w);
                w.kit.learning.importance_type = rows[i].importance;
                w.kit.learning.fisher_variant = rows[i].kind;
                learn_high(&w, true);
                assert_int_equal(!isnan(settle(&w, NULL)->outcome.after[0].predicted), rows[i].known);
                finish(&w);
        }
}

static void test_prediction_is_the_only_guard(void **state)
{
        (void)state;
        struct world w;
        begin(&w);
        w.kit.scenario = SCENARIO_DOMAIN;
        w.kit.learning.gate_max_predicted = 1e6;
        learn_high(&w, false);
        const struct settlement *t = settle(&w, NULL);
        double predicted = t->outcome.after[0].predicted;
        assert_true(t->outcome.promote && isfinite(predicted) && t->outcome.after[0].n == 0);
        assert_non_null(
            strstr(t->outcome.reason, "task low without holdout rows: judged by the Fisher's prediction"));
        finish(&w);
        begin(&w);
        w.kit.scenario = SCENARIO_DOMAIN;
        w.kit.learning.gate_max_predicted = 0;
        learn_low(&w, false);
        commit(&w);
        must(&w, kit_rows_add(w.s, &w.kit, w.m, 100, 32, 2, 3, &w.e));
        learn(&w, NULL);
        t = settle(&w, NULL);
        assert_true(!t->outcome.promote && t->verdict.deciding == 0 && t->outcome.after[0].predicted > 0);
        assert_non_null(strstr(t->outcome.reason, "the Fisher's prediction is the only guard of task low"));
        finish(&w);
}

/* Every holdout row of task low goes, as the feedback API allows. */
static void erase_holdout(struct world *w)
{
        for (int i = 0; i < 64; i++) {
                char id[24];
                struct erased ret;
                snprintf(id, sizeof(id), "e%d", i);
                const struct feedback_selection sel = {.event_id = id};
                if (i % 4 >= 2 && i % 8 < 4)
                        must(w, store_feedback_erase(w->s, w->m, &sel, "tester", NULL, &ret, &w->e));
        }
}

/* low had holdout rows when it was closed: without them nothing is promoted on the prediction alone. */
static void test_left_open(void **state)
{
        (void)state;
        static const struct {
                bool rollover, dry_run;
                double holdout;
                bool promote, candidate;
                const char *begin;
        } rows[] = {
            {false, false, 0.1, false, true, GATE_LEFT_OPEN ": task low was closed with "},
            {false, true, 0.1, false, true, "dry run: an operator would have to decide: task low was closed with "},
            {true, false, 0.1, false, false, "rejected: could not be decided, and this kind of job cannot wait for "},
            {true, true, 0.1, false, false, "rejected: could not be decided, and this kind of job cannot wait for "},
            {false, false, 0, true, false, "promoted: task high "},
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct world w;
                begin(&w);
                w.kit.scenario = SCENARIO_DOMAIN;
                w.kit.learning.gate_max_predicted = 1e6;
                w.kit.learning.holdout = rows[i].holdout;
                must(&w, kit_model_create(w.s, &w.kit, "m", &w.m, &w.e));
                must(&w, kit_rows_add(w.s, &w.kit, w.m, 0, 64, 0, 1, &w.e));
                learn(&w, "high");
                commit(&w);
                erase_holdout(&w);
                must(&w, kit_rows_add(w.s, &w.kit, w.m, 100, 32, 2, 3, &w.e));
                learn(&w, rows[i].rollover ? "third" : NULL);
                w.job.dry_run = rows[i].dry_run;
                const struct settlement *t = settle(&w, NULL);
                if (strncmp(t->outcome.reason, rows[i].begin, strlen(rows[i].begin)) != 0)
                        fail_msg("row %zu: %s", i, t->outcome.reason);
                assert_int_equal(t->outcome.promote, rows[i].promote);
                assert_int_equal(t->verdict.promote, rows[i].promote);
                assert_int_equal(t->outcome.candidate, rows[i].candidate);
                assert_true(!t->has_close);
                const char *ways =
                    "; give task low rows to judge it by (ewcctl holdout import m low FILE) or drop its "
                    "protection (ewcctl task weigh m low 0), then try again: task low was closed with ";
                assert_int_equal(strstr(t->outcome.reason, ways) != NULL, rows[i].rollover);
                t = settle(&w, "parent replaced");
                assert_true(!t->outcome.promote && !t->outcome.candidate);
                assert_string_equal(t->outcome.reason, "parent replaced");
                finish(&w);
        }
}

/* The first training of all has nothing to lose; a later one without any row to judge it by waits. */
static void test_nothing_measured(void **state)
{
        (void)state;
        for (int rollover = 0; rollover < 2; rollover++) {
                struct world w;
                begin(&w);
                must(&w, kit_model_create(w.s, &w.kit, "m", &w.m, &w.e));
                for (int i = 4; i < 64; i += 8)
                        must(&w, kit_rows_add(w.s, &w.kit, w.m, i, 4, 0, 1, &w.e));
                learn(&w, NULL);
                commit(&w);
                must(&w, kit_rows_add(w.s, &w.kit, w.m, 100, 2, 0, 1, &w.e)); /* none of them held out */
                learn(&w, rollover ? "high" : NULL);
                const struct settlement *t = settle(&w, NULL);
                assert_true(!t->outcome.promote && t->outcome.candidate == !rollover && t->verdict.n_checks == 0);
                assert_non_null(strstr(t->outcome.reason,
                    rollover
                        ? "; give task low rows to judge it by (ewcctl holdout import m low FILE): nothing could "
                          "be measured"
                        : GATE_LEFT_OPEN ": nothing could be measured"));
                finish(&w);
        }
}

/* Its protection was given up: shown, without a prediction, and in nobody's way. */
static void test_given_up(void **state)
{
        (void)state;
        for (int given_up = 0; given_up < 2; given_up++) {
                struct world w;
                begin(&w);
                close_low_unheld(&w, 0);
                if (given_up)
                        reweight(&w, "low", 0);
                must(&w, kit_rows_add(w.s, &w.kit, w.m, 100, 64, 2, 3, &w.e));
                learn(&w, NULL);
                const struct settlement *t = settle(&w, NULL);
                const struct evaluation *low = &t->outcome.after[0];
                assert_true(t->outcome.promote == given_up && low->n > 0);
                assert_true(given_up ? isnan(low->predicted) : isfinite(low->predicted));
                bool said = strstr(t->outcome.reason, "task low is given up (alpha 0): task low lost ") != NULL;
                assert_int_equal(said, given_up);
                finish(&w);
        }
}

static void test_promoted_or_kept(void **state)
{
        (void)state;
        static const struct {
                enum promotion_mode promotion;
                bool rollover, dry_run, fails;
                bool promote, candidate;
                const char *begin;
        } rows[] = {
            {PROMOTION_GATE, false, false, false, true, false, "promoted: task low "},
            {PROMOTION_GATE, false, true, false, false, true, "dry run: would be promoted: task low "},
            {PROMOTION_SHADOW, false, false, false, false, true,
                "candidate: passed the gate, waits for live labels: task low "},
            {PROMOTION_MANUAL, false, false, false, false, true,
                "candidate: passed the gate, waits for an operator: task low "},
            {PROMOTION_MANUAL, false, true, false, false, true, "dry run: would be promoted: task low "},
            {PROMOTION_MANUAL, true, false, false, true, false, "promoted: task low "},
            {PROMOTION_SHADOW, true, false, false, true, false, "promoted: task low "},
            {PROMOTION_GATE, true, true, false, false, true, "dry run: would be promoted: task low "},
            {PROMOTION_GATE, false, false, true, false, false, "rejected: task low "},
            {PROMOTION_GATE, false, true, true, false, false, "rejected: task low "},
            {PROMOTION_SHADOW, false, false, true, false, false, "rejected: task low "},
            {PROMOTION_SHADOW, true, true, true, false, false, "rejected: task low "},
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct world w;
                begin(&w);
                w.kit.learning.promotion = rows[i].promotion;
                w.kit.learning.gate_min_gain = rows[i].fails ? 1 : -1;
                w.kit.learning.optimizer_rate = rows[i].fails ? 1e-12 : 0.5;
                must(&w, kit_model_create(w.s, &w.kit, "m", &w.m, &w.e));
                must(&w, kit_rows_add(w.s, &w.kit, w.m, 0, 64, 0, 1, &w.e));
                learn(&w, rows[i].rollover ? "next" : NULL);
                w.job.dry_run = rows[i].dry_run;
                const struct settlement *t = settle(&w, NULL);
                if (strncmp(t->outcome.reason, rows[i].begin, strlen(rows[i].begin)) != 0)
                        fail_msg("row %zu: %s", i, t->outcome.reason);
                assert_int_equal(t->outcome.promote, rows[i].promote);
                assert_int_equal(t->verdict.promote, rows[i].promote);
                assert_int_equal(t->outcome.candidate, rows[i].candidate);
                assert_int_equal(t->has_close, rows[i].promote && rows[i].rollover);
                assert_int_equal(t->fisher != NULL, t->has_close);
                t = settle(&w, "parent replaced");
                assert_true(!t->outcome.promote && !t->outcome.candidate && !t->has_close);
                assert_string_equal(t->outcome.reason, "parent replaced");
                assert_non_null(strstr(t->outcome.gate, "{\"verdict\":\"rejected\",\"reason\":\"parent replaced\""));
                finish(&w);
        }
}

static void test_record(void **state)
{
        (void)state;
        struct world w;
        struct digest d;
        struct json_doc *doc;
        double x;
        begin(&w);
        w.kit.learning.gate_class_floor = 0.01;
        w.kit.learning.gate_floor = 0.01;
        w.kit.learning.gate_max_ece_rise = 0.99;
        w.kit.learning.gate_confidence = 0.95;
        learn_high(&w, true);
        w.job.dry_run = true;
        const struct settlement *t = settle(&w, NULL);
        must(&w, bundle_job_digest(w.job_path, &d, &w.e));
        assert_true(digest_eq(&t->outcome.job_file, &d));
        assert_int_equal(t->outcome.threads, 1);
        assert_true(t->outcome.n_train == w.file.train.n && w.file.train.n > 0);
        must(&w, json_parse((struct slice){t->outcome.gate, strlen(t->outcome.gate)}, &doc, &w.e));
        assert_string_equal(json_text(doc, "/verdict"), "candidate");
        assert_string_equal(json_text(doc, "/reason"), t->outcome.reason);
        assert_int_equal(json_length(doc, "/checks"), t->verdict.n_checks);
        assert_int_equal(json_length(doc, "/checks"), 2 * (1 + 1 + 1 + 2)); /* loss or gain, floor, error, classes */
        assert_string_equal(json_text(doc, "/checks/0/check"), "forgetting");
        assert_string_equal(json_text(doc, "/checks/0/task"), "low");
        assert_string_equal(json_text(doc, "/checks/3/check"), "class_floor");
        assert_string_equal(json_text(doc, "/checks/3/class"), "a");
        assert_string_equal(json_text(doc, "/checks/9/class"), "d");
        assert_int_equal(json_length(doc, "/tasks"), 2);
        assert_int_equal(json_number(doc, "/tasks/0/loss_change_predicted", &x), 0);
        assert_true(x == t->outcome.after[0].predicted);
        assert_int_equal(json_number(doc, "/tasks/1/accuracy_after", &x), 0);
        assert_true(x == t->outcome.after[1].accuracy);
        json_free(doc);
        finish(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_predicted), cmocka_unit_test(test_predicted_of_many),
            cmocka_unit_test(test_not_predicted), cmocka_unit_test(test_prediction_is_the_only_guard),
            cmocka_unit_test(test_promoted_or_kept), cmocka_unit_test(test_left_open),
            cmocka_unit_test(test_nothing_measured), cmocka_unit_test(test_given_up), cmocka_unit_test(test_record)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* store_rollovers.c: a task closed, the next one opened, rows handed over, classes growing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/store_suite.h"
#include "lib/store_kit.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static uint64_t head_classes(struct kit *k, model_id m)
{
        struct counters c;
        assert_int_equal(store_feedback_count(k->s, m, &c, &k->e), 0);
        return c.n_head_classes;
}

/* What may tell a first label from another: in scenario task the task's own outputs, in class those of all tasks. */
static void classes_of_the_head_are_counted(void **state)
{
        struct kit *k = *state;
        model_id t = kit_model(k, "t", SCENARIO_TASK), c = kit_model(k, "c", SCENARIO_CLASS),
                 d = kit_model(k, "d", SCENARIO_DOMAIN);
        struct kit_outcome w;
        version_id v = 0;

        assert_int_equal(head_classes(k, d), 3);
        assert_int_equal(head_classes(k, t), 3); /* its net has an output for each class of the model */
        assert_int_equal(head_classes(k, c), 0);
        kit_add(k, c, kit_row("c0", 0, false));
        kit_add(k, c, kit_row("c1", 0, false));
        assert_int_equal(head_classes(k, c), 1);
        kit_add(k, c, kit_row("c2", 1, true));
        assert_int_equal(head_classes(k, c), 2);
        kit_roll(k, c, "two", 1);
        assert_int_equal(head_classes(k, c), 2);
        kit_add(k, c, kit_row("c3", 2, false));
        assert_int_equal(head_classes(k, c), 3); /* one label alone in its task, among three */
        const char *given[] = {"a", "d"};        /* d without any feedback */
        job_id j = kit_job(k, c, "three", true, 2, given);
        kit_to_judging(k, j);
        kit_outcome(k, &w, c, j, true, 5, true);
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), 0);
        assert_int_equal(head_classes(k, c), 4);
        kit_roll(k, c, "four", 6);
        assert_int_equal(head_classes(k, c), 4);
        kit_fill(k, t, 0, 4);
        kit_roll(k, t, "two", 2);
        assert_int_equal(head_classes(k, t), 0);
        kit_add(k, t, kit_row("t0", 2, false));
        kit_reopen(k);
        assert_int_equal(head_classes(k, t), 1); /* the head of the first task is no help */
        assert_int_equal(head_classes(k, c), 4);
}

static void the_newest_job_ended_last(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct counters c;

        kit_fill(k, m, 0, 4);
        fake_clock_advance_ms(&k->clock, 90000);
        kit_consolidate(k, m, 1, false);
        fake_clock_set_wall_ms(&k->clock, 1700000000005); /* an administrator sets it right */
        kit_consolidate(k, m, 2, false);
        kit_job(k, m, NULL, false, 0, NULL);
        assert_int_equal(store_feedback_count(k->s, m, &c, &k->e), 0);
        assert_int_equal(c.last_job_ended_ms, 1700000000005);
}

static void closes_opens_and_hands_over(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct feedback named = kit_row("named", 1, false);
        struct kit_outcome w;
        struct counters c;
        struct feedback_fate f;
        version_id v = 0;

        kit_fill(k, m, 0, 4); /* 3 train, 1 held out */
        task_id one = kit_task(k, m, NULL).id;
        job_id j = kit_job(k, m, "two", false, 0, NULL);
        kit_to_judging(k, j);
        kit_fill(k, m, 4, 8); /* while it runs: e4 e5 e6 train, e7 held out, naming no task */
        named.task = one;
        named.task_named = true;
        kit_add(k, m, named);
        kit_outcome(k, &w, m, j, true, 1, true);
        fake_clock_advance_ms(&k->clock, 9);
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), 0);
        kit_reopen(k);

        struct task closed = kit_task(k, m, "one"), open = kit_task(k, m, NULL);
        assert_int_equal(closed.state, TASK_CLOSED);
        assert_int_equal(closed.closed_by, v);
        assert_int_equal(closed.closed_ms, 1700000000009);
        assert_true(closed.alpha == 0.75);
        assert_true(closed.has_fisher && closed.fisher.trace == 1.5 && closed.fisher.factor == 0.125);
        assert_int_equal(closed.fisher.n_protected, KIT_P);
        assert_true(closed.accuracy_at_close == 0.875 && closed.loss_at_close == w.after[0].loss);
        assert_int_equal(closed.n_at_close, 10);
        assert_int_equal(closed.n_train, 4); /* its three and the one that named it */
        assert_int_equal(closed.n_holdout, 1);
        assert_int_equal(closed.n_classes, 3); /* those its feedback used, kept */
        assert_string_equal(open.name, "two");
        assert_int_equal(open.ordinal, 1);
        assert_int_equal(open.n_train, 3);
        assert_int_equal(open.n_holdout, 1);
        assert_int_equal(store_feedback_count(k->s, m, &c, &k->e), 0);
        assert_int_equal(c.n_new, 3);
        assert_int_equal(c.n_open_train, 3);
        assert_int_equal(store_feedback_get(k->s, m, "e5", &k->a, &f, &k->e), 0);
        assert_string_equal(f.task_name, "two");
        assert_int_equal(f.state, FEEDBACK_QUEUED);
        assert_int_equal(store_feedback_get(k->s, m, "named", &k->a, &f, &k->e), 0);
        assert_string_equal(f.task_name, "one");
        assert_int_equal(store_feedback_get(k->s, m, "e0", &k->a, &f, &k->e), 0);
        assert_int_equal(f.state, FEEDBACK_USED);
}

/* A boundary found after the fact: rows above it belong to the next task, whatever came since. */
static void a_bounded_rollover_hands_over_above_its_bound(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct receipt rows = kit_fill(k, m, 0, 8); /* 6 train, 2 held out */
        const struct job_new n = {.model = m,
            .kind = JOB_ROLLOVER,
            .trigger = TRIGGER_ACCURACY,
            .upto_seq = rows.first_seq + 3,
            .next_task = "two",
            .who = "policy"};
        struct kit_outcome w;
        struct counters c;
        version_id v = 0;
        job_id j = 0;

        assert_int_equal(store_job_create(k->s, &n, &j, &k->e), 0);
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, 1, true);
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), 0);
        kit_reopen(k);
        struct task one = kit_task(k, m, "one"), two = kit_task(k, m, "two");
        assert_int_equal(one.n_train, 3);
        assert_int_equal(one.n_holdout, 1);
        assert_int_equal(two.n_train, 3);
        assert_int_equal(two.n_holdout, 1);
        assert_int_equal(store_feedback_count(k->s, m, &c, &k->e), 0);
        assert_int_equal(c.used_seq, rows.first_seq + 3);
        assert_int_equal(c.n_new, 3);
}

static void the_record_comes_back_bit_for_bit(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct ewc_fisher_info info;
        size_t n_outputs, n_params;
        struct kit_outcome w;
        float back[KIT_P];
        version_id v = 0;

        job_id j = kit_job(k, m, "two", false, 0, NULL);
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, 1, true);
        w.close.anchor = w.o.theta; /* the anchor of the task is the theta of its close */
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), 0);
        kit_reopen(k);
        task_id one = kit_task(k, m, "one").id, two = kit_task(k, m, "two").id;
        assert_int_equal(store_task_record(k->s, one, &k->a, &info, &n_outputs, &n_params, &k->e), 0);
        assert_int_equal(info.kind, EWC_FISHER_EXACT);
        assert_int_equal(info.n_samples, 40);
        assert_int_equal(n_outputs, 3);
        assert_int_equal(n_params, KIT_P);
        assert_int_equal(store_task_tensor(k->s, one, TENSOR_FISHER, back, KIT_P, &k->e), 0);
        assert_memory_equal(back, w.fisher, sizeof(back));
        assert_int_equal(store_task_tensor(k->s, one, TENSOR_ANCHOR, back, KIT_P, &k->e), 0);
        assert_memory_equal(back, w.theta, sizeof(back));
        assert_int_equal(store_task_tensor(k->s, one, TENSOR_THETA, back, KIT_P, &k->e), -EINVAL);
        assert_int_equal(store_task_record(k->s, two, &k->a, &info, &n_outputs, &n_params, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_task_tensor(k->s, two, TENSOR_FISHER, back, KIT_P, &k->e), STORE_NOT_FOUND);
}

/* The store keeps the bytes and what is said of them; what they mean is not its business. */
static void a_packed_fisher_keeps_its_bytes(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        static const int encodings[] = {EWC_PACK_BITMAP16, EWC_PACK_LOG8, EWC_PACK_CSR16};
        const char *const names[] = {"one", "two", "three"};

        for (size_t i = 0; i < 3; i++) {
                /* of any size, that of plain floats too */
                unsigned char bytes[KIT_P * sizeof(float)], back[sizeof(bytes)];
                size_t size = i == 2 ? sizeof(bytes) : 21 + i;
                struct kit_outcome w;
                bool complete = false;
                version_id v = 0;
                struct version version;
                float plain[KIT_P];
                char next[16];

                for (size_t b = 0; b < size; b++)
                        bytes[b] = (unsigned char)(b * 37 + i);
                snprintf(next, sizeof(next), "%s", i < 2 ? names[i + 1] : "four");
                job_id j = kit_job(k, m, next, false, 0, NULL);
                kit_to_judging(k, j);
                kit_outcome(k, &w, m, j, true, (unsigned)i, true);
                digest_of(bytes, size, &w.close.fisher);
                w.close.importance = (enum learn_importance)i;
                w.o.importance = (enum learn_importance)i;
                w.close.stored = (struct fisher_stored){encodings[i], size, KIT_P, 3};
                assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), STORE_NOT_FOUND);
                assert_int_equal(store_blob_chunk(k->s, &w.close.fisher, size, 0, bytes, size, &complete, &k->e), 0);
                w.close.stored.n_bytes++; /* another size than the blob's */
                assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), -EINVAL);
                w.close.stored.n_bytes--;
                assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), 0);
                kit_reopen(k);
                struct task t = kit_task(k, m, names[i]);
                assert_int_equal(t.importance, i);
                assert_int_equal(t.stored.encoding, encodings[i]);
                assert_int_equal(t.stored.n_bytes, size);
                assert_int_equal(t.stored.n, KIT_P);
                assert_int_equal(t.stored.n_kept, 3);
                assert_int_equal(store_task_packed(k->s, t.id, back, size, &k->e), 0);
                assert_memory_equal(back, bytes, size);
                assert_int_equal(store_task_packed(k->s, t.id, back, size - 1, &k->e), -EINVAL);
                assert_int_equal(store_task_tensor(k->s, t.id, TENSOR_FISHER, plain, KIT_P, &k->e), -EINVAL);
                assert_non_null(strstr(k->e.msg, "packed"));
                assert_int_equal(store_task_tensor(k->s, t.id, TENSOR_ANCHOR, plain, KIT_P, &k->e), 0);
                assert_memory_equal(plain, w.anchor, sizeof(plain));
                assert_int_equal(store_version_get(k->s, v, &k->a, &version, &k->e), 0);
                assert_int_equal(version.importance, i);
        }
}

static void a_plain_fisher_is_said_to_be_plain(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        char back[KIT_P * sizeof(float)];

        kit_roll(k, m, "two", 1);
        kit_reopen(k);
        struct task t = kit_task(k, m, "one");
        assert_int_equal(t.importance, LEARN_IMPORTANCE_FISHER);
        assert_int_equal(t.stored.encoding, FISHER_PLAIN);
        assert_int_equal(t.stored.n_bytes, KIT_P * sizeof(float));
        assert_int_equal(t.stored.n, KIT_P);
        assert_int_equal(t.stored.n_kept, KIT_P);
        assert_int_equal(store_task_packed(k->s, t.id, back, sizeof(back), &k->e), -EINVAL);
        assert_int_equal(
            store_task_packed(k->s, kit_task(k, m, "two").id, back, sizeof(back), &k->e), STORE_NOT_FOUND);
}

static void a_record_whose_numbers_do_not_agree_is_refused(void **state)
{
        static const struct fisher_stored bad[] = {
            {EWC_PACK_DENSE32, 48, KIT_P, KIT_P}, /* plain floats are written as such */
            {9, 48, KIT_P, KIT_P},
            {-1, 48, KIT_P, KIT_P},
            {EWC_PACK_LOG8, 0, KIT_P, KIT_P},
            {EWC_PACK_LOG8, 48, KIT_P - 1, 3},
            {EWC_PACK_LOG8, 48, KIT_P, KIT_P + 1},
        };
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct kit_outcome w;
        version_id v = 0;

        job_id j = kit_job(k, m, "two", false, 0, NULL);
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, 1, true);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                w.close.stored = bad[i];
                assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), -EINVAL);
        }
        assert_string_equal(kit_task(k, m, NULL).name, "one");
}

static void rejected_leaves_the_task_open(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct kit_outcome w;
        version_id v = 0;
        struct task t;
        struct job job;

        kit_fill(k, m, 0, 4);
        job_id j = kit_job(k, m, "two", false, 0, NULL);
        kit_to_judging(k, j);
        kit_fill(k, m, 4, 6);
        kit_outcome(k, &w, m, j, false, 1, true);
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), -EINVAL);
        assert_int_equal(store_rollover_commit(k->s, &w.o, NULL, &v, &k->e), 0);
        assert_int_equal(store_job_get(k->s, j, &k->a, &job, &k->e), 0);
        assert_int_equal(job.state, JOB_REJECTED);
        t = kit_task(k, m, NULL);
        assert_string_equal(t.name, "one");
        assert_int_equal(t.n_train, 5); /* the waiting rows stay with it */
        assert_int_equal(store_task_get(k->s, m, "two", &k->a, &t, &k->e), STORE_NOT_FOUND);
        kit_roll(k, m, "two", 2); /* the name is still free */
}

static void a_missing_record_undoes_all(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_DOMAIN);
        struct kit_outcome w;
        struct version got;
        struct alias a;
        version_id v = 0;

        job_id j = kit_job(k, m, "two", false, 0, NULL);
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, 1, true);
        w.close.fisher.b[3] ^= 1;
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_version_by_number(k->s, m, 2, &k->a, &got, &k->e), STORE_NOT_FOUND);
        assert_int_equal(store_alias_get(k->s, m, "champion", &a, &k->e), 0);
        assert_int_equal(a.number, 1);
        assert_string_equal(kit_task(k, m, NULL).name, "one");
        assert_int_equal(store_begin(k->s, &k->e), 0); /* in a group too, and its neighbours stay */
        kit_fill(k, m, 0, 2);
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), STORE_NOT_FOUND);
        kit_fill(k, m, 2, 3);
        assert_int_equal(store_commit(k->s, &k->e), 0);
        assert_int_equal(store_version_by_number(k->s, m, 2, &k->a, &got, &k->e), STORE_NOT_FOUND);
        assert_int_equal(kit_task(k, m, NULL).n_train, 3);
        w.close.fisher = w.o.fisher;
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), 0);
}

static void classes_grow_in_scenario_class(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_CLASS);
        const char *next[] = {"d", "b", "e"};
        struct kit_outcome w;
        struct model model;
        version_id v = 0;

        job_id j = kit_job(k, m, "two", true, 3, next);
        kit_to_judging(k, j);
        kit_outcome(k, &w, m, j, true, 1, true);
        assert_int_equal(store_model_by_id(k->s, m, &k->a, &model, &k->e), 0);
        assert_int_equal(model.n_classes, 3); /* not before the commit */
        assert_int_equal(store_rollover_commit(k->s, &w.o, &w.close, &v, &k->e), 0);
        kit_reopen(k);
        assert_int_equal(store_model_by_id(k->s, m, &k->a, &model, &k->e), 0);
        assert_int_equal(model.n_classes, 5);
        assert_string_equal(model.classes[0], "a");
        assert_string_equal(model.classes[3], "d");
        assert_string_equal(model.classes[4], "e");
        struct task t = kit_task(k, m, "two");
        assert_true(t.classes_fixed);
        assert_int_equal(t.n_classes, 3);
        assert_int_equal(t.classes[0], 1);
        assert_int_equal(t.classes[1], 3);
        assert_int_equal(t.classes[2], 4);
}

static void tasks_in_order_with_their_own_classes(void **state)
{
        struct kit *k = *state;
        model_id m = kit_model(k, "m", SCENARIO_TASK), other = kit_model(k, "other", SCENARIO_TASK);
        struct task *t;
        size_t n;

        kit_add(k, m, kit_row("x", 2, false));
        kit_add(k, m, kit_row("y", 0, true));
        kit_roll(k, m, "two", 1);
        kit_roll(k, m, "three", 2);
        kit_add(k, m, kit_row("z", 1, false));
        assert_int_equal(store_task_list(k->s, m, &k->a, &t, &n, &k->e), 0);
        assert_int_equal(n, 3);
        assert_string_equal(t[0].name, "one");
        assert_string_equal(t[2].name, "three");
        assert_int_equal(t[2].ordinal, 2);
        assert_int_equal(t[0].n_classes, 2);
        assert_int_equal(t[0].classes[0], 0);
        assert_int_equal(t[0].classes[1], 2);
        assert_int_equal(t[1].n_classes, 0);
        assert_int_equal(t[1].last_seq, 0);
        assert_int_equal(t[2].n_classes, 1);
        assert_int_equal(t[2].classes[0], 1);
        assert_true(isnan(t[2].accuracy_at_close));
        assert_int_equal(store_task_list(k->s, other, &k->a, &t, &n, &k->e), 0);
        assert_int_equal(n, 1);
        struct job_new again = {
            .model = m, .kind = JOB_ROLLOVER, .trigger = TRIGGER_MANUAL, .next_task = "two", .who = "x"};
        job_id j;
        assert_int_equal(store_job_create(k->s, &again, &j, &k->e), STORE_EXISTS);
}

STORE_TESTS(store_rollover_tests, STORE_TEST(classes_of_the_head_are_counted), STORE_TEST(the_newest_job_ended_last),
    STORE_TEST(closes_opens_and_hands_over), STORE_TEST(a_bounded_rollover_hands_over_above_its_bound),
    STORE_TEST(the_record_comes_back_bit_for_bit), STORE_TEST(a_packed_fisher_keeps_its_bytes),
    STORE_TEST(a_plain_fisher_is_said_to_be_plain), STORE_TEST(a_record_whose_numbers_do_not_agree_is_refused),
    STORE_TEST(rejected_leaves_the_task_open), STORE_TEST(a_missing_record_undoes_all),
    STORE_TEST(classes_grow_in_scenario_class), STORE_TEST(tasks_in_order_with_their_own_classes));

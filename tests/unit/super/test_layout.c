/* Versions are a tree: learning on from an older version must find every closed task's outputs by what they mean, not
 * by where they stand. Protection and heads of each new version are compared with the records, output by output. */
#include "domain/head.h"
#include "jobs_kit.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { HIDDEN = 18, WIDTH = 6, PARAMS_MAX = HIDDEN + 10 * (WIDTH + 1), RECORDS_MAX = 3 };

static const struct store_ops *const engines[] = {&store_memory, &store_sqlite};

static void on_both(void (*body)(struct house *h))
{
        for (size_t i = 0; i < 2; i++) {
                static struct house h;
                house_open(&h, engines[i]);
                body(&h);
                house_close(&h);
        }
}

struct record {
        struct task task;
        struct version by; /* the version that closed it */
        float fisher[PARAMS_MAX], anchor[PARAMS_MAX];
};

static struct record record_of(struct house *h, const char *task, uint64_t closed_by)
{
        struct record r = {.task = house_task(h, h->m, task), .by = house_version(h, h->m, closed_by)};
        assert_int_equal(r.task.state, TASK_CLOSED);
        assert_int_equal(r.task.closed_by, r.by.id);
        assert_true(r.by.n_params <= PARAMS_MAX);
        house_task_tensor(h, r.task.id, TENSOR_FISHER, r.fisher, r.by.n_params);
        house_task_tensor(h, r.task.id, TENSOR_ANCHOR, r.anchor, r.by.n_params);
        return r;
}

/* Place in a version's vector of an output's i-th weight; i = WIDTH is its bias. */
static size_t place(const struct version *v, size_t output, size_t i)
{
        return HIDDEN + (i < WIDTH ? output * WIDTH + i : v->n_outputs * WIDTH + output);
}

static size_t find(const struct version *v, const struct output_row *row)
{
        size_t o = 0;
        while (o < v->n_outputs && (v->outputs[o].task != row->task || v->outputs[o].class != row->class))
                o++;
        return o;
}

/* The stored protection of v is that of the records at each output, and every task has its head. */
static void check_protection(struct house *h, const struct version *v, const struct record *recs, size_t n)
{
        float U[PARAMS_MAX], centre[PARAMS_MAX];
        bool own[RECORDS_MAX] = {false};
        house_tensor(h, v->id, TENSOR_FISHER, U, v->n_params);
        house_tensor(h, v->id, TENSOR_ANCHOR, centre, v->n_params);
        for (size_t o = 0; o < v->n_outputs; o++) {
                for (size_t i = 0; i <= WIDTH; i++) {
                        double u = 0, c = 0;
                        for (size_t k = 0; k < n; k++) {
                                size_t there = find(&recs[k].by, &v->outputs[o]);
                                if (there == recs[k].by.n_outputs)
                                        continue;
                                size_t at = place(&recs[k].by, there, i);
                                u += (double)recs[k].fisher[at];
                                c += (double)recs[k].fisher[at] * (double)recs[k].anchor[at];
                                own[k] |= recs[k].fisher[at] > 0 && recs[k].task.id == v->outputs[o].task;
                        }
                        size_t here = place(v, o, i);
                        assert_true(fabs((double)U[here] - u) <= 1e-5 * (1 + u));
                        if (u > 0)
                                assert_true(fabs((double)centre[here] - c / u) <= 1e-4 * (1 + fabs(c / u)));
                }
        }
        for (size_t k = 0; k < n; k++) {
                struct ewc_head head;
                assert_true(own[k]); /* and that is not nothing */
                assert_int_equal(
                    head_of_task(SCENARIO_TASK, v->outputs, v->n_outputs, &recs[k].task, NULL, 0, &h->a, &head), 0);
                assert_int_equal(head.n, 2);
        }
}

static void expect_outputs(const struct version *v, const struct output_row *want, size_t n)
{
        assert_int_equal(v->n_outputs, n);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(v->outputs[i].task, want[i].task);
                assert_int_equal(v->outputs[i].class, want[i].class);
        }
}

/* A job that is promoted, with every task measured. */
static struct version learned(struct house *h, const char *next_task, size_t n_tasks)
{
        struct job j = house_until_end(h, house_create(h, h->m, next_task));
        if (j.state != JOB_PROMOTED)
                fail_msg("job %d: %s", (int)j.id, j.reason);
        assert_int_equal(j.n_tasks, n_tasks);
        for (size_t i = 0; i < n_tasks; i++)
                assert_true(j.tasks[i].before.n > 0 && j.tasks[i].after.n == j.tasks[i].before.n);
        assert_null(strstr(j.reason, "not judged"));
        return house_version(h, h->m, j.version_number);
}

static void begin(struct house *h)
{
        house_model(h, "m", &h->m);
        house_rows(h, h->m, 0, 64, 0, 1);
        house_start(h);
        assert_int_equal(learned(h, "high", 1).number, 2);
}

static void back_and_forth(struct house *h)
{
        struct record recs[RECORDS_MAX];
        begin(h);
        house_rows(h, h->m, 100, 64, 2, 3);
        learned(h, "third", 2);
        recs[0] = record_of(h, "low", 2);
        recs[1] = record_of(h, "high", 3);
        task_id low = recs[0].task.id, high = recs[1].task.id, third = house_task(h, h->m, NULL).id;
        const struct output_row all[] = {{low, 0}, {low, 1}, {high, 2}, {high, 3}, {third, 0}, {third, 3}};

        /* back to the version before the second task's close: it keeps its head, trained as it was closed */
        house_rows(h, h->m, 200, 64, 0, 3);
        assert_true(house_alias(h, h->m, 2));
        struct version v = learned(h, NULL, 3);
        assert_int_equal(v.parent_number, 2);
        expect_outputs(&v, all, 6);
        check_protection(h, &v, recs, 2);

        /* forward again */
        assert_true(house_alias(h, h->m, 3));
        v = learned(h, NULL, 3);
        assert_int_equal(v.parent_number, 3);
        expect_outputs(&v, all, 6);
        check_protection(h, &v, recs, 2);

        /* a task closed on the older line, learned on from the newer one */
        assert_true(house_alias(h, h->m, 2));
        v = learned(h, "fourth", 3);
        recs[2] = record_of(h, "third", v.number);
        check_protection(h, &v, recs, 3);
        house_rows(h, h->m, 300, 64, 1, 2);
        assert_true(house_alias(h, h->m, 3));
        v = learned(h, NULL, 4);
        assert_int_equal(v.n_outputs, 8);
        check_protection(h, &v, recs, 3);
}

static void test_back_and_forth(void **state)
{
        (void)state;
        on_both(back_and_forth);
}

/* Two lines that give the second task its outputs in different order. */
static void other_order(struct house *h)
{
        struct record recs[RECORDS_MAX];
        begin(h);
        house_rows(h, h->m, 100, 64, 3, 3);
        assert_int_equal(learned(h, NULL, 2).n_outputs, 3);
        assert_true(house_alias(h, h->m, 2));
        house_rows(h, h->m, 200, 64, 2, 3);
        assert_int_equal(learned(h, "third", 2).number, 4);
        recs[0] = record_of(h, "low", 2);
        recs[1] = record_of(h, "high", 4);
        task_id low = recs[0].task.id, high = recs[1].task.id, third = house_task(h, h->m, NULL).id;
        const struct output_row closed[] = {{low, 0}, {low, 1}, {high, 2}, {high, 3}};
        expect_outputs(&recs[1].by, closed, 4);

        house_rows(h, h->m, 300, 64, 0, 1);
        assert_true(house_alias(h, h->m, 3));
        struct version v = learned(h, NULL, 3);
        const struct output_row turned[] = {{low, 0}, {low, 1}, {high, 3}, {high, 2}, {third, 0}, {third, 1}};
        expect_outputs(&v, turned, 6);
        check_protection(h, &v, recs, 2);
        assert_true(house_alias(h, h->m, 4));
        v = learned(h, NULL, 3);
        check_protection(h, &v, recs, 2);
}

static void test_other_order(void **state)
{
        (void)state;
        on_both(other_order);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_back_and_forth), cmocka_unit_test(test_other_order)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

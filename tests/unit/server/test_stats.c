/* test_stats.c: counts of several threads and versions add up, while others read. */
#include "base/arena.h"
#include "infer/served.h"
#include "proto/json_oip.h"
#include "server/stats.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { THREADS = 4, VERSIONS = 150, ROUNDS = 20 }; /* more versions than slots */

static struct stats all;
static struct served *versions[VERSIONS];
static struct stats_shard *own[THREADS];

static struct served *version(const char *model, uint64_t number, version_id id)
{
        struct served *v = calloc(1, sizeof(*v));
        assert_non_null(v);
        strcpy(v->spec.name, model);
        v->number = number;
        v->version = id;
        return v;
}

static uint64_t rows_of(size_t i)
{
        return i % 7 == 0 ? 1000 : i % 7;
}

/* Another request's row is in every batch. */
static uint64_t batch_of(size_t i)
{
        return rows_of(i) + 1;
}

static void *count(void *arg)
{
        struct stats_shard **mine = arg;
        const struct stats_times t = {.queue = 1, .input = 2, .infer = 3, .output = 4};
        for (int round = 0; round < ROUNDS; round++)
                for (size_t i = 0; i < VERSIONS; i++) {
                        stats_batch(&all, mine, versions[i], batch_of(i), 6);
                        stats_success(&all, mine, versions[i], rows_of(i), batch_of(i), round, &t);
                        if (i % 3 == 0)
                                stats_fail(&all, mine, versions[i], 5);
                }
        return NULL;
}

static void check(const struct oip_stats *s, size_t i)
{
        const uint64_t n = THREADS * ROUNDS, rows = rows_of(i), batch = batch_of(i);
        assert_int_equal(s->number, versions[i]->number);
        assert_int_equal(s->executions, n);
        assert_int_equal(s->rows, n * rows);
        assert_int_equal(s->last_ms, ROUNDS - 1);
        assert_int_equal(s->stage[OIP_SUCCESS].count, n);
        assert_int_equal(s->stage[OIP_SUCCESS].ns, 10 * n);
        assert_int_equal(s->stage[OIP_QUEUE].ns, n);
        assert_int_equal(s->stage[OIP_INPUT].ns, 2 * n);
        assert_int_equal(s->stage[OIP_INFER].ns, 3 * n);
        assert_int_equal(s->stage[OIP_OUTPUT].count, n);
        assert_int_equal(s->stage[OIP_OUTPUT].ns, 4 * n);
        assert_int_equal(s->stage[OIP_FAIL].count, i % 3 == 0 ? n : 0);
        assert_int_equal(s->stage[OIP_FAIL].ns, i % 3 == 0 ? 5 * n : 0);
        for (size_t size = 0; size <= OIP_MAX_BATCH; size++)
                assert_int_equal(s->batch[size].count, size == batch ? n : 0);
        if (batch <= OIP_MAX_BATCH) {
                assert_int_equal(s->batch[batch].input_ns, 2 * n);
                assert_int_equal(s->batch[batch].infer_ns, 6 * n);
                assert_int_equal(s->batch[batch].output_ns, 4 * n);
        }
}

static void threads(void **state)
{
        (void)state;
        pthread_t thread[THREADS];
        struct arena a;
        struct oip_stats **row;
        size_t n;
        arena_init(&a, 1 << 24);
        for (size_t i = 0; i < VERSIONS; i++)
                versions[i] = version(i < 100 ? "b" : "c", i < 100 ? i + 1 : i - 99, i + 1);
        assert_int_equal(stats_sum(&all, NULL, 0, &a, &row, &n), 0);
        assert_int_equal(n, 0);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&thread[i], NULL, count, &own[i]), 0);
        for (int i = 0; i < 20; i++) { /* at any time: sorted, and no more than there will be */
                assert_int_equal(stats_sum(&all, NULL, 0, &a, &row, &n), 0);
                assert_true(n <= VERSIONS);
                for (size_t k = 0; k < n; k++)
                        assert_true(row[k]->executions <= THREADS * ROUNDS);
                arena_reset(&a);
        }
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(thread[i], NULL);
        assert_int_equal(stats_sum(&all, NULL, 0, &a, &row, &n), 0);
        assert_int_equal(n, VERSIONS);
        for (size_t i = 0; i < n; i++) {
                assert_string_equal(row[i]->model, i < 100 ? "b" : "c");
                check(row[i], i);
        }
        assert_int_equal(stats_sum(&all, "c", 0, &a, &row, &n), 0);
        assert_int_equal(n, 50);
        check(row[49], 149);
        assert_int_equal(stats_sum(&all, "b", 7, &a, &row, &n), 0);
        assert_int_equal(n, 1);
        check(row[0], 6);
        assert_int_equal(stats_sum(&all, "a", 0, &a, &row, &n), 0);
        assert_int_equal(n, 0);
        arena_deinit(&a);
        arena_init(&a, 5000);
        assert_true(stats_sum(&all, NULL, 0, &a, &row, &n) < 0);
        arena_deinit(&a);
        static const size_t order[THREADS] = {2, 0, 3, 1};
        for (size_t i = 0; i < THREADS; i++) {
                stats_release(&all, &own[order[i]]);
                assert_null(own[order[i]]);
        }
        assert_null(atomic_load(&all.shards));
        for (size_t i = 0; i < VERSIONS; i++)
                free(versions[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(threads)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

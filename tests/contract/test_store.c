/* test_store.c: one suite on every engine. What only a file can show (reopening, a killed process) stands with the
 * engine that has one, in tests/unit/store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "contract/store_suite.h"
#include "lib/store_kit.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_TESTS = 128 };

static const struct store_ops *engine;

static int setup(void **state)
{
        struct kit *k = malloc(sizeof(*k));

        if (!k)
                return -1;
        kit_open(k, engine);
        *state = k;
        return 0;
}

static int teardown(void **state)
{
        kit_close(*state);
        free(*state);
        return 0;
}

static size_t add(struct CMUnitTest *to, size_t n, const struct store_test *from, size_t n_from)
{
        assert_true(n + n_from <= MAX_TESTS);
        for (size_t i = 0; i < n_from; i++)
                to[n++] = (struct CMUnitTest){from[i].name, from[i].run, setup, teardown, NULL};
        return n;
}

int main(void)
{
        static const struct {
                const char *name;
                const struct store_ops *ops;
        } engines[] = {{"store on memory", &store_memory}, {"store on sqlite", &store_sqlite}};
        struct CMUnitTest tests[MAX_TESTS];
        size_t n = 0;
        int failed = 0;

        memset(tests, 0, sizeof(tests));
        n = add(tests, n, store_model_tests, n_store_model_tests);
        n = add(tests, n, store_feedback_tests, n_store_feedback_tests);
        n = add(tests, n, store_job_tests, n_store_job_tests);
        n = add(tests, n, store_blob_tests, n_store_blob_tests);
        n = add(tests, n, store_outcome_tests, n_store_outcome_tests);
        n = add(tests, n, store_rollover_tests, n_store_rollover_tests);
        n = add(tests, n, store_version_tests, n_store_version_tests);
        n = add(tests, n, store_prune_tests, n_store_prune_tests);
        n = add(tests, n, store_label_tests, n_store_label_tests);
        n = add(tests, n, store_trust_tests, n_store_trust_tests);
        n = add(tests, n, store_erase_tests, n_store_erase_tests);
        n = add(tests, n, store_source_tests, n_store_source_tests);
        n = add(tests, n, store_serve_tests, n_store_serve_tests);
        for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
                engine = engines[i].ops;
                failed += _cmocka_run_group_tests(engines[i].name, tests, n, NULL, NULL);
        }
        return failed;
}

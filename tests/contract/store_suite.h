/* store_suite.h: the contract of the store as tests, by subject. Each test gets a fresh kit in *state; test_store.c
 * runs all of them on every engine. */
#pragma once
#include <stddef.h>

struct store_test {
        const char *name;
        void (*run)(void **state);
};

extern const struct store_test store_model_tests[], store_feedback_tests[], store_job_tests[], store_blob_tests[],
    store_outcome_tests[], store_rollover_tests[], store_version_tests[], store_prune_tests[], store_label_tests[],
    store_trust_tests[], store_erase_tests[], store_source_tests[], store_serve_tests[];
extern const size_t n_store_model_tests, n_store_feedback_tests, n_store_job_tests, n_store_blob_tests,
    n_store_outcome_tests, n_store_rollover_tests, n_store_version_tests, n_store_prune_tests, n_store_label_tests,
    n_store_trust_tests, n_store_erase_tests, n_store_source_tests, n_store_serve_tests;

#define STORE_TESTS(array, ...)                                                                                      \
        const struct store_test array[] = {__VA_ARGS__};                                                             \
        const size_t n_##array = sizeof(array) / sizeof(array[0])
#define STORE_TEST(fn)                                                                                               \
        {                                                                                                            \
#fn, fn                                                                                              \
        }

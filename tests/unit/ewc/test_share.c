/* test_share.c: every element is worked on once whatever the threads, and a shared optimiser step and Fisher keep
 * their bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <ewc/train.h>

#include "ewc/share.h"

enum { N = (1 << 20) + 77 };

struct touched {
        unsigned char *count;
        size_t largest;
};

static void touch(void *arg, size_t from, size_t n)
{
        struct touched *t = arg;

        for (size_t i = from; i < from + n; i++)
                t->count[i]++;
        if (from == 0)
                t->largest = n;
}

static void once_each(void **state)
{
        static const size_t lengths[] = {0, 1, 64, 1 << 18, (1 << 19) - 1, 1 << 19, N};
        static const unsigned threads[] = {1, 2, 3, 8};
        struct touched t = {.count = malloc(N)};

        (void)state;
        assert_non_null(t.count);
        for (size_t k = 0; k < sizeof(threads) / sizeof(threads[0]); k++) {
                ewc_threads_set(threads[k]);
                for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
                        memset(t.count, 0, N);
                        ewc_share(lengths[i], touch, &t);
                        for (size_t at = 0; at < N; at++)
                                assert_int_equal(t.count[at], at < lengths[i]);
                        if (threads[k] == 1 || lengths[i] < 1 << 19) /* too short to be worth a thread */
                                assert_int_equal(t.largest, lengths[i]);
                }
        }
        free(t.count);
}

static float *made(size_t n, float from)
{
        float *x = malloc(n * sizeof(*x));

        assert_non_null(x);
        for (size_t i = 0; i < n; i++)
                x[i] = from + (float)(i % 1013) / 1013;
        return x;
}

/* theta after three steps of Adam with the penalty at so many threads; with a value that is not finite at `bad`. */
static float *stepped(unsigned threads, size_t bad, int want)
{
        const struct ewc_optim o = {EWC_OPTIM_ADAM, 1e-3f, 0.0f, 0.9f, 0.999f, 1e-8f};
        float *theta = made(N, -0.5f), *grad = made(N, -0.3f), *state = calloc(2 * (size_t)N, sizeof(*state));
        float *fisher = made(N, 0.0f), *anchor = made(N, -0.4f);
        const struct ewc_penalty pen = {.lambda = 0.5, .fisher = fisher, .anchor = anchor};

        assert_non_null(state);
        if (bad < N)
                theta[bad] = INFINITY;
        ewc_threads_set(threads);
        for (uint64_t t = 1; t <= 3; t++)
                assert_int_equal(ewc_optim_step(&o, N, theta, grad, state, t, &pen), want);
        free(grad);
        free(state);
        free(fisher);
        free(anchor);
        return theta;
}

static void same_bits(void **state)
{
        float *one = stepped(1, N, 0);

        (void)state;
        for (unsigned threads = 2; threads <= 4; threads++) {
                float *more = stepped(threads, N, 0);

                assert_memory_equal(one, more, N * sizeof(*one));
                free(more);
        }
        free(one);
}

static void any_part_may_fail(void **state)
{
        static const size_t bad[] = {0, N / 2, N - 1};

        (void)state;
        for (size_t i = 0; i < 3; i++)
                free(stepped(3, bad[i], EWC_E_NONFINITE));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(once_each),
            cmocka_unit_test(same_bits),
            cmocka_unit_test(any_part_may_fail),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

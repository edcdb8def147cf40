/* test_blas.c: the installed BLAS against plain loops in double for the shapes the library uses.
 *
 * A wrong kernel for this processor would show here first. Tolerance: 2e-6 of the sum of absolute products. */
#include "fixture.h"

#include "ewc/internal.h"
#include <ewc/team.h>

enum product { NT, NN, TN };

static float *random_array(struct ewc_rng *r, size_t n)
{
        float *a = test_alloc(n, sizeof(float));

        for (size_t i = 0; i < n; i++)
                a[i] = 2.0f * ewc_rng_unit(r) - 1.0f;
        return a;
}

/* Worst error of C (M,N) relative to the sum of absolute products. */
static double product_error(enum product kind, size_t M, size_t N, size_t K, const float *A, const float *B,
    double alpha, const float *before, const float *C)
{
        double worst = 0;

        for (size_t m = 0; m < M; m++) {
                for (size_t n = 0; n < N; n++) {
                        double sum = 0, size = 0;

                        for (size_t k = 0; k < K; k++) {
                                double a = (double)(kind == TN ? A[k * M + m] : A[m * K + k]);
                                double b = (double)(kind == NT ? B[n * K + k] : B[k * N + n]);

                                sum += alpha * a * b;
                                size += fabs(alpha * a * b);
                        }
                        if (before) {
                                sum += (double)before[m * N + n];
                                size += fabs((double)before[m * N + n]);
                        }
                        worst = fmax(worst, fabs((double)C[m * N + n] - sum) / (size + 1e-30));
                }
        }
        return worst;
}

static void run(struct ewc_team *team, size_t M, size_t N, size_t K, struct ewc_rng *r)
{
        float *A = random_array(r, M * K), *B = random_array(r, N * K), *C = random_array(r, M * N);
        float *before = random_array(r, M * N);

        ewc_gemm_nt(team, M, N, K, A, B, C);
        assert_true(product_error(NT, M, N, K, A, B, 1, NULL, C) < 2e-6);
        ewc_gemm_nn(team, M, N, K, A, B, C);
        assert_true(product_error(NN, M, N, K, A, B, 1, NULL, C) < 2e-6);
        ewc_gemm_tn(team, M, N, K, 0.25f, A, B, 0.0f, C);
        assert_true(product_error(TN, M, N, K, A, B, 0.25, NULL, C) < 2e-6);
        memcpy(C, before, M * N * sizeof(float));
        ewc_gemm_tn(team, M, N, K, -3.0f, A, B, 1.0f, C);
        assert_true(product_error(TN, M, N, K, A, B, -3, before, C) < 2e-6);
        free(A);
        free(B);
        free(C);
        free(before);
}

static void shapes(void **state)
{
        static const size_t shape[][3] = {{1, 1, 1}, {1, 10, 784}, {128, 400, 784}, {128, 10, 400}, {400, 784, 128},
            {10, 400, 128}, {128, 400, 400}, {37, 53, 71}, {3, 2, 1000}, {5, 7, 3}, {1000, 3, 2}, {64, 64, 64},
            {130, 129, 131}, {17, 256, 9}};
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 11, 0);
        for (unsigned threads = 1; threads <= 5; threads++) {
                struct ewc_team *team;

                assert_int_equal(ewc_team_new(&team, threads, NULL), 0);
                for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++)
                        run(team, shape[i][0], shape[i][1], shape[i][2], &r);
                ewc_team_free(team);
        }
}

static void beta_zero_reads_nothing(void **state)
{
        float A[6] = {1, 2, 3, 4, 5, 6}, B[6] = {1, 1, 1, 1, 1, 1}, C[4] = {NAN, NAN, INFINITY, NAN};

        (void)state;
        ewc_gemm_tn(NULL, 2, 2, 3, 1.0f, A, B, 0.0f, C);
        assert_true(C[0] == 9.0f && C[1] == 9.0f && C[2] == 12.0f && C[3] == 12.0f);
}

static void same_bits_again(void **state)
{
        struct ewc_rng r;
        float *A, *B, *C, *D;
        struct ewc_team *team;

        (void)state;
        ewc_rng_seed(&r, 12, 0);
        A = random_array(&r, 128 * 400);
        B = random_array(&r, 400 * 400);
        C = random_array(&r, 128 * 400);
        D = random_array(&r, 128 * 400);
        assert_int_equal(ewc_team_new(&team, 2, NULL), 0);
        for (int i = 0; i < 20; i++) {
                ewc_gemm_nn(team, 128, 400, 400, A, B, i == 0 ? C : D);
                assert_true(i == 0 || memcmp(C, D, 128 * 400 * sizeof(float)) == 0);
        }
        free(A);
        free(B);
        free(C);
        free(D);
        ewc_team_free(team);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(shapes),
            cmocka_unit_test(beta_zero_reads_nothing),
            cmocka_unit_test(same_bits_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

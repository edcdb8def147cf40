/* blas.c: the only place that knows the BLAS.
 *
 * Every product of the library is one of three row-major shapes. Sizes stay below 2^31 by the limits of ewc.h.
 * OpenBLAS keeps its own threads; products of up to about 64^3 run on the caller's. The result of a product
 * depends on its shape, on the thread count and on the machine, not on anything else. */
#include "ewc/internal.h"
#include "ewc/share.h"

#include <cblas.h>
#undef I

void ewc_gemm_nt(size_t M, size_t N, size_t K, const float *A, const float *B, float *C)
{
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)M, (blasint)N, (blasint)K, 1.0f, A, (blasint)K,
            B, (blasint)K, 0.0f, C, (blasint)N);
}

void ewc_gemm_nn(size_t M, size_t N, size_t K, const float *A, const float *B, float *C)
{
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)M, (blasint)N, (blasint)K, 1.0f, A,
            (blasint)K, B, (blasint)N, 0.0f, C, (blasint)N);
}

void ewc_gemm_tn(size_t M, size_t N, size_t K, float alpha, const float *A, const float *B, float beta, float *C)
{
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)M, (blasint)N, (blasint)K, alpha, A, (blasint)M,
            B, (blasint)N, beta, C, (blasint)N);
}

unsigned ewc_threads(void)
{
        int n = openblas_get_num_threads();

        return n < 1 ? 1 : (unsigned)n;
}

unsigned ewc_threads_set(unsigned n)
{
        openblas_set_num_threads(n == 0 ? 1 : n > 1024 ? 1024 : (int)n);
        return ewc_threads();
}

/* gemm.c: see gemm.h. */
#include "bench/gemm.h"
#include <cblas.h>

void gemm_threads(unsigned n)
{
        openblas_set_num_threads((int)n);
}

void gemm(int m, int n, int k, const float *a, const float *b, float *c)
{
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, k, b, n, 0, c, n);
}

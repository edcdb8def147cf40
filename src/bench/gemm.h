/* gemm.h: the matrix product alone, the ceiling that training is measured against. */
#pragma once

/* Threads of the BLAS for what follows. The library's own parts want one. */
void gemm_threads(unsigned n);

/* c (m,n) = a (m,k) b (k,n), row-major. */
void gemm(int m, int n, int k, const float *a, const float *b, float *c);

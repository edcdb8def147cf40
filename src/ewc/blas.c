/* blas.c: the only place that knows the BLAS.
 *
 * Every product of the library is one of three row-major shapes. Sizes stay below 2^31 by the limits of ewc.h. A team
 * cuts a product into parts of C, by its rows or by its columns, whichever leaves the BLAS the better shape; every
 * thread then has a product of its own and waits for nobody, where threads of the BLAS itself wait for each other's
 * packed operands at every block. The result of a product depends on its shape, on the size of the team and on the
 * machine, not on anything else. */
#include "ewc/internal.h"
#include "ewc/share.h"

#include <cblas.h>
#undef I

enum {
        UNIT = 16,            /* rows or columns of C: those of a register tile of the BLAS */
        LEAST_WORK = 1 << 20, /* multiply-adds of a part: some 20 us */
};

struct product { /* C (M,N) = alpha op(A) op(B) + beta C */
        CBLAS_TRANSPOSE ta, tb;
        size_t M, N, K;
        float alpha, beta;
        const float *A, *B;
        float *C;
};

/* Rows m .. m+M-1, columns n .. n+N-1 of C. */
static void part_of(const struct product *p, size_t m, size_t M, size_t n, size_t N)
{
        const size_t lda = p->ta == CblasTrans ? p->M : p->K, ldb = p->tb == CblasTrans ? p->K : p->N;
        const float *A = p->A + (p->ta == CblasTrans ? m : m * lda);
        const float *B = p->B + (p->tb == CblasTrans ? n * ldb : n);

        cblas_sgemm(CblasRowMajor, p->ta, p->tb, (blasint)M, (blasint)N, (blasint)p->K, p->alpha, A, (blasint)lda, B,
            (blasint)ldb, p->beta, p->C + m * p->N + n, (blasint)p->N);
}

static void by_rows(void *arg, size_t from, size_t n)
{
        const struct product *p = arg;

        part_of(p, from, n, 0, p->N);
}

static void by_columns(void *arg, size_t from, size_t n)
{
        const struct product *p = arg;

        part_of(p, 0, p->M, from, n);
}

static void multiply(struct ewc_team *team, struct product p, bool rows)
{
        const size_t length = rows ? p.M : p.N, other = rows ? p.N : p.M, each = other * p.K;
        const size_t least = each < LEAST_WORK ? (LEAST_WORK + each - 1) / each : 1;

        ewc_share(team, length, (struct ewc_cut){.unit = UNIT, .least = least < UNIT ? UNIT : least},
            rows ? by_rows : by_columns, &p);
}

void ewc_gemm_nt(struct ewc_team *team, size_t M, size_t N, size_t K, const float *A, const float *B, float *C)
{
        multiply(team, (struct product){CblasNoTrans, CblasTrans, M, N, K, 1.0f, 0.0f, A, B, C}, M > N);
}

void ewc_gemm_nn(struct ewc_team *team, size_t M, size_t N, size_t K, const float *A, const float *B, float *C)
{
        multiply(team, (struct product){CblasNoTrans, CblasNoTrans, M, N, K, 1.0f, 0.0f, A, B, C}, M > N);
}

/* K is the rows of a batch here, and short: whole columns of A and rows of C are what the BLAS packs best. */
void ewc_gemm_tn(struct ewc_team *team, size_t M, size_t N, size_t K, float alpha, const float *A, const float *B,
    float beta, float *C)
{
        multiply(team, (struct product){CblasTrans, CblasNoTrans, M, N, K, alpha, beta, A, B, C}, true);
}

void ewc_blas_alone(void)
{
        openblas_set_num_threads(1);
}

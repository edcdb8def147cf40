/* panel_x86.c: the product over panels in AVX2 with FMA and in AVX-512, with explicit fused multiply-adds.
 *
 * The bits of an answer hang on every multiply-add being fused, at every level of optimisation, so this is said by
 * intrinsics and not left to the compiler's licence to contract. Vectors of 512 bits run one multiply-add a cycle on
 * the processors that split them in two, which is what two of 256 bits do, for half the instructions. */
#include "ewc/panel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#if defined(__clang__)
#define EWC_UNROLL _Pragma("unroll")
#else
#define EWC_UNROLL _Pragma("GCC unroll 32")
#endif
/* Keeps a value in a register: the compiler would rather load it again as an operand for every row. */
#define HOLD(v) __asm__("" : "+v"(v))

#define FORM(name) name##_avx512
#define TARGET __attribute__((target("avx512f")))
#define VECTOR __m512
#define LANES 16
#define REGISTERS 32
#define LOAD _mm512_loadu_ps
#define STORE _mm512_storeu_ps
#define ADD _mm512_add_ps
#define SPLAT _mm512_set1_ps
#define FUSED _mm512_fmadd_ps
#define RELU(v) _mm512_max_ps(_mm512_setzero_ps(), v) /* v itself where it is a NaN or -0 */
#define ROWS_MAX 8
#define WIDEST(rows) ((rows) <= 4 ? 4 : 2)
#include "ewc/panel_tiles.def"

#undef FORM
#undef TARGET
#undef VECTOR
#undef LANES
#undef REGISTERS
#undef LOAD
#undef STORE
#undef ADD
#undef SPLAT
#undef FUSED
#undef RELU
#undef ROWS_MAX
#undef WIDEST

#define FORM(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define VECTOR __m256
#define LANES 8
#define REGISTERS 16
#define LOAD _mm256_loadu_ps
#define STORE _mm256_storeu_ps
#define ADD _mm256_add_ps
#define SPLAT _mm256_set1_ps
#define FUSED _mm256_fmadd_ps
#define RELU(v) _mm256_max_ps(_mm256_setzero_ps(), v)
#define ROWS_MAX 6
#define WIDEST(rows) ((rows) == 1 ? 4 : (rows) <= 3 ? 2 : 1)
#include "ewc/panel_tiles.def"
#endif

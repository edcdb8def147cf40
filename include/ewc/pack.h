/* pack.h: compact forms of a stored Fisher, for archives and export.
 *
 *   encoding   bytes per entry at keep 0.2         what is lost
 *   DENSE32    4                                   nothing
 *   BITMAP16   0.525   a bit each, a half each     entries not kept become a product of row and column means
 *   LOG8       1       8 steps per octave          4.5 % of an entry; 31 octaves below the largest: as above
 *   CSR16      0.8     column and half, row ends   as BITMAP16
 *
 * BITMAP16 and CSR16 keep the largest share `keep` of every tensor. The rest is not dropped: no weight loses all
 * protection. Of a vector (one row or one column) it becomes its mean, the floor. Of a matrix, entry i,j of the rest
 * becomes min(r_i c_j, floor): r_i is the mean of row i's rest relative to the largest such mean (a half, at least
 * 2^-14; 0 where the row's rest is 0), c_j the sum of column j's rest over the sum of its rows' r_i. That is near the
 * truth, since a dense layer's Fisher is (Delta o Delta)^T (A o A), and it keeps the sum of every column's rest to
 * rounding, hence the trace: where the floor cuts, the column's other entries take over. Only a column all of
 * whose rest above 0 lies at the floor may fall short, by the rounding of a half, and sums beyond FLT_MAX do.
 *
 * Halves are relative to the tensor's largest entry, since a Fisher of mean 1 may exceed what a half can hold;
 * relative error <= 2^-11. Entries below 2^-14 of the largest belong to the rest. The floor lies below every kept
 * entry as it decodes: encoding a decoded vector keeps the same entries, with the same bits.
 *
 * Bytes are little-endian: "EWCP", version u8, encoding u8, tensors u16, P u32, size u32; then per tensor scale f32,
 * floor f32, kept u32, payload size u32; then the payloads, a matrix's means (r f16, c f32) at the end of its own.
 * Version 1 has no means: the rest of a matrix is the floor, as of a vector. DENSE32 and LOG8 are still written so;
 * BITMAP16 and CSR16 are version 2. Both are read, of any encoding. An anchor is archived exactly, never packed. */
#pragma once
#include "net.h"

enum ewc_pack_encoding { /* on disk: never renumber */
        EWC_PACK_DENSE32 = 1,
        EWC_PACK_BITMAP16 = 2,
        EWC_PACK_LOG8 = 3,
        EWC_PACK_CSR16 = 4
};
EWC_API const char *ewc_pack_name(enum ewc_pack_encoding e); /* "dense32" "bitmap16" "log8" "csr16" */
EWC_API int ewc_pack_parse(const char *name, enum ewc_pack_encoding *ret);

struct ewc_pack_shape {
        uint32_t rows, cols; /* at least 1; CSR columns take 16 bits up to 65536 columns, else 32 */
};
struct ewc_pack_layout { /* tensors of the vector, in order */
        size_t n;        /* 1 to 65535 */
        const struct ewc_pack_shape *shape;
};

/* ret (ewc_spec_tensors): a bias counts as one row. */
EWC_API int ewc_pack_shapes(const struct ewc_spec *s, struct ewc_pack_shape *ret);

struct ewc_pack_options {
        enum ewc_pack_encoding encoding;
        double keep; /* (0,1], at least one entry; BITMAP16 and CSR16, else not read */
};

/* *ret: bytes that are enough for any Fisher of this layout. EWC_E_INVAL, EWC_E_DIM. */
EWC_API int ewc_pack_bound(const struct ewc_pack_layout *l, const struct ewc_pack_options *o, size_t *ret);

/* *ret_size bytes of fisher (P >= 0). EWC_E_INVAL, EWC_E_DIM (size is below the bound), EWC_E_NONFINITE (an entry is
 * negative or not finite); bytes is then untouched. */
EWC_API int ewc_pack_encode(const struct ewc_pack_layout *l, const struct ewc_pack_options *o, const float *fisher,
    size_t size, void *bytes, size_t *ret_size);

struct ewc_pack { /* a checked pack: borrows layout and bytes, both must stay as they are */
        const struct ewc_pack_layout *layout;
        const unsigned char *bytes;
        size_t n_params, n_kept;
        enum ewc_pack_encoding encoding;
        int version;
};

/* The only place that reads bytes nobody vouches for: every size, count, bit, column and number is checked against
 * the layout. EWC_E_INVAL (not such a pack), EWC_E_DIM (of another layout). */
EWC_API int ewc_pack_open(const struct ewc_pack_layout *l, const void *bytes, size_t size, struct ewc_pack *ret);

EWC_API void ewc_pack_decode(const struct ewc_pack *p, float *ret); /* ret (P) */

/* ret (tensors): part of each tensor's trace that its kept entries carry, 0..1; 1 where the trace is 0. */
EWC_API void ewc_pack_shares(const struct ewc_pack *p, double *ret);

/* penalty.h without ever holding the decoded Fisher: a few KiB of stack at a time. prox gives the bits of
 * ewc_penalty_prox over the decoded vector, value and grad the same up to the order of the sum. */
EWC_API double ewc_pack_penalty_value(
    const struct ewc_pack *p, double lambda, const float *anchor, const float *theta);
EWC_API void ewc_pack_penalty_grad(
    const struct ewc_pack *p, double lambda, const float *anchor, const float *theta, float *grad);
EWC_API void ewc_pack_penalty_prox(
    const struct ewc_pack *p, double lambda, const float *anchor, float *theta, const float *step, float step0);

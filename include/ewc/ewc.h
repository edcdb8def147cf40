/* ewc.h: errors, limits, allocator and conventions of libewc.
 *
 * The library is pure: no I/O, clock, log, environment, errno or global state of its own (the BLAS has one, see
 * ewc_blas_alone in team.h). Nothing allocates unless its name ends
 * in _new. Every function returns 0 or a negative EWC_E_*, and leaves its outputs untouched on failure unless its
 * comment says otherwise. Functions that take a const net may run concurrently with different workspaces.
 *
 * Letters used for shapes: B rows of a batch, I inputs, O outputs, H active outputs of a head, P parameters.
 * Arrays are row-major float32; reductions run in double in a fixed order. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define EWC_API __attribute__((visibility("default")))
#else
#define EWC_API
#endif

#define EWC_VERSION "0.1.0"

enum ewc_error {
        EWC_OK = 0,
        EWC_E_INVAL = -1,     /* an argument is outside its documented range */
        EWC_E_DIM = -2,       /* shapes do not fit together, or a product overflows a limit */
        EWC_E_NONFINITE = -3, /* NaN or Inf in the input, the loss or a parameter */
        EWC_E_NOMEM = -4,
        EWC_E_LABEL = -5, /* a label is not an active output of the head */
};

EWC_API const char *ewc_strerror(int error); /* never NULL */

enum {
        EWC_MAX_LAYERS = 32,
        EWC_MAX_UNITS = 65536,    /* units of a layer, inputs, outputs */
        EWC_MAX_BATCH = 65536,    /* rows per call */
        EWC_MAX_VALUES = 1 << 22, /* values of one row at any layer: h * w * c */
        EWC_MAX_IDS = 1 << 24,    /* rows of an embedding: every id is exact in float32 */
};
#define EWC_MAX_PARAMS ((size_t)1 << 28) /* 1 GiB of float32 */

struct ewc_allocator {                          /* NULL where one is asked for means malloc and free */
        void *(*alloc)(void *arg, size_t size); /* 64-byte aligned, or NULL */
        void (*free)(void *arg, void *p);
        void *arg;
};

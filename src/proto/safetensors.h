/* safetensors.h: strict reader and writer of the safetensors format (serving reference 11.1).
 *
 * A reader maps bytes it does not own and never trusts them: lengths against the file size, overflow-checked
 * products, offsets in order without holes, known dtypes, our caps (header 16 MiB, 4096 tensors, rank 8). Fuzzed. */
#pragma once
#include "base/file.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;

enum st_dtype { ST_U8 = 1, ST_I32, ST_I64, ST_F16, ST_BF16, ST_F32, ST_F64 };
enum { ST_MAX_RANK = 8, ST_MAX_TENSORS = 4096, ST_MAX_HEADER = 16 << 20 };

struct st_tensor {
        const char *name;
        enum st_dtype dtype;
        size_t rank;
        uint64_t shape[ST_MAX_RANK];
        const void *data; /* into the mapping; 64-byte aligned start of the data section, natural alignment per tensor
                             is checked by st_find */
        size_t n;         /* elements */
        size_t bytes;
};

struct st_meta {
        const char *key, *value;
};

struct st_file {
        size_t n_tensors, n_meta;
        const struct st_tensor *tensors; /* in offset order */
        const struct st_meta *meta;
};

int st_read(const void *data, size_t size, struct arena *a, struct st_file *ret,
    struct err *e);                                            /* -EBADMSG with what is wrong */
const char *st_meta(const struct st_file *f, const char *key); /* NULL if absent */
/* The tensor by name if it has dtype and n elements and is aligned for it; else -EBADMSG naming it. n SIZE_MAX: any.
 */
int st_find(const struct st_file *f, const char *name, enum st_dtype dtype, size_t n, const struct st_tensor **ret,
    struct err *e);

/* Writer: declare everything, then the file is written in one go, atomically. Data is borrowed until st_write. */
struct st_part {
        const char *name;
        enum st_dtype dtype;
        size_t rank;
        uint64_t shape[ST_MAX_RANK];
        const void *data;
};
int st_write(const char *path, const struct st_part *parts, size_t n_parts, const struct st_meta *meta, size_t n_meta,
    struct err *e);

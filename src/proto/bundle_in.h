/* bundle_in.h: what the bundle files share: tensor lists, checked look-ups, and JSON that keeps every bit.
 *
 * JSON in bundles: doubles with 17 digits, NaN as null, 64-bit numbers as an integer or, above 2^63-1, as a decimal
 * string. Readers refuse unknown and missing keys. */
#pragma once
#include "base/arena.h"
#include "proto/bundle.h"
#include "proto/safetensors.h"

struct json_t;

#define BUNDLE_ARENA_MAX ((size_t)1 << 30)

struct parts { /* a file being put together; names live in the arena. The first failure sticks. */
        struct arena arena;
        struct st_part *v;
        size_t n, cap;
        bool failed;
};
void parts_init(struct parts *p);
void parts_deinit(struct parts *p);
/* rank 1: d1 is ignored. */
void parts_add(struct parts *p, enum st_dtype dtype, size_t rank, size_t d0, size_t d1, const void *data,
    const char *fmt, ...) __attribute__((format(printf, 7, 8)));
/* A vector (P) as one tensor per layer tensor: "<prefix>/<tensor>". */
void parts_add_vector(struct parts *p, const char *prefix, const struct ewc_spec *net, const float *v);
/* Writes metadata ewcd.format = format, ewcd.job_sha256 if job is not NULL, and key = the JSON text. Frees json. */
int parts_write(struct parts *p, const char *path, const char *format, const struct digest *job, const char *key,
    struct json_t *json, struct err *e);

struct bundle { /* an opened file; n_found counts the tensors claimed, so that strangers are noticed */
        struct file_map map;
        struct st_file st;
        size_t n_found;
        struct json_t *json;
};
/* Maps and parses the file; on failure nothing stays open. */
int bundle_open(
    struct bundle *b, const char *path, const char *format, const char *key, struct arena *a, struct err *e);
void bundle_close_json(struct bundle *b);
/* 0, BUNDLE_OTHER_JOB or -EBADMSG. */
int bundle_check_job(const struct bundle *b, const struct digest *job, struct err *e);
int bundle_check_strangers(const struct bundle *b, struct err *e); /* every tensor was claimed */

/* Tensors by name and exact shape, all values finite. A float vector's tensors must lie in vector order without gaps.
 */
int bundle_vector(struct bundle *b, const char *prefix, const struct ewc_spec *net, const float **ret, struct err *e);
int bundle_floats(
    struct bundle *b, const char *name, size_t rank, size_t d0, size_t d1, const float **ret, struct err *e);
int bundle_tensor(struct bundle *b, const char *name, enum st_dtype dtype, size_t rank, size_t d0, size_t d1,
    const void **ret, struct err *e);
int bundle_bad(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* -EBADMSG */

struct json_t *put_u64(uint64_t v);
struct json_t *put_double(double v);
bool get_u64(const struct json_t *o, const char *key, uint64_t *ret);
bool get_u32(const struct json_t *o, const char *key, uint32_t *ret);
bool get_bool(const struct json_t *o, const char *key, bool *ret);
bool get_double(const struct json_t *o, const char *key, double *ret); /* finite or NaN (null) */
bool get_finite(const struct json_t *o, const char *key, double *ret);
const char *get_text(const struct json_t *o, const char *key);
bool has_keys(const struct json_t *o, size_t n); /* an object of n keys: with n successful gets, no stranger */

/* Evaluations and tries appear in checkpoints and results alike. ret (n <= max); evaluations and what they point into
 * lie in the arena; predicted is not the learner's to say and reads as NaN. */
struct json_t *put_evaluations(const struct evaluation *v, size_t n);
bool get_evaluations(
    const struct json_t *o, const char *key, struct arena *a, struct evaluation **ret, size_t *ret_n);
struct json_t *put_tries(const struct learn_try *v, uint32_t n);
bool get_tries(const struct json_t *o, const char *key, struct learn_try *ret, uint32_t *ret_n);

/* The parts of a job that are JSON (bundle_spec.c). */
struct json_t *put_net(const struct ewc_spec *s);
int get_net(const struct json_t *o, struct ewc_spec *ret, struct err *e);
struct json_t *put_plan(const struct learn_plan *p);
int get_plan(const struct json_t *o, struct arena *a, struct learn_plan *ret, struct err *e);
struct json_t *put_head(const struct ewc_head *h);
int get_head(const struct json_t *o, uint32_t n_outputs, struct arena *a, struct ewc_head *ret, struct err *e);

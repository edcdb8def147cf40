/* json.h: pieces of JSON writers, and a cursor over parsed answers; the JSON library's types do not leave the
 * room. */
#pragma once
#include "base/str.h"
#include <stddef.h>
#include <stdint.h>

struct buf;
struct digest;

void json_put_string(struct buf *b, const char *s); /* quoted and escaped */
void json_put_string_n(struct buf *b, const char *s, size_t n);
void json_put_number(struct buf *b, double v);                     /* shortest; NaN and Inf as null */
void json_put_key(struct buf *b, const char *key);                 /* ,"key": */
void json_put_float(struct buf *b, float v);                       /* the same for float32 */
void json_put_text(struct buf *b, const char *s);                  /* a string, or null for NULL */
void json_put_id(struct buf *b, uint64_t id);                      /* a number, or null for 0 */
void json_put_version(struct buf *b, uint64_t number);             /* a string of digits, or null for 0 */
void json_put_digest(struct buf *b, const struct digest *d);       /* "sha256:<hex>" */
void json_put_seed(struct buf *b, uint64_t seed);                  /* a number below 2^53, else a string of digits */
void json_put_range(struct buf *b, uint64_t first, uint64_t last); /* {"first_seq","last_seq"}; null when empty */
void json_put_time(struct buf *b, int64_t wall_ms);                /* "…Z", or null for 0 */

/* A cursor over parsed JSON for programs that read answers (ewcctl): "/a/0/b" pointers. */
struct json_doc;
struct err;
int json_parse(struct slice text, struct json_doc **ret, struct err *e);
void json_free(struct json_doc *d);                                            /* accepts NULL */
const char *json_text(const struct json_doc *d, const char *pointer);          /* string value, or NULL */
int json_number(const struct json_doc *d, const char *pointer, double *ret);   /* 0, or -ENOENT */
int json_length(const struct json_doc *d, const char *pointer);                /* of an array or object, -1 if none */
const char *json_key(const struct json_doc *d, const char *pointer, size_t i); /* i-th key of an object, or NULL */
int json_bool(const struct json_doc *d, const char *pointer);                  /* 0, 1, or -1 if none */

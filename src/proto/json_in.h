/* json_in.h: reading request bodies with the JSON library, shared by the json_*.c files; not for other rooms.
 *
 * Getters return 0, 1 where documented, or a PROBLEM_* with the field in e. */
#pragma once
#include "base/str.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct arena;
struct err;

enum { JSON_BODY_MAX = 16 << 20, JSON_DEPTH_MAX = 16, JSON_FIELD_SIZE = 96 };

/* One JSON value, no key twice; size and depth are checked first. MALFORMED with the byte offset, or -ENOMEM. */
int json_body(struct slice text, json_t **ret, struct err *e);
/* As json_body, and it must be an object whose keys are all among keys (n); UNKNOWN_KEY lists them otherwise. */
int json_body_object(struct slice text, const char *const *keys, size_t n, json_t **ret, struct err *e);
int json_known_keys(const json_t *object, const char *pointer, const char *const *keys, size_t n, struct err *e);

const char *json_kind(const json_t *v); /* "a string" …; "nothing" for NULL */
int json_wrong_type(const json_t *v, const char *pointer, const char *wanted, struct err *e); /* BAD_VALUE */

int json_get_string(const json_t *v, const char *pointer, struct arena *a, const char **ret, struct err *e);
int json_get_name(
    const json_t *v, const char *pointer, struct arena *a, const char **ret, struct err *e); /* BAD_NAME */
/* Member "reason"; absent: NULL. BAD_VALUE: beyond VALIDATE_REASON_MAX bytes, or with control characters. */
int json_get_reason(const json_t *object, struct arena *a, const char **ret, struct err *e);
int json_get_uint(const json_t *v, const char *pointer, uint64_t lo, uint64_t hi, uint64_t *ret, struct err *e);
/* Class names: strings, or integers which stand for their text. */
int json_get_label(const json_t *v, const char *pointer, struct arena *a, const char **ret, struct err *e);
int json_get_labels(
    const json_t *v, const char *pointer, struct arena *a, const char *const **ret, size_t *ret_n, struct err *e);

static inline void json_unref_ptr(json_t **v)
{
        json_decref(*v);
}
#define _json_ __attribute__((cleanup(json_unref_ptr)))

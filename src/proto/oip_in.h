/* oip_in.h: what reading a tensor from JSON, reading it from bytes and reading the request share inside this room. */
#pragma once
#include "base/str.h"
#include "proto/oip.h"
#include "proto/oip_scan.h"

enum oip_kind { OIP_FLOAT, OIP_INTEGER, OIP_BOOL };

struct oip_type {
        const char *name;
        enum oip_kind kind;
        unsigned size;    /* bytes of an element */
        bool binary_only; /* JSON has no text for it that others would read alike */
        int64_t lo;       /* integers: lowest and highest value */
        uint64_t hi;
};

const struct oip_type *oip_type_find(const char *name); /* NULL: not one that becomes float32 */
enum { OIP_TYPE_NAMES = 128 };
void oip_type_names(char ret[OIP_TYPE_NAMES], bool json); /* "BOOL UINT8 …"; json: those that JSON can carry */

/* What a tensor's JSON says about its bytes behind the JSON. */
struct oip_part {
        const struct oip_type *type;
        bool binary;
        size_t size;
};

/* One tensor object; binary: its elements may follow the JSON, *ret_part tells, and ret->data is then NULL. */
int oip_tensor_scan(struct scan *s, const char *at, bool binary, struct oip_tensor *ret, struct oip_part *ret_part);

/* The elements of t (little-endian, p's size is n elements) as floats in the arena. at is the tensor's pointer. */
int oip_tensor_bytes(struct arena *a, const struct oip_type *type, const char *at, struct slice p,
    struct oip_tensor *t, struct err *e);

/* Whether a float32 equals the integer of that magnitude. */
static inline bool oip_exact(uint64_t magnitude)
{
        return magnitude >> 24 == 0 || magnitude >> __builtin_ctzll(magnitude) >> 24 == 0;
}

/* "<at>/<key>" in a buffer that lasts for one message. */
const char *oip_field(char field[SCAN_FIELD_SIZE], const char *at, const char *key);
const char *oip_field_at(char field[SCAN_FIELD_SIZE], const char *at, size_t i); /* "<at>/<i>" */

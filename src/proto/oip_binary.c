/* oip_binary.c: the datatypes a tensor may have, and their elements from bytes to float32 (serving reference 2.3).
 *
 * Little-endian, row-major, no padding. A value becomes the float32 that equals it, or, for FP64, the nearest one; an
 * integer of more than 24 significant bits has none and is refused rather than changed. What is not finite, or would
 * not be as a float32, is refused as well. Tensors are named in every refusal. */
#include "base/arena.h"
#include "base/err.h"
#include "base/floats.h"
#include "base/mem.h"
#include "proto/oip_in.h"
#include <math.h>
#include <stdio.h>

static const struct oip_type types[] = {
    {"FP32", OIP_FLOAT, 4, false, 0, 0},
    {"FP64", OIP_FLOAT, 8, false, 0, 0},
    {"FP16", OIP_FLOAT, 2, true, 0, 0},
    {"BF16", OIP_FLOAT, 2, true, 0, 0},
    {"INT8", OIP_INTEGER, 1, false, INT8_MIN, INT8_MAX},
    {"INT16", OIP_INTEGER, 2, false, INT16_MIN, INT16_MAX},
    {"INT32", OIP_INTEGER, 4, false, INT32_MIN, INT32_MAX},
    {"INT64", OIP_INTEGER, 8, false, INT64_MIN, INT64_MAX},
    {"UINT8", OIP_INTEGER, 1, false, 0, UINT8_MAX},
    {"UINT16", OIP_INTEGER, 2, false, 0, UINT16_MAX},
    {"UINT32", OIP_INTEGER, 4, false, 0, UINT32_MAX},
    {"UINT64", OIP_INTEGER, 8, false, 0, UINT64_MAX},
    {"BOOL", OIP_BOOL, 1, false, 0, 1},
};

const struct oip_type *oip_type_find(const char *name)
{
        for (size_t i = 0; i < ARRAY_LEN(types); i++)
                if (strcmp(types[i].name, name) == 0)
                        return &types[i];
        return NULL;
}

void oip_type_names(char ret[OIP_TYPE_NAMES], bool json)
{
        size_t n = 0;
        ret[0] = '\0';
        for (size_t i = 0; i < ARRAY_LEN(types); i++) {
                if (json && types[i].binary_only)
                        continue;
                snprintf(ret + n, OIP_TYPE_NAMES - n, "%s%s", n > 0 ? " " : "", types[i].name);
                n += strlen(ret + n);
        }
}

static uint64_t load(const unsigned char *p, unsigned size)
{
        uint64_t v = 0;
        for (unsigned i = size; i-- > 0;)
                v = v << 8 | p[i];
        return v;
}

static float from_bits(uint32_t bits)
{
        float v;
        memcpy(&v, &bits, sizeof(v));
        return v;
}

/* IEEE 754 binary16; every one of them is a float32. */
static float half(uint32_t h)
{
        uint32_t sign = (h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
        if (exponent == 31)
                return from_bits(sign | 0x7f800000 | fraction << 13);
        if (exponent > 0)
                return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
        float v = (float)fraction * 0x1p-24f;
        return sign ? -v : v;
}

static float double_bits(uint64_t bits)
{
        double v;
        memcpy(&v, &bits, sizeof(v));
        return (float)v;
}

/* Everything but FP32, which is copied whole. False: this element has no float32. */
static bool convert(const struct oip_type *t, uint64_t bits, float *ret)
{
        switch (t->kind) {
        case OIP_FLOAT:
                *ret = t->size == 8        ? double_bits(bits)
                       : t->name[0] == 'B' ? from_bits((uint32_t)bits << 16)
                                           : half((uint32_t)bits);
                return isfinite(*ret);
        case OIP_BOOL:
                *ret = (float)bits;
                return bits <= 1;
        case OIP_INTEGER:
                break;
        }
        unsigned unused = 64 - 8 * t->size;
        bool minus = t->lo < 0 && (bits << unused) >> 63;
        uint64_t magnitude = minus ? (0 - (bits << unused)) >> unused : bits;
        *ret = minus ? -(float)magnitude : (float)magnitude;
        return oip_exact(magnitude);
}

static int refuse(const struct oip_type *type, const char *at, const struct oip_tensor *t, size_t i, struct err *e)
{
        char field[SCAN_FIELD_SIZE];
        if (type->kind == OIP_FLOAT)
                return err_field(
                    e, PROBLEM_NON_FINITE, at, "tensor '%.64s': element %zu is not a finite float32", t->name, i);
        return err_field(e, PROBLEM_BAD_VALUE, oip_field(field, at, "datatype"),
            type->kind == OIP_BOOL ? "tensor '%.64s': element %zu is neither 0 nor 1"
                                   : "tensor '%.64s': element %zu has more than the 24 significant bits of a float32",
            t->name, i);
}

int oip_tensor_bytes(
    struct arena *a, const struct oip_type *type, const char *at, struct slice p, struct oip_tensor *t, struct err *e)
{
        const unsigned char *from = (const unsigned char *)p.p;
        float *data = arena_new_array(a, float, t->n);
        size_t i = 0;
        if (!data)
                return err_oom(e);
        if (type->kind == OIP_FLOAT && type->size == sizeof(float)) {
                for (i = 0; i < t->n; i++)
                        data[i] = from_bits((uint32_t)load(from + 4 * i, 4));
                i = floats_not_finite(data, t->n);
        } else {
                while (i < t->n && convert(type, load(from + i * type->size, type->size), &data[i]))
                        i++;
        }
        if (i < t->n)
                return refuse(type, at, t, i, e);
        t->data = data;
        return 0;
}

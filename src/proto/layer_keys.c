/* layer_keys.c: the keys of layers in JSON. Whether layers fit each other is ewc_spec_check's business. */
#include "proto/layer_keys.h"
#include <stddef.h>

#define UINT(type, field, lo, hi)                                                                                    \
        {                                                                                                            \
                EWC_LAYER_##type, #field, LAYER_KEY_UINT, offsetof(struct ewc_layer, field), lo, hi, false           \
        }
#define ACTIVATION(type, optional)                                                                                   \
        {                                                                                                            \
                EWC_LAYER_##type, "activation", LAYER_KEY_ACTIVATION, offsetof(struct ewc_layer, activation), 0, 0,  \
                    optional                                                                                         \
        }
#define RATE(type)                                                                                                   \
        {                                                                                                            \
                EWC_LAYER_##type, "rate", LAYER_KEY_RATE, offsetof(struct ewc_layer, rate), 0, 0, false              \
        }

static const struct layer_key keys[] = {
    UINT(DENSE, units, 1, EWC_MAX_UNITS),
    ACTIVATION(DENSE, false),
    UINT(CONV, units, 1, EWC_MAX_UNITS),
    UINT(CONV, kernel, 1, EWC_MAX_UNITS),
    UINT(CONV, stride, 1, EWC_MAX_UNITS),
    UINT(CONV, padding, 0, EWC_MAX_UNITS),
    ACTIVATION(CONV, false),
    UINT(MAX_POOL, kernel, 1, EWC_MAX_UNITS),
    UINT(MAX_POOL, stride, 1, EWC_MAX_UNITS),
    UINT(AVG_POOL, kernel, 1, EWC_MAX_UNITS),
    UINT(AVG_POOL, stride, 1, EWC_MAX_UNITS),
    UINT(GROUP_NORM, groups, 1, EWC_MAX_UNITS),
    ACTIVATION(GROUP_NORM, true),
    ACTIVATION(LAYER_NORM, true),
    RATE(DROPOUT),
    UINT(EMBEDDING, units, 1, EWC_MAX_UNITS),
    UINT(EMBEDDING, count, 1, EWC_MAX_IDS),
};

const struct layer_key *layer_key_next(enum ewc_layer_type type, size_t *at)
{
        while (*at < sizeof(keys) / sizeof(keys[0])) {
                const struct layer_key *k = &keys[(*at)++];
                if (k->type == type)
                        return k;
        }
        return NULL;
}

size_t layer_key_count(enum ewc_layer_type type)
{
        size_t n = 0, at = 0;
        while (layer_key_next(type, &at))
                n++;
        return n;
}

/* layer_keys.h: the JSON keys of each type of layer beside "type": one table for requests, stored text and
 * bundles. */
#pragma once
#include <ewc/net.h>

enum layer_key_kind { LAYER_KEY_UINT, LAYER_KEY_ACTIVATION, LAYER_KEY_RATE };

struct layer_key {
        enum ewc_layer_type type;
        char key[12];
        enum layer_key_kind kind;
        size_t offset;   /* into struct ewc_layer: uint32_t, enum ewc_activation or float */
        uint32_t lo, hi; /* of a UINT */
        bool optional;   /* in requests; its field is then 0 */
};

enum { LAYER_KEYS_MAX = 6 }; /* keys of a type, "type" included, at most */

/* The keys of a type in the order they are written; *at starts at 0 and is moved on. NULL at the end. */
const struct layer_key *layer_key_next(enum ewc_layer_type type, size_t *at);
size_t layer_key_count(enum ewc_layer_type type); /* "type" not included */

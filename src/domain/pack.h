/* pack.h: a closed task's Fisher on its way into the store and out of it. Pure. */
#pragma once
#include "domain/model.h"

struct err;

struct packed {      /* bytes of ewc/pack.h */
        void *bytes; /* free() it; NULL: the model stores plain floats */
        size_t size;
        struct fisher_stored stored;
};

/* Packs fisher (P of net) as the model's learning section says, and puts in its place what is stored: decoding gives
 * the same bits. Plain encoding: fisher stays as it is. -ENOMEM, -EBADMSG. */
int fisher_pack(
    const struct ewc_spec *net, const struct learning *l, float *fisher, struct packed *ret, struct err *e);

/* ret (P of net) = the Fisher whose packed bytes these are. -EBADMSG: they are none, or of another net. */
int fisher_unpack(const struct ewc_spec *net, const void *bytes, size_t size, float *ret, struct err *e);

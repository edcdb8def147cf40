/* pack.c: a closed task's Fisher as packed bytes.
 *
 * A version is protected by what the store has, not by what the learner measured: after packing, the Fisher that
 * goes into the merged protection is the decoded one. The store keeps the bytes and knows nothing of them but their
 * digest; here every byte that steers a read is checked against the net. */
#include "domain/pack.h"
#include "base/err.h"
#include "base/mem.h"
#include <errno.h>
#include <string.h>

enum { PACK_HEAD = 16, PACK_ROW = 16, PACK_FLOOR_AT = 4 }; /* ewc/pack.h: head; a tensor's row, scale first */

static int layout_of(const struct ewc_spec *net, struct ewc_pack_shape **shapes, struct ewc_pack_layout *ret)
{
        size_t n = ewc_spec_tensors(net);
        *shapes = new_array(struct ewc_pack_shape, n);
        if (!*shapes)
                return -ENOMEM;
        *ret = (struct ewc_pack_layout){n, *shapes};
        return ewc_pack_shapes(net, *shapes) < 0 ? -EBADMSG : 0;
}

/* The rest of every tensor counts as 0: its floor, the most an entry of it may be, is wiped from the tensor's row. */
static void drop_floors(unsigned char *bytes, size_t n_tensors)
{
        for (size_t i = 0; i < n_tensors; i++)
                memset(bytes + PACK_HEAD + PACK_ROW * i + PACK_FLOOR_AT, 0, sizeof(float));
}

static int encode(const struct ewc_pack_layout *layout, const struct learning *l, float *fisher, struct packed *ret)
{
        const struct ewc_pack_options o = {.encoding = l->fisher_encoding, .keep = l->fisher_keep};
        struct ewc_pack pack;
        size_t bound, size;
        if (ewc_pack_bound(layout, &o, &bound) < 0)
                return -EBADMSG;
        _free_ unsigned char *bytes = mem_array(bound, 1);
        if (!bytes)
                return -ENOMEM;
        if (ewc_pack_encode(layout, &o, fisher, bound, bytes, &size) < 0)
                return -EBADMSG;
        if (!l->fisher_floor)
                drop_floors(bytes, layout->n);
        if (ewc_pack_open(layout, bytes, size, &pack) < 0)
                return -EBADMSG;
        ewc_pack_decode(&pack, fisher);
        ret->stored = (struct fisher_stored){(int)o.encoding, size, pack.n_params, pack.n_kept};
        ret->size = size;
        ret->bytes = bytes;
        bytes = NULL;
        return 0;
}

int fisher_pack(
    const struct ewc_spec *net, const struct learning *l, float *fisher, struct packed *ret, struct err *e)
{
        _free_ struct ewc_pack_shape *shapes = NULL;
        struct ewc_pack_layout layout;
        size_t P = ewc_spec_params(net);
        *ret = (struct packed){.stored = {FISHER_PLAIN, P * sizeof(float), P, P}};
        if (l->fisher_encoding == EWC_PACK_DENSE32)
                return 0;
        int r = layout_of(net, &shapes, &layout);
        if (r == 0)
                r = encode(&layout, l, fisher, ret);
        if (r == 0)
                return 0;
        return r == -ENOMEM ? err_oom(e)
                            : err_set(e, r, "the Fisher cannot be stored as %s", ewc_pack_name(l->fisher_encoding));
}

int fisher_unpack(const struct ewc_spec *net, const void *bytes, size_t size, float *ret, struct err *e)
{
        _free_ struct ewc_pack_shape *shapes = NULL;
        struct ewc_pack_layout layout;
        struct ewc_pack pack;
        int r = layout_of(net, &shapes, &layout);
        if (r == -ENOMEM)
                return err_oom(e);
        if (r < 0 || ewc_pack_open(&layout, bytes, size, &pack) < 0)
                return err_set(e, -EBADMSG, "its packed form is damaged or of another net");
        ewc_pack_decode(&pack, ret);
        return 0;
}

/* unit_pack.c: a stored Fisher in one of libewc's compact forms: what is read back protects from then on, and the
 * bytes it took are counted. */
#include "base/err.h"
#include "base/mem.h"
#include "bench/unit_in.h"
#include <errno.h>

static int through(struct unit *u, const struct ewc_pack_layout *l, float *fisher)
{
        const struct ewc_pack_options o = {
            .encoding = u->s->encoding, .keep = u->s->keep_percent > 0 ? u->s->keep_percent / 100 : 1};
        struct ewc_pack pack;
        size_t size;
        int r = ewc_pack_bound(l, &o, &size);
        _free_ unsigned char *bytes = r == 0 ? new_array(unsigned char, size) : NULL;
        if (r == 0 && !bytes)
                return err_oom(u->e);
        if (r == 0)
                r = ewc_pack_encode(l, &o, fisher, size, bytes, &size);
        if (r == 0)
                r = ewc_pack_open(l, bytes, size, &pack);
        if (r < 0)
                return err_set(u->e, -EINVAL, "pack a Fisher: %s", ewc_strerror(r));
        ewc_pack_decode(&pack, fisher);
        struct unit_result *out = &u->st.result;
        double n = (double)pack.n_params * sizeof(float);
        out->record_bytes = u->st.n_past > 0 ? out->record_bytes + n : n;
        out->packed_bytes = u->st.n_past > 0 ? out->packed_bytes + (double)size : (double)size;
        return 0;
}

int unit_pack(struct unit *u, float *fisher)
{
        if (!u->s->encoding)
                return 0;
        struct ewc_pack_layout l = {.n = ewc_spec_tensors(&u->net)};
        _free_ struct ewc_pack_shape *shape = new_array(struct ewc_pack_shape, l.n);
        if (!shape)
                return err_oom(u->e);
        if (ewc_pack_shapes(&u->net, shape) < 0)
                return err_set(u->e, -EINVAL, "a net without tensors");
        l.shape = shape;
        return through(u, &l, fisher);
}

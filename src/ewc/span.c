/* span.c: walks the layers of a spec as ranges of theta. It knows tensors by their names only, so a layer of any type
 * with any number of tensors is one span; layers without parameters do not show. */
#include "ewc/span.h"

#include <string.h>

static size_t name_stem(const char *name)
{
        const char *dot = strrchr(name, '.');

        return dot ? (size_t)(dot - name) : strlen(name);
}

bool ewc_span_next(const struct ewc_spec *s, struct ewc_span *g)
{
        const size_t n = ewc_spec_tensors(s);
        struct ewc_span next = {.tensor = g->tensor + g->n_tensors, .n_tensors = 0, .offset = g->offset + g->n};
        struct ewc_tensor first, t;
        size_t i;

        if (next.tensor >= n || ewc_spec_tensor(s, next.tensor, &first) < 0)
                return false;
        next.n = ewc_spec_params(s) - first.offset;
        for (i = next.tensor + 1; i < n && ewc_spec_tensor(s, i, &t) == 0; i++) {
                size_t stem = name_stem(first.name);

                if (stem != name_stem(t.name) || memcmp(first.name, t.name, stem) != 0) {
                        next.n = t.offset - first.offset;
                        break;
                }
        }
        next.n_tensors = i - next.tensor;
        *g = next;
        return true;
}

/* span.h: the layers of a net as ranges of theta, whatever tensors each layer has. */
#pragma once
#include <ewc/net.h>

struct ewc_span {
        size_t tensor, n_tensors; /* index of the first tensor, how many */
        size_t offset, n;         /* range of theta */
};

/* First call with *g all zero; false after the last layer. A tensor's name before the dot is its layer. */
bool ewc_span_next(const struct ewc_spec *s, struct ewc_span *g);

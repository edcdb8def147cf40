/* protocols.h: the tables of proto_*.c and what they share; for these files and protocols.c. */
#pragma once
#include "base/mem.h"
#include "bench/bench.h"

#define ADAM(eta)                                                                                                    \
        {                                                                                                            \
                .type = EWC_OPTIM_ADAM, .rate = (eta), .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f                  \
        }

extern const struct data_files data_mnist;

extern const struct protocol protocols_split[], protocols_hsu[], protocols_permuted[], protocols_rotated[],
    protocols_avalanche[], protocols_images[], protocols_files[];
extern const size_t n_protocols_split, n_protocols_hsu, n_protocols_permuted, n_protocols_rotated,
    n_protocols_avalanche, n_protocols_images, n_protocols_files;

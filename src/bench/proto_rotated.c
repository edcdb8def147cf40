/* proto_rotated.c: rotated MNIST, five angles, ten shared outputs. No published protocol is fixed for this set: house
 * choice, with the training of Split MNIST. */
#include "bench/protocols.h"

const struct protocol protocols_rotated[] = {
    {
        .name = "rotated-mnist",
        .id = "P3",
        .title = "rotated MNIST, 0 to 60 degrees",
        .scenario = SCENARIO_DOMAIN,
        .data = &data_mnist,
        .cut = {.kind = CUT_ROTATE, .tasks = 5, .degrees = {0, 15, 30, 45, 60}},
        .n_hidden = 2,
        .hidden = {400, 400},
        .optim = ADAM(1e-3f),
        .batch = 128,
        .steps = 2000,
        .keep_optim = true,
        .drop_last = true,
        .form = LEARN_FORM_GRAD,
        .scale = LEARN_SCALE_RAW,
        .merge = LEARN_MERGE_SEPARATE,
        .online_decay = 1.0,
        .fisher = EWC_FISHER_EXACT,
        .fisher_samples = 1000,
        .lambda = {.exact = 50, .exact_sampled = 50, .online = 50, .si = 10, .mas = 0.1},
        .si_damping = 0.1,
        .replay_per_class = 10,
    },
};
const size_t n_protocols_rotated = ARRAY_LEN(protocols_rotated);

/* proto_permuted.c: permuted MNIST, every task with a permutation of the pixels of its own (none is the identity).
 *
 * Full size: van de Ven et al. 2022, images padded to 32x32, 1024-1000-1000, Adam 1e-4, 5000 iterations of 128, ten
 * tasks, EXACT Fisher of 1000 rows at lambda 50 (their 100). The published figures belong to the settings of 2019
 * (arXiv:1809.10635). Small size: three tasks, 784-256-256, two epochs. */
#include "bench/protocols.h"

#define PERMUTED                                                                                                     \
        .data = &data_mnist, .optim = ADAM(1e-4f), .batch = 128, .keep_optim = true, .drop_last = true,              \
        .form = LEARN_FORM_GRAD, .scale = LEARN_SCALE_RAW, .merge = LEARN_MERGE_SEPARATE, .online_decay = 0.9,       \
        .fisher = EWC_FISHER_EXACT, .fisher_samples = 1000,                                                          \
        .lambda = {.exact = 50,                                                                                      \
            .exact_sampled = 50,                                                                                     \
            .sample = 50,                                                                                            \
            .empirical = 65,                                                                                         \
            .batched = 7500,                                                                                         \
            .argmax = 250,                                                                                           \
            .online = 100,                                                                                           \
            .si = 10,                                                                                                \
            .mas = 0.1},                                                                                             \
        .si_damping = 0.1, .replay_per_class = 10

#define FULL                                                                                                         \
        .family = "permuted-mnist", .cut = {.kind = CUT_PERMUTE, .tasks = 10, .pad = 2}, .n_hidden = 2,              \
        .hidden = {1000, 1000}, .steps = 5000, PERMUTED

const struct protocol protocols_permuted[] = {
    {
        .name = "permuted-mnist",
        .id = "P2",
        .title = "permuted MNIST, ten tasks, ten shared outputs",
        .scenario = SCENARIO_DOMAIN,
        FULL,
        .lambda.beside_replay = 5, /* 15 and 50 keep less: tried on seed 1 */
    },
    {
        .name = "permuted-mnist-task",
        .id = "P2t",
        .title = "permuted MNIST, ten tasks, ten outputs each",
        .scenario = SCENARIO_TASK,
        FULL,
    },
    {
        .name = "permuted-mnist-class",
        .id = "P2c",
        .title = "permuted MNIST, a hundred outputs, task unknown",
        .scenario = SCENARIO_CLASS,
        FULL,
    },
    {
        .name = "permuted-mnist-small",
        .id = "P2s",
        .title = "permuted MNIST, three tasks, small net, two epochs",
        .scenario = SCENARIO_DOMAIN,
        .cut = {.kind = CUT_PERMUTE, .tasks = 3},
        .n_hidden = 2,
        .hidden = {256, 256},
        .epochs = 2,
        PERMUTED,
    },
};
const size_t n_protocols_permuted = ARRAY_LEN(protocols_permuted);

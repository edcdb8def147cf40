/* proto_avalanche.c: two experiments of ContinualAI/continual-learning-baselines, as their files set them.
 *
 * Permuted: 784-512-10, SGD 1e-3, ten epochs of batch 256, a list of penalties (separate) with lambda 1 on the square
 * of the batch-mean gradient; and once more with an optimiser that fits each task and a Fisher whose strength is
 * known, which is what the first lacks. Split, SI: a shared layer of 256 twice, Adam 1e-3, ten epochs of batch 64,
 * c 1, damping 0.1, digits in order; the optimiser starts anew with every task. */
#include "bench/protocols.h"

#define PERMUTED                                                                                                     \
        .scenario = SCENARIO_DOMAIN, .data = &data_mnist, .cut = {.kind = CUT_PERMUTE, .tasks = 10}, .n_hidden = 1,  \
        .hidden = {512}, .batch = 256, .epochs = 10, .scale = LEARN_SCALE_RAW, .merge = LEARN_MERGE_SEPARATE,        \
        .online_decay = 0.9, .si_damping = 0.1, .replay_per_class = 10

const struct protocol protocols_avalanche[] = {
    {
        .name = "avalanche-permuted-mnist",
        .id = "PA",
        .title = "Avalanche's permuted MNIST, SGD",
        .optim = {.type = EWC_OPTIM_SGD, .rate = 1e-3f},
        .form = LEARN_FORM_GRAD,
        .fisher = EWC_FISHER_BATCHED,
        .lambda = {.exact = 50, .exact_sampled = 50, .batched = 1, .si = 10, .mas = 0.1},
        PERMUTED,
    },
    {
        .name = "avalanche-permuted-mnist-momentum",
        .id = "PA-M",
        .title = "the same net, rows and epochs; momentum, EXACT, proximal step",
        .optim = {.type = EWC_OPTIM_SGD, .rate = 0.05f, .momentum = 0.9f},
        .form = LEARN_FORM_PROX,
        .fisher = EWC_FISHER_EXACT,
        .lambda = {.exact = 15, .exact_sampled = 15, .online = 20, .si = 3, .mas = 0.1}, /* online, si: on seed 9 */
        PERMUTED,
    },
    {
        .name = "avalanche-split-mnist",
        .id = "PA-SI",
        .title = "Avalanche's Split MNIST, task known",
        .scenario = SCENARIO_TASK,
        .data = &data_mnist,
        .cut = {.kind = CUT_CLASSES, .tasks = 5},
        .n_hidden = 2,
        .hidden = {256, 256},
        .optim = ADAM(1e-3f),
        .batch = 64,
        .epochs = 10,
        .form = LEARN_FORM_GRAD,
        .scale = LEARN_SCALE_RAW,
        .merge = LEARN_MERGE_SEPARATE,
        .online_decay = 1.0,
        .fisher = EWC_FISHER_EXACT,
        .lambda = {.exact = 5e4, .exact_sampled = 5e5, .online = 5e4, .si = 1, .mas = 1},
        .si_damping = 0.1,
        .replay_per_class = 100,
    },
};
const size_t n_protocols_avalanche = ARRAY_LEN(protocols_avalanche);

/* proto_split.c: Split MNIST, five tasks of two digits, in the three scenarios.
 *
 * Settings of van de Ven, Tuytelaars and Tolias 2022 (GMvandeVen/continual-learning): 784-400-400, ReLU, one Adam
 * state for all tasks, 2000 iterations of 128 rows a task from reshuffled epochs without their last incomplete batch,
 * the penalty's gradient through Adam, digit order drawn per seed. Their lambda is twice ours. Task scenario: the
 * merge and the strengths by Fisher variant of van de Ven 2025 (arXiv:2502.11756): online EWC with gamma 1. */
#include "bench/protocols.h"

#define SPLIT_MNIST                                                                                                  \
        .family = "split-mnist", .data = &data_mnist,                                                                \
        .cut = {.kind = CUT_CLASSES, .tasks = 5, .shuffle_classes = true}, .n_hidden = 2, .hidden = {400, 400},      \
        .optim = ADAM(1e-3f), .batch = 128, .steps = 2000, .keep_optim = true, .drop_last = true,                    \
        .form = LEARN_FORM_GRAD, .scale = LEARN_SCALE_RAW, .online_decay = 1.0, .fisher = EWC_FISHER_EXACT,          \
        .si_damping = 0.1, .replay_per_class = 100

const struct protocol protocols_split[] = {
    {
        .name = "split-mnist-task",
        .id = "P1",
        .title = "Split MNIST, task known",
        .scenario = SCENARIO_TASK,
        .merge = LEARN_MERGE_ONLINE,
        .merge_decay = 1.0,
        .lambda = {.exact = 5e4,
            .exact_sampled = 5e5,
            .sample = 5e7,
            .empirical = 5e7,
            .batched = 5e10,
            .online = 5e4,
            .si = 10,
            .mas = 1},
        SPLIT_MNIST,
    },
    {
        .name = "split-mnist-domain",
        .id = "P1d",
        .title = "Split MNIST, two shared outputs",
        .scenario = SCENARIO_DOMAIN,
        .merge = LEARN_MERGE_SEPARATE,
        .lambda = {.exact = 5e9,
            .exact_sampled = 5e9,
            .online = 5e9,
            .si = 5e4,
            .mas = 1e4,
            .beside_replay = 500,
            .beside_distill = 5e4},
        .hybrid_distill = 2, /* with shared outputs half of lwf's holds too little */
        SPLIT_MNIST,
    },
    {
        .name = "split-mnist-class",
        .id = "P4",
        .title = "Split MNIST, ten outputs, task unknown",
        .scenario = SCENARIO_CLASS,
        .merge = LEARN_MERGE_SEPARATE,
        .lambda = {.exact = 5e8, .exact_sampled = 5e8, .online = 5e8, .si = 5e3, .mas = 1, .beside_replay = 500},
        SPLIT_MNIST,
    },
};
const size_t n_protocols_split = ARRAY_LEN(protocols_split);

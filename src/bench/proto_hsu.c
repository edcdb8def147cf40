/* proto_hsu.c: Split MNIST of Hsu, Liu, Ramasamy and Kira 2018 (arXiv:1810.12488; their code is
 * GT-RIPL/Continual-Learning-Benchmark).
 *
 * Images padded to 32x32 and normalised by that set's mean and deviation, 1024-400-400, Adam 1e-3 with one state
 * for all tasks, four epochs of batch 128, digits in order. Their penalty has no 1/2; the Fisher takes the label the
 * model itself would give. Strengths are those of their scripts; online EWC adds Fishers up. */
#include "bench/protocols.h"

#define HSU                                                                                                          \
        .family = "hsu-split-mnist", .id = "PH", .data = &data_mnist,                                                \
        .cut = {.kind = CUT_CLASSES, .tasks = 5, .pad = 2, .mean = 0.1000f, .deviation = 0.2752f}, .n_hidden = 2,    \
        .hidden = {400, 400}, .optim = ADAM(1e-3f), .batch = 128, .epochs = 4, .keep_optim = true,                   \
        .form = LEARN_FORM_GRAD, .scale = LEARN_SCALE_RAW, .merge = LEARN_MERGE_SEPARATE, .online_decay = 1.0,       \
        .fisher = EWC_FISHER_ARGMAX, .si_damping = 0.1, .replay_per_class = 110

const struct protocol protocols_hsu[] = {
    {
        .name = "hsu-split-mnist-task",
        .title = "Hsu's Split MNIST, task known",
        .scenario = SCENARIO_TASK,
        .lambda = {.argmax = 100, .online = 400, .si = 300, .mas = 1},
        HSU,
    },
    {
        .name = "hsu-split-mnist-domain",
        .title = "Hsu's Split MNIST, two shared outputs",
        .scenario = SCENARIO_DOMAIN,
        .lambda = {.argmax = 100, .online = 700, .si = 3000, .mas = 1e4},
        HSU,
    },
    {
        .name = "hsu-split-mnist-class",
        .title = "Hsu's Split MNIST, ten outputs, task unknown",
        .scenario = SCENARIO_CLASS,
        .lambda = {.argmax = 600, .online = 100, .si = 600, .mas = 1},
        HSU,
    },
};
const size_t n_protocols_hsu = ARRAY_LEN(protocols_hsu);

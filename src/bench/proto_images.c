/* proto_images.c: small convolutional nets on images, house choices in size and schedule.
 *
 * Split CIFAR-10 has five tasks of two classes on a subset of the data; the published figures belong
 * to a reduced ResNet-18 and the whole set, so they say what to hope for and not what to reach. Pneumonia has three
 * tasks that differ by the tilt of the X-ray: the same two answers, the input moves. */
#include "bench/protocols.h"

static const struct data_files data_cifar10 = {
    .folder = "cifar10",
    .train_x = "train-images-idx4-ubyte.gz",
    .train_y = "train-labels-idx1-ubyte.gz",
    .test_x = "test-images-idx4-ubyte.gz",
    .test_y = "test-labels-idx1-ubyte.gz",
    .channels = 3,
};

static const struct data_files data_pneumonia = {
    .folder = "pneumonia",
    .train_x = "train-images-idx3-ubyte.gz",
    .train_y = "train-labels-idx1-ubyte.gz",
    .test_x = "test-images-idx3-ubyte.gz",
    .test_y = "test-labels-idx1-ubyte.gz",
};

#define SMALL_NET                                                                                                    \
        .n_conv = 2, .conv = {16, 32}, .n_hidden = 1, .hidden = {128}, .optim = ADAM(1e-3f), .batch = 64,            \
        .keep_optim = true, .drop_last = true, .form = LEARN_FORM_GRAD, .scale = LEARN_SCALE_RAW,                    \
        .merge = LEARN_MERGE_ONLINE, .merge_decay = 1.0, .online_decay = 1.0, .fisher = EWC_FISHER_EXACT,            \
        .fisher_samples = 500, .si_damping = 0.1

#define CIFAR10                                                                                                      \
        .family = "split-cifar10", .id = "images", .data = &data_cifar10,                                            \
        .cut = {.kind = CUT_CLASSES, .tasks = 5, .shuffle_classes = true}, .steps = 500,                             \
        .lambda = {.exact = 5e4,                                                                                     \
            .exact_sampled = 5e4,                                                                                    \
            .sample = 5e4,                                                                                           \
            .empirical = 5e4,                                                                                        \
            .batched = 5e6,                                                                                          \
            .online = 5e4,                                                                                           \
            .si = 10,                                                                                                \
            .mas = 1},                                                                                               \
        .replay_per_class = 50, SMALL_NET

const struct protocol protocols_images[] = {
    {
        .name = "split-cifar10",
        .title = "Split CIFAR-10, task known, small convolutional net",
        .scenario = SCENARIO_TASK,
        CIFAR10,
    },
    {
        .name = "split-cifar10-domain",
        .title = "Split CIFAR-10, two shared outputs",
        .scenario = SCENARIO_DOMAIN,
        CIFAR10,
    },
    {
        .name = "split-cifar10-class",
        .title = "Split CIFAR-10, ten outputs, task unknown",
        .scenario = SCENARIO_CLASS,
        CIFAR10,
    },
    {
        .name = "pneumonia",
        .id = "images",
        .title = "chest X-rays, tilted by 0, 20 and 40 degrees",
        .scenario = SCENARIO_DOMAIN,
        .data = &data_pneumonia,
        .cut = {.kind = CUT_ROTATE, .tasks = 3, .degrees = {0, 20, 40}},
        .steps = 300,
        .lambda = {.exact = 50,
            .exact_sampled = 50,
            .sample = 50,
            .empirical = 50,
            .batched = 3e3,
            .online = 50,
            .si = 10,
            .mas = 0.1},
        .replay_per_class = 20,
        SMALL_NET,
    },
};
const size_t n_protocols_images = ARRAY_LEN(protocols_images);

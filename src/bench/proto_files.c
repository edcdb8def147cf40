/* proto_files.c: protocols on one's own file, and streams in time order.
 *
 * These learn as the daemon does (proximal step, unit scale, fresh optimiser each task), so their figures say what a
 * deployment may expect rather than what a paper printed. */
#include "bench/protocols.h"

#define DAEMON_WAY                                                                                                   \
        .n_hidden = 2, .hidden = {64, 64}, .optim = ADAM(1e-3f), .batch = 32, .form = LEARN_FORM_PROX,               \
        .scale = LEARN_SCALE_UNIT, .merge = LEARN_MERGE_SEPARATE, .online_decay = 0.9, .fisher = EWC_FISHER_EXACT,   \
        .lambda = {.exact = 0.01,                                                                                    \
            .exact_sampled = 0.01,                                                                                   \
            .sample = 0.01,                                                                                          \
            .empirical = 0.01,                                                                                       \
            .batched = 0.01,                                                                                         \
            .online = 0.01,                                                                                          \
            .si = 0.01,                                                                                              \
            .mas = 0.01},                                                                                            \
        .si_damping = 0.1, .replay_per_class = 20

const struct protocol protocols_files[] = {
    {
        .name = "split",
        .id = "file",
        .title = "a csv or idx file cut by classes",
        .scenario = SCENARIO_TASK,
        .cut = {.kind = CUT_CLASSES, .tasks = 2, .shuffle_classes = true},
        .epochs = 20,
        DAEMON_WAY,
    },
    {
        .name = "electricity",
        .id = "stream",
        .title = "electricity prices, prequential",
        .scenario = SCENARIO_DOMAIN,
        .stream = true,
        .epochs = 4,
        DAEMON_WAY,
    },
    {
        .name = "occupancy",
        .id = "stream",
        .title = "room occupancy, prequential",
        .scenario = SCENARIO_DOMAIN,
        .stream = true,
        .epochs = 4,
        DAEMON_WAY,
    },
};
const size_t n_protocols_files = ARRAY_LEN(protocols_files);

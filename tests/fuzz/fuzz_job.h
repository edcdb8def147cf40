/* fuzz_job.h: the net and the digest of the job that the fuzzed checkpoints and results belong to. */
#pragma once
#include "base/digest.h"
#include <ewc/net.h>

enum { FUZZ_PARAMS = 3 * 2 + 2 + 2 * 4 + 4 };

static const struct digest fuzz_job_digest = {{1, 2, 3}};
static const struct ewc_spec fuzz_job_net = {.n_inputs = 3,
    .n_outputs = 4,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 1,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 2}}};

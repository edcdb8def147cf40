/* made.c: see made.h. */
#include "unit/bench/made.h"
#include "base/err.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void fill(struct table *t, size_t n, uint64_t stream)
{
        struct ewc_rng r;
        ewc_rng_seed(&r, 9, stream);
        *t = (struct table){n, new_array(float, n *MADE_INPUTS), new_array(int32_t, n)};
        assert_non_null(t->x);
        assert_non_null(t->label);
        for (size_t i = 0; i < n; i++) {
                t->label[i] = (int32_t)(i % MADE_CLASSES);
                for (size_t k = 0; k < MADE_INPUTS; k++)
                        t->x[i * MADE_INPUTS + k] = 0.3f * ewc_rng_unit(&r) + (k == i % MADE_CLASSES ? 0.6f : 0.0f);
        }
}

void made_dataset(struct dataset *d)
{
        *d = (struct dataset){.n_inputs = MADE_INPUTS, .n_classes = MADE_CLASSES};
        fill(&d->train, MADE_TRAIN, 1);
        fill(&d->test, MADE_TEST, 2);
}

const struct protocol made_protocol = {
    .name = "made",
    .id = "made",
    .title = "made-up classes",
    .scenario = SCENARIO_TASK,
    .cut = {.kind = CUT_CLASSES, .tasks = 3, .shuffle_classes = true},
    .n_hidden = 1,
    .hidden = {8},
    .optim = {.type = EWC_OPTIM_ADAM, .rate = 0.02f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f},
    .batch = 16,
    .steps = 40,
    .keep_optim = true,
    .drop_last = true,
    .form = LEARN_FORM_GRAD,
    .scale = LEARN_SCALE_RAW,
    .merge = LEARN_MERGE_SEPARATE,
    .online_decay = 0.9,
    .fisher = EWC_FISHER_EXACT,
    .lambda = {.exact = 10,
        .exact_sampled = 10,
        .sample = 10,
        .empirical = 10,
        .batched = 10,
        .online = 10,
        .si = 1,
        .mas = 1},
    .si_damping = 0.1,
    .replay_per_class = 5,
};

struct settings made_settings(const struct protocol *p, enum bench_method m, uint64_t seed)
{
        struct options o = {.seeds = 1, .jobs = 1, .threads = 1, .tasks = p->cut.tasks, .data = "."};
        struct settings s;
        struct err e = ERR_NULL;
        if (settings_make(&o, p, m, seed, 1, &s, &e) != 0)
                fail_msg("%s", e.msg);
        return s;
}

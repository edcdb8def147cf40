/* bundle_fixture.c: see bundle_fixture.h. */
#include "bundle_fixture.h"
#include "base/mem.h"
#include "lib/tmpdir.h"
#include <stdlib.h>

static const uint32_t head_a[2] = {0, 1}, head_b[2] = {2, 3};

static struct learn_rows rows(const struct fixture *f, uint64_t task, const uint32_t *head, const int32_t *label)
{
        return (struct learn_rows){.task = task, .head = {2, head}, .n = N, .x = f->x, .label = label};
}

int fixture_setup(void **state)
{
        struct fixture *f = new_zero(struct fixture);
        struct ewc_rng r;
        ewc_rng_seed(&r, 3, 0);
        f->dir = tmpdir_new();
        tmpdir_path(f->path, sizeof(f->path), f->dir, "file");
        tmpdir_path(f->other, sizeof(f->other), f->dir, "other");
        arena_init(&f->arena, 1 << 24);
        for (size_t i = 0; i < P_MAX; i++) {
                f->theta[i] = (float)ewc_rng_normal(&r);
                f->fisher[i] = ewc_rng_unit(&r);
                f->anchor[i] = i % 2 ? -0.0f : 1e-42f;
        }
        for (size_t i = 0; i < N * I; i++)
                f->x[i] = ewc_rng_unit(&r);
        for (size_t i = 0; i < N; i++) {
                f->weight[i] = 0.5f * (float)i;
                f->label_a[i] = (int32_t)(i % 2);
                f->label_b[i] = (int32_t)(2 + i % 2);
        }
        for (size_t k = 0; k < 2; k++)
                f->past[k] =
                    (struct learn_past){.task = 11 + k, .alpha = 1.0 / 3.0, .fisher = f->fisher, .anchor = f->anchor};
        f->replay[0] = rows(f, 11, head_a, f->label_a);
        f->holdout[0] = rows(f, 11, head_a, f->label_a);
        f->holdout[1] = rows(f, 13, head_b, f->label_b);
        f->holdout[1].n = 0;
        f->job = (struct learn_job){
            .kind = JOB_ROLLOVER,
            .id = UINT64_MAX,
            .net = {.n_inputs = I,
                .n_outputs = O,
                .loss = EWC_LOSS_SOFTMAX,
                .n_layers = 1,
                .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 2}}},
            .theta = f->theta,
            .n_past = 2,
            .past = f->past,
            .train = rows(f, 13, head_b, f->label_b),
            .n_replay = 1,
            .replay = f->replay,
            .n_holdout = 2,
            .holdout = f->holdout,
            .plan = {.method = LEARN_EWC,
                .optim = {.type = EWC_OPTIM_ADAM,
                    .rate = 0.1f,
                    .momentum = 0.3f,
                    .beta1 = 0.9f,
                    .beta2 = 0.999f,
                    .eps = 1e-8f},
                .epochs = 3,
                .steps = 5,
                .batch = 7,
                .lambda = 0.1,
                .lambda_auto = true,
                .fisher = EWC_FISHER_SAMPLE,
                .fisher_samples = 9,
                .replay_per_class = 2,
                .seed = UINT64_MAX - 1,
                .threads = 2},
        };
        f->job.train.weight = f->weight;
        digest_of("job", 3, &f->digest);
        assert_in_range(ewc_spec_params(&f->job.net), 1, P_MAX);
        *state = f;
        return 0;
}

int fixture_teardown(void **state)
{
        struct fixture *f = *state;
        arena_deinit(&f->arena);
        tmpdir_remove(f->dir);
        free(f);
        return 0;
}

void ok(int r, const struct err *e)
{
        if (r != 0)
                fail_msg("%d: %s", r, e->msg);
}

void doctor_open(struct fixture *f, struct doctor *d)
{
        struct err e = ERR_NULL;
        buf_init(&d->bytes, 1 << 20);
        ok(file_read(f->path, 1 << 20, &d->bytes, &e), &e);
        d->aligned = mem_aligned(d->bytes.len, 1, 64);
        memcpy(d->aligned, d->bytes.data, d->bytes.len);
        ok(st_read(d->aligned, d->bytes.len, &f->arena, &d->st, &e), &e);
        assert_in_range(d->st.n_tensors, 0, ARRAY_LEN(d->parts));
        for (size_t i = 0; i < d->st.n_tensors; i++) {
                const struct st_tensor *t = &d->st.tensors[i];
                d->parts[i] = (struct st_part){t->name, t->dtype, t->rank, {0}, t->data};
                memcpy(d->parts[i].shape, t->shape, sizeof(t->shape));
        }
        memcpy(d->meta, d->st.meta, d->st.n_meta * sizeof(*d->meta));
}

struct st_part *doctor_part(struct doctor *d, const char *name)
{
        for (size_t i = 0; i < d->st.n_tensors; i++)
                if (strcmp(d->parts[i].name, name) == 0)
                        return &d->parts[i];
        fail_msg("no tensor %s", name);
        return NULL;
}

/* The JSON with the first `from` replaced. */
void doctor_json(struct fixture *f, struct doctor *d, const char *key, const char *from, const char *to)
{
        for (size_t i = 0; i < d->st.n_meta; i++) {
                if (strcmp(d->meta[i].key, key) != 0)
                        continue;
                const char *at = strstr(d->meta[i].value, from);
                if (!at)
                        fail_msg("%s does not hold %s", d->meta[i].value, from);
                d->meta[i].value = arena_printf(
                    &f->arena, "%.*s%s%s", (int)(at - d->meta[i].value), d->meta[i].value, to, at + strlen(from));
                return;
        }
        fail_msg("no metadata %s", key);
}

void doctor_write(struct fixture *f, struct doctor *d)
{
        struct err e = ERR_NULL;
        ok(st_write(f->other, d->parts, d->st.n_tensors, d->meta, d->st.n_meta, &e), &e);
        free(d->aligned);
        buf_deinit(&d->bytes);
}

void doctor_float(struct doctor *d, const char *name, float v)
{
        float *x = (float *)(uintptr_t)doctor_part(d, name)->data; /* into d->aligned, which is ours */
        x[0] = v;
}

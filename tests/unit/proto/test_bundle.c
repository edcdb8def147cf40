/* test_bundle.c: job, checkpoint and result through a file, bit for bit; and files that lie.
 *
 * Hostile files are made from good ones: the good job is read, one thing in its structure or its tensors is changed,
 * and the bytes are written again by st_write, so that only the checked rule is broken. */
#include "proto/bundle.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "lib/tmpdir.h"
#include "proto/safetensors.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { I = 3, O = 4, N = 5, P_MAX = 64 };

static const uint32_t head_a[2] = {0, 1}, head_b[2] = {2, 3};

struct fixture {
        char *dir;
        char path[256], other[256];
        float theta[P_MAX], fisher[P_MAX], anchor[P_MAX], x[N * I], weight[N], target[N * O];
        int32_t label_a[N], label_b[N];
        struct learn_past past[2];
        struct learn_rows replay[1], holdout[2];
        struct learn_job job;
        struct digest digest;
        struct arena arena;
};

static struct learn_rows rows(const struct fixture *f, uint64_t task, const uint32_t *head, const int32_t *label)
{
        return (struct learn_rows){.task = task, .head = {2, head}, .n = N, .x = f->x, .label = label};
}

static int setup(void **state)
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

static int teardown(void **state)
{
        struct fixture *f = *state;
        arena_deinit(&f->arena);
        tmpdir_remove(f->dir);
        free(f);
        return 0;
}

static void ok(int r, const struct err *e)
{
        if (r != 0)
                fail_msg("%d: %s", r, e->msg);
}

static void same_rows(const struct learn_job *job, const struct learn_rows *a, const struct learn_rows *b)
{
        assert_true(a->task == b->task && a->n == b->n && a->head.n == b->head.n);
        assert_memory_equal(a->head.out, b->head.out, a->head.n * sizeof(*a->head.out));
        assert_memory_equal(a->x, b->x, a->n * I * sizeof(float));
        assert_true(!a->label == !b->label && !a->target == !b->target && !a->weight == !b->weight);
        if (a->label)
                assert_memory_equal(a->label, b->label, a->n * sizeof(*a->label));
        if (a->target)
                assert_memory_equal(a->target, b->target, a->n * job->net.n_outputs * sizeof(float));
        if (a->weight)
                assert_memory_equal(a->weight, b->weight, a->n * sizeof(float));
}

static void check_job_round_trip(struct fixture *f)
{
        struct err e = ERR_NULL;
        struct file_map map;
        struct learn_job got;
        struct digest digest, again;
        size_t P = ewc_spec_params(&f->job.net) * sizeof(float);
        ok(bundle_write_job(f->path, &f->job, &e), &e);
        ok(bundle_read_job(f->path, &f->arena, &map, &got, &digest, &e), &e);
        ok(bundle_job_digest(f->path, &again, &e), &e);
        assert_true(digest_eq(&digest, &again));
        assert_int_equal(got.kind, f->job.kind);
        assert_true(got.id == f->job.id);
        assert_int_equal(got.net.n_layers, f->job.net.n_layers);
        assert_memory_equal(got.net.layers, f->job.net.layers, sizeof(struct ewc_layer) * got.net.n_layers);
        assert_int_equal(got.net.loss, f->job.net.loss);
        assert_memory_equal(got.theta, f->theta, P);
        assert_int_equal(got.n_past, 2);
        for (size_t k = 0; k < 2; k++) {
                assert_true(got.past[k].task == 11 + k && got.past[k].alpha == 1.0 / 3.0);
                assert_memory_equal(got.past[k].fisher, f->fisher, P);
                assert_memory_equal(got.past[k].anchor, f->anchor, P);
        }
        same_rows(&f->job, &f->job.train, &got.train);
        assert_int_equal(got.n_replay, 1);
        same_rows(&f->job, &f->replay[0], &got.replay[0]);
        assert_int_equal(got.n_holdout, 2);
        same_rows(&f->job, &f->holdout[0], &got.holdout[0]);
        same_rows(&f->job, &f->holdout[1], &got.holdout[1]);
        const struct learn_plan *p = &got.plan, *q = &f->job.plan;
        assert_memory_equal(&p->optim, &q->optim, sizeof(p->optim));
        assert_true(p->method == q->method && p->epochs == q->epochs && p->steps == q->steps && p->batch == q->batch);
        assert_true(p->lambda == q->lambda && p->lambda_auto == q->lambda_auto && p->fisher == q->fisher);
        assert_true(p->fisher_samples == q->fisher_samples && p->replay_per_class == q->replay_per_class);
        assert_true(p->seed == q->seed && p->threads == q->threads);
        assert_null(got.resume);
        ok(bundle_write_job(f->other, &got, &e), &e); /* what was read writes the same file */
        ok(bundle_job_digest(f->other, &again, &e), &e);
        assert_true(digest_eq(&digest, &again));
        file_unmap(&map);
}

static void test_job_round_trip(void **state)
{
        struct fixture *f = *state;
        check_job_round_trip(f);
}

static void test_job_with_targets(void **state)
{
        struct fixture *f = *state;
        f->job.net.loss = EWC_LOSS_SIGMOID;
        f->job.train.label = f->replay[0].label = f->holdout[0].label = f->holdout[1].label = NULL;
        f->job.train.target = f->replay[0].target = f->holdout[0].target = f->holdout[1].target = f->target;
        check_job_round_trip(f);
}

/* Every kind of member a layer may have, and the shape of an image. */
static void test_job_with_layers(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        struct file_map map;
        struct learn_job got;
        struct digest digest;
        const struct ewc_spec net = {.n_inputs = I,
            .n_outputs = O,
            .loss = EWC_LOSS_SOFTMAX,
            .n_layers = 5,
            .layers = {{.type = EWC_LAYER_CONV, .units = 1, .kernel = 2, .stride = 2, .padding = 1},
                {.type = EWC_LAYER_MAX_POOL, .kernel = 1, .stride = 1}, {.type = EWC_LAYER_GROUP_NORM, .groups = 1},
                {.type = EWC_LAYER_DROPOUT, .rate = 0.1f}, {.type = EWC_LAYER_FLATTEN}},
            .input = {1, I, 1}};
        f->job.net = net;
        assert_in_range(ewc_spec_params(&net), 1, P_MAX);
        ok(bundle_write_job(f->path, &f->job, &e), &e);
        ok(bundle_read_job(f->path, &f->arena, &map, &got, &digest, &e), &e);
        assert_memory_equal(&got.net, &net, sizeof(net));
        assert_memory_equal(got.theta, f->theta, ewc_spec_params(&net) * sizeof(float));
        file_unmap(&map);
        memset(&f->job.net.layers, 0, sizeof(f->job.net.layers));
        f->job.net.n_layers = 1;
        f->job.net.input = (struct ewc_shape){0};
        f->job.net.layers[0] = (struct ewc_layer){.type = EWC_LAYER_EMBEDDING, .units = 1, .count = 1};
        ok(bundle_write_job(f->path, &f->job, &e), &e);
        ok(bundle_read_job(f->path, &f->arena, &map, &got, &digest, &e), &e);
        assert_memory_equal(&got.net, &f->job.net, sizeof(net));
        file_unmap(&map);
        f->job.net = net;
        f->job.net.input.w = I + 1; /* nobody checks what is written; the reader does */
        ok(bundle_write_job(f->path, &f->job, &e), &e);
        assert_int_equal(bundle_read_job(f->path, &f->arena, &map, &got, &digest, &e), -EBADMSG);
        assert_non_null(strstr(e.msg, "input shape 1x4x1"));
}

/* The file as parts that a test may change before it is written again. */
struct doctor {
        struct buf bytes;
        void *aligned;
        struct st_file st;
        struct st_part parts[64];
        struct st_meta meta[4];
};

static void doctor_open(struct fixture *f, struct doctor *d)
{
        struct err e = ERR_NULL;
        buf_init(&d->bytes, 1 << 20);
        ok(file_read(f->path, 1 << 20, &d->bytes, &e), &e);
        d->aligned = mem_aligned(d->bytes.len, 1, 64);
        memcpy(d->aligned, d->bytes.data, d->bytes.len);
        ok(st_read(d->aligned, d->bytes.len, &f->arena, &d->st, &e), &e);
        assert_in_range(d->st.n_tensors, 1, ARRAY_LEN(d->parts));
        for (size_t i = 0; i < d->st.n_tensors; i++) {
                const struct st_tensor *t = &d->st.tensors[i];
                d->parts[i] = (struct st_part){t->name, t->dtype, t->rank, {0}, t->data};
                memcpy(d->parts[i].shape, t->shape, sizeof(t->shape));
        }
        memcpy(d->meta, d->st.meta, d->st.n_meta * sizeof(*d->meta));
}

static struct st_part *doctor_part(struct doctor *d, const char *name)
{
        for (size_t i = 0; i < d->st.n_tensors; i++)
                if (strcmp(d->parts[i].name, name) == 0)
                        return &d->parts[i];
        fail_msg("no tensor %s", name);
        return NULL;
}

/* The JSON with the first `from` replaced. */
static void doctor_json(struct fixture *f, struct doctor *d, const char *key, const char *from, const char *to)
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

static void doctor_write(struct fixture *f, struct doctor *d)
{
        struct err e = ERR_NULL;
        ok(st_write(f->other, d->parts, d->st.n_tensors, d->meta, d->st.n_meta, &e), &e);
        free(d->aligned);
        buf_deinit(&d->bytes);
}

static void job_refused(struct fixture *f, const char *why)
{
        struct err e = ERR_NULL;
        struct file_map map = {0};
        struct learn_job job;
        struct digest digest;
        int r = bundle_read_job(f->other, &f->arena, &map, &job, &digest, &e);
        if (r != -EBADMSG || !strstr(e.msg, why))
                fail_msg("%d \"%s\", wanted \"%s\"", r, e.msg, why);
        assert_null(map.data);
}

static void test_job_json_lies(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *from, *to, *why;
        } cases[] = {
            {"\"kind\":\"rollover\"", "\"kind\":\"party\"", "kind party"},
            {"\"kind\":\"rollover\"", "\"kind\":7", "kind"},
            {"{\"kind\"", "{\"extra\":1,\"kind\"", "missing or unknown"},
            {"\"id\":\"18446744073709551615\"", "\"id\":\"18446744073709551616\"", "missing or unknown"},
            {"\"id\":\"18446744073709551615\"", "\"id\":-1", "missing or unknown"},
            {"\"inputs\":3", "\"inputs\":0", "net:"},
            {"\"inputs\":3", "\"inputs\":2", "wrong shape"},
            {"\"inputs\":3", "\"inputs\":4294967299", "net:"},
            {"\"outputs\":4", "\"outputs\":5", "wrong shape"},
            {"\"units\":2", "\"units\":3", "wrong shape"},
            {"\"loss\":\"softmax\"", "\"loss\":\"hinge\"", "net:"},
            {"\"loss\":\"softmax\"", "\"loss\":\"sigmoid\"", "I32, not F32"},
            {"\"activation\":\"tanh\"", "\"activation\":\"sin\"", "layer 0"},
            {"\"method\":\"ewc\"", "\"method\":\"magic\"", "plan:"},
            {"\"type\":\"adam\"", "\"type\":\"adagrad\"", "plan:"},
            {"\"batch\":7", "\"batch\":-7", "plan:"},
            {"\"batch\":7", "\"batch\":7,\"more\":1", "plan:"},
            {"\"lambda_auto\":true", "\"lambda_auto\":1", "plan:"},
            {"\"fisher\":\"sample\"", "\"fisher\":\"exactish\"", "plan:"},
            {"\"seed\":\"18446744073709551614\"", "\"seed\":\"x\"", "plan:"},
            {"\"alpha\":", "\"alpha\":-", "past.0"},
            {"\"alpha\":", "\"beta\":", "past.0"},
            {"\"train\":{\"task\":13,\"rows\":5", "\"train\":{\"task\":13,\"rows\":4", "train.x has the wrong shape"},
            {"\"train\":{\"task\":13,\"rows\":5", "\"train\":{\"task\":13,\"rows\":\"4294967297\"", "train:"},
            {"\"head\":[2,3]", "\"head\":[3,2]", "not ascending"},
            {"\"head\":[2,3]", "\"head\":[2,2]", "not ascending"},
            {"\"head\":[2,3]", "\"head\":[2,4]", "not ascending"},
            {"\"head\":[2,3]", "\"head\":[-1,3]", "not ascending"},
            {"\"head\":[2,3]", "\"head\":[2.0,3]", "not ascending"},
            {"\"head\":[2,3]", "\"head\":[0,1,2,3,3]", "at most 4"},
            {"\"head\":[2,3]", "\"head\":7", "at most 4"},
            {"\"head\":[2,3]", "\"head\":[0,1]", "label 2 is not an output"},
            {"\"head\":[2,3]", "\"head\":[]", "label 2 is not an output"},
            {"\"weighted\":true", "\"weighted\":false", "tensors, expected"},
            {"\"weighted\":false", "\"weighted\":true", "no tensor replay.0.weight"},
            {"\"holdout\":[", "\"holdout\":[7,", "holdout.0"},
            {"\"replay\":[", "\"replay\":{},\"more\":[", "missing or unknown"},
        };
        struct err e = ERR_NULL;
        ok(bundle_write_job(f->path, &f->job, &e), &e);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct doctor d;
                doctor_open(f, &d);
                doctor_json(f, &d, "ewcd.job", cases[i].from, cases[i].to);
                doctor_write(f, &d);
                job_refused(f, cases[i].why);
        }
        struct doctor d;
        doctor_open(f, &d);
        doctor_json(f, &d, "ewcd.format", "job/1", "job/2");
        doctor_write(f, &d);
        job_refused(f, "job/2");
        doctor_open(f, &d);
        doctor_json(f, &d, "ewcd.job", "{", "{{");
        doctor_write(f, &d);
        job_refused(f, "ewcd.job:");
}

static void set_float(struct doctor *d, const char *name, float v)
{
        float *x = (float *)(uintptr_t)doctor_part(d, name)->data; /* into d->aligned, which is ours */
        x[0] = v;
}

static void test_job_tensors_lie(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        static const struct {
                const char *name;
                float value;
                const char *why;
        } cases[] = {
            {"theta/0.w", (float)NAN, "not finite"},
            {"theta/out.b", (float)INFINITY, "not finite"},
            {"past.0.fisher/0.b", -1.0f, "negative"},
            {"past.1.anchor/out.w", (float)NAN, "not finite"},
            {"train.x", (float)NAN, "not finite"},
            {"train.weight", -1.0f, "negative weight"},
            {"holdout.0.x", -(float)INFINITY, "not finite"},
        };
        ok(bundle_write_job(f->path, &f->job, &e), &e);
        struct doctor d;
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                doctor_open(f, &d);
                set_float(&d, cases[i].name, cases[i].value);
                doctor_write(f, &d);
                job_refused(f, cases[i].why);
        }
        doctor_open(f, &d);
        *(int32_t *)(uintptr_t)doctor_part(&d, "train.y")->data = -1;
        doctor_write(f, &d);
        job_refused(f, "label -1");
        doctor_open(f, &d);
        doctor_part(&d, "train.y")->name = "train.z";
        doctor_write(f, &d);
        job_refused(f, "no tensor train.y");
        doctor_open(f, &d);
        struct st_part *w = doctor_part(&d, "theta/0.w"); /* the same size the other way round */
        w->shape[0] = I;
        w->shape[1] = 2;
        doctor_write(f, &d);
        job_refused(f, "wrong shape");
        doctor_open(f, &d);
        struct st_part *a = doctor_part(&d, "theta/0.b"), *b = doctor_part(&d, "theta/out.w"), swap = *a;
        *a = *b;
        *b = swap;
        doctor_write(f, &d);
        job_refused(f, "does not follow");
}

static void test_job_truncated(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        struct buf b;
        ok(bundle_write_job(f->path, &f->job, &e), &e);
        buf_init(&b, 1 << 20);
        ok(file_read(f->path, 1 << 20, &b, &e), &e);
        for (size_t n = 0; n < b.len; n += n < 16 ? 1 : 97) {
                struct file_map map = {0};
                struct learn_job job;
                struct digest digest;
                ok(file_replace(f->other, b.data, n, &e), &e);
                assert_true(bundle_read_job(f->other, &f->arena, &map, &job, &digest, &e) < 0);
        }
        buf_deinit(&b);
        struct file_map map = {0};
        struct learn_job job;
        struct digest digest;
        tmpdir_path(f->other, sizeof(f->other), f->dir, "nothing");
        assert_int_equal(bundle_read_job(f->other, &f->arena, &map, &job, &digest, &e), -ENOENT);
}

static struct learn_state state_of(struct fixture *f, struct evaluation *before, double *sum)
{
        size_t P = ewc_spec_params(&f->job.net);
        for (size_t i = 0; i < P; i++)
                sum[i] = (double)i / 7.0;
        before[0] = (struct evaluation){.task = 11, .n = 5, .accuracy = 0.1, .loss = 1.0 / 3.0};
        before[1] = (struct evaluation){.task = 13, .n = 0, .accuracy = (double)NAN, .loss = (double)NAN};
        return (struct learn_state){.phase = LEARN_PHASE_FISHER,
            .try = 1,
            .epoch = 3,
            .step = 1ull << 40,
            .lambda = 0.1,
            .n_tries = 2,
            .tries = {{0, 0.9, (double)NAN, 0, 0.1, 1.5}, {0.1, 1.0 / 3.0, 0.7, 0.25, 2.0 / 3.0, 0}},
            .loss = 0.1 + 0.2,
            .penalty = 1e-300,
            .n_params = P,
            .theta = f->theta,
            .n_optim = 6,
            .optim = f->anchor,
            .best = f->fisher,
            .best_lambda = 0.1,
            .n_before = 2,
            .before = before,
            .fisher_done = 3,
            .fisher_sum = sum};
}

static void test_checkpoint_round_trip(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        struct file_map map;
        struct learn_state got;
        struct evaluation before[2];
        double sum[P_MAX];
        struct learn_state s = state_of(f, before, sum);
        ok(bundle_write_checkpoint(f->path, &f->digest, &f->job.net, &s, &e), &e);
        ok(bundle_read_checkpoint(f->path, &f->digest, &f->job.net, &f->arena, &map, &got, &e), &e);
        assert_int_equal(got.phase, s.phase);
        assert_true(got.try == s.try && got.epoch == s.epoch && got.step == s.step && got.lambda == s.lambda);
        assert_true(got.loss == s.loss && got.penalty == s.penalty && got.best_lambda == s.best_lambda);
        assert_int_equal(got.n_tries, 2);
        assert_true(isnan(got.tries[0].past_accuracy) && got.tries[0].seconds == 1.5);
        assert_memory_equal(&got.tries[1], &s.tries[1], sizeof(s.tries[1]));
        assert_true(got.n_params == s.n_params && got.n_optim == 6 && got.fisher_done == 3);
        assert_memory_equal(got.theta, s.theta, s.n_params * sizeof(float));
        assert_memory_equal(got.best, s.best, s.n_params * sizeof(float));
        assert_memory_equal(got.optim, s.optim, s.n_optim * sizeof(float));
        assert_memory_equal(got.fisher_sum, s.fisher_sum, s.n_params * sizeof(double));
        assert_int_equal(got.n_before, 2);
        assert_memory_equal(&got.before[0], &before[0], sizeof(before[0]));
        assert_true(isnan(got.before[1].accuracy));
        file_unmap(&map);
        s.best = NULL;
        s.fisher_sum = NULL;
        s.n_optim = 0;
        s.optim = NULL;
        s.phase = LEARN_PHASE_TRAIN;
        ok(bundle_write_checkpoint(f->path, &f->digest, &f->job.net, &s, &e), &e);
        ok(bundle_read_checkpoint(f->path, &f->digest, &f->job.net, &f->arena, &map, &got, &e), &e);
        assert_true(!got.best && !got.fisher_sum && !got.optim && got.phase == LEARN_PHASE_TRAIN);
        file_unmap(&map);
}

static void test_checkpoint_lies(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *from, *to, *why;
        } cases[] = {
            {"\"phase\":\"fisher\"", "\"phase\":\"nap\"", "ewcd.state"},
            {"\"epoch\":3", "\"epoch\":-3", "ewcd.state"},
            {"\"lambda\":0.1", "\"lambda\":null", "ewcd.state"},
            {"\"best\":true", "\"best\":false", "tensors, expected"},
            {"\"fisher\":true", "\"fisher\":false", "tensors, expected"},
            {"\"n_optim\":6", "\"n_optim\":7", "optim has the wrong shape"},
            {"\"tries\":[", "\"tries\":[{},", "ewcd.state"},
            {"\"tries\":[", "\"tries\":[0,0,0,0,0,0,0,", "ewcd.state"},
            {"\"before\":[", "\"before\":[{},", "ewcd.state"},
        };
        struct err e = ERR_NULL;
        struct file_map map = {0};
        struct learn_state got;
        struct evaluation before[2];
        double sum[P_MAX];
        struct learn_state s = state_of(f, before, sum);
        struct digest other;
        ok(bundle_write_checkpoint(f->path, &f->digest, &f->job.net, &s, &e), &e);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct doctor d;
                doctor_open(f, &d);
                doctor_json(f, &d, "ewcd.state", cases[i].from, cases[i].to);
                doctor_write(f, &d);
                int r = bundle_read_checkpoint(f->other, &f->digest, &f->job.net, &f->arena, &map, &got, &e);
                if (r != -EBADMSG || !strstr(e.msg, cases[i].why))
                        fail_msg("%s: %d \"%s\"", cases[i].to, r, e.msg);
        }
        struct doctor d;
        doctor_open(f, &d);
        *(double *)(uintptr_t)doctor_part(&d, "fisher_sum")->data = (double)NAN;
        doctor_write(f, &d);
        assert_int_equal(
            bundle_read_checkpoint(f->other, &f->digest, &f->job.net, &f->arena, &map, &got, &e), -EBADMSG);
        digest_of("another", 7, &other);
        assert_int_equal(
            bundle_read_checkpoint(f->path, &other, &f->job.net, &f->arena, &map, &got, &e), BUNDLE_OTHER_JOB);
        doctor_open(f, &d);
        doctor_json(f, &d, "ewcd.job_sha256", "", "z");
        doctor_write(f, &d);
        assert_int_equal(
            bundle_read_checkpoint(f->other, &f->digest, &f->job.net, &f->arena, &map, &got, &e), -EBADMSG);
        tmpdir_path(f->other, sizeof(f->other), f->dir, "nothing");
        assert_int_equal(
            bundle_read_checkpoint(f->other, &f->digest, &f->job.net, &f->arena, &map, &got, &e), -ENOENT);
        assert_null(map.data);
}

static struct learn_result result_of(struct fixture *f, struct evaluation *before)
{
        before[0] = (struct evaluation){.task = 11, .n = 5, .accuracy = 0.1, .loss = 1.0 / 3.0};
        before[1] = (struct evaluation){.task = 13, .n = 0, .accuracy = (double)NAN, .loss = (double)NAN};
        return (struct learn_result){.outcome = LEARN_DONE,
            .n_params = ewc_spec_params(&f->job.net),
            .theta = f->theta,
            .fisher = f->fisher,
            .fisher_info = {EWC_FISHER_SAMPLE, 9, 20, 0.1, 2.0},
            .lambda = 0.1,
            .loss = 1.0 / 3.0,
            .penalty = 0.2,
            .steps = 77,
            .n_evaluations = 2,
            .before = before,
            .after = before,
            .n_tries = 1,
            .tries = {{0.1, 0.9, 0.8, 0.2, 0.3, 1.25}}};
}

static void test_result_round_trip(void **state)
{
        struct fixture *f = *state;
        struct err e = ERR_NULL;
        struct evaluation before[2];
        struct learn_result got = {0}, r = result_of(f, before);
        ok(bundle_write_result(f->path, &f->digest, &f->job.net, &r, &e), &e);
        ok(bundle_read_result(f->path, &f->digest, &f->job.net, &got, &e), &e);
        assert_int_equal(got.outcome, LEARN_DONE);
        assert_memory_equal(got.theta, r.theta, r.n_params * sizeof(float));
        assert_memory_equal(got.fisher, r.fisher, r.n_params * sizeof(float));
        assert_true(got.fisher_info.kind == EWC_FISHER_SAMPLE && got.fisher_info.n_samples == 9);
        assert_true(got.fisher_info.n_protected == 20 && got.fisher_info.factor == 0.1);
        assert_true(got.fisher_info.trace == 2.0 && got.lambda == 0.1 && got.loss == 1.0 / 3.0 && got.steps == 77);
        assert_memory_equal(&got.tries[0], &r.tries[0], sizeof(r.tries[0]));
        assert_memory_equal(&got.after[0], &before[0], sizeof(before[0]));
        assert_true(isnan(got.before[1].loss));
        learn_result_free(&got);
        r = (struct learn_result){
            .outcome = LEARN_DIVERGED, .n_evaluations = 2, .before = before, .loss = (double)NAN};
        ok(bundle_write_result(f->path, &f->digest, &f->job.net, &r, &e), &e);
        ok(bundle_read_result(f->path, &f->digest, &f->job.net, &got, &e), &e);
        assert_int_equal(got.outcome, LEARN_DIVERGED);
        assert_true(!got.theta && !got.fisher && !got.after && got.n_evaluations == 2 && isnan(got.loss));
        learn_result_free(&got);
}

static void test_result_lies(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *from, *to;
        } cases[] = {
            {"\"outcome\":\"done\"", "\"outcome\":\"great\""},
            {"\"outcome\":\"done\"", "\"outcome\":\"diverged\""}, /* then there may be no theta */
            {"\"samples\":9", "\"samples\":-9"},
            {"\"kind\":\"sample\"", "\"kind\":\"taste\""},
            {"\"factor\":0", "\"factor\":-0"},
            {"\"after\":[", "\"after\":[{\"task\":1,\"n\":1,\"accuracy\":1,\"loss\":1},"},
            {"\"steps\":77", "\"steps\":77.5"},
        };
        struct err e = ERR_NULL;
        struct evaluation before[2];
        struct learn_result got = {0}, r = result_of(f, before);
        struct digest other;
        ok(bundle_write_result(f->path, &f->digest, &f->job.net, &r, &e), &e);
        struct doctor d;
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                doctor_open(f, &d);
                doctor_json(f, &d, "ewcd.metrics", cases[i].from, cases[i].to);
                doctor_write(f, &d);
                if (bundle_read_result(f->other, &f->digest, &f->job.net, &got, &e) != -EBADMSG)
                        fail_msg("accepted %s", cases[i].to);
        }
        static const char *const tensors[] = {"theta/0.w", "fisher/out.b"};
        for (size_t i = 0; i < ARRAY_LEN(tensors); i++) {
                doctor_open(f, &d);
                set_float(&d, tensors[i], (float)NAN);
                doctor_write(f, &d);
                assert_int_equal(bundle_read_result(f->other, &f->digest, &f->job.net, &got, &e), -EBADMSG);
        }
        doctor_open(f, &d);
        set_float(&d, "fisher/0.w", -1);
        doctor_write(f, &d);
        assert_int_equal(bundle_read_result(f->other, &f->digest, &f->job.net, &got, &e), -EBADMSG);
        digest_of("another", 7, &other);
        assert_int_equal(bundle_read_result(f->path, &other, &f->job.net, &got, &e), BUNDLE_OTHER_JOB);
        assert_null(got.theta);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
            TEST(test_job_round_trip),
            TEST(test_job_with_targets),
            TEST(test_job_with_layers),
            TEST(test_job_json_lies),
            TEST(test_job_tensors_lie),
            TEST(test_job_truncated),
            TEST(test_checkpoint_round_trip),
            TEST(test_checkpoint_lies),
            TEST(test_result_round_trip),
            TEST(test_result_lies),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

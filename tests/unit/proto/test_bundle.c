/* test_bundle.c: the job through a file, bit for bit; and files that lie.
 *
 * Hostile files are made from good ones: the good job is read, one thing in its structure or its tensors is changed,
 * and the bytes are written again by st_write, so that only the checked rule is broken. */
#include "bundle_fixture.h"
#include "base/mem.h"
#include "lib/tmpdir.h"
#include <stdlib.h>

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
        assert_int_equal(got.n_fresh, f->job.n_fresh);
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

static void test_job_with_fresh_outputs(void **state)
{
        struct fixture *f = *state;
        f->job.n_fresh = 2;
        check_job_round_trip(f);
        f->job.n_fresh = O;
        check_job_round_trip(f);
        f->job.n_fresh = O + 1;
        struct err e = ERR_NULL;
        struct file_map map;
        struct learn_job got;
        ok(bundle_write_job(f->path, &f->job, &e), &e);
        assert_true(bundle_read_job(f->path, &f->arena, &map, &got, &f->digest, &e) < 0);
        assert_non_null(strstr(e.msg, "fresh is not a number of outputs"));
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
                doctor_float(&d, cases[i].name, cases[i].value);
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

int main(void)
{
        const struct CMUnitTest tests[] = {
            TEST(test_job_round_trip),
            TEST(test_job_with_targets),
            TEST(test_job_with_fresh_outputs),
            TEST(test_job_with_layers),
            TEST(test_job_json_lies),
            TEST(test_job_tensors_lie),
            TEST(test_job_truncated),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

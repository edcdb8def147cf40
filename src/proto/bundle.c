/* bundle.c: the job, from the daemon to the learner.
 *
 * The JSON lists what there is (net, plan, tasks, heads, row counts); the tensors follow from it by name and shape. A
 * reader checks all of it before it hands anything out: after that a job can be trained on without further looks at
 * where it came from. Past tasks and row sets are numbered by their place in the lists. */
#include "proto/bundle.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/bundle_in.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define JOB_FORMAT "job/1"

enum { SETS_MAX = MODEL_MAX_TASKS };

static json_t *put_rows(struct parts *p, const struct learn_job *job, const struct learn_rows *r, const char *prefix)
{
        parts_add(p, ST_F32, 2, r->n, job->net.n_inputs, r->x, "%s.x", prefix);
        if (job->net.loss == EWC_LOSS_SOFTMAX)
                parts_add(p, ST_I32, 1, r->n, 0, r->label, "%s.y", prefix);
        else
                parts_add(p, ST_F32, 2, r->n, job->net.n_outputs, r->target, "%s.y", prefix);
        if (r->weight)
                parts_add(p, ST_F32, 1, r->n, 0, r->weight, "%s.weight", prefix);
        return json_pack("{s:o, s:o, s:o, s:b}", "task", put_u64(r->task), "rows", put_u64(r->n), "head",
            put_head(&r->head), "weighted", r->weight != NULL);
}

static json_t *put_sets(
    struct parts *p, const struct learn_job *job, const struct learn_rows *sets, size_t n, const char *name)
{
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++) {
                char prefix[32];
                snprintf(prefix, sizeof(prefix), "%s.%zu", name, i);
                json_array_append_new(list, put_rows(p, job, &sets[i], prefix));
        }
        return list;
}

static json_t *put_past(struct parts *p, const struct learn_job *job)
{
        json_t *list = json_array();
        for (size_t i = 0; i < job->n_past; i++) {
                const struct learn_past *past = &job->past[i];
                char prefix[48];
                snprintf(prefix, sizeof(prefix), "past.%zu.fisher", i);
                parts_add_vector(p, prefix, &job->net, past->fisher);
                snprintf(prefix, sizeof(prefix), "past.%zu.anchor", i);
                parts_add_vector(p, prefix, &job->net, past->anchor);
                json_t *one = json_pack("{s:o, s:o}", "task", put_u64(past->task), "alpha", put_double(past->alpha));
                if (past->factor != 0)
                        json_object_set_new(one, "factor", put_double(past->factor));
                if (past->n_samples != 0)
                        json_object_set_new(one, "samples", put_u64(past->n_samples));
                json_array_append_new(list, one);
        }
        return list;
}

/* The state an optimiser begins with. */
static json_t *put_optim_in(struct parts *p, const struct learn_job *job)
{
        parts_add(p, ST_F32, 1, job->n_optim_in, 0, job->optim_in, "optim");
        return json_pack("{s:o, s:o}", "size", put_u64(job->n_optim_in), "steps", put_u64(job->optim_steps));
}

/* Inputs without labels, under the head of train. */
static json_t *put_seen(struct parts *p, const struct learn_job *job)
{
        parts_add(p, ST_F32, 2, job->seen.n, job->net.n_inputs, job->seen.x, "seen.x");
        return json_pack("{s:o, s:o}", "task", put_u64(job->seen.task), "rows", put_u64(job->seen.n));
}

int bundle_write_job(const char *path, const struct learn_job *job, struct err *e)
{
        struct parts p;
        parts_init(&p);
        parts_add_vector(&p, "theta", &job->net, job->theta);
        json_t *past = put_past(&p, job), *train = put_rows(&p, job, &job->train, "train");
        json_t *replay = put_sets(&p, job, job->replay, job->n_replay, "replay");
        json_t *holdout = put_sets(&p, job, job->holdout, job->n_holdout, "holdout");
        const char *kind = job->kind == JOB_ROLLOVER ? "rollover" : "consolidate";
        json_t *json = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kind", kind, "id", put_u64(job->id),
            "net", put_net(&job->net), "plan", put_plan(&job->plan), "past", past, "train", train, "replay", replay,
            "holdout", holdout);
        if (job->optim_in)
                json_object_set_new(json, "optim", put_optim_in(&p, job));
        if (job->n_fresh > 0)
                json_object_set_new(json, "fresh", json_integer((json_int_t)job->n_fresh));
        if (job->seen.n > 0)
                json_object_set_new(json, "seen", put_seen(&p, job));
        int r = parts_write(&p, path, JOB_FORMAT, NULL, "ewcd.job", json, e);
        parts_deinit(&p);
        return r;
}

/* Labels are outputs of the head; its list is short or sorted, so a binary search does. */
static int check_labels(const struct learn_rows *rows, const char *prefix, struct err *e)
{
        for (size_t i = 0; i < rows->n; i++) {
                uint32_t lo = 0, hi = rows->head.n, want = (uint32_t)rows->label[i];
                while (lo < hi) {
                        uint32_t mid = lo + (hi - lo) / 2;
                        if (rows->head.out[mid] < want)
                                lo = mid + 1;
                        else
                                hi = mid;
                }
                if (rows->label[i] < 0 || lo == rows->head.n || rows->head.out[lo] != want)
                        return bundle_bad(
                            e, "%s: row %zu: label %d is not an output of the head", prefix, i, rows->label[i]);
        }
        return 0;
}

static int check_weights(const struct learn_rows *rows, const char *prefix, struct err *e)
{
        for (size_t i = 0; i < rows->n; i++)
                if (rows->weight[i] < 0)
                        return bundle_bad(e, "%s: row %zu: negative weight", prefix, i);
        return 0;
}

static int read_rows(struct bundle *b, const struct ewc_spec *net, const json_t *o, const char *prefix,
    struct arena *a, struct learn_rows *ret, struct err *e)
{
        struct learn_rows rows = {0};
        char x[48], y[48], w[48];
        uint64_t n;
        bool weighted;
        if (!has_keys(o, 4) || !get_u64(o, "task", &rows.task) || !get_u64(o, "rows", &n) || n > UINT32_MAX ||
            !get_bool(o, "weighted", &weighted))
                return bundle_bad(e, "%s: not exactly task, rows, head and weighted", prefix);
        int r = get_head(json_object_get(o, "head"), net->n_outputs, a, &rows.head, e);
        if (r < 0)
                return err_wrap(e, r, "%s", prefix);
        rows.n = (size_t)n;
        snprintf(x, sizeof(x), "%s.x", prefix);
        snprintf(y, sizeof(y), "%s.y", prefix);
        snprintf(w, sizeof(w), "%s.weight", prefix);
        r = bundle_floats(b, x, 2, rows.n, net->n_inputs, &rows.x, e);
        if (r == 0 && net->loss == EWC_LOSS_SOFTMAX) {
                const void *label;
                r = bundle_tensor(b, y, ST_I32, 1, rows.n, 0, &label, e);
                if (r == 0) {
                        rows.label = label;
                        r = check_labels(&rows, prefix, e);
                }
        } else if (r == 0) {
                r = bundle_floats(b, y, 2, rows.n, net->n_outputs, &rows.target, e);
        }
        if (r == 0 && weighted) {
                r = bundle_floats(b, w, 1, rows.n, 0, &rows.weight, e);
                if (r == 0)
                        r = check_weights(&rows, prefix, e);
        }
        if (r < 0)
                return r;
        *ret = rows;
        return 0;
}

static int read_sets(struct bundle *b, const struct ewc_spec *net, const char *name, struct arena *a,
    const struct learn_rows **ret, size_t *ret_n, struct err *e)
{
        const json_t *list = json_object_get(b->json, name);
        size_t n = json_array_size(list);
        if (!json_is_array(list) || n > SETS_MAX)
                return bundle_bad(e, "%s is not a list of at most %d", name, SETS_MAX);
        struct learn_rows *sets = arena_new_array(a, struct learn_rows, n);
        if (!sets)
                return err_oom(e);
        for (size_t i = 0; i < n; i++) {
                char prefix[32];
                snprintf(prefix, sizeof(prefix), "%s.%zu", name, i);
                int r = read_rows(b, net, json_array_get(list, i), prefix, a, &sets[i], e);
                if (r < 0)
                        return r;
        }
        *ret = sets;
        *ret_n = n;
        return 0;
}

static int read_past_one(
    struct bundle *b, const struct ewc_spec *net, const json_t *o, size_t i, struct learn_past *ret, struct err *e)
{
        char fisher[48], anchor[48];
        snprintf(fisher, sizeof(fisher), "past.%zu.fisher", i);
        snprintf(anchor, sizeof(anchor), "past.%zu.anchor", i);
        bool factor = json_object_get(o, "factor"), samples = json_object_get(o, "samples");
        if (!has_keys(o, 2u + factor + samples) || !get_u64(o, "task", &ret->task) ||
            !get_finite(o, "alpha", &ret->alpha) || ret->alpha < 0 ||
            (factor && (!get_finite(o, "factor", &ret->factor) || !(ret->factor > 0))) ||
            (samples && (!get_u64(o, "samples", &ret->n_samples) || ret->n_samples == 0)))
                return bundle_bad(e, "past.%zu: not exactly task and alpha, and at most factor and samples", i);
        int r = bundle_vector(b, fisher, net, &ret->fisher, e);
        if (r == 0)
                r = bundle_vector(b, anchor, net, &ret->anchor, e);
        for (size_t k = 0; r == 0 && k < ewc_spec_params(net); k++)
                if (ret->fisher[k] < 0)
                        return bundle_bad(e, "past.%zu.fisher has a negative value", i);
        return r;
}

static int read_past(struct bundle *b, struct arena *a, struct learn_job *job, struct err *e)
{
        const json_t *list = json_object_get(b->json, "past");
        size_t n = json_array_size(list);
        if (!json_is_array(list) || n > SETS_MAX)
                return bundle_bad(e, "past is not a list of at most %d", SETS_MAX);
        struct learn_past *past = arena_new_array(a, struct learn_past, n);
        if (!past)
                return err_oom(e);
        for (size_t i = 0; i < n; i++) {
                int r = read_past_one(b, &job->net, json_array_get(list, i), i, &past[i], e);
                if (r < 0)
                        return r;
        }
        job->past = past;
        job->n_past = n;
        return 0;
}

static int read_optim_in(struct bundle *b, const json_t *o, struct learn_job *job, struct err *e)
{
        uint64_t size;
        if (!has_keys(o, 2) || !get_u64(o, "size", &size) || !get_u64(o, "steps", &job->optim_steps))
                return bundle_bad(e, "optim: not exactly size and steps");
        job->n_optim_in = (size_t)size;
        return bundle_floats(b, "optim", 1, job->n_optim_in, 0, &job->optim_in, e);
}

static int read_seen(struct bundle *b, const json_t *o, struct learn_job *job, struct err *e)
{
        struct learn_rows rows = {.head = job->train.head};
        uint64_t n;
        if (!has_keys(o, 2) || !get_u64(o, "task", &rows.task) || !get_u64(o, "rows", &n) || n == 0 || n > UINT32_MAX)
                return bundle_bad(e, "seen: not exactly task and rows, at least one");
        rows.n = (size_t)n;
        int r = bundle_floats(b, "seen.x", 2, rows.n, job->net.n_inputs, &rows.x, e);
        if (r < 0)
                return r;
        job->seen = rows;
        return 0;
}

static int read_job(struct bundle *b, struct arena *a, struct learn_job *job, struct err *e)
{
        const json_t *o = b->json;
        const json_t *optim = json_object_get(o, "optim"), *fresh = json_object_get(o, "fresh");
        const json_t *seen = json_object_get(o, "seen");
        const char *kind = get_text(o, "kind");
        if (!has_keys(o, 8u + (optim ? 1 : 0) + (fresh ? 1 : 0) + (seen ? 1 : 0)) || !get_u64(o, "id", &job->id))
                return bundle_bad(e, "ewcd.job: a member is missing or unknown");
        if (strcmp(kind, "consolidate") != 0 && strcmp(kind, "rollover") != 0)
                return bundle_bad(e, "ewcd.job: kind %.40s is unknown", kind);
        job->kind = strcmp(kind, "rollover") == 0 ? JOB_ROLLOVER : JOB_CONSOLIDATE;
        int r = get_net(json_object_get(o, "net"), &job->net, e);
        if (r == 0 && fresh && (!get_u32(o, "fresh", &job->n_fresh) || job->n_fresh > job->net.n_outputs))
                return bundle_bad(e, "ewcd.job: fresh is not a number of outputs of the net");
        if (r == 0)
                r = get_plan(json_object_get(o, "plan"), a, &job->plan, e);
        if (r == 0)
                r = bundle_vector(b, "theta", &job->net, &job->theta, e);
        if (r == 0)
                r = read_past(b, a, job, e);
        if (r == 0)
                r = read_rows(b, &job->net, json_object_get(o, "train"), "train", a, &job->train, e);
        if (r == 0)
                r = read_sets(b, &job->net, "replay", a, &job->replay, &job->n_replay, e);
        if (r == 0)
                r = read_sets(b, &job->net, "holdout", a, &job->holdout, &job->n_holdout, e);
        if (r == 0 && seen)
                r = read_seen(b, seen, job, e);
        if (r == 0 && optim)
                r = read_optim_in(b, optim, job, e);
        return r == 0 ? bundle_check_strangers(b, e) : r;
}

int bundle_read_job(const char *path, struct arena *a, struct file_map *map, struct learn_job *ret,
    struct digest *ret_digest, struct err *e)
{
        struct bundle b;
        struct learn_job job = {0};
        int r = bundle_open(&b, path, JOB_FORMAT, "ewcd.job", a, e);
        if (r < 0)
                return err_wrap(e, r, "job %s", path);
        r = read_job(&b, a, &job, e);
        bundle_close_json(&b);
        if (r < 0) {
                file_unmap(&b.map);
                return err_wrap(e, r, "job %s", path);
        }
        digest_of(b.map.data, b.map.size, ret_digest);
        *map = b.map;
        *ret = job;
        return 0;
}

int bundle_job_digest(const char *path, struct digest *ret, struct err *e)
{
        struct file_map map;
        int r = file_map(path, BUNDLE_MAX_BYTES, &map, e);
        if (r < 0)
                return r;
        digest_of(map.data, map.size, ret);
        file_unmap(&map);
        return 0;
}

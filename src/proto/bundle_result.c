/* bundle_result.c: what came of a job, from the learner to the daemon.
 *
 * Only a job that is done carries theta (and, after a rollover, the Fisher); every other outcome is metrics alone.
 * The reader copies: a result outlives its file. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "proto/bundle_in.h"
#include <errno.h>
#include <jansson.h>
#include <string.h>

#define RESULT_FORMAT "result/2"

static const char *const outcome_names[] = {
    [LEARN_DONE] = "done",
    [LEARN_STOPPED] = "stopped",
    [LEARN_DIVERGED] = "diverged",
};

static json_t *put_fisher_info(const struct learn_result *r)
{
        if (!r->fisher)
                return json_null();
        const struct ewc_fisher_info *f = &r->fisher_info;
        return json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", ewc_fisher_name(f->kind), "samples",
            put_u64(f->n_samples), "protected", put_u64(f->n_protected), "factor", put_double(f->factor), "trace",
            put_double(f->trace));
}

int bundle_write_result(const char *path, const struct digest *job, const struct ewc_spec *net,
    const struct learn_result *r, struct err *e)
{
        struct parts p;
        parts_init(&p);
        if (r->theta)
                parts_add_vector(&p, "theta", net, r->theta);
        if (r->fisher)
                parts_add_vector(&p, "fisher", net, r->fisher);
        json_t *json = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "outcome",
            outcome_names[r->outcome], "lambda", put_double(r->lambda), "loss", put_double(r->loss), "penalty",
            put_double(r->penalty), "steps", put_u64(r->steps), "fisher", put_fisher_info(r), "before",
            put_evaluations(r->before, r->before ? r->n_evaluations : 0), "after",
            put_evaluations(r->after, r->after ? r->n_evaluations : 0), "tries", put_tries(r->tries, r->n_tries));
        if (r->optim) {
                parts_add(&p, ST_F32, 1, r->n_optim, 0, r->optim, "optim");
                json_object_set_new(json, "optim",
                    json_pack("{s:o, s:o}", "size", put_u64(r->n_optim), "steps", put_u64(r->optim_steps)));
        }
        if (r->prior > 0)
                json_object_set_new(json, "prior", put_double(r->prior));
        if (r->reason[0])
                json_object_set_new(json, "reason", json_string(r->reason));
        int ret = parts_write(&p, path, RESULT_FORMAT, job, "ewcd.metrics", json, e);
        parts_deinit(&p);
        return ret;
}

static bool get_outcome(const json_t *o, enum learn_outcome *ret)
{
        const char *s = get_text(o, "outcome");
        for (size_t i = 0; i < ARRAY_LEN(outcome_names); i++)
                if (strcmp(s, outcome_names[i]) == 0) {
                        *ret = (enum learn_outcome)i;
                        return true;
                }
        return false;
}

/* Words for people, of a learner that diverged: one printable line, shown as it is. */
static bool get_reason(const json_t *o, struct learn_result *r)
{
        const char *s = get_text(o, "reason");
        if (!json_object_get(o, "reason"))
                return true;
        if (r->outcome != LEARN_DIVERGED || s[0] == '\0' || !str_copy(r->reason, sizeof(r->reason), s))
                return false;
        for (; *s; s++)
                if ((unsigned char)*s < ' ' || *s == 0x7f)
                        return false;
        return true;
}

static bool get_prior(const json_t *o, struct learn_result *r)
{
        if (!json_object_get(o, "prior"))
                return true;
        return r->outcome == LEARN_DONE && get_finite(o, "prior", &r->prior) && r->prior >= LEARN_PRIOR_LOW &&
               r->prior <= LEARN_PRIOR_HIGH;
}

static bool get_fisher_info(const json_t *o, struct ewc_fisher_info *f)
{
        return has_keys(o, 5) && ewc_fisher_parse(get_text(o, "kind"), &f->kind) == 0 &&
               get_u64(o, "samples", &f->n_samples) && get_u64(o, "protected", &f->n_protected) &&
               get_finite(o, "factor", &f->factor) && get_finite(o, "trace", &f->trace) && f->factor >= 0 &&
               f->trace >= 0;
}

/* An owned copy of n elements; NULL only when memory is short. */
static void *copy(const void *v, size_t n, size_t size)
{
        void *to = mem_array(n, size);
        if (to && n > 0)
                memcpy(to, v, n * size);
        return to;
}

static int copy_vector(struct bundle *b, const char *prefix, const struct ewc_spec *net, float **ret, struct err *e)
{
        const float *v;
        int r = bundle_vector(b, prefix, net, &v, e);
        if (r < 0)
                return r;
        *ret = copy(v, ewc_spec_params(net), sizeof(float));
        return *ret ? 0 : err_oom(e);
}

static int read_fisher(struct bundle *b, const struct ewc_spec *net, struct learn_result *r, struct err *e)
{
        if (!get_fisher_info(json_object_get(b->json, "fisher"), &r->fisher_info))
                return bundle_bad(e, "ewcd.metrics: fisher is not complete");
        int ret = copy_vector(b, "fisher", net, &r->fisher, e);
        for (size_t i = 0; ret == 0 && i < r->n_params; i++)
                if (r->fisher[i] < 0)
                        return bundle_bad(e, "fisher has a negative value");
        return ret;
}

/* What the evaluations' outputs point into, moved to `to`. */
static struct output_score *move_outputs(struct evaluation *v, size_t n, struct output_score *to)
{
        for (size_t i = 0; v && i < n; i++) {
                if (v[i].n_outputs == 0)
                        continue;
                memcpy(to, v[i].outputs, v[i].n_outputs * sizeof(*to));
                v[i].outputs = to;
                to += v[i].n_outputs;
        }
        return to;
}

static int copy_outputs(struct learn_result *r, struct err *e)
{
        size_t n = 0;
        for (size_t i = 0; i < r->n_evaluations; i++)
                n += r->before[i].n_outputs + (r->after ? r->after[i].n_outputs : 0);
        if (!(r->outputs = new_array(struct output_score, n)))
                return err_oom(e);
        move_outputs(r->after, r->n_evaluations, move_outputs(r->before, r->n_evaluations, r->outputs));
        return 0;
}

static int read_evaluations(struct bundle *b, struct arena *a, struct learn_result *r, struct err *e)
{
        struct evaluation *before, *after;
        size_t n_before, n_after;
        if (!get_evaluations(b->json, "before", a, &before, &n_before) ||
            !get_evaluations(b->json, "after", a, &after, &n_after))
                return bundle_bad(e, "ewcd.metrics: before or after is no list of evaluations");
        if (n_before != n_after && (r->outcome == LEARN_DONE || n_after != 0))
                return bundle_bad(e, "ewcd.metrics: %zu evaluations before, %zu after", n_before, n_after);
        r->n_evaluations = n_before;
        if (!(r->before = copy(before, n_before, sizeof(*before))))
                return err_oom(e);
        if (n_before == n_after && !(r->after = copy(after, n_after, sizeof(*after))))
                return err_oom(e);
        return copy_outputs(r, e);
}

static int read_optim(struct bundle *b, const json_t *o, struct learn_result *r, struct err *e)
{
        uint64_t size;
        const float *v;
        if (!has_keys(o, 2) || !get_u64(o, "size", &size) || !get_u64(o, "steps", &r->optim_steps))
                return bundle_bad(e, "ewcd.metrics: optim is not exactly size and steps");
        int ret = bundle_floats(b, "optim", 1, (size_t)size, 0, &v, e);
        if (ret < 0)
                return ret;
        r->n_optim = (size_t)size;
        r->optim = copy(v, r->n_optim, sizeof(float));
        return r->optim ? 0 : err_oom(e);
}

static int read_result(
    struct bundle *b, const struct ewc_spec *net, struct arena *a, struct learn_result *r, struct err *e)
{
        const json_t *o = b->json;
        const json_t *optim = json_object_get(o, "optim");
        size_t extra =
            (optim ? 1u : 0u) + (json_object_get(o, "reason") ? 1u : 0u) + (json_object_get(o, "prior") ? 1u : 0u);
        if (!has_keys(o, 9 + extra) || !get_outcome(o, &r->outcome) || !get_reason(o, r) || !get_prior(o, r) ||
            !get_double(o, "lambda", &r->lambda) || !get_double(o, "loss", &r->loss) ||
            !get_double(o, "penalty", &r->penalty) || !get_u64(o, "steps", &r->steps) ||
            !get_tries(o, "tries", r->tries, &r->n_tries))
                return bundle_bad(e, "ewcd.metrics: a member is missing, unknown or out of range");
        r->n_params = ewc_spec_params(net);
        int ret = read_evaluations(b, a, r, e);
        if (ret == 0 && r->outcome == LEARN_DONE)
                ret = copy_vector(b, "theta", net, &r->theta, e);
        if (ret == 0 && !json_is_null(json_object_get(o, "fisher")))
                ret = read_fisher(b, net, r, e);
        if (ret == 0 && optim)
                ret = read_optim(b, optim, r, e);
        return ret == 0 ? bundle_check_strangers(b, e) : ret;
}

int bundle_read_result(
    const char *path, const struct digest *job, const struct ewc_spec *net, struct learn_result *ret, struct err *e)
{
        struct arena a;
        struct bundle b;
        struct learn_result result = {0};
        arena_init(&a, BUNDLE_ARENA_MAX);
        int r = bundle_open(&b, path, RESULT_FORMAT, "ewcd.metrics", &a, e);
        if (r == 0) {
                r = bundle_check_job(&b, job, e);
                if (r == 0)
                        r = read_result(&b, net, &a, &result, e);
                bundle_close_json(&b);
                file_unmap(&b.map);
        }
        arena_deinit(&a);
        if (r != 0) {
                learn_result_free(&result);
                return r < 0 ? err_wrap(e, r, "result %s", path) : r;
        }
        *ret = result;
        return 0;
}

/* bundle_checkpoint.c: the state of an unfinished job, from a learner to its successor.
 *
 * fisher_sum and path come first in the data so that their doubles are aligned. The file names the digest of its job:
 * a state is worthless, and dangerous, for any other. */
#include "base/err.h"
#include "proto/bundle_in.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#define CHECKPOINT_FORMAT "checkpoint/2"

static const char *const phase_names[] = {
    [LEARN_PHASE_TRAIN] = "train",
    [LEARN_PHASE_FISHER] = "fisher",
    [LEARN_PHASE_DONE] = "done",
};

int bundle_write_checkpoint(const char *path, const struct digest *job, const struct ewc_spec *net,
    const struct learn_state *s, struct err *e)
{
        struct parts p;
        parts_init(&p);
        if (s->fisher_sum)
                parts_add(&p, ST_F64, 1, s->n_params, 0, s->fisher_sum, "fisher_sum");
        if (s->path)
                parts_add(&p, ST_F64, 1, s->n_params, 0, s->path, "path");
        parts_add_vector(&p, "theta", net, s->theta);
        if (s->best)
                parts_add_vector(&p, "best", net, s->best);
        if (s->best_optim)
                parts_add(&p, ST_F32, 1, s->n_optim, 0, s->best_optim, "best_optim");
        if (s->n_optim > 0)
                parts_add(&p, ST_F32, 1, s->n_optim, 0, s->optim, "optim");
        json_t *json = json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:b}", "phase",
            phase_names[s->phase], "try", (json_int_t)s->try, "epoch", (json_int_t)s->epoch, "step", put_u64(s->step),
            "lambda", put_double(s->lambda), "tries", put_tries(s->tries, s->n_tries), "loss", put_double(s->loss),
            "penalty", put_double(s->penalty), "n_optim", put_u64(s->n_optim), "best", s->best != NULL, "best_lambda",
            put_double(s->best_lambda), "before", put_evaluations(s->before, s->n_before), "fisher_done",
            put_u64(s->fisher_done), "fisher", s->fisher_sum != NULL);
        if (s->path)
                json_object_set_new(json, "path", json_true());
        if (s->best_optim)
                json_object_set_new(json, "best_optim", json_true());
        if (s->start != 0)
                json_object_set_new(json, "start", put_double(s->start));
        int r = parts_write(&p, path, CHECKPOINT_FORMAT, job, "ewcd.state", json, e);
        parts_deinit(&p);
        return r;
}

static bool get_phase(const json_t *o, enum learn_phase *ret)
{
        const char *s = get_text(o, "phase");
        for (size_t i = LEARN_PHASE_TRAIN; i <= LEARN_PHASE_DONE; i++)
                if (strcmp(s, phase_names[i]) == 0) {
                        *ret = (enum learn_phase)i;
                        return true;
                }
        return false;
}

static int read_fisher_sum(struct bundle *b, struct learn_state *s, struct err *e)
{
        const void *data;
        int r = bundle_tensor(b, "fisher_sum", ST_F64, 1, s->n_params, 0, &data, e);
        if (r < 0)
                return r;
        s->fisher_sum = data;
        for (size_t i = 0; i < s->n_params; i++)
                if (!(s->fisher_sum[i] >= 0) || isinf(s->fisher_sum[i]))
                        return bundle_bad(e, "fisher_sum has a negative value or one that is not finite");
        return 0;
}

static int read_path(struct bundle *b, struct learn_state *s, struct err *e)
{
        const void *data;
        int r = bundle_tensor(b, "path", ST_F64, 1, s->n_params, 0, &data, e);
        if (r < 0)
                return r;
        s->path = data;
        for (size_t i = 0; i < s->n_params; i++)
                if (!isfinite(s->path[i]))
                        return bundle_bad(e, "path has a value that is not finite");
        return 0;
}

static int read_state(
    struct bundle *b, const struct ewc_spec *net, struct arena *a, struct learn_state *s, struct err *e)
{
        const json_t *o = b->json;
        struct evaluation *before;
        bool best, fisher;
        uint64_t n_optim;
        bool path = json_object_get(o, "path");                           /* only with importance "si" */
        bool best_optim = json_is_true(json_object_get(o, "best_optim")); /* only where the optimiser is handed on */
        bool start = json_object_get(o, "start");                         /* only in a search, after its first try */
        if (!has_keys(o, 14u + path + start + best_optim) ||
            (start && !(get_finite(o, "start", &s->start) && s->start > 0)) || !get_phase(o, &s->phase) ||
            !get_u32(o, "try", &s->try) || !get_u32(o, "epoch", &s->epoch) || !get_u64(o, "step", &s->step) ||
            !get_finite(o, "lambda", &s->lambda) || !get_tries(o, "tries", s->tries, &s->n_tries) ||
            !get_double(o, "loss", &s->loss) || !get_double(o, "penalty", &s->penalty) ||
            !get_u64(o, "n_optim", &n_optim) || !get_bool(o, "best", &best) ||
            !get_double(o, "best_lambda", &s->best_lambda) ||
            !get_evaluations(o, "before", a, &before, &s->n_before) || !get_u64(o, "fisher_done", &s->fisher_done) ||
            !get_bool(o, "fisher", &fisher))
                return bundle_bad(e, "ewcd.state: a member is missing, unknown or out of range");
        s->before = before;
        s->n_params = ewc_spec_params(net);
        s->n_optim = (size_t)n_optim;
        int r = bundle_vector(b, "theta", net, &s->theta, e);
        if (r == 0 && best)
                r = bundle_vector(b, "best", net, &s->best, e);
        if (r == 0 && best_optim)
                r = bundle_floats(b, "best_optim", 1, s->n_optim, 0, &s->best_optim, e);
        if (r == 0 && n_optim > 0)
                r = bundle_floats(b, "optim", 1, s->n_optim, 0, &s->optim, e);
        if (r == 0 && fisher)
                r = read_fisher_sum(b, s, e);
        if (r == 0 && path)
                r = read_path(b, s, e);
        return r == 0 ? bundle_check_strangers(b, e) : r;
}

int bundle_read_checkpoint(const char *path, const struct digest *job, const struct ewc_spec *net, struct arena *a,
    struct file_map *map, struct learn_state *ret, struct err *e)
{
        struct bundle b;
        struct learn_state s = {0};
        int r = bundle_open(&b, path, CHECKPOINT_FORMAT, "ewcd.state", a, e);
        if (r < 0)
                return err_wrap(e, r, "checkpoint %s", path);
        r = bundle_check_job(&b, job, e);
        if (r == 0)
                r = read_state(&b, net, a, &s, e);
        bundle_close_json(&b);
        if (r != 0) {
                file_unmap(&b.map);
                return r < 0 ? err_wrap(e, r, "checkpoint %s", path) : r;
        }
        *map = b.map;
        *ret = s;
        return 0;
}

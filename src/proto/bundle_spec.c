/* bundle_spec.c: net, plan and heads of a job as JSON.
 *
 * The words are those of libewc and the domain ("dense", "relu", "adam", "exact", …); whatever has no name here
 * cannot enter a job. A plan's numbers are only read here; whether they make sense is judged by learn_run, which is
 * called without files too. */
#include "base/err.h"
#include "proto/bundle_in.h"
#include <jansson.h>
#include <math.h>

json_t *put_net(const struct ewc_spec *s)
{
        json_t *layers = json_array();
        for (uint32_t i = 0; i < s->n_layers && i < EWC_MAX_LAYERS; i++)
                json_array_append_new(layers,
                    json_pack("{s:s, s:s, s:I}", "type", ewc_layer_type_name(s->layers[i].type), "activation",
                        ewc_activation_name(s->layers[i].activation), "units", (json_int_t)s->layers[i].units));
        return json_pack("{s:I, s:I, s:s, s:o}", "inputs", (json_int_t)s->n_inputs, "outputs",
            (json_int_t)s->n_outputs, "loss", ewc_loss_name(s->loss), "layers", layers);
}

int get_net(const json_t *o, struct ewc_spec *ret, struct err *e)
{
        struct ewc_spec s = {0};
        const json_t *layers = json_object_get(o, "layers");
        size_t n = json_array_size(layers);
        char why[128] = "";
        if (!has_keys(o, 4) || !get_u32(o, "inputs", &s.n_inputs) || !get_u32(o, "outputs", &s.n_outputs) ||
            ewc_loss_parse(get_text(o, "loss"), &s.loss) < 0 || !json_is_array(layers))
                return bundle_bad(e, "net: not exactly inputs, outputs, loss and layers");
        if (n > EWC_MAX_LAYERS)
                return bundle_bad(e, "net: %zu layers, at most %d", n, EWC_MAX_LAYERS);
        s.n_layers = (uint32_t)n;
        for (size_t i = 0; i < n; i++) {
                const json_t *x = json_array_get(layers, i);
                struct ewc_layer *l = &s.layers[i];
                if (!has_keys(x, 3) || ewc_layer_type_parse(get_text(x, "type"), &l->type) < 0 ||
                    ewc_activation_parse(get_text(x, "activation"), &l->activation) < 0 ||
                    !get_u32(x, "units", &l->units))
                        return bundle_bad(e, "net: layer %zu: not exactly type, activation and units", i);
        }
        if (ewc_spec_check(&s, why, sizeof(why)) < 0)
                return bundle_bad(e, "net: %s", why);
        *ret = s;
        return 0;
}

static json_t *put_optim(const struct ewc_optim *o)
{
        return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "type", ewc_optimizer_name(o->type), "rate",
            put_double((double)o->rate), "momentum", put_double((double)o->momentum), "beta1",
            put_double((double)o->beta1), "beta2", put_double((double)o->beta2), "eps", put_double((double)o->eps));
}

static bool get_float(const json_t *o, const char *key, float *ret)
{
        double v;
        if (!get_finite(o, key, &v))
                return false;
        *ret = (float)v;
        return isfinite(*ret);
}

static bool get_optim(const json_t *o, struct ewc_optim *ret)
{
        return has_keys(o, 6) && ewc_optimizer_parse(get_text(o, "type"), &ret->type) == 0 &&
               get_float(o, "rate", &ret->rate) && get_float(o, "momentum", &ret->momentum) &&
               get_float(o, "beta1", &ret->beta1) && get_float(o, "beta2", &ret->beta2) &&
               get_float(o, "eps", &ret->eps);
}

json_t *put_plan(const struct learn_plan *p)
{
        return json_pack("{s:s, s:o, s:I, s:I, s:I, s:o, s:b, s:s, s:I, s:I, s:o, s:I}", "method",
            learn_method_name(p->method), "optimizer", put_optim(&p->optim), "epochs", (json_int_t)p->epochs, "steps",
            (json_int_t)p->steps, "batch", (json_int_t)p->batch, "lambda", put_double(p->lambda), "lambda_auto",
            (int)p->lambda_auto, "fisher", ewc_fisher_name(p->fisher), "fisher_samples",
            (json_int_t)p->fisher_samples, "replay_per_class", (json_int_t)p->replay_per_class, "seed",
            put_u64(p->seed), "threads", (json_int_t)p->threads);
}

int get_plan(const json_t *o, struct learn_plan *ret, struct err *e)
{
        struct learn_plan p = {0};
        if (!has_keys(o, 12) || !learn_method_parse(get_text(o, "method"), &p.method) ||
            !get_optim(json_object_get(o, "optimizer"), &p.optim) || !get_u32(o, "epochs", &p.epochs) ||
            !get_u32(o, "steps", &p.steps) || !get_u32(o, "batch", &p.batch) || !get_finite(o, "lambda", &p.lambda) ||
            !get_bool(o, "lambda_auto", &p.lambda_auto) || ewc_fisher_parse(get_text(o, "fisher"), &p.fisher) < 0 ||
            !get_u32(o, "fisher_samples", &p.fisher_samples) ||
            !get_u32(o, "replay_per_class", &p.replay_per_class) || !get_u64(o, "seed", &p.seed) ||
            !get_u32(o, "threads", &p.threads))
                return bundle_bad(e, "plan: a member is missing, unknown or out of range");
        *ret = p;
        return 0;
}

json_t *put_head(const struct ewc_head *h)
{
        json_t *list = json_array();
        for (uint32_t i = 0; i < h->n; i++)
                json_array_append_new(list, json_integer((json_int_t)h->out[i]));
        return list;
}

int get_head(const json_t *o, uint32_t n_outputs, struct arena *a, struct ewc_head *ret, struct err *e)
{
        size_t n = json_array_size(o);
        if (!json_is_array(o) || n > n_outputs)
                return bundle_bad(e, "head: not a list of at most %u outputs", n_outputs);
        uint32_t *out = arena_new_array(a, uint32_t, n);
        if (!out)
                return err_oom(e);
        for (size_t i = 0; i < n; i++) {
                const json_t *v = json_array_get(o, i);
                json_int_t x = json_integer_value(v);
                if (!json_is_integer(v) || x < 0 || x >= n_outputs || (i > 0 && (uint32_t)x <= out[i - 1]))
                        return bundle_bad(e, "head: outputs are not ascending and below %u", n_outputs);
                out[i] = (uint32_t)x;
        }
        *ret = (struct ewc_head){(uint32_t)n, out};
        return 0;
}

/* bundle_spec.c: net, plan and heads of a job as JSON.
 *
 * The words are those of libewc and the domain ("dense", "relu", "adam", "exact", …); whatever has no name here
 * cannot enter a job. A plan's numbers are only read here; whether they make sense is judged by learn_run, which is
 * called without files too. */
#include "base/err.h"
#include "proto/bundle_in.h"
#include "proto/layer_keys.h"
#include <jansson.h>
#include <math.h>

static json_t *put_layer(const struct ewc_layer *l)
{
        json_t *o = json_object();
        const struct layer_key *k;
        size_t next = 0;
        json_object_set_new(o, "type", json_string(ewc_layer_type_name(l->type)));
        while ((k = layer_key_next(l->type, &next))) {
                const void *at = (const char *)l + k->offset;
                if (k->kind == LAYER_KEY_UINT)
                        json_object_set_new(o, k->key, json_integer((json_int_t) * (const uint32_t *)at));
                else if (k->kind == LAYER_KEY_ACTIVATION)
                        json_object_set_new(
                            o, k->key, json_string(ewc_activation_name(*(const enum ewc_activation *)at)));
                else
                        json_object_set_new(o, k->key, put_double((double)*(const float *)at));
        }
        return o;
}

/* The shape of the input is a member only where there is one. */
json_t *put_net(const struct ewc_spec *s)
{
        json_t *layers = json_array();
        for (uint32_t i = 0; i < s->n_layers && i < EWC_MAX_LAYERS; i++)
                json_array_append_new(layers, put_layer(&s->layers[i]));
        json_t *net = json_pack("{s:I, s:I, s:s, s:o}", "inputs", (json_int_t)s->n_inputs, "outputs",
            (json_int_t)s->n_outputs, "loss", ewc_loss_name(s->loss), "layers", layers);
        if (s->input.h > 0 || s->input.w > 0 || s->input.c > 0)
                json_object_set_new(net, "shape",
                    json_pack("{s:I, s:I, s:I}", "h", (json_int_t)s->input.h, "w", (json_int_t)s->input.w, "c",
                        (json_int_t)s->input.c));
        return net;
}

static bool get_shape(const json_t *o, struct ewc_shape *ret)
{
        return has_keys(o, 3) && get_u32(o, "h", &ret->h) && get_u32(o, "w", &ret->w) && get_u32(o, "c", &ret->c);
}

static bool get_float(const json_t *o, const char *key, float *ret)
{
        double v;
        if (!get_finite(o, key, &v))
                return false;
        *ret = (float)v;
        return isfinite(*ret);
}

static bool get_layer(const json_t *o, struct ewc_layer *ret)
{
        const struct layer_key *k;
        size_t next = 0;
        if (ewc_layer_type_parse(get_text(o, "type"), &ret->type) < 0 || !has_keys(o, 1 + layer_key_count(ret->type)))
                return false;
        while ((k = layer_key_next(ret->type, &next))) {
                void *at = (char *)ret + k->offset;
                bool ok = k->kind == LAYER_KEY_UINT ? get_u32(o, k->key, at)
                          : k->kind == LAYER_KEY_RATE
                              ? get_float(o, k->key, at)
                              : ewc_activation_parse(get_text(o, k->key), (enum ewc_activation *)at) == 0;
                if (!ok)
                        return false;
        }
        return true;
}

int get_net(const json_t *o, struct ewc_spec *ret, struct err *e)
{
        struct ewc_spec s = {0};
        const json_t *layers = json_object_get(o, "layers"), *shape = json_object_get(o, "shape");
        size_t n = json_array_size(layers);
        char why[128] = "";
        if (!has_keys(o, shape ? 5 : 4) || !get_u32(o, "inputs", &s.n_inputs) ||
            !get_u32(o, "outputs", &s.n_outputs) || ewc_loss_parse(get_text(o, "loss"), &s.loss) < 0 ||
            !json_is_array(layers) || (shape && !get_shape(shape, &s.input)))
                return bundle_bad(e, "net: not exactly inputs, outputs, loss, layers and perhaps shape");
        if (n > EWC_MAX_LAYERS)
                return bundle_bad(e, "net: %zu layers, at most %d", n, EWC_MAX_LAYERS);
        s.n_layers = (uint32_t)n;
        for (size_t i = 0; i < n; i++)
                if (!get_layer(json_array_get(layers, i), &s.layers[i]))
                        return bundle_bad(e, "net: layer %zu: not exactly a known type and its members", i);
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

static bool get_optim(const json_t *o, struct ewc_optim *ret)
{
        return has_keys(o, 6) && ewc_optimizer_parse(get_text(o, "type"), &ret->type) == 0 &&
               get_float(o, "rate", &ret->rate) && get_float(o, "momentum", &ret->momentum) &&
               get_float(o, "beta1", &ret->beta1) && get_float(o, "beta2", &ret->beta2) &&
               get_float(o, "eps", &ret->eps);
}

static bool has_protocol(const struct learn_plan *p)
{
        return p->form != LEARN_FORM_PROX || p->merge != LEARN_MERGE_SEPARATE || p->merge_decay != 0 ||
               p->scale != LEARN_SCALE_UNIT || p->importance != LEARN_IMPORTANCE_FISHER || p->si_damping != 0 ||
               p->distill != 0 || p->distill_temperature != 0 || p->drop_last || p->replay_even || p->final_theta ||
               p->keep_optim || p->lambda_start != LEARN_START_SIMILARITY || p->fisher_fraction != 0 ||
               p->derpp != 0 || p->huber != 0 || p->rate_new != 0 || p->rate_floor != 0 || p->n_rates > 0;
}

static json_t *put_rates(const struct learn_plan *p)
{
        json_t *list = json_array();
        for (uint32_t i = 0; i < p->n_rates; i++)
                json_array_append_new(list, put_double((double)p->rates[i]));
        return list;
}

static bool get_rates(const json_t *o, struct arena *a, struct learn_plan *ret)
{
        const json_t *list = json_object_get(o, "rates");
        size_t n = json_array_size(list);
        if (!json_is_array(list) || n > EWC_MAX_LAYERS + 1)
                return false;
        float *rates = n > 0 ? arena_new_array(a, float, n) : NULL;
        for (size_t i = 0; rates && i < n; i++) {
                const json_t *v = json_array_get(list, i);
                rates[i] = (float)json_number_value(v);
                if (!json_is_number(v) || !isfinite(rates[i]))
                        return false;
        }
        ret->n_rates = (uint32_t)n;
        ret->rates = rates;
        return n == 0 || rates;
}

/* The members that most plans leave at zero; a plan without them means the daemon's way. */
static json_t *put_protocol(const struct learn_plan *p)
{
        return json_pack("{s:s, s:s, s:o, s:s, s:s, s:o, s:b, s:b, s:b, s:b, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o,"
                         " s:o}",
            "form", learn_form_name(p->form), "merge", learn_merge_rule_name(p->merge), "merge_decay",
            put_double(p->merge_decay), "scale", learn_scale_name(p->scale), "importance",
            learn_importance_name(p->importance), "si_damping", put_double(p->si_damping), "drop_last",
            (int)p->drop_last, "replay_even", (int)p->replay_even, "final_theta", (int)p->final_theta, "keep_optim",
            (int)p->keep_optim, "distill", put_double(p->distill), "distill_temperature",
            put_double(p->distill_temperature), "lambda_start", learn_start_name(p->lambda_start), "fisher_fraction",
            put_double(p->fisher_fraction), "derpp", put_double(p->derpp), "huber", put_double(p->huber), "rate_new",
            put_double(p->rate_new), "rate_floor", put_double(p->rate_floor), "rates", put_rates(p));
}

static bool get_protocol(const json_t *o, struct arena *a, struct learn_plan *ret)
{
        return has_keys(o, 19) && learn_form_parse(get_text(o, "form"), &ret->form) &&
               learn_merge_rule_parse(get_text(o, "merge"), &ret->merge) &&
               get_finite(o, "merge_decay", &ret->merge_decay) &&
               learn_scale_parse(get_text(o, "scale"), &ret->scale) &&
               learn_importance_parse(get_text(o, "importance"), &ret->importance) &&
               get_finite(o, "si_damping", &ret->si_damping) && get_bool(o, "drop_last", &ret->drop_last) &&
               get_bool(o, "replay_even", &ret->replay_even) && get_bool(o, "final_theta", &ret->final_theta) &&
               get_bool(o, "keep_optim", &ret->keep_optim) && get_finite(o, "distill", &ret->distill) &&
               get_finite(o, "distill_temperature", &ret->distill_temperature) &&
               learn_start_parse(get_text(o, "lambda_start"), &ret->lambda_start) &&
               get_finite(o, "fisher_fraction", &ret->fisher_fraction) && get_finite(o, "derpp", &ret->derpp) &&
               get_finite(o, "huber", &ret->huber) && get_finite(o, "rate_new", &ret->rate_new) &&
               get_finite(o, "rate_floor", &ret->rate_floor) && get_rates(o, a, ret);
}

json_t *put_plan(const struct learn_plan *p)
{
        json_t *plan = json_pack("{s:s, s:o, s:I, s:I, s:I, s:o, s:b, s:s, s:I, s:I, s:o, s:I}", "method",
            learn_method_name(p->method), "optimizer", put_optim(&p->optim), "epochs", (json_int_t)p->epochs, "steps",
            (json_int_t)p->steps, "batch", (json_int_t)p->batch, "lambda", put_double(p->lambda), "lambda_auto",
            (int)p->lambda_auto, "fisher", ewc_fisher_name(p->fisher), "fisher_samples",
            (json_int_t)p->fisher_samples, "replay_per_class", (json_int_t)p->replay_per_class, "seed",
            put_u64(p->seed), "threads", (json_int_t)p->threads);
        if (p->brake != 0)
                json_object_set_new(plan, "brake", put_double(p->brake));
        if (p->fisher_damping != 0)
                json_object_set_new(plan, "fisher_damping", put_double(p->fisher_damping));
        if (has_protocol(p))
                json_object_set_new(plan, "protocol", put_protocol(p));
        return plan;
}

int get_plan(const json_t *o, struct arena *a, struct learn_plan *ret, struct err *e)
{
        struct learn_plan p = {0};
        const json_t *protocol = json_object_get(o, "protocol");
        bool brake = json_object_get(o, "brake"); /* these two only where they are not 0 */
        bool damping = json_object_get(o, "fisher_damping");
        if (!has_keys(o, 12u + (protocol != NULL) + brake + damping) ||
            (damping && !(get_finite(o, "fisher_damping", &p.fisher_damping) && p.fisher_damping > 0)) ||
            (brake && !(get_finite(o, "brake", &p.brake) && p.brake > 0)) ||
            !learn_method_parse(get_text(o, "method"), &p.method) ||
            !get_optim(json_object_get(o, "optimizer"), &p.optim) || !get_u32(o, "epochs", &p.epochs) ||
            !get_u32(o, "steps", &p.steps) || !get_u32(o, "batch", &p.batch) || !get_finite(o, "lambda", &p.lambda) ||
            !get_bool(o, "lambda_auto", &p.lambda_auto) || ewc_fisher_parse(get_text(o, "fisher"), &p.fisher) < 0 ||
            !get_u32(o, "fisher_samples", &p.fisher_samples) ||
            !get_u32(o, "replay_per_class", &p.replay_per_class) || !get_u64(o, "seed", &p.seed) ||
            !get_u32(o, "threads", &p.threads) || (protocol && !get_protocol(protocol, a, &p)))
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

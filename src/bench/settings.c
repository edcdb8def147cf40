/* settings.c: choices, their contradictions, and their translation into the learner's plan. */
#include "bench/settings_in.h"
#include "base/buf.h"
#include "base/err.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#define SETTINGS_VERSION "ewc-bench/1" /* raise it when figures change their meaning */

#define DISTILL_TEMPERATURE 2.0
#define DERPP_WEIGHT 0.5  /* alpha of the paper, whose tables have 0.1 to 1 */
#define BRAKE 0.02        /* the default of the daemon's gate */
#define KEEP_PERCENT 20.0 /* of an encoding that keeps a share */

bool method_merges(enum bench_method m)
{
        return method_has_fisher(m) && m != METHOD_ONLINE_EWC;
}

/* The weight of distillation as protocol and method have it. */
static double own_distill(const struct settings *s)
{
        double known = s->method == METHOD_HYBRID ? s->protocol->hybrid_distill : 0;
        return known > 0 ? known : method_distill(s->method);
}

static double strength(const struct settings *s)
{
        const struct protocol *p = s->protocol;
        enum bench_method m = s->method;
        if (s->scale != p->scale)
                return 0;
        if (m == METHOD_SI)
                return p->lambda.si;
        if (m == METHOD_MAS)
                return p->lambda.mas;
        if (m == METHOD_EWC_REPLAY && s->fisher == p->fisher && p->lambda.beside_replay > 0)
                return p->lambda.beside_replay;
        if (m == METHOD_HYBRID && s->fisher == p->fisher && p->lambda.beside_distill > 0)
                return p->lambda.beside_distill;
        if (m == METHOD_ONLINE_EWC && s->fisher == p->fisher && p->lambda.online > 0)
                return p->lambda.online;
        switch (s->fisher) {
        case EWC_FISHER_EXACT:
                return s->fisher_samples > 0 || s->fisher_percent > 0 ? p->lambda.exact_sampled : p->lambda.exact;
        case EWC_FISHER_SAMPLE:
                return p->lambda.sample;
        case EWC_FISHER_EMPIRICAL:
                return p->lambda.empirical;
        case EWC_FISHER_BATCHED:
                return p->lambda.batched;
        case EWC_FISHER_ARGMAX:
                return p->lambda.argmax;
        default:
                return 0;
        }
}

/* The penalty as protocol and method have it, before the command line. */
static void own_penalty(struct settings *s)
{
        const struct protocol *p = s->protocol;
        s->form = p->form;
        s->scale = s->lambda_auto ? LEARN_SCALE_UNIT : p->scale; /* the search knows the canonical scale only */
        s->merge = p->merge;
        s->merge_decay = p->merge_decay;
        if (s->method == METHOD_ONLINE_EWC || p->stream) {
                s->merge = LEARN_MERGE_ONLINE;
                s->merge_decay = p->online_decay;
        } else if (!method_has_fisher(s->method)) {
                s->merge = LEARN_MERGE_SUM;
                s->merge_decay = 0;
        }
}

static void choose_penalty(const struct options *o, struct settings *s)
{
        s->lambda_auto = o->lambda_auto;
        s->lambda_start = o->start_given ? o->start : LEARN_START_SIMILARITY;
        s->brake = !s->lambda_auto ? 0 : o->brake_given ? o->brake : BRAKE;
        own_penalty(s);
        if (o->form_given)
                s->form = o->form;
        if (o->scale_given)
                s->scale = o->scale;
        if (o->merge_given && o->merge != s->merge) {
                s->merge = o->merge;
                s->merge_decay = s->merge == LEARN_MERGE_ONLINE ? s->protocol->online_decay : 0;
        }
        if (o->merge_decay > 0)
                s->merge_decay = o->merge_decay;
        s->huber = o->huber;
        s->rate_new = o->rate_new;
        s->rate_floor = o->rate_floor;
        s->encoding = o->encoding ? o->encoding : o->keep_percent > 0 ? EWC_PACK_BITMAP16 : 0;
        if (s->encoding == EWC_PACK_BITMAP16 || s->encoding == EWC_PACK_CSR16)
                s->keep_percent = o->keep_percent > 0 ? o->keep_percent : KEEP_PERCENT;
        s->lambda = o->lambda_given ? o->lambda : strength(s);
}

static void choose_fisher(const struct options *o, struct settings *s)
{
        const struct protocol *p = s->protocol;
        s->fisher = p->fisher;
        if (!method_has_fisher(s->method))
                return;
        s->fisher = o->fisher ? o->fisher : p->fisher;
        s->fisher_samples = o->fisher_samples_given  ? o->fisher_samples
                            : s->fisher == p->fisher ? p->fisher_samples
                                                     : 0;
        s->fisher_percent = o->fisher_samples_given ? o->fisher_percent : 0;
        s->damping = o->damping;
}

int settings_make(const struct options *o, const struct protocol *p, enum bench_method m, uint64_t seed,
    uint64_t data_id, struct settings *ret, struct err *e)
{
        int r = settings_check_method(o, m, e);
        if (r == 0)
                r = settings_check_protocol(o, p, e);
        if (r < 0)
                return r;
        struct settings s = {
            .protocol = p,
            .scenario = o->scenario ? o->scenario : p->scenario,
            .method = m,
            .active = o->active ? o->active : ACTIVE_ALL,
            .tasks = o->tasks ? o->tasks : p->cut.tasks,
            .steps = o->steps,
            .rows = o->rows,
            .seed = seed,
            .threads = o->threads,
            .data_id = data_id,
        };
        s.distill = o->distill > 0 ? o->distill : own_distill(&s);
        choose_fisher(o, &s);
        if (method_has_penalty(m)) {
                choose_penalty(o, &s);
                r = settings_check_made(o, &s, e);
                if (r < 0)
                        return r;
        }
        *ret = s;
        return 0;
}

struct cut settings_cut(const struct settings *s)
{
        struct cut cut = s->protocol->cut;
        if (!s->protocol->data)
                cut.tasks = s->tasks;
        return cut;
}

static struct ewc_layer *add_layer(struct ewc_spec *net, enum ewc_layer_type type)
{
        struct ewc_layer *l = &net->layers[net->n_layers++];
        l->type = type;
        return l;
}

static void add_convolutions(const struct protocol *p, struct ewc_spec *net)
{
        uint32_t channels = p->data && p->data->channels > 0 ? p->data->channels : 1;
        uint32_t side = (uint32_t)lround(sqrt((double)net->n_inputs / channels));
        net->input = (struct ewc_shape){side, side, channels};
        for (uint32_t i = 0; i < p->n_conv; i++) {
                struct ewc_layer *l = add_layer(net, EWC_LAYER_CONV);
                l->activation = EWC_ACT_RELU;
                l->units = p->conv[i];
                l->kernel = 3;
                l->stride = l->padding = 1;
                l = add_layer(net, EWC_LAYER_MAX_POOL);
                l->kernel = l->stride = 2;
        }
}

struct ewc_spec settings_net(const struct settings *s, uint32_t n_inputs, uint32_t n_outputs)
{
        struct ewc_spec net = {.n_inputs = n_inputs, .n_outputs = n_outputs, .loss = EWC_LOSS_SOFTMAX};
        if (s->protocol->n_conv > 0)
                add_convolutions(s->protocol, &net);
        for (uint32_t i = 0; i < s->protocol->n_hidden; i++) {
                struct ewc_layer *l = add_layer(&net, EWC_LAYER_DENSE);
                l->activation = EWC_ACT_RELU;
                l->units = s->protocol->hidden[i];
        }
        return net;
}

static void plan_penalty(const struct settings *s, struct learn_plan *plan)
{
        plan->method = LEARN_EWC;
        plan->lambda = s->lambda;
        plan->lambda_auto = s->lambda_auto;
        plan->lambda_start = s->lambda_start;
        plan->brake = s->brake;
        plan->form = s->form;
        plan->scale = s->scale;
        plan->merge = s->merge;
        plan->merge_decay = s->merge_decay;
        plan->huber = s->huber;
        plan->rate_new = s->rate_new;
        plan->rate_floor = s->rate_floor;
        if (s->method == METHOD_SI)
                plan->importance = LEARN_IMPORTANCE_SI;
        if (s->method == METHOD_MAS)
                plan->importance = LEARN_IMPORTANCE_MAS;
        plan->si_damping = s->method == METHOD_SI ? s->protocol->si_damping : 0;
}

struct learn_plan settings_plan(const struct settings *s, uint32_t k)
{
        const struct protocol *p = s->protocol;
        struct learn_plan plan = {
            .method = s->method == METHOD_JOINT ? LEARN_JOINT : LEARN_PLAIN,
            .optim = p->optim,
            .epochs = p->epochs,
            .steps = s->steps ? s->steps : p->steps,
            .batch = p->batch,
            .fisher = s->fisher,
            .fisher_samples = s->fisher_samples,
            .fisher_fraction = s->fisher_percent / 100,
            .fisher_damping = s->damping,
            .seed = s->seed * BENCH_MAX_TASKS * 2 + k,
            .threads = s->threads,
            .drop_last = p->drop_last,
            .keep_optim = p->keep_optim,
            .final_theta = true,
        };
        if (method_has_penalty(s->method))
                plan_penalty(s, &plan);
        if (s->distill > 0 && k > 0) {
                /* van de Ven's weights: one term a closed task, but one for all of them where outputs grow */
                plan.distill = s->distill * (s->scenario == SCENARIO_CLASS ? 1.0 / k : 1.0);
                plan.distill_temperature = DISTILL_TEMPERATURE;
        }
        if (method_has_replay(s->method)) {
                plan.replay_per_class = p->replay_per_class;
                plan.replay_even = s->scenario == SCENARIO_TASK;
        }
        if (s->method == METHOD_DERPP && k > 0)
                plan.derpp = DERPP_WEIGHT;
        return plan;
}

void settings_flags(const struct settings *s, struct buf *out)
{
        struct settings own = *s;
        own_penalty(&own);
        if (s->fisher_percent > 0)
                buf_printf(out, " --fisher-samples %.17g%%", s->fisher_percent);
        if (s->distill < own_distill(s) || s->distill > own_distill(s))
                buf_printf(out, " --distill %.17g", s->distill);
        if (s->active == ACTIVE_TASK)
                buf_puts(out, " --active task");
        if (!method_has_penalty(s->method))
                return;
        if (s->damping > 0)
                buf_printf(out, " --damping %.17g", s->damping);
        if (s->lambda_auto && s->lambda_start != LEARN_START_TOP)
                buf_printf(out, " --lambda-start %s", learn_start_name(s->lambda_start));
        if (s->lambda_auto)
                buf_printf(out, " --brake %.17g", s->brake);
        if (s->scale != own.scale)
                buf_printf(out, " --scale %s", learn_scale_name(s->scale));
        if (s->merge != own.merge)
                buf_printf(out, " --merge %s", learn_merge_rule_name(s->merge));
        if (s->merge_decay > 0 &&
            (s->merge != own.merge || s->merge_decay < own.merge_decay || s->merge_decay > own.merge_decay))
                buf_printf(out, " --merge-decay %.17g", s->merge_decay);
        if (s->form != own.form)
                buf_printf(out, " --form %s", learn_form_name(s->form));
        if (s->huber > 0)
                buf_printf(out, " --huber %.17g", s->huber);
        if (s->rate_new > 0)
                buf_printf(out, " --rate-new %.17g", s->rate_new);
        if (s->rate_floor > 0)
                buf_printf(out, " --rate-floor %.17g", s->rate_floor);
        if (s->encoding)
                buf_printf(out, " --encoding %s", ewc_pack_name(s->encoding));
        if (s->keep_percent > 0)
                buf_printf(out, " --keep %.17g%%", s->keep_percent);
}

void settings_digest(const struct settings *s, struct digest *ret)
{
        struct buf b;
        buf_init(&b, 4096);
        buf_printf(&b, "%s %s %s %s", SETTINGS_VERSION, s->protocol->name, scenario_name(s->scenario),
            method_name(s->method));
        buf_printf(&b, " fisher %s %u lambda %a %d", ewc_fisher_name(s->fisher), s->fisher_samples, s->lambda,
            (int)s->lambda_auto);
        buf_printf(&b, " tasks %u steps %u rows %u seed %" PRIu64 " threads %u data %" PRIx64, s->tasks, s->steps,
            s->rows, s->seed, s->threads, s->data_id);
        if (!s->protocol->data && !s->protocol->stream) /* of one's own file: no class is left over */
                buf_puts(&b, " cut all");
        if (own_distill(s) > method_distill(s->method) || own_distill(s) < method_distill(s->method))
                buf_printf(&b, " distill %a", own_distill(s)); /* of a protocol that once had the method's */
        if (s->keep_percent > 0)
                buf_puts(&b, " rest means"); /* of a pack that once had one mean for a tensor's rest */
        settings_flags(s, &b);
        digest_of(b.data, b.len, ret);
        buf_deinit(&b);
}

const char *settings_warning(const struct settings *s)
{
        bool alone = s->scenario == SCENARIO_CLASS && method_has_penalty(s->method) && !method_has_replay(s->method);
        if (alone && s->active == ACTIVE_TASK)
                return "class-incremental: where every task trains its own outputs, a penalty keeps a part of the "
                       "earlier classes; replay keeps far more (89 % on Split MNIST)";
        if (alone)
                return "class-incremental: a penalty alone cannot help here, since no task ever sees two tasks' "
                       "classes together; use replay (about 20 % against 89 % on Split MNIST)";
        return "";
}

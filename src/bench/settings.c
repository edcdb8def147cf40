/* settings.c: choices, their contradictions, and their translation into the learner's plan. */
#include "bench/settings.h"
#include "base/buf.h"
#include "base/err.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#define SETTINGS_VERSION "ewc-bench/1" /* raise it when figures change their meaning */

#define DISTILL_TEMPERATURE 2.0

static double strength(const struct protocol *p, enum bench_method m, enum ewc_fisher fisher, uint32_t samples)
{
        if (m == METHOD_SI)
                return p->lambda.si;
        if (m == METHOD_MAS)
                return p->lambda.mas;
        if (m == METHOD_EWC_REPLAY && fisher == p->fisher && p->lambda.beside_replay > 0)
                return p->lambda.beside_replay;
        if (m == METHOD_ONLINE_EWC && fisher == p->fisher && p->lambda.online > 0)
                return p->lambda.online;
        switch (fisher) {
        case EWC_FISHER_EXACT:
                return samples > 0 ? p->lambda.exact_sampled : p->lambda.exact;
        case EWC_FISHER_SAMPLE:
                return p->lambda.sample;
        case EWC_FISHER_EMPIRICAL:
                return p->lambda.empirical;
        case EWC_FISHER_BATCHED:
                return p->lambda.batched;
        default:
                return 0;
        }
}

static int check_method(const struct options *o, enum bench_method m, struct err *e)
{
        const char *name = method_name(m);
        if (!method_has_fisher(m) && o->fisher)
                return err_field(e, -EINVAL, "--fisher", "method %s computes no Fisher", name);
        if (!method_has_fisher(m) && o->fisher_samples_given)
                return err_field(e, -EINVAL, "--fisher-samples", "method %s computes no Fisher", name);
        if (!method_has_penalty(m) && o->lambda_given)
                return err_field(e, -EINVAL, "--lambda", "method %s has no penalty", name);
        if (m == METHOD_SI && o->lambda_auto)
                return err_field(
                    e, -EINVAL, "--lambda", "si follows one path; a search over lambda would leave several");
        return 0;
}

static int check_protocol(const struct options *o, const struct protocol *p, struct err *e)
{
        bool file = !p->data && !p->stream;
        if (p->stream && (o->tasks || o->rows || o->steps || o->lambda_auto))
                return err_field(e, -EINVAL, o->lambda_auto ? "--lambda" : "--tasks",
                    "a stream has no tasks, rows or steps to choose, and no search");
        if (!file && o->scenario)
                return err_field(e, -EINVAL, "--scenario", "%s has a scenario of its own: %s", p->name,
                    scenario_name(p->scenario));
        if (!file && o->labels)
                return err_field(e, -EINVAL, "--labels", "%s knows its label files", p->name);
        if (!file && o->tasks > p->cut.tasks && !p->stream)
                return err_field(e, -EINVAL, "--tasks", "%s has %u tasks", p->name, p->cut.tasks);
        if (o->tasks > BENCH_MAX_TASKS)
                return err_field(e, -EINVAL, "--tasks", "at most %d tasks", BENCH_MAX_TASKS);
        if (!o->data)
                return err_field(e, -EINVAL, "--data", "say where the data is: --data %s", file ? "FILE" : "DIR");
        return 0;
}

int settings_make(const struct options *o, const struct protocol *p, enum bench_method m, uint64_t seed,
    uint64_t data_id, struct settings *ret, struct err *e)
{
        int r = check_method(o, m, e);
        if (r == 0)
                r = check_protocol(o, p, e);
        if (r < 0)
                return r;
        struct settings s = {
            .protocol = p,
            .scenario = o->scenario ? o->scenario : p->scenario,
            .method = m,
            .fisher = o->fisher ? o->fisher : p->fisher,
            .tasks = o->tasks ? o->tasks : p->cut.tasks,
            .steps = o->steps,
            .rows = o->rows,
            .seed = seed,
            .threads = o->threads,
            .data_id = data_id,
        };
        s.fisher_samples = o->fisher_samples_given ? o->fisher_samples
                           : s.fisher == p->fisher ? p->fisher_samples
                                                   : 0;
        if (!method_has_fisher(m)) {
                s.fisher = p->fisher;
                s.fisher_samples = 0;
        }
        if (method_has_penalty(m)) {
                s.lambda_auto = o->lambda_auto;
                s.lambda = o->lambda_given ? o->lambda : strength(p, m, s.fisher, s.fisher_samples);
                if (!o->lambda_given && !(s.lambda > 0))
                        return err_field(e, -EINVAL, "--lambda",
                            "%s knows no lambda for %s with the %s Fisher; give one", p->name, method_name(m),
                            ewc_fisher_name(s.fisher));
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
        const struct protocol *p = s->protocol;
        plan->method = LEARN_EWC;
        plan->lambda = s->lambda;
        plan->lambda_auto = s->lambda_auto;
        plan->form = p->form;
        plan->scale = s->lambda_auto ? LEARN_SCALE_UNIT : p->scale; /* the search knows the canonical scale only */
        plan->merge = p->merge;
        plan->merge_decay = p->merge_decay;
        if (s->method == METHOD_ONLINE_EWC) {
                plan->merge = LEARN_MERGE_ONLINE;
                plan->merge_decay = p->online_decay;
        } else if (s->method == METHOD_SI || s->method == METHOD_MAS) {
                plan->merge = LEARN_MERGE_SUM;
                plan->merge_decay = 0;
                plan->importance = s->method == METHOD_SI ? LEARN_IMPORTANCE_SI : LEARN_IMPORTANCE_MAS;
                plan->si_damping = s->method == METHOD_SI ? p->si_damping : 0;
        }
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
            .seed = s->seed * BENCH_MAX_TASKS * 2 + k,
            .threads = s->threads,
            .drop_last = p->drop_last,
            .keep_optim = p->keep_optim,
            .final_theta = true,
        };
        if (method_has_penalty(s->method))
                plan_penalty(s, &plan);
        if (s->method == METHOD_LWF && k > 0) {
                /* van de Ven's weights: one term a closed task, but one for all of them where outputs grow */
                plan.distill = s->scenario == SCENARIO_CLASS ? 1.0 / k : 1.0;
                plan.distill_temperature = DISTILL_TEMPERATURE;
        }
        if (method_has_replay(s->method)) {
                plan.replay_per_class = p->replay_per_class;
                plan.replay_even = s->scenario == SCENARIO_TASK;
        }
        return plan;
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
        digest_of(b.data, b.len, ret);
        buf_deinit(&b);
}

const char *settings_warning(const struct settings *s)
{
        if (s->scenario == SCENARIO_CLASS && method_has_penalty(s->method) && !method_has_replay(s->method))
                return "class-incremental: a penalty alone cannot help here, since no task ever sees two tasks' "
                       "classes "
                       "together; use replay (about 20 % against 89 % on Split MNIST)";
        return "";
}

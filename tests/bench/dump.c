/* dump.c: what libewc makes of a small net and made data, as one JSON object, for peers/torch_check.py to make again.
 *
 * Everything the peer needs stands in the object: layers, rows, parameters, anchor, rates. Then loss and gradient of
 * the first batch, both Fishers over all rows, and ten steps of every optimiser under every form of the penalty. */
#include <ewc/fisher.h>
#include <ewc/train.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 20, OUTPUTS = 5, ROWS = 64, BATCH = 32, STEPS = 10 };

static const struct ewc_spec spec = {.n_inputs = INPUTS,
    .n_outputs = OUTPUTS,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 3,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 16},
        {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 12},
        {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_GELU, .units = 10}}};

static const struct ewc_optim optims[] = {
    {.type = EWC_OPTIM_SGD, .rate = 0.05f, .momentum = 0.9f},
    {.type = EWC_OPTIM_ADAM, .rate = 0.01f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f},
};

enum form { PLAIN, GRADIENT, PROXIMAL };
static const char *const forms[] = {"plain", "gradient", "proximal"};

struct dump {
        struct ewc_net *net;
        size_t P;
        float *theta0, *x, *grad, *state, *anchor, *fisher;
        int32_t label[ROWS];
        double *sum;
        void *ws;
        struct ewc_penalty pen;
};

static void *block(size_t bytes)
{
        void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

        if (!p)
                exit(1);
        memset(p, 0, bytes);
        return p;
}

static void check(int r)
{
        if (r == 0)
                return;
        fprintf(stderr, "%s\n", ewc_strerror(r));
        exit(1);
}

static void put(const char *name, const float *v, size_t n)
{
        printf("\"%s\":[", name);
        for (size_t i = 0; i < n; i++)
                printf("%s%.9g", i ? "," : "", (double)v[i]);
        printf("],\n");
}

static void put_spec(const struct dump *d)
{
        printf("\"layers\":[");
        for (uint32_t l = 0; l < spec.n_layers; l++)
                printf("[%u,\"%s\"],", spec.layers[l].units, ewc_activation_name(spec.layers[l].activation));
        printf("[%d,\"none\"]],\n\"inputs\":%d,\"batch\":%d,\"lambda\":%.17g,\n\"label\":[", OUTPUTS, INPUTS, BATCH,
            d->pen.lambda);
        for (int i = 0; i < ROWS; i++)
                printf("%s%d", i ? "," : "", (int)d->label[i]);
        printf("],\n");
        put("x", d->x, (size_t)ROWS * INPUTS);
        put("theta", d->theta0, d->P);
        put("anchor", d->anchor, d->P);
}

static void setup(struct dump *d)
{
        struct ewc_rng r;
        size_t ws, fisher_ws;

        check(ewc_net_new(&d->net, &spec, NULL));
        ewc_rng_seed(&r, 1, 0);
        ewc_net_init(d->net, &r);
        d->P = ewc_net_params(d->net);
        d->theta0 = block(sizeof(float) * d->P);
        memcpy(d->theta0, ewc_net_theta(d->net), sizeof(float) * d->P);
        d->x = block(sizeof(float) * ROWS * INPUTS);
        for (size_t i = 0; i < (size_t)ROWS * INPUTS; i++)
                d->x[i] = (float)ewc_rng_normal(&r);
        for (size_t i = 0; i < ROWS; i++)
                d->label[i] = (int32_t)ewc_rng_below(&r, OUTPUTS);
        d->grad = block(sizeof(float) * d->P);
        d->state = block(sizeof(float) * 2 * d->P);
        d->anchor = block(sizeof(float) * d->P);
        d->fisher = block(sizeof(float) * d->P);
        d->sum = block(sizeof(double) * d->P);
        for (size_t i = 0; i < d->P; i++)
                d->anchor[i] = d->theta0[i] + 0.05f * (float)ewc_rng_normal(&r);
        d->pen = (struct ewc_penalty){.lambda = 0.1, .fisher = d->fisher, .anchor = d->anchor};
        ws = ewc_train_workspace(d->net, BATCH);
        fisher_ws = ewc_fisher_workspace(d->net, NULL, EWC_FISHER_EXACT, ROWS);
        d->ws = block(ws > fisher_ws ? ws : fisher_ws);
}

static double gradient(struct dump *d, int step)
{
        size_t at = (size_t)step * BATCH % ROWS;
        struct ewc_batch batch = {.n = BATCH, .x = d->x + at * INPUTS, .label = d->label + at};
        double loss;

        check(ewc_train_grad(d->net, NULL, &batch, 1.0, false, d->grad, &loss, d->ws));
        return loss;
}

/* The raw Fisher is the stored one times its factor; the last kind stays behind for the penalty. */
static void put_fisher(struct dump *d, enum ewc_fisher kind)
{
        struct ewc_batch all = {.n = ROWS, .x = d->x, .label = d->label};
        struct ewc_fisher_info info;

        memset(d->sum, 0, sizeof(double) * d->P);
        check(ewc_fisher_add(d->net, kind, NULL, &all, NULL, d->sum, d->ws));
        check(ewc_fisher_finish(&spec, kind, NULL, ROWS, d->sum, d->fisher, &info));
        printf("\"%s_factor\":%.17g,\n", ewc_fisher_name(kind), info.factor);
        put(ewc_fisher_name(kind), d->fisher, d->P);
}

static void put_run(struct dump *d, const struct ewc_optim *o, enum form form)
{
        float *theta = ewc_net_theta(d->net);
        double losses[STEPS];

        memcpy(theta, d->theta0, sizeof(float) * d->P);
        memset(d->state, 0, sizeof(float) * 2 * d->P);
        for (int i = 0; i < STEPS; i++) {
                losses[i] = gradient(d, i);
                if (form == GRADIENT)
                        ewc_penalty_grad(d->P, theta, &d->pen, d->grad);
                check(ewc_optim_step(
                    o, d->P, theta, d->grad, d->state, (uint64_t)i + 1, form == PROXIMAL ? &d->pen : NULL));
        }
        printf("{\"optimizer\":\"%s\",\"form\":\"%s\",\"rate\":%.9g,\"momentum\":%.9g,\"beta1\":%.9g,"
               "\"beta2\":%.9g,\"eps\":%.9g,\n",
            ewc_optimizer_name(o->type), forms[form], (double)o->rate, (double)o->momentum, (double)o->beta1,
            (double)o->beta2, (double)o->eps);
        put("theta", theta, d->P);
        printf("\"losses\":[");
        for (int i = 0; i < STEPS; i++)
                printf("%s%.17g", i ? "," : "", losses[i]);
        printf("]}");
}

int main(void)
{
        struct dump d = {0};
        const char *sep = "";

        setup(&d);
        printf("{");
        put_spec(&d);
        printf("\"loss\":%.17g,\n", gradient(&d, 0));
        put("gradient", d.grad, d.P);
        put_fisher(&d, EWC_FISHER_EMPIRICAL);
        put_fisher(&d, EWC_FISHER_EXACT);
        printf("\"penalty\":%.17g,\n\"runs\":[", ewc_penalty_value(d.P, d.theta0, &d.pen));
        for (size_t o = 0; o < sizeof(optims) / sizeof(optims[0]); o++)
                for (int form = PLAIN; form <= PROXIMAL; form++, sep = ",\n") {
                        printf("%s", sep);
                        put_run(&d, &optims[o], (enum form)form);
                }
        printf("]}\n");
        return fflush(stdout) == 0 ? 0 : 1;
}

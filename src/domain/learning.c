/* learning.c: how a model is to learn: the table of keys, their defaults, and the plan of a job made from them.
 *
 * learning.def is the single source; the table built from it serves the parser in proto, the documentation tests and
 * learning_defaults. Defaults are JSON text there, so documentation shows exactly what the program uses. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "domain/model.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

const struct learning_key learning_keys[] = {
#define LEARNING(path, type, member, lo, hi, fallback, unit, help)                                                   \
        {path, LEARNING_##type, offsetof(struct learning, member), sizeof(((struct learning *)0)->member), lo, hi,   \
            fallback, unit, help},
#include "domain/learning.def"
#undef LEARNING
};
const size_t n_learning_keys = ARRAY_LEN(learning_keys);

static void put_uint(void *at, size_t size, unsigned long long v)
{
        if (size == sizeof(uint64_t))
                *(uint64_t *)at = v;
        else
                *(uint32_t *)at = (uint32_t)v;
}

/* fallback "\"adam\"" -> "adam" */
static void unquote(const char *json, char *ret, size_t size)
{
        size_t n = strlen(json);
        if (!(n >= 2 && json[0] == '"' && str_copy_n(ret, size, json + 1, n - 2)))
                ret[0] = '\0';
}

void learning_defaults(struct learning *ret)
{
        struct learning l = {0};
        for (size_t i = 0; i < n_learning_keys; i++) {
                const struct learning_key *k = &learning_keys[i];
                char *at = (char *)&l + k->offset;
                char name[32];
                unquote(k->fallback, name, sizeof(name));
                switch (k->type) {
                case LEARNING_REAL:
                case LEARNING_LAMBDA:
                        *(double *)(void *)at = strtod(k->fallback, NULL);
                        break;
                case LEARNING_UINT:
                        put_uint(at, k->size, strtoull(k->fallback, NULL, 10));
                        break;
                case LEARNING_METHOD:
                        learn_method_parse(name, (enum learn_method *)(void *)at);
                        break;
                case LEARNING_FISHER:
                        ewc_fisher_parse(name, (enum ewc_fisher *)(void *)at);
                        break;
                case LEARNING_OPTIMIZER:
                        ewc_optimizer_parse(name, (enum ewc_optimizer *)(void *)at);
                        break;
                }
        }
        *ret = l;
}

static bool number_of(const struct learning *l, const struct learning_key *k, double *ret)
{
        const char *at = (const char *)l + k->offset;
        switch (k->type) {
        case LEARNING_REAL:
        case LEARNING_LAMBDA:
                *ret = *(const double *)(const void *)at;
                return true;
        case LEARNING_UINT:
                *ret = k->size == sizeof(uint64_t) ? (double)*(const uint64_t *)(const void *)at
                                                   : (double)*(const uint32_t *)(const void *)at;
                return true;
        default:
                return false;
        }
}

/* "/learning/optimizer/rate" from "optimizer.rate" */
static void pointer_of(const char *path, char ret[ERR_FIELD_MAX])
{
        snprintf(ret, ERR_FIELD_MAX, "/learning/%s", path);
        for (char *p = ret; *p; p++)
                if (*p == '.')
                        *p = '/';
}

static int check_ranges(const struct learning *l, struct err *e)
{
        for (size_t i = 0; i < n_learning_keys; i++) {
                const struct learning_key *k = &learning_keys[i];
                double v;
                if (!number_of(l, k, &v) || (v >= k->lo && v <= k->hi))
                        continue;
                if (k->type == LEARNING_LAMBDA && l->lambda_auto)
                        continue;
                char field[ERR_FIELD_MAX];
                pointer_of(k->path, field);
                return err_field(
                    e, -EINVAL, field, "%s is %g; give a number from %g to %g", k->path, v, k->lo, k->hi);
        }
        return 0;
}

int learning_check(const struct learning *l, struct err *e)
{
        if (!learn_method_name(l->method))
                return err_field(e, -EINVAL, "/learning/method", "unknown method; give ewc, plain or joint");
        if (!ewc_fisher_name(l->fisher_variant))
                return err_field(e, -EINVAL, "/learning/fisher/variant",
                    "unknown variant; give exact, empirical, sample or batched");
        if (!ewc_optimizer_name(l->optimizer_type))
                return err_field(e, -EINVAL, "/learning/optimizer/type", "unknown optimizer; give sgd or adam");
        int r = check_ranges(l, e);
        if (r < 0)
                return r;
        if (l->epochs == 0 && l->steps == 0)
                return err_field(e, -EINVAL, "/learning/epochs", "epochs and steps are both 0; give one of them");
        if (l->method == LEARN_JOINT && l->replay_per_class > 0)
                return err_field(e, -EINVAL, "/learning/replay/per_class",
                    "method joint uses every retained row; leave replay.per_class 0");
        return 0;
}

void learning_plan(const struct learning *l, uint64_t seed, uint32_t threads, struct learn_plan *ret)
{
        *ret = (struct learn_plan){
            .method = l->method,
            .optim =
                {
                    .type = l->optimizer_type,
                    .rate = (float)l->optimizer_rate,
                    .momentum = l->optimizer_type == EWC_OPTIM_SGD ? (float)l->optimizer_momentum : 0.0f,
                    .beta1 = (float)l->optimizer_beta1,
                    .beta2 = (float)l->optimizer_beta2,
                    .eps = (float)l->optimizer_eps,
                },
            .epochs = l->epochs,
            .steps = l->steps,
            .batch = l->batch,
            .lambda = l->lambda,
            .lambda_auto = l->lambda_auto && l->method == LEARN_EWC,
            .fisher = l->fisher_variant,
            .fisher_samples = l->fisher_samples,
            .replay_per_class = l->replay_per_class,
            .seed = seed,
            .threads = threads,
        };
}

/* learning.c: how a model is to learn: the table of keys, their defaults, and the plan of a job made from them.
 *
 * learning.def is the single source; the table built from it serves the parser in proto, the documentation tests and
 * learning_defaults. Defaults are JSON text there, so documentation shows exactly what the program uses. A member
 * that is an enum brings the function that names its values, and all else about it follows from that. Settings that
 * contradict each other are refused: their numbers would mean something else than their owner thinks. One that is
 * merely not read beside the others (lambda beside method plain) is kept. */
#include "base/err.h"
#include "base/mem.h"
#include "domain/boundary.h"
#include "domain/label.h"
#include "domain/model.h"
#include "domain/retention.h"
#include "domain/strategy.h"
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define BRAKE_LEAST 1e-9 /* far below one row of any holdout; 0 would be no brake at all */

/* X(row, enum, function that names a value of it) */
#define WORDS(X)                                                                                                     \
        X(method, learn_method, learn_method_name)                                                                   \
        X(start, learn_start, learn_start_name)                                                                      \
        X(fisher, ewc_fisher, ewc_fisher_name)                                                                       \
        X(encoding, ewc_pack_encoding, ewc_pack_name)                                                                \
        X(importance, learn_importance, learn_importance_name)                                                       \
        X(merge, learn_merge_rule, learn_merge_rule_name)                                                            \
        X(form, learn_form, learn_form_name)                                                                         \
        X(scale, learn_scale, learn_scale_name)                                                                      \
        X(optimizer, ewc_optimizer, ewc_optimizer_name)                                                              \
        X(boundary, boundary_mode, boundary_mode_name)                                                               \
        X(strategy, strategy_mode, strategy_mode_name)                                                               \
        X(promotion, promotion_mode, promotion_mode_name)                                                            \
        X(conflict, conflict_policy, conflict_policy_name)                                                           \
        X(retention, retention_mode, retention_mode_name)

static const char *const promotions[] = {
    [PROMOTION_GATE] = "gate", [PROMOTION_SHADOW] = "shadow", [PROMOTION_MANUAL] = "manual"};

const char *promotion_mode_name(enum promotion_mode m)
{
        return (size_t)m < ARRAY_LEN(promotions) ? promotions[m] : NULL;
}

#define WORD(row, type, name)                                                                                        \
        _Static_assert(sizeof(enum type) == sizeof(int), "read and written as int");                                 \
        static const char *word_##row(int value)                                                                     \
        {                                                                                                            \
                return value >= 0 && value < LEARNING_WORDS_MAX ? name((enum type)value) : NULL;                     \
        }
WORDS(WORD)

const struct learning_key learning_keys[] = {
#define SIZE_OF(member) sizeof(((struct learning *)0)->member)
#define LEARNING(path, type, member, lo, hi, fallback, unit, help)                                                   \
        {path, LEARNING_##type, offsetof(struct learning, member), SIZE_OF(member), lo, hi, fallback, unit, help,    \
            NULL},
#define LEARNING_WORD(path, row, member, fallback, help)                                                             \
        {path, LEARNING_WORD, offsetof(struct learning, member), SIZE_OF(member), 0, 0, fallback, "", help,          \
            word_##row},
#include "domain/learning.def"
#undef LEARNING_WORD
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

/* fallback is a word in quotes */
static int word_value(const struct learning_key *k)
{
        for (int v = 0; v < LEARNING_WORDS_MAX; v++) {
                const char *name = k->word(v);
                size_t n = name ? strlen(name) : 0;
                if (n > 0 && strncmp(k->fallback + 1, name, n) == 0 && k->fallback[n + 1] == '"')
                        return v;
        }
        return -1;
}

void learning_defaults(struct learning *ret)
{
        struct learning l = {0};
        for (size_t i = 0; i < n_learning_keys; i++) {
                const struct learning_key *k = &learning_keys[i];
                void *at = (char *)&l + k->offset;
                switch (k->type) {
                case LEARNING_REAL:
                case LEARNING_LAMBDA:
                        *(double *)at = strtod(k->fallback, NULL);
                        break;
                case LEARNING_UINT:
                        put_uint(at, k->size, strtoull(k->fallback, NULL, 10));
                        break;
                case LEARNING_BOOL:
                        *(bool *)at = strcmp(k->fallback, "true") == 0;
                        break;
                case LEARNING_WORD:
                        *(int *)at = word_value(k);
                        break;
                case LEARNING_LIST: /* empty */
                        break;
                }
        }
        *ret = l;
}

static bool number_of(const struct learning *l, const struct learning_key *k, double *ret)
{
        const void *at = (const char *)l + k->offset;
        switch (k->type) {
        case LEARNING_REAL:
        case LEARNING_LAMBDA:
                *ret = *(const double *)at;
                return true;
        case LEARNING_UINT:
                *ret = k->size == sizeof(uint64_t) ? (double)*(const uint64_t *)at : (double)*(const uint32_t *)at;
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

static int check_word(const struct learning *l, const struct learning_key *k, const char *field, struct err *e)
{
        char known[160] = "";
        if (k->word(*(const int *)(const void *)((const char *)l + k->offset)))
                return 0;
        for (int v = 0; v < LEARNING_WORDS_MAX; v++) {
                size_t n = strlen(known);
                if (k->word(v))
                        snprintf(known + n, sizeof(known) - n, "%s%s", n > 0 ? ", " : "", k->word(v));
        }
        return err_field(e, -EINVAL, field, "unknown %s; known: %s", k->path, known);
}

static int check_list(const struct learning *l, const struct learning_key *k, const char *field, struct err *e)
{
        const struct learning_list *list = (const void *)((const char *)l + k->offset);
        bool ok = list->n <= ARRAY_LEN(list->v);
        for (uint32_t i = 0; ok && i < list->n; i++)
                ok = (double)list->v[i] >= k->lo && (double)list->v[i] <= k->hi;
        if (ok)
                return 0;
        return err_field(e, -EINVAL, field, "%s: give at most %zu numbers from %g to %g", k->path, ARRAY_LEN(list->v),
            k->lo, k->hi);
}

static int check_key(const struct learning *l, const struct learning_key *k, struct err *e)
{
        char field[ERR_FIELD_MAX];
        double v;
        pointer_of(k->path, field);
        if (k->type == LEARNING_WORD)
                return check_word(l, k, field, e);
        if (k->type == LEARNING_LIST)
                return check_list(l, k, field, e);
        if (!number_of(l, k, &v) || (v >= k->lo && v <= k->hi) || (k->type == LEARNING_LAMBDA && l->lambda_auto))
                return 0;
        return err_field(e, -EINVAL, field, "%s is %g; give a number from %g to %g", k->path, v, k->lo, k->hi);
}

/* --- rules across keys --- */

static bool searches(const struct learning *l)
{
        return l->lambda_auto && l->method == LEARN_EWC;
}

static bool keeps_some(const struct learning *l)
{
        return l->fisher_encoding == EWC_PACK_BITMAP16 || l->fisher_encoding == EWC_PACK_CSR16;
}

static bool decay_fits(const struct learning *l)
{
        double d = l->merge_decay;
        if (l->merge_rule == LEARN_MERGE_ONLINE)
                return d > 0 && d <= 1;
        return l->merge_rule == LEARN_MERGE_EMA ? d > 0 && d < 1 : d == 0;
}

/* No row of a closed task is left. */
static bool drops_past(const struct learning *l)
{
        bool drops = l->retention_features == RETAIN_USED || l->retention_features == RETAIN_ROLLOVER;
        return drops && l->retention_replay_per_class == 0;
}

static int check_rules(const struct learning *l, struct err *e)
{
        bool ewc = l->method == LEARN_EWC, si = l->importance_type == LEARN_IMPORTANCE_SI;
        const struct {
                bool broken;
                const char *field, *say;
        } rules[] = {
            {l->epochs == 0 && l->steps == 0, "epochs", "epochs and steps are both 0; give one of them"},
            {l->method == LEARN_JOINT && l->replay_per_class > 0, "replay/per_class",
                "method joint uses every retained row; leave replay.per_class 0"},
            {l->lambda_start != LEARN_START_SIMILARITY && !searches(l), "lambda_start",
                "lambda_start belongs to a search; give method ewc and lambda \"auto\""},
            {l->fisher_samples > 0 && l->fisher_fraction > 0, "fisher/fraction",
                "fisher.samples and fisher.fraction both say how many rows; give one of them"},
            {si && (l->fisher_samples > 0 || l->fisher_fraction > 0),
                l->fisher_samples > 0 ? "fisher/samples" : "fisher/fraction",
                "importance.type si follows the training and draws no rows; leave fisher.samples and fraction 0"},
            {l->fisher_keep < 1 && !keeps_some(l), "fisher/keep",
                "fisher.keep below 1 needs fisher.encoding bitmap16 or csr16; the others store every entry"},
            {!l->fisher_floor && !keeps_some(l), "fisher/floor",
                "fisher.floor belongs to fisher.encoding bitmap16 and csr16; the others store every entry"},
            {l->fisher_damping > 0 && l->importance_type != LEARN_IMPORTANCE_FISHER, "fisher/damping",
                "fisher.damping belongs to importance.type fisher; leave it 0"},
            {si && searches(l), "importance/type",
                "importance.type si follows one path and goes with no search; give lambda a number"},
            {l->merge_rule != LEARN_MERGE_SEPARATE && !ewc, "merge/rule", "merge.rule needs method ewc"},
            {!decay_fits(l), "merge/decay",
                "merge.decay is above 0 and at most 1 for online, below 1 for ema, and goes with no other "
                "merge.rule"},
            {l->penalty_form != LEARN_FORM_PROX && !ewc, "penalty/form", "penalty.form needs method ewc"},
            {l->penalty_scale != LEARN_SCALE_UNIT && (!ewc || l->lambda_auto), "penalty/scale",
                "penalty.scale needs method ewc and a lambda of its own: the search runs on the unit scale"},
            {l->penalty_huber > 0 && (!ewc || !((float)l->penalty_huber > 0)), "penalty/huber",
                "penalty.huber needs method ewc, and is 0 or a float above it"},
            {l->rates_floor > 0 && !ewc, "rates/floor",
                "rates.floor reads the closed tasks' merged Fisher; it needs method ewc"},
            {l->rates_floor > 0 && l->rates_layers.n > 0, "rates/layers",
                "rates.layers and rates.floor both set the layers' rates; give one of them"},
            {l->replay_derpp > 0 && l->replay_per_class == 0, "replay/derpp",
                "replay.derpp needs rows of closed tasks; give replay.per_class"},
            {l->distill_weight > 0 && l->method == LEARN_JOINT, "distill/weight",
                "distill.weight is not for method joint, which has the closed tasks' rows themselves"},
            {l->strategy == STRATEGY_MODE_AUTO && !ewc, "strategy",
                "strategy auto climbs from the penalty; give method ewc"},
            {l->task_boundary != BOUNDARY_OFF && !(l->trigger_accuracy > 0) && !(l->trigger_inputs > 0),
                "task/boundary", "task.boundary follows drift; give trigger.accuracy or trigger.inputs"},
            {l->task_boundary == BOUNDARY_AUTO && l->promotion != PROMOTION_GATE, "promotion",
                "promotion shadow and manual keep a version back, and a rollover of task.boundary auto would promote "
                "its own; give task.boundary propose"},
            {l->shadow_max_rows > 0 && l->shadow_max_rows < l->shadow_min_rows, "shadow/max_rows",
                "shadow.max_rows is below shadow.min_rows; a challenger would be dropped unseen"},
            {drops_past(l) && l->method == LEARN_JOINT, "retention/features",
                "method joint trains on every retained row; give retention.features forever or days, or rows kept of "
                "each class by retention.replay_per_class"},
            {drops_past(l) && l->replay_per_class > 0, "retention/replay_per_class",
                "replay.per_class draws rows that retention.features drops; give retention.replay_per_class"},
        };
        for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
                char field[ERR_FIELD_MAX];
                snprintf(field, sizeof(field), "/learning/%s", rules[i].field);
                if (rules[i].broken)
                        return err_field(e, -EINVAL, field, "%s", rules[i].say);
        }
        return 0;
}

int learning_check(const struct learning *l, struct err *e)
{
        int r = 0;
        for (size_t i = 0; r == 0 && i < n_learning_keys; i++)
                r = check_key(l, &learning_keys[i], e);
        return r == 0 ? check_rules(l, e) : r;
}

int learning_check_net(const struct learning *l, const struct ewc_spec *net, struct err *e)
{
        if (l->rates_layers.n > 0 && l->rates_layers.n != net->n_layers + 1)
                return err_field(e, -EINVAL, "/learning/rates/layers",
                    "rates.layers has %u numbers; the net has %u layers and its output layer: give %u",
                    l->rates_layers.n, net->n_layers, net->n_layers + 1);
        if (!ewc_fisher_defined(l->fisher_variant, net->loss))
                return err_field(e, -EINVAL, "/learning/fisher/variant",
                    "fisher.variant %s is not defined for loss %s", ewc_fisher_name(l->fisher_variant),
                    ewc_loss_name(net->loss));
        if (l->distill_weight > 0 && net->loss == EWC_LOSS_SQUARED)
                return err_field(e, -EINVAL, "/learning/distill/weight",
                    "distillation compares probabilities; loss squared has none: leave distill.weight 0");
        if (l->trigger_accuracy > 0 && net->loss == EWC_LOSS_SQUARED)
                return err_field(e, -EINVAL, "/learning/trigger/accuracy",
                    "loss squared has no right and wrong answers; leave trigger.accuracy 0");
        if (l->feedback_on_conflict == CONFLICT_MAJORITY && net->loss != EWC_LOSS_SOFTMAX)
                return err_field(e, -EINVAL, "/learning/feedback/on_conflict",
                    "majority counts classes; loss %s has no single one: give earliest or latest",
                    ewc_loss_name(net->loss));
        return 0;
}

static struct ewc_optim optim_of(const struct learning *l)
{
        return (struct ewc_optim){
            .type = l->optimizer_type,
            .rate = (float)l->optimizer_rate,
            .momentum = l->optimizer_type == EWC_OPTIM_SGD ? (float)l->optimizer_momentum : 0.0f,
            .beta1 = (float)l->optimizer_beta1,
            .beta2 = (float)l->optimizer_beta2,
            .eps = (float)l->optimizer_eps,
        };
}

/* What the gate will refuse is not worth keeping. A gate that lets nothing go still brakes. */
static double brake_of(const struct learning *l)
{
        return l->gate_max_forgetting > BRAKE_LEAST ? l->gate_max_forgetting : BRAKE_LEAST;
}

void learning_plan(const struct learning *l, uint64_t seed, uint32_t threads, struct learn_plan *ret)
{
        bool si = l->importance_type == LEARN_IMPORTANCE_SI;
        *ret = (struct learn_plan){
            .method = l->method,
            .optim = optim_of(l),
            .epochs = l->epochs,
            .steps = l->steps,
            .batch = l->batch,
            .lambda = l->lambda,
            .lambda_auto = searches(l),
            .lambda_start = l->lambda_start,
            .brake = searches(l) ? brake_of(l) : 0,
            .fisher = l->fisher_variant,
            .fisher_samples = l->fisher_samples,
            .fisher_fraction = l->fisher_fraction,
            .fisher_damping = l->fisher_damping,
            .replay_per_class = l->replay_per_class,
            .seed = seed,
            .threads = threads,
            .form = l->penalty_form,
            .merge = l->merge_rule,
            .merge_decay = l->merge_decay,
            .scale = l->penalty_scale,
            .importance = l->importance_type,
            .si_damping = si ? l->importance_damping : 0,
            .final_theta = si, /* what the path ended at */
            .distill = l->distill_weight,
            .distill_temperature = l->distill_weight > 0 ? l->distill_temperature : 0,
            .derpp = l->replay_derpp,
            .huber = l->penalty_huber,
            .rate_new = l->rates_new_task == 1 ? 0 : l->rates_new_task,
            .rate_floor = l->rates_floor,
            .n_rates = l->rates_layers.n,
            .rates = l->rates_layers.n > 0 ? l->rates_layers.v : NULL,
        };
}

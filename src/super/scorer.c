/* scorer.c: see scorer.h.
 *
 * In scenario class an open task without fixed classes has those of its feedback, which goes on growing: here those
 * of the version's own range count. The net is read when the first row needs it and stays with the scorer. */
#include "super/scorer.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/head.h"
#include "domain/validate.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { TILE_ROWS = 256, TILE_BYTES = 4 << 20, LINE = 64 };

/* --- tiles --- */

int tile_init(struct tile *t, const struct model_spec *s, struct err *e)
{
        size_t row = s->n_inputs > 0 ? s->n_inputs * sizeof(float) : 1, cap = TILE_BYTES / row, inputs, targets;
        cap = cap == 0 ? 1 : cap > TILE_ROWS ? TILE_ROWS : cap;
        *t = (struct tile){.cap = cap, .n_inputs = s->n_inputs, .n_classes = s->n_classes};
        bool labels = s->net.loss == EWC_LOSS_SOFTMAX;
        if (mem_mul(cap, t->n_inputs, &inputs) && mem_mul(cap, labels ? 0 : t->n_classes, &targets)) {
                t->x = new_array(float, inputs);
                t->targets = labels ? NULL : new_array(float, targets);
                t->row = new_array(struct score_row, cap);
        }
        if (t->x && t->row && (labels || t->targets))
                return 0;
        tile_deinit(t);
        return err_oom(e);
}

void tile_deinit(struct tile *t)
{
        free(t->x);
        free(t->targets);
        free(t->row);
        *t = (struct tile){0};
}

static bool take_targets(const struct tile *t, const struct feedback *row, float *ret)
{
        if (!row->targets || row->n_targets > t->n_classes)
                return false;
        memset(ret, 0, t->n_classes * sizeof(float));
        for (size_t c = 0; c < row->n_targets; c++) {
                if (!isfinite(row->targets[c]))
                        return false;
                ret[c] = row->targets[c];
        }
        return true;
}

bool tile_take(struct tile *t, const struct model_spec *s, const struct feedback *row)
{
        float *targets = t->targets ? t->targets + t->n * t->n_classes : NULL;
        if (!row->inputs || validate_row(s, row->n_inputs, row->inputs, NULL) < 0)
                return false;
        if (targets ? !take_targets(t, row, targets) : row->class < 0)
                return false;
        model_scale(s, 1, row->inputs, t->x + t->n * t->n_inputs);
        t->row[t->n++] =
            (struct score_row){.seq = row->seq, .task = row->task, .class = row->class, .targets = targets};
        return true;
}

/* --- the version and its heads --- */

struct seen { /* classes of the rows walked so far */
        bool *class;
        size_t n_classes, n;
};

enum { SEEN_ALL = 100 }; /* beside the store's outcomes */

static int see(void *arg, const struct feedback *row)
{
        struct seen *s = arg;
        if (row->class >= 0 && (size_t)row->class < s->n_classes && !s->class[row->class]) {
                s->class[row->class] = true;
                s->n++;
        }
        return s->n == s->n_classes ? SEEN_ALL : 0;
}

/* The classes of an open task that the version has been trained on; none when it was another task's. */
static int trained_classes(struct store *s, const struct scorer *c, struct arena *a, struct task *open, struct err *e)
{
        const size_t n = c->spec->n_classes;
        struct seen seen = {arena_new_array(a, bool, n), n, 0};
        uint32_t *classes = arena_new_array(a, uint32_t, n);
        if (!seen.class || !classes)
                return err_oom(e);
        const struct feedback_filter f = {.task = open->id, .range = c->version.range, .split = SPLIT_BOTH};
        int r = c->version.task == open->id ? store_feedback_scan(s, c->version.model, &f, see, &seen, e) : 0;
        if (r != 0 && r != SEEN_ALL)
                return err_wrap(e, r, "classes of version %" PRIu64, c->version.number);
        open->classes = classes;
        open->n_classes = 0;
        for (uint32_t i = 0; i < n; i++)
                if (seen.class[i])
                        classes[open->n_classes++] = i;
        return 0;
}

static int open_heads(struct store *s, struct scorer *c, struct arena *a, struct err *e)
{
        struct task *tasks = arena_memdup(a, c->tasks, c->n_tasks * sizeof(*tasks));
        c->heads = arena_new_array(a, struct ewc_head, c->n_tasks);
        if (!tasks || !c->heads)
                return err_oom(e);
        for (size_t i = 0; i < c->n_tasks; i++) {
                bool grows = tasks[i].state == TASK_OPEN && !tasks[i].classes_fixed;
                int r = 0;
                if (grows && c->spec->scenario == SCENARIO_CLASS && c->loss == EWC_LOSS_SOFTMAX)
                        r = trained_classes(s, c, a, &tasks[i], e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < c->n_tasks; i++)
                if (head_of_task(c->spec->scenario, c->version.outputs, c->version.n_outputs, &tasks[i], tasks,
                        c->n_tasks, a, &c->heads[i]) < 0)
                        return err_oom(e);
        return 0;
}

int scorer_open(struct store *s, version_id v, const struct model_spec *spec, size_t n_tasks,
    const struct task *tasks, struct arena *a, struct scorer *ret, struct err *e)
{
        struct scorer c = {.spec = spec, .loss = spec->net.loss, .n_tasks = n_tasks, .tasks = tasks};
        int r = store_version_get(s, v, a, &c.version, e);
        if (r != 0)
                return err_wrap(e, r, "version");
        if (c.version.n_outputs == 0 || c.version.n_outputs > EWC_MAX_UNITS)
                return err_set(
                    e, -EBADMSG, "version %" PRIu64 " has %zu outputs", c.version.number, c.version.n_outputs);
        if ((r = open_heads(s, &c, a, e)) < 0)
                return r;
        *ret = c;
        return 0;
}

void scorer_close(struct scorer *c)
{
        ewc_net_free(c->net);
        *c = (struct scorer){0};
}

static int load_net(struct store *s, struct scorer *c, struct err *e)
{
        const struct version *v = &c->version;
        struct ewc_spec spec = c->spec->net;
        struct ewc_net *net;
        spec.n_outputs = (uint32_t)v->n_outputs;
        int r = ewc_net_new(&net, &spec, NULL);
        if (r < 0)
                return r == EWC_E_NOMEM
                           ? err_oom(e)
                           : err_set(e, -EBADMSG, "version %" PRIu64 ": net: %s", v->number, ewc_strerror(r));
        if (ewc_net_params(net) != v->n_params)
                r = err_set(e, -EBADMSG, "version %" PRIu64 ": %zu parameters stored, the net has %zu", v->number,
                    v->n_params, ewc_net_params(net));
        else if ((r = store_version_tensor(s, v->id, TENSOR_THETA, ewc_net_theta(net), v->n_params, e)) != 0)
                r = err_wrap(e, r, "theta of version %" PRIu64, v->number);
        if (r < 0) {
                ewc_net_free(net);
                return r;
        }
        c->net = net;
        return 0;
}

/* --- answers --- */

static const struct ewc_head *head_for(const struct scorer *c, task_id task)
{
        for (size_t i = 0; i < c->n_tasks; i++)
                if (c->tasks[i].id == task)
                        return &c->heads[i];
        return NULL;
}

/* The greatest logit of the head, the first of equal ones, as a prediction has it; no answer of a head that can say
 * one class alone. */
static enum answer judge_class(
    const struct scorer *c, const struct ewc_head *head, const struct score_row *row, const float *z)
{
        int wanted = head ? head_output(c->version.outputs, head, (uint32_t)row->class) : -1;
        if (wanted < 0)
                return ANSWER_NONE;
        if (head->n < 2)
                return ANSWER_WRONG;
        uint32_t top = head->out[0];
        for (uint32_t i = 0; i < head->n; i++) {
                if (!isfinite(z[head->out[i]]))
                        return ANSWER_WRONG;
                if (z[head->out[i]] > z[top])
                        top = head->out[i];
        }
        return top == (uint32_t)wanted ? ANSWER_RIGHT : ANSWER_WRONG;
}

/* Every class on the right side of one half; a class that is true and has no output is no answer. */
static enum answer judge_sides(
    const struct scorer *c, const struct ewc_head *head, const struct score_row *row, const float *z)
{
        bool right = head && head->n > 0;
        for (size_t k = 0; k < c->spec->n_classes; k++)
                if (row->targets[k] > 0.5f && (!head || head_output(c->version.outputs, head, (uint32_t)k) < 0))
                        return ANSWER_NONE;
        for (uint32_t i = 0; right && i < head->n; i++) {
                uint32_t k = c->version.outputs[head->out[i]].class;
                right = k < c->spec->n_classes && (z[head->out[i]] > 0) == (row->targets[k] > 0.5f);
        }
        return right ? ANSWER_RIGHT : ANSWER_WRONG;
}

static double squared_error(
    const struct scorer *c, const struct ewc_head *head, const struct score_row *row, const float *z)
{
        double sum = 0;
        if (!head || head->n == 0)
                return INFINITY;
        for (uint32_t i = 0; i < head->n; i++) {
                uint32_t k = c->version.outputs[head->out[i]].class;
                double d = k < c->spec->n_classes ? (double)z[head->out[i]] - (double)row->targets[k] : 0;
                sum += d * d / 2;
        }
        return isfinite(sum) ? sum : INFINITY;
}

static struct score judge(const struct scorer *c, const struct score_row *row, const float *z)
{
        const struct ewc_head *head = head_for(c, row->task);
        if (c->loss == EWC_LOSS_SOFTMAX)
                return (struct score){.answer = judge_class(c, head, row, z)};
        if (c->loss == EWC_LOSS_SIGMOID)
                return (struct score){.answer = judge_sides(c, head, row, z)};
        return (struct score){.error = squared_error(c, head, row, z)};
}

int scorer_run(struct store *s, struct scorer *c, const struct tile *t, struct score *ret, struct err *e)
{
        const size_t O = c->version.n_outputs;
        size_t n_logits;
        int r = c->net ? 0 : load_net(s, c, e);
        if (r < 0)
                return r;
        _free_ float *y = mem_mul(t->n, O, &n_logits) ? new_array(float, n_logits) : NULL;
        _free_ void *ws = mem_aligned(1, ewc_net_workspace(c->net, t->n), LINE);
        if (!y || !ws)
                return err_oom(e);
        r = ewc_net_forward(c->net, t->n, t->x, y, ws);
        if (r < 0 && r != EWC_E_NONFINITE) /* a row's own misfortune: judged as wrong */
                return err_set(e, -EBADMSG, "version %" PRIu64 ": %s", c->version.number, ewc_strerror(r));
        for (size_t i = 0; i < t->n; i++)
                ret[i] = judge(c, &t->row[i], y + i * O);
        return 0;
}

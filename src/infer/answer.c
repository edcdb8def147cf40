/* answer.c: predicting with a served version: probabilities, uncertainty, and the choice of a task.
 *
 * What is run at once is a batch: rows of any number of requests, gathered while they are scaled, which has to write
 * them anyway. A row's bits depend neither on its batch nor on its neighbours (ewc/forward.h), so an answer does not
 * depend on how it was batched. One request alone is run in batches of bounded size, so that its workspace is.
 * Uncertainty costs one more product per row, of the squared features with the variances of the output layer. */
#include "infer/answer.h"
#include "infer/evidence.h"
#include "infer/served.h"
#include <ewc/laplace.h>
#include <math.h>

enum { TILE = 64, ALIGN = 64 };

/* Bytes of a (rows, n) float block, rounded up; rows at most TILE, n at most EWC_MAX_UNITS. */
static size_t block_bytes(size_t rows, size_t n)
{
        return (rows * n * sizeof(float) + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t tile_rows(size_t rows)
{
        return rows < TILE ? rows : TILE;
}

/* --- how sure --- */

bool served_has_uncertainty(const struct served *s, const struct served_task *t, const char **ret_why)
{
        const char *why = NULL;
        if (!s->evidence)
                why = s->no_evidence;
        else if (s->spec.scenario == SCENARIO_TASK && !evidence_has(s->evidence, t->id))
                why = "this version has no stored Fisher of the task: it gets one when the task is closed";
        else if (s->spec.net.loss == EWC_LOSS_SOFTMAX && t->head.n < 2)
                why = "the task has one class only";
        if (why && ret_why)
                *ret_why = why;
        return !why;
}

/* A head that can win; one class under softmax would always be sure. */
static bool is_candidate(const struct served *s, const struct served_task *t)
{
        return t->head.n >= (s->spec.net.loss == EWC_LOSS_SOFTMAX ? 2u : 1u);
}

static bool all_have_evidence(const struct served *s)
{
        for (size_t i = 0; i < s->n_tasks; i++) {
                if (is_candidate(s, &s->tasks[i]) && !served_has_uncertainty(s, &s->tasks[i], NULL))
                        return false;
        }
        return true;
}

bool served_can_infer(const struct served *s)
{
        size_t n = 0;
        for (size_t i = 0; i < s->n_tasks; i++)
                n += is_candidate(s, &s->tasks[i]);
        return n > 0 && (s->spec.net.loss != EWC_LOSS_SQUARED || all_have_evidence(s));
}

size_t served_widest(const struct served *s)
{
        size_t n = 0;
        for (size_t i = 0; i < s->n_tasks; i++)
                n = s->tasks[i].head.n > n ? s->tasks[i].head.n : n;
        return n;
}

static double entropy_term(double p)
{
        return p > 0 ? -p * log(p) : 0;
}

static double softmax_doubt(size_t H, const float *p)
{
        double sum = 0;
        for (size_t h = 0; h < H; h++)
                sum += entropy_term((double)p[h]);
        double u = sum / log((double)H);
        return u < 1 ? u : 1;
}

static double sigmoid_doubt(size_t H, const float *p)
{
        double sum = 0;
        for (size_t h = 0; h < H; h++)
                sum += entropy_term((double)p[h]) + entropy_term(1 - (double)p[h]);
        return sum / ((double)H * log(2));
}

static double squared_doubt(const struct ewc_head *head, const float *f_var)
{
        double sum = 0;
        for (uint32_t h = 0; h < head->n; h++)
                sum += (double)f_var[head->out[h]];
        return sqrt(sum / (double)head->n);
}

struct tile { /* memory of a batch */
        const struct served *s;
        float *x, *phi, *z, *f_var, *p; /* p: (1, H) of one row under one head */
        void *net;
};

static size_t carve(const struct served *s, size_t n, void *ws, struct tile *ret)
{
        size_t D = ewc_laplace_inputs(&s->spec.net), O = s->n_outputs;
        size_t sizes[] = {block_bytes(n, s->spec.n_inputs), block_bytes(n, D), block_bytes(n, O), block_bytes(n, O),
            block_bytes(1, O)};
        float **blocks[] = {&ret->x, &ret->phi, &ret->z, &ret->f_var, &ret->p};
        char *base = ws;
        size_t at = 0;
        ret->s = s;
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                *blocks[i] = base ? (float *)(void *)(base + at) : NULL;
                at += sizes[i];
        }
        ret->net = base ? base + at : NULL;
        return at + ewc_plan_workspace(s->plan, n);
}

/* Of row i of the batch under the head of t; f_var NULL: of the plain probabilities. */
static int doubt(const struct tile *t, const struct served_task *task, size_t i, bool evidence, double *ret)
{
        const struct served *s = t->s;
        const struct ewc_spec *net = &s->spec.net;
        const float *z = t->z + i * s->n_outputs, *f_var = t->f_var + i * s->n_outputs;
        if (net->loss == EWC_LOSS_SQUARED) {
                *ret = squared_doubt(&task->head, f_var);
                return 0;
        }
        int r = evidence ? ewc_laplace_probs(net, &task->head, 1, z, f_var, t->p)
                         : ewc_net_probs(s->net, &task->head, 1, z, t->p);
        if (r == 0)
                *ret = net->loss == EWC_LOSS_SOFTMAX ? softmax_doubt(task->head.n, t->p)
                                                     : sigmoid_doubt(task->head.n, t->p);
        return r;
}

/* The first of the least unsure heads. */
static int choose(const struct tile *t, size_t i, bool evidence, const struct served_task **ret)
{
        const struct served *s = t->s;
        double best = INFINITY, u;
        for (size_t k = 0; k < s->n_tasks; k++) {
                if (!is_candidate(s, &s->tasks[k]))
                        continue;
                int r = doubt(t, &s->tasks[k], i, evidence, &u);
                if (r < 0)
                        return r;
                if (u < best) {
                        best = u;
                        *ret = &s->tasks[k];
                }
        }
        return 0;
}

/* z of all rows, and what their variances are computed from. A value that is not finite is told last. */
static int forward(const struct tile *t, size_t n_parts, const struct served_part *parts, bool features)
{
        const struct served *s = t->s;
        size_t n = 0;
        for (size_t i = 0; i < n_parts; i++) {
                model_scale(&s->spec, parts[i].rows, parts[i].raw, t->x + n * s->spec.n_inputs);
                n += parts[i].rows;
        }
        return ewc_plan_run(s->plan, n, t->x, t->z, features ? t->phi : NULL, t->net);
}

/* Row i of the batch is row `row` of its part's answer. */
static int answer_row(const struct tile *t, const struct served_task *task, bool compare, size_t i, size_t row,
    const struct served_answer *a)
{
        const struct served *s = t->s;
        double u = NAN;
        int r = task ? 0 : choose(t, i, compare, &task);
        if (r == 0 && a->chosen)
                a->chosen[row] = task;
        if (r == 0)
                r = ewc_net_probs(s->net, &task->head, 1, t->z + i * s->n_outputs, a->probs + row * a->stride);
        if (r == 0 && a->uncertainty && served_has_uncertainty(s, task, NULL))
                r = doubt(t, task, i, true, &u);
        if (r == 0 && a->uncertainty)
                a->uncertainty[row] = (float)u;
        return r;
}

static bool wants_variance(const struct served *s, const struct served_part *p, bool compare)
{
        return s->evidence && (p->answer.uncertainty || (!p->task && compare));
}

/* The part's rows begin at row `at` of the batch. */
static int answer_part(const struct tile *t, const struct served_part *p, bool compare, size_t at)
{
        const struct served *s = t->s;
        size_t O = s->n_outputs;
        int r = 0;
        if (wants_variance(s, p, compare))
                ewc_laplace_logit_variance(&s->spec.net, s->evidence->variance, p->rows,
                    t->phi + at * ewc_laplace_inputs(&s->spec.net), t->f_var + at * O);
        else if (p->task && p->answer.stride == p->task->head.n && !p->answer.uncertainty)
                return ewc_net_probs(s->net, &p->task->head, p->rows, t->z + at * O, p->answer.probs);
        for (size_t k = 0; k < p->rows && r == 0; k++)
                r = answer_row(t, p->task, compare, at + k, k, &p->answer);
        return r;
}

size_t served_batch_workspace(const struct served *s, size_t rows)
{
        struct tile t;
        return carve(s, rows, NULL, &t);
}

int served_answer_batch(
    const struct served *s, size_t rows, size_t n_parts, const struct served_part *parts, void *ws)
{
        struct tile t;
        bool compare = false, features = false;
        for (size_t i = 0; i < n_parts; i++)
                compare = compare || !parts[i].task;
        compare = compare && s->evidence && all_have_evidence(s);
        for (size_t i = 0; i < n_parts; i++)
                features = features || wants_variance(s, &parts[i], compare);
        carve(s, rows, ws, &t);
        int r = forward(&t, n_parts, parts, features);
        for (size_t i = 0, at = 0; i < n_parts && r == 0; at += parts[i++].rows)
                r = answer_part(&t, &parts[i], compare, at);
        return r;
}

size_t served_answer_workspace(const struct served *s, size_t rows)
{
        return served_batch_workspace(s, tile_rows(rows));
}

int served_answer(const struct served *s, const struct served_task *t, size_t rows, const float *raw,
    const struct served_answer *a, void *ws)
{
        size_t step = tile_rows(rows);
        for (size_t i = 0; i < rows; i += step) {
                struct served_part p = {.task = t, .rows = tile_rows(rows - i), .raw = raw + i * s->spec.n_inputs};
                p.answer = served_answer_from(a, i);
                int r = served_answer_batch(s, step, 1, &p, ws);
                if (r < 0)
                        return r;
        }
        return 0;
}

size_t served_workspace(const struct served *s, size_t rows)
{
        return served_answer_workspace(s, rows);
}

int served_predict(
    const struct served *s, const struct served_task *t, size_t rows, const float *raw, float *probs, void *ws)
{
        struct served_answer a = {.stride = t->head.n, .probs = probs};
        return served_answer(s, t, rows, raw, &a, ws);
}

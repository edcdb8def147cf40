/* h_predict.c: predictions as people read them: labels and probabilities by class name, on demand how sure they are,
 * and without a task, in a model with one head per task, which task it is (serving reference 3.1).
 *
 * Probabilities are the net's own; uncertainty is beside them and changes none of their bits.
 *
 * All on the loop: the request's arena and the server's workspace and body are the only memory. */
#include "base/err.h"
#include "domain/validate.h"
#include "infer/answer.h"
#include "infer/served.h"
#include "proto/oip.h"
#include "server/h.h"
#include "server/handlers.h"
#include <math.h>
#include <string.h>

/* What is shown of a row: the classes in order, or the top_k most probable, most probable first. */
struct show {
        size_t n;
        const char **classes;
        float *probs;
};

static int show_new(struct show *ret, struct arena *a, size_t n)
{
        *ret = (struct show){n, arena_new_array(a, const char *, n), arena_new_array(a, float, n)};
        return ret->classes && ret->probs ? 0 : -1;
}

/* Insertion of H probabilities into the n best; equal ones keep class order. */
static void show_top(struct show *s, size_t H, const float *p, const char *const *classes)
{
        size_t have = 0;
        for (size_t i = 0; i < H; i++) {
                size_t at = have;
                while (at > 0 && s->probs[at - 1] < p[i])
                        at--;
                if (at == s->n)
                        continue;
                size_t moved = (have < s->n ? have : s->n - 1) - at;
                memmove(s->probs + at + 1, s->probs + at, moved * sizeof(*s->probs));
                memmove(s->classes + at + 1, s->classes + at, moved * sizeof(*s->classes));
                s->probs[at] = p[i];
                s->classes[at] = classes[i];
                have += have < s->n;
        }
}

static size_t best_of(size_t H, const float *p)
{
        size_t best = 0;
        for (size_t i = 1; i < H; i++)
                best = p[i] > p[best] ? i : best;
        return best;
}

/* Scenario task, none named, and more than one head that could answer: the rows say which did. */
static bool is_inferred(const struct served *s, const struct predict_request *q)
{
        size_t trained = 0;
        for (size_t i = 0; i < s->n_tasks; i++)
                trained += s->tasks[i].head.n > 0;
        return !q->task && s->spec.scenario == SCENARIO_TASK && trained > 1 && served_can_infer(s);
}

/* Why an uncertainty among the answers is null; NULL: none is. */
static const char *why_null(
    const struct served *s, const struct served_task *t, size_t rows, const struct served_answer *a)
{
        const char *why = NULL;
        for (size_t i = 0; a->uncertainty && i < rows && !why; i++) {
                if (isnan(a->uncertainty[i]))
                        served_has_uncertainty(s, t ? t : a->chosen[i], &why);
        }
        return why;
}

/* t NULL: inferred, per row. */
static void answer(struct request *r, const struct served *s, const struct served_task *t,
    const struct predict_request *q, const struct served_answer *a)
{
        size_t widest = t ? t->head.n : served_widest(s);
        struct show show = {0};
        if (q->top_k > 0 && show_new(&show, r->arena, q->top_k < widest ? q->top_k : widest) < 0) {
                reply_problem(r, PROBLEM_OVERLOADED, "", "out of memory");
                return;
        }
        struct buf *b = server_body(r->server);
        bool named = t && (q->task || s->spec.scenario == SCENARIO_TASK);
        predict_response_begin(b, s->spec.name, s->number_text, named ? t->name : NULL);
        for (size_t i = 0; i < q->rows; i++) {
                const struct served_task *of = t ? t : a->chosen[i];
                size_t H = of->head.n;
                const float *p = a->probs + i * a->stride;
                size_t best = best_of(H, p);
                struct predict_row row = {
                    .label = s->spec.net.loss == EWC_LOSS_SQUARED ? NULL : of->head_classes[best],
                    .probability = p[best],
                    .n = H,
                    .classes = of->head_classes,
                    .probs = p,
                    .uncertainty = a->uncertainty ? &a->uncertainty[i] : NULL,
                    .task = t ? NULL : of->name,
                };
                if (q->top_k > 0) {
                        row.n = show.n = q->top_k < H ? q->top_k : H;
                        show_top(&show, H, p, of->head_classes);
                        row.classes = show.classes;
                        row.probs = show.probs;
                }
                predict_response_row(b, &row, i == 0);
        }
        predict_response_end(b, why_null(s, t, q->rows, a));
        reply_json(r, 200, b);
}

static bool rows_fit(struct request *r, const struct served *s, const struct predict_request *q)
{
        struct err e = ERR_NULL;
        if (q->rows == 0 || q->cols != s->spec.n_inputs) {
                reply_problem(r, PROBLEM_BAD_SHAPE, "/inputs", "%zu rows of %zu numbers; model %s takes rows of %u",
                    q->rows, q->cols, s->spec.name, s->spec.n_inputs);
                return false;
        }
        for (size_t i = 0; i < q->rows; i++) {
                if (validate_row(&s->spec, q->cols, q->inputs + i * q->cols, &e) < 0) {
                        reply_problem(r, PROBLEM_NON_FINITE, "/inputs", "row %zu: %s", i, e.msg);
                        return false;
                }
        }
        return true;
}

void h_predict(struct request *r)
{
        struct served *s = h_served(r);
        if (!s)
                return;
        struct err e = ERR_NULL;
        struct predict_request q;
        int p = predict_request_read(r->body, r->arena, &q, &e);
        if (p != 0) {
                reply_error(r, p, &e);
                return;
        }
        if (!rows_fit(r, s, &q))
                return;
        struct served_answer a = {0};
        const struct served_task *t = NULL;
        bool inferred = is_inferred(s, &q);
        if (!inferred && !(t = h_head(r, s, q.task, "/task")))
                return;
        if (inferred || q.uncertainty) {
                if (h_answer(r, s, t, q.rows, q.inputs, q.uncertainty, &a))
                        answer(r, s, t, &q, &a);
                return;
        }
        a.stride = t->head.n;
        if ((a.probs = h_probs(r, s, t, q.rows, q.inputs)))
                answer(r, s, t, &q, &a);
}

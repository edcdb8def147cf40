/* h_predict.c: predictions as people read them: labels and probabilities by class name (serving reference 3.1).
 *
 * All on the loop: the request's arena and the server's workspace and body are the only memory. */
#include "base/err.h"
#include "domain/validate.h"
#include "infer/served.h"
#include "proto/oip.h"
#include "server/h.h"
#include "server/handlers.h"
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

static void answer(struct request *r, const struct served *s, const struct served_task *t,
    const struct predict_request *q, const float *probs)
{
        size_t H = t->head.n;
        bool top = q->top_k > 0;
        struct show show = {0};
        if (top && show_new(&show, r->arena, q->top_k < H ? q->top_k : H) < 0) {
                reply_problem(r, PROBLEM_OVERLOADED, "", "out of memory");
                return;
        }
        struct buf *b = server_body(r->server);
        bool named = q->task || s->spec.scenario == SCENARIO_TASK;
        predict_response_begin(b, s->spec.name, s->number_text, named ? t->name : NULL);
        for (size_t i = 0; i < q->rows; i++) {
                const float *p = probs + i * H;
                size_t best = best_of(H, p);
                struct predict_row row = {
                    .label = s->spec.net.loss == EWC_LOSS_SQUARED ? NULL : t->head_classes[best],
                    .probability = p[best],
                    .n = H,
                    .classes = t->head_classes,
                    .probs = p,
                };
                if (top) {
                        show_top(&show, H, p, t->head_classes);
                        row.n = show.n;
                        row.classes = show.classes;
                        row.probs = show.probs;
                }
                predict_response_row(b, &row, i == 0);
        }
        predict_response_end(b);
        reply_json(r, 200, b);
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
        if (q.rows == 0 || q.cols != s->spec.n_inputs) {
                reply_problem(r, PROBLEM_BAD_SHAPE, "/inputs", "%zu rows of %zu numbers; model %s takes rows of %u",
                    q.rows, q.cols, s->spec.name, s->spec.n_inputs);
                return;
        }
        for (size_t i = 0; i < q.rows; i++) {
                if (validate_row(&s->spec, q.cols, q.inputs + i * q.cols, &e) < 0) {
                        reply_problem(r, PROBLEM_NON_FINITE, "/inputs", "row %zu: %s", i, e.msg);
                        return;
                }
        }
        const struct served_task *t = h_head(r, s, q.task, "/task");
        const float *probs = t ? h_probs(r, s, t, q.rows, q.inputs) : NULL;
        if (probs)
                answer(r, s, t, &q, probs);
}

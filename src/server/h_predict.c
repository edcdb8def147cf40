/* h_predict.c: predictions as people read them: labels and probabilities by class name, on demand how sure they
 * are, and without a task, in a model with one head per task, which task it is (serving reference 3.1).
 *
 * Probabilities are the net's own; uncertainty is beside them and changes none of their bits. Each prediction
 * has an id by which its label can name it, when the model remembers any (h_recall.h).
 *
 * All on the loop: the request is read into its arena, waits there for the end of the loop's turn (h_run.c), and
 * is answered from there. */
#include "base/clock.h"
#include "base/err.h"
#include "domain/validate.h"
#include "infer/answer.h"
#include "infer/served.h"
#include "loop/loop.h"
#include "proto/oip.h"
#include "server/h.h"
#include "server/h_recall.h"
#include "server/handlers.h"
#include <errno.h>
#include <math.h>
#include <string.h>

struct predict {
        struct h_run run; /* first */
        struct predict_request q;
};

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

static void put_row(struct buf *b, const struct predict *p, struct show *show, const char *id, size_t i)
{
        const struct served *s = p->run.job.version;
        const struct served_answer *a = &p->run.job.answer;
        const struct served_task *t = p->run.job.task, *of = t ? t : a->chosen[i];
        size_t H = of->head.n;
        const float *probs = a->probs + i * a->stride;
        size_t best = best_of(H, probs);
        struct predict_row row = {
            .id = id,
            .label = s->spec.net.loss == EWC_LOSS_SQUARED ? NULL : of->head_classes[best],
            .probability = probs[best],
            .n = H,
            .classes = of->head_classes,
            .probs = probs,
            .uncertainty = a->uncertainty ? &a->uncertainty[i] : NULL,
            .task = t ? NULL : of->name,
        };
        if (p->q.top_k > 0) {
                row.n = show->n = p->q.top_k < H ? p->q.top_k : H;
                show_top(show, H, probs, of->head_classes);
                row.classes = show->classes;
                row.probs = show->probs;
        }
        predict_response_row(b, &row, i == 0);
}

static bool write_predict(struct h_run *run, struct request *r, struct buf *b, size_t *ret_json)
{
        (void)ret_json;
        const struct predict *p = (const struct predict *)(const void *)run;
        const struct served *s = run->job.version;
        const struct served_task *t = run->job.task;
        size_t widest = t ? t->head.n : served_widest(s);
        struct show show = {0};
        if (p->q.top_k > 0 && show_new(&show, r->arena, p->q.top_k < widest ? p->q.top_k : widest) < 0) {
                reply_problem(r, PROBLEM_OVERLOADED, "", "out of memory");
                return false;
        }
        bool named = t && (p->q.task || s->spec.scenario == SCENARIO_TASK);
        predict_response_begin(b, s->spec.name, s->number_text, named ? t->name : NULL);
        bool remembered = h_remembers(r->server, s);
        int64_t now_ms = remembered ? clock_wall_ms(loop_clock(r->server->loop)) : 0;
        for (size_t i = 0; i < p->q.rows; i++) {
                char id[PREDICTION_ID_SIZE];
                if (remembered)
                        h_remember(r->server, &run->job, i, now_ms, id);
                put_row(b, p, &show, remembered ? id : NULL, i);
        }
        predict_response_end(b, why_null(s, t, p->q.rows, &run->job.answer));
        return true;
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

/* Of a row's answer at least: a quoted name, a colon, a digit and a comma of each class that is shown. */
static size_t row_bytes(const struct served_task *t, size_t top_k)
{
        enum { LEAST = 5 };
        if (!t || (top_k > 0 && top_k < t->head.n))
                return LEAST * (t ? top_k : 1);
        size_t n = LEAST * (size_t)t->head.n;
        for (uint32_t i = 0; i < t->head.n; i++)
                n += strlen(t->head_classes[i]);
        return n;
}

/* Read and checked, its answer under way; false: it has been refused. */
static bool predict(struct request *r, struct served *s)
{
        struct err e = ERR_NULL;
        struct predict *p = arena_new(r->arena, struct predict);
        if (!p) {
                reply_error(r, -ENOMEM, NULL);
                return false;
        }
        h_run_begin(&p->run, r);
        int problem = predict_request_read(r->body, r->arena, &p->q, &e);
        if (problem != 0) {
                reply_error(r, problem, &e);
                return false;
        }
        if (!rows_fit(r, s, &p->q))
                return false;
        struct h_ask ask = {.rows = p->q.rows, .raw = p->q.inputs, .uncertainty = p->q.uncertainty};
        if (!is_inferred(s, &p->q) && !(ask.task = h_head(r, s, p->q.task, "/task")))
                return false;
        ask.row_bytes = row_bytes(ask.task, p->q.top_k);
        p->run.write = write_predict;
        return h_run(&p->run, r, s, &ask);
}

void h_predict(struct request *r)
{
        struct served *s = h_served(r);
        struct server *server = r->server;
        uint64_t start = r->start_ns;
        if (s && !predict(r, s))
                h_run_refused(server, s, start);
}

/* learn_eval.c: what a set of rows says of the present theta: accuracy, loss, calibration, right answers by label,
 * and for the holdouts which rows changed sides since the first step.
 *
 * Rows go through in tiles of fixed size in their own order, so a number depends on theta and the rows alone. Holdout
 * rows count equally; weights are for training. Every tile is reported: a large holdout is not silence.
 *
 * The expected calibration error is that of Guo et al. 2017 (arXiv:1706.04599, eq. 3): 15 bins of equal width of the
 * top probability over the head, closed above; softmax only. */
#include "learner/learn_in.h"
#include "base/err.h"
#include "base/mem.h"
#include <math.h>
#include <string.h>

enum { ECE_BINS = 15 };
enum when { BEFORE, AFTER, ASIDE }; /* the first step; ASIDE: rows that are no holdout, measured alone */

struct sums {
        struct ewc_score score;
        double confidence[ECE_BINS]; /* top probabilities of the bin's rows, summed */
        uint64_t n_right[ECE_BINS];
        uint64_t n_won, n_lost;
};

static size_t most_outputs(const struct learn_rows *rows)
{
        return rows->head.n < rows->n ? rows->head.n : rows->n;
}

int learn_eval_open(struct learner *l)
{
        size_t n_rows = 0, n_outputs = 0;
        for (size_t i = 0; i < l->job->n_holdout; i++) {
                n_rows += l->job->holdout[i].n;
                n_outputs += most_outputs(&l->job->holdout[i]);
        }
        l->n_kept = l->job->net.loss == EWC_LOSS_SOFTMAX ? n_outputs : 0;
        l->right = arena_new_array(&l->arena, uint8_t, n_rows / 8 + 1);
        l->tally = arena_new_array(&l->arena, struct output_score, l->job->net.n_outputs);
        l->answers = arena_new_array(&l->arena, struct ewc_answer, LEARN_EVAL_ROWS);
        l->before = new_array(struct evaluation, l->job->n_holdout);
        l->after = new_array(struct evaluation, l->job->n_holdout);
        l->outputs = mem_array(l->n_kept, 2 * sizeof(*l->outputs));
        bool all = l->right && l->tally && l->answers && l->before && l->after && l->outputs;
        return all ? 0 : err_oom(l->e);
}

/* Remembers the row, or compares it with what was remembered. */
static void mark(struct learner *l, enum when when, size_t row, bool right, struct sums *s)
{
        uint8_t bit = (uint8_t)(1u << row % 8), *byte = &l->right[row / 8];
        switch (when) {
        case BEFORE:
                *byte = (uint8_t)(right ? *byte | bit : *byte & ~bit);
                break;
        case AFTER:
                s->n_won += right && !(*byte & bit);
                s->n_lost += !right && (*byte & bit);
                break;
        case ASIDE:
                break;
        }
}

static void count(struct learner *l, const struct ewc_answer *a, uint32_t label, struct sums *s)
{
        int bin = (int)ceil(a->probability * ECE_BINS) - 1;
        bin = bin < 0 ? 0 : bin >= ECE_BINS ? ECE_BINS - 1 : bin;
        s->confidence[bin] += a->probability;
        s->n_right[bin] += a->right;
        l->tally[label].n++;
        l->tally[label].n_right += a->right;
}

static double calibration_error(const struct sums *s)
{
        double sum = 0;
        for (size_t i = 0; i < ECE_BINS; i++)
                sum += fabs((double)s->n_right[i] - s->confidence[i]);
        return sum / (double)s->score.n;
}

static int tile(struct learner *l, enum when when, const struct ewc_batch *b, const struct learn_rows *rows,
    struct ewc_score *score)
{
        int r = learn_poll(l);
        if (r == 0)
                r = ewc_train_answers(l->net, &rows->head, b, score, l->answers, l->ws);
        if (r < 0 && when != BEFORE && l->st.step > 0)
                r = learn_diverged(l, r, l->st.step, "evaluation after it");
        else if (r < 0)
                r = learn_ewc(l, r, "evaluation before training");
        return r == 0 ? learn_report(l, l->st.loss, l->st.penalty, false) : r;
}

static struct evaluation evaluation_of(const struct learner *l, const struct learn_rows *rows, const struct sums *s)
{
        double n = (double)rows->n, none = (double)NAN;
        bool softmax = l->job->net.loss == EWC_LOSS_SOFTMAX;
        return (struct evaluation){
            .task = rows->task,
            .n = rows->n,
            .accuracy = rows->n > 0 ? (double)s->score.correct / n : none,
            .loss = rows->n > 0 ? s->score.loss_sum / n : none,
            .ece = rows->n > 0 && softmax ? calibration_error(s) : none,
            .n_won = s->n_won,
            .n_lost = s->n_lost,
            .predicted = none,
        };
}

/* first: of the rows among all holdouts. l->tally is filled for softmax. */
static int measure(
    struct learner *l, enum when when, const struct learn_rows *rows, size_t first, struct evaluation *ret)
{
        size_t I = l->job->net.n_inputs, O = l->job->net.n_outputs;
        struct sums s = {0};
        memset(l->tally, 0, O * sizeof(*l->tally));
        for (size_t at = 0; at < rows->n; at += LEARN_EVAL_ROWS) {
                struct ewc_batch b = {
                    .n = rows->n - at < LEARN_EVAL_ROWS ? rows->n - at : LEARN_EVAL_ROWS,
                    .x = rows->x + at * I,
                    .label = rows->label ? rows->label + at : NULL,
                    .target = rows->target ? rows->target + at * O : NULL,
                };
                int r = tile(l, when, &b, rows, &s.score);
                if (r != 0)
                        return r;
                for (size_t i = 0; i < b.n; i++) {
                        mark(l, when, first + at + i, l->answers[i].right, &s);
                        if (b.label)
                                count(l, &l->answers[i], (uint32_t)b.label[i], &s);
                }
        }
        *ret = evaluation_of(l, rows, &s);
        return 0;
}

/* The labels that have rows, from the tally to `to`; returns how many. */
static size_t keep_outputs(const struct learner *l, struct output_score *to)
{
        size_t n = 0;
        for (uint32_t o = 0; o < l->job->net.n_outputs; o++)
                if (l->tally[o].n > 0)
                        to[n++] = (struct output_score){o, l->tally[o].n, l->tally[o].n_right};
        return n;
}

static int measure_all(struct learner *l, enum when when, struct output_score *to, struct evaluation *ret)
{
        size_t first = 0;
        int r = 0;
        for (size_t i = 0; r == 0 && i < l->job->n_holdout; i++) {
                const struct learn_rows *rows = &l->job->holdout[i];
                r = measure(l, when, rows, first, &ret[i]);
                if (r == 0 && rows->label) {
                        ret[i].outputs = to;
                        ret[i].n_outputs = keep_outputs(l, to);
                        to += most_outputs(rows);
                }
                first += rows->n;
        }
        return r;
}

int learn_eval(struct learner *l, const struct learn_rows *rows, struct evaluation *ret)
{
        return measure(l, ASIDE, rows, 0, ret);
}

int learn_eval_before(struct learner *l)
{
        return measure_all(l, BEFORE, l->outputs, l->before);
}

int learn_eval_after(struct learner *l)
{
        return measure_all(l, AFTER, l->outputs + l->n_kept, l->after);
}

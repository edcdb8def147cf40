/* learn_eval.c: accuracy and loss of a set of rows under the present theta.
 *
 * Rows go through in tiles of fixed size in their own order, so a number depends on theta and the rows alone. Holdout
 * rows count equally; weights are for training. Every tile is reported: a large holdout is not silence. */
#include "learner/learn_in.h"
#include <math.h>

int learn_eval(struct learner *l, const struct learn_rows *rows, struct evaluation *ret)
{
        size_t I = l->job->net.n_inputs, O = l->job->net.n_outputs;
        struct ewc_score score = {0};
        for (size_t at = 0; at < rows->n; at += LEARN_EVAL_ROWS) {
                struct ewc_batch b = {
                    .n = rows->n - at < LEARN_EVAL_ROWS ? rows->n - at : LEARN_EVAL_ROWS,
                    .x = rows->x + at * I,
                    .label = rows->label ? rows->label + at : NULL,
                    .target = rows->target ? rows->target + at * O : NULL,
                };
                int r = learn_poll(l);
                if (r == 0)
                        r = ewc_train_score(l->net, &rows->head, &b, &score, l->ws);
                if (r < 0 && l->st.step > 0)
                        r = learn_diverged(l, r, l->st.step, "evaluation after it");
                else if (r < 0)
                        r = learn_ewc(l, r, "evaluation before training");
                if (r == 0)
                        r = learn_report(l, l->st.loss, l->st.penalty, false);
                if (r != 0)
                        return r;
        }
        double n = (double)rows->n;
        *ret = (struct evaluation){
            .task = rows->task,
            .n = rows->n,
            .accuracy = rows->n > 0 ? (double)score.correct / n : (double)NAN,
            .loss = rows->n > 0 ? score.loss_sum / n : (double)NAN,
        };
        return 0;
}

int learn_eval_all(struct learner *l, struct evaluation *ret)
{
        int r = 0;
        for (size_t i = 0; r == 0 && i < l->job->n_holdout; i++)
                r = learn_eval(l, &l->job->holdout[i], &ret[i]);
        return r;
}

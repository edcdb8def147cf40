/* answer.h: predictions with how sure they are, and the choice of a task that was not named.
 *
 * uncertainty is larger for a less sure answer:
 *   softmax   entropy of the probit probabilities over the head, divided by ln H: 0 is sure, 1 knows nothing
 *   sigmoid   mean over the head of the binary entropies, divided by ln 2
 *   squared   root of the mean variance over the head, in the unit of the outputs
 * It comes from the version's evidence (infer/evidence.h). A head no closed task speaks of has none, nor has a head
 * of one class under softmax: NaN. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct served;
struct served_task;

struct served_answer {                     /* arrays of the caller */
        size_t stride;                     /* of probs: head.n of the task, or the largest head when it is inferred */
        float *probs;                      /* (rows, stride); the first head.n of each row are filled */
        float *uncertainty;                /* (rows), or NULL: not asked for */
        const struct served_task **chosen; /* (rows), filled when the task is inferred; else NULL */
};

/* The same arrays from row i on. */
static inline struct served_answer served_answer_from(const struct served_answer *a, size_t i)
{
        return (struct served_answer){a->stride, a->probs + i * a->stride, a->uncertainty ? a->uncertainty + i : NULL,
            a->chosen ? a->chosen + i : NULL};
}

/* Whether this version can say how sure it is of task t; if not, why (borrowed from s, or a literal). */
bool served_has_uncertainty(const struct served *s, const struct served_task *t, const char **ret_why);
/* Whether a task can be inferred: at least one trained head, and something to compare them by. */
bool served_can_infer(const struct served *s);
size_t served_widest(const struct served *s); /* largest head */

size_t served_answer_workspace(const struct served *s, size_t rows); /* bytes, 64-aligned */
/* t NULL: per row, the trained head with the least uncertainty; if evidence is lacking for one of them, all are
 * compared by the entropy of their plain probabilities, since one scale must do for all. probs are those of
 * served_predict, bit for bit. EWC_E_NONFINITE. */
int served_answer(const struct served *s, const struct served_task *t, size_t rows, const float *raw,
    const struct served_answer *a, void *ws);

struct served_part {                    /* of a batch: rows that want the same */
        const struct served_task *task; /* NULL: inferred, as above */
        size_t rows;
        const float *raw;
        struct served_answer answer;
};

size_t served_batch_workspace(const struct served *s, size_t rows); /* bytes, 64-aligned */
/* All parts in one run, `rows` of them together at most: every part's answer is that of served_answer, bit for bit.
 * EWC_E_*: of some part, and none has an answer. */
int served_answer_batch(
    const struct served *s, size_t rows, size_t n_parts, const struct served_part *parts, void *ws);

/* learn_in.h: the parts of learn_run, known to its own files only.
 *
 * All rows a job may draw from have one flat index: the open task's rows first, then those of each retained set. Rows
 * are grouped by head, since one gradient call has one head. Functions return 0, LEARN_STOPPED or LEARN_DIVERGED with
 * l->e filled, or negative. Everything is allocated by learn_open. */
#pragma once
#include "base/arena.h"
#include "domain/lambda.h"
#include "domain/learn_job.h"
#include "learner/learn.h"
#include <ewc/distill.h>
#include <ewc/forward.h>
#include <ewc/laplace.h>
#include <ewc/step.h>
#include <ewc/team.h>

enum { LEARN_EVAL_ROWS = 256 }; /* rows per forward of an evaluation */

/* What a stream of the job's seed is for; an epoch's shuffle in the first try is plainly stream = epoch. */
enum learn_stream {
        STREAM_SHUFFLE = 0,
        STREAM_REPLAY = 1,
        STREAM_RETAIN = 2,
        STREAM_FISHER = 3,
        STREAM_LABELS = 4,
        STREAM_DROPOUT = 5,
        STREAM_START = 6
};

struct learn_prior {                  /* learn_prior.c */
        size_t capacity;              /* rows; 0: none is chosen, and there is no room either */
        struct ewc_evidence *records; /* (n_past + 1) */
        double *precision;            /* (O * (D + 1)) of the output layer */
        float *variance;              /* the same */
        float *phi, *z, *f_var;       /* (capacity, D), (capacity, O), (capacity, O) */
        int32_t *label;               /* (capacity) */
        double chosen;                /* 0: none */
};

struct learner {
        const struct learn_job *job;
        const struct learn_callbacks *cb;
        struct err *e;
        struct arena arena;

        struct ewc_team *team; /* of the net and the steps; its size is part of the result */
        struct ewc_net *net;
        size_t n_params;
        float *theta;                  /* (P) the net's own */
        float *grad;                   /* (P) */
        float *optim;                  /* (st.n_optim) */
        float *U, *centre;             /* (P) the merged penalty, NULL if there is none */
        double U_mean;                 /* of U over its tasks' protected parameters (protection.h) */
        struct ewc_penalty pen;        /* lambda 0: none in this try */
        struct ewc_optim conf;         /* plan.optim, with rate_new in the rate */
        struct ewc_step how;           /* rates by tensor, Huber's knee */
        struct ewc_net *teacher;       /* the starting theta, with distillation and closed sets only */
        struct ewc_plan *teacher_plan; /* of it: its theta never moves */
        float *teacher_logits;         /* (plan.batch, O) */
        size_t n_terms;
        struct ewc_distill *terms;      /* (n_terms) one per distinct head of the closed sets */
        float *best;                    /* (P) candidate of a search, else NULL */
        float *best_optim;              /* (st.n_optim) with best and keep_optim only, else NULL */
        float *kept_logits;             /* (n_retained, O) of the anchors, with derpp only, else NULL */
        uint32_t *kept_at;              /* (replay rows) place of a retained row in kept_logits */
        float *taught;                  /* (batch_rows, O) kept_logits of the batch's rows */
        double *fisher_sum;             /* (P) rollover, and a search that starts by similarity; else NULL */
        double *path;                   /* (P) rollover with importance si: sum of -g dtheta, else NULL */
        float *before_step, *loss_grad; /* (P) with path: theta and the unpenalised gradient of this step */

        size_t n_sets;   /* 1 + n_replay */
        uint32_t *first; /* (n_sets + 1) flat index of each set's first row */
        uint32_t *group; /* (n_sets) index into heads */
        size_t n_groups;
        const struct ewc_head **heads; /* (n_groups) distinct heads */
        size_t n_order;
        uint32_t *order; /* (n_order) this epoch's rows, flat */
        size_t n_retained;
        uint32_t *retained; /* (n_retained) rows that replay draws from, flat */
        size_t *kept_first; /* (n_sets + 1) where each set's rows begin in retained; sets count from 1 */
        uint32_t *rank;     /* scratch: (rows of the largest set) */
        uint32_t *count;    /* scratch: (O) */
        double n_tasks;     /* tasks seen, the open one included */

        size_t batch_rows; /* capacity of the batch below */
        float *x, *target, *weight;
        int32_t *label;
        uint32_t *draw; /* (plan.batch, or a little more with replay_even) replayed rows of a step */
        bool weighted;
        void *ws;

        uint64_t per_epoch, steps; /* of a try */
        uint32_t epochs, max_tries;
        bool search;
        struct lambda_conf lambda_conf; /* its start is st.start once that is known */
        struct ewc_rng replay_rng;
        struct learn_state st;             /* borrows the arrays above */
        struct evaluation *before, *after; /* (n_holdout) owned until handed over */
        struct output_score *outputs;      /* (2, n_kept) theirs; the same */
        size_t n_kept;                     /* most labels that all holdouts can have */
        uint8_t *right;                    /* a bit per holdout row, in their order: right before the first step */
        struct output_score *tally;        /* scratch: (O) */
        struct ewc_answer *answers;        /* scratch: (LEARN_EVAL_ROWS) */
        bool after_valid;                  /* after belongs to the present theta */
        float *ret_theta, *ret_fisher;     /* (P) owned until handed over */
        float *ret_optim;                  /* (st.n_optim) the same; with keep_optim */
        struct ewc_fisher_info fisher_info;
        uint64_t fisher_total;
        struct learn_prior prior;
        double fraction;
};

/* learn_check.c */
int learn_check(const struct learn_job *job, struct err *e); /* -EINVAL: what a plan or a row set may not be */

/* learn_setup.c */
int learn_open(struct learner *l);   /* checked job; applies job->resume */
void learn_close(struct learner *l); /* accepts a half-open one */
void learn_try_begin(struct learner *l, uint32_t try, double lambda);

/* learn.c */
int learn_ewc(struct learner *l, int r, const char *what); /* a libewc code as an outcome or an error */
/* The same, where what is not finite is divergence: named by its step, where to look when a job ends that way. */
int learn_diverged(struct learner *l, int r, uint64_t step, const char *what);
int learn_poll(struct learner *l); /* 0 or LEARN_STOPPED */
/* loss and penalty are those of the last slice; checkpoint: a later run may go on from l->st. */
int learn_report(struct learner *l, double loss, double penalty, bool checkpoint);

/* learn_draw.c */
void learn_rng(const struct learner *l, enum learn_stream what, uint32_t minor, struct ewc_rng *ret);
const struct learn_rows *learn_set(const struct learner *l, size_t set);
/* Shuffles the rows of a set into order (n) and ranks each within its class, rank (n): keeping the ranks below k
 * keeps at most k rows of every class, drawn at random. Without classes all rows count as one. Uses l->count. */
void learn_rank(struct learner *l, const struct learn_rows *rows, struct ewc_rng *r, uint32_t *order, uint32_t *rank);
/* Cuts order (n) to `want` rows, as evenly over classes as they allow; returns how many there are. */
size_t learn_even(uint32_t *order, const uint32_t *rank, size_t n, size_t want);
/* Copies the picked rows of one group into the batch, with their logits into taught; ret->n may be 0. */
void learn_gather(struct learner *l, const uint32_t *pick, size_t n, size_t group, struct ewc_batch *ret);

/* learn_step.c: one optimiser step on the n picked rows; *ret_loss is the loss it minimised. */
int learn_step(struct learner *l, const uint32_t *pick, size_t n, double *ret_loss);

/* learn_si.c: the path integral, step by step, and what it says at the end, into ret_fisher. */
void learn_si_before(struct learner *l); /* the step's loss gradient stands in grad, without penalty */
void learn_si_after(struct learner *l);
int learn_si_finish(struct learner *l);

/* learn_derpp.c: the closed tasks' own logits of the retained rows, and a replayed batch of one group beside them. */
int learn_derpp_open(struct learner *l); /* after all else is open: runs the net at the anchors */
int learn_derpp_grad(struct learner *l, size_t group, const struct ewc_batch *b, double label_weight, double scale,
    bool add, double *ret_loss);

/* learn_rate.c: how fast each tensor learns, into conf and how. */
int learn_rate_check(const struct learn_job *job, struct err *e);
int learn_rate_open(struct learner *l);
double learn_penalty(const struct learner *l); /* at the present theta */

/* learn_distill.c */
int learn_distill_open(struct learner *l);
/* As ewc_train_grad on a batch of the open task, with the teacher's terms beside the labels. */
int learn_distill_grad(struct learner *l, const struct ewc_batch *b, double scale, double *ret_loss);

/* learn_eval.c */
int learn_eval_open(struct learner *l);
int learn_eval(
    struct learner *l, const struct learn_rows *rows, struct evaluation *ret); /* without counts by label */
int learn_eval_before(struct learner *l); /* every holdout, into before; marks which rows are right */
int learn_eval_after(struct learner *l);  /* into after, with what was won and lost against those marks */

/* learn_lambda.c: all tries of phase TRAIN; afterwards theta is the chosen one. learn_epochs (learn.c) does one try.
 */
int learn_tries(struct learner *l);
int learn_epochs(struct learner *l);

/* learn_fisher.c: phase FISHER, from wherever st says, into ret_fisher. */
int learn_fisher(struct learner *l);
/* The rows a pass runs over, into l->order: `want` of the open task's rows, as evenly over classes as they allow;
 * with seen those too (their place follows train's), both parts shortened alike. */
void learn_fisher_pick(struct learner *l, enum learn_stream stream, size_t want, bool seen);
/* One batch of l->order into l->fisher_sum. */
int learn_fisher_batch(struct learner *l, enum ewc_fisher kind, bool mas, size_t at, size_t n);
size_t learn_fisher_rows(const struct learn_job *job);    /* rows of a batch */
uint64_t learn_fisher_total(const struct learn_job *job); /* rows of the pass */

/* learn_prior.c: the prior of the output layer, at the end of a run; into prior.chosen. */
int learn_prior_open(struct learner *l);
int learn_prior(struct learner *l);

/* learn_start.c: where the search begins, from the open task's Fisher at the job's theta: into st.start. */
int learn_start(struct learner *l);
size_t learn_start_rows(const struct learn_job *job); /* rows of a batch of its pass; 0: it makes none */

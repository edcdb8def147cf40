/* evidence.h: what a version's output layer is sure of: the variance of its parameters, from the Fishers of the tasks
 * closed so far (ewc/laplace.h).
 *
 *   precision = sum over closed tasks k of N_k m_k F_hat_k + prior;  variance = 1 / precision
 *
 * The prior is the version's own, chosen on the holdouts by its job. Only EXACT Fishers are a curvature; with any
 * other kind among them there is no evidence. Immutable once built and counted by reference, because records of
 * closed tasks never change: the next version of the same layout shares it, or with another prior its sum. */
#pragma once
#include "domain/types.h"
#include <ewc/net.h>
#include <stdatomic.h>

struct arena;
struct err;
struct store;

/* The prior of versions that have none: every parameter is given unit variance before anything is known of it. */
#define EVIDENCE_PRIOR 1.0

struct evidence {
        atomic_uint refs;
        size_t n_tasks;
        task_id *tasks; /* (n_tasks) whose records are in it, in order of opening */
        size_t n_outputs;
        struct output_row *outputs; /* (n_outputs) the layout */
        double prior;
        double *precision; /* (O * (D + 1)) as ewc_laplace_precision gives it: without the prior */
        float *variance;   /* the same length, as ewc_laplace_variance gives it */
        size_t bytes;
};

struct evidence_from {
        enum scenario scenario;
        const struct ewc_spec *net; /* of the version */
        uint64_t number;            /* of the version: tasks it or an earlier one closed count */
        size_t n_outputs;
        const struct output_row *outputs;
        size_t n_tasks;
        const struct task *tasks; /* all of the model, in order of opening */
        double prior;             /* of the version; 0: it has none */
        struct evidence *donor;   /* or NULL: taken when it is the same, and its sum when it only has another prior */
};

/* Reader thread. 0; or 1: there is none, *ret_why (a literal or in a) says why. Negative: memory. */
int evidence_load(struct store *s, const struct evidence_from *f, struct arena *a, struct evidence **ret,
    const char **ret_why, struct err *e);
/* ret (P of net): a closed task's Fisher as its record has it, decoded where it is packed. -EBADMSG: damaged. */
int evidence_fisher(
    struct store *s, const struct task *t, const struct ewc_spec *net, float *ret, size_t P, struct err *e);
struct evidence *evidence_ref(struct evidence *v);
void evidence_unref(struct evidence *v); /* accepts NULL; any thread */
bool evidence_has(const struct evidence *v, task_id t);

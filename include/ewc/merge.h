/* merge.h: several tasks' records into one importance U and one centre, the scale of a Fisher, and Fisher shards.
 *
 *   mode        U                                  centre              options
 *   SEPARATE    sum_k alpha_k F_k                  weighted            alpha   Kirkpatrick et al. 2017
 *   ONLINE      gamma U + F_new                    latest              gamma   Schwarz et al. 2018, arXiv:1805.06370
 *   SUM         U + F_new                          latest                      Huszar 2018, arXiv:1712.03847
 *   EMA         beta U + (1 - beta) F_new, U1 = F1 latest              beta    "EWC++"; task 1 weighs beta^(T-1)
 *   CUMULATIVE  sum_k alpha_k F_k                  latest or weighted  alpha
 *   BATCH_EMA   running mean over updates          latest              rate    Chaudhry et al. 2018, RWalk
 *
 * Whose weight is whose: gamma and beta weigh the OLD value, rate weighs the NEW one. Trap: BATCH_EMA forgets. Its
 * memory is 1/rate updates long, so after n updates of a second task the first one's share is (1 - rate)^n: below
 * 1e-6 after six updates at rate 0.9. It is here to reproduce a paper, not to protect old tasks.
 *
 * A record is a stored Fisher with its factor (raw F = factor * stored F). UNIT merges stored arrays, so that every
 * task weighs the same; RAW multiplies by the factor, as papers do. A record of weight 0 is left out: neither U nor
 * centre sees it. */
#pragma once
#include "ewc.h"

enum ewc_merge { /* on disk: never renumber */
        EWC_MERGE_SEPARATE = 1,
        EWC_MERGE_ONLINE = 2,
        EWC_MERGE_SUM = 3,
        EWC_MERGE_EMA = 4,
        EWC_MERGE_CUMULATIVE = 5,
        EWC_MERGE_BATCH_EMA = 6
};
enum ewc_scale { EWC_SCALE_UNIT = 1, EWC_SCALE_RAW = 2 };
enum ewc_centre { EWC_CENTRE_OF_MODE = 0, EWC_CENTRE_LATEST = 1, EWC_CENTRE_WEIGHTED = 2 };

EWC_API const char *ewc_merge_name(enum ewc_merge m); /* "separate" "online" "sum" "ema" "cumulative" "batch_ema" */
EWC_API int ewc_merge_parse(const char *name, enum ewc_merge *ret);
EWC_API const char *ewc_scale_name(enum ewc_scale s); /* "unit" "raw" */
EWC_API int ewc_scale_parse(const char *name, enum ewc_scale *ret);

struct ewc_merge_rule {
        enum ewc_merge mode;
        enum ewc_scale scale;
        enum ewc_centre centre;
        bool alphas;  /* records carry weights of their own: SEPARATE and CUMULATIVE */
        double gamma; /* ONLINE, in (0,1]; 0: not given */
        double beta;  /* EMA, in (0,1); 0: not given */
        double rate;  /* BATCH_EMA, in (0,1); 0: not given */
};

struct ewc_record {
        double alpha;                 /* >= 0; 1 unless the rule says alphas */
        double factor;                /* >= 0; read by RAW only */
        const float *fisher, *anchor; /* (P) */
};

/* EWC_E_INVAL for an option that is missing, out of range or contradicts the mode; why (if not NULL) then names it,
 * e.g. "gamma belongs to online, not to separate". */
EWC_API int ewc_merge_check(const struct ewc_merge_rule *rule, char *why, size_t why_size);

/* Adds one record to the pair U, centre (P) that holds n_before records; with n_before 0 their content is not read.
 * EWC_E_INVAL (rule, alpha, factor), EWC_E_NONFINITE (an entry of the Fisher is negative or not finite, one of the
 * anchor is not finite, or U left the range of float; U and centre are then undefined). */
EWC_API int ewc_merge_add(const struct ewc_merge_rule *rule, size_t P, uint64_t n_before,
    const struct ewc_record *rec, float *U, float *centre);

/* The same over n records in order, from the start: weights can be changed later without data. n may be 0. */
EWC_API int ewc_merge_all(
    const struct ewc_merge_rule *rule, size_t P, size_t n, const struct ewc_record *recs, float *U, float *centre);

/* One update of BATCH_EMA: F (P) = rate * grad^2 + (1 - rate) * F, grad the mean gradient of a batch. */
EWC_API void ewc_merge_batch(size_t P, double rate, const float *grad, float *F);

enum ewc_normalize { EWC_NORMALIZE_MEAN = 1, EWC_NORMALIZE_L2 = 2, EWC_NORMALIZE_MINMAX = 3, EWC_NORMALIZE_NONE = 4 };
EWC_API const char *ewc_normalize_name(enum ewc_normalize n); /* "mean" "l2" "minmax" "none" */
EWC_API int ewc_normalize_parse(const char *name, enum ewc_normalize *ret);

struct ewc_normal {    /* raw F = factor * stored F + offset */
        double factor; /* MEAN: mean over the protected parameters; L2: norm; MINMAX: max - min; NONE: 1 */
        double offset; /* MINMAX: min over all P; else 0 */
};

/* ret (P) = fisher (P) on the wanted scale; the two may be the same array. Fixes units only: it does not bound
 * step * lambda * F, the proximal step does. When the factor would be 0 ret is all 0. EWC_E_INVAL (kind, n_protected
 * 0 or more than P), EWC_E_NONFINITE (an entry is negative or not finite). */
EWC_API int ewc_normalize(enum ewc_normalize kind, size_t P, size_t n_protected, const float *fisher, float *ret,
    struct ewc_normal *ret_info);

struct ewc_shard {          /* a Fisher of a part of the data, at the same theta as all others */
        uint64_t n_samples; /* BATCHED: batches */
        double factor;      /* raw F = factor * fisher */
        const float *fisher;
};

/* Fisher of the whole from its parts, F = sum_k n_k m_k F_k / sum_k n_k, summed in the given order in double, stored
 * with mean 1. Exact for every kind that is a mean over samples. EWC_E_INVAL (no samples, a bad factor),
 * EWC_E_NONFINITE. */
EWC_API int ewc_merge_shards(
    size_t P, size_t n_protected, size_t n, const struct ewc_shard *shards, float *ret, double *ret_factor);

/* Federated curvature (FedCurv, Shoham et al. 2019, arXiv:1910.07796): client s is held by the other clients,
 * lambda sum_{j != s} F_j (theta - theta_j)^2, without seeing any of them: the server adds up u = sum_j F_j and
 * v = sum_j F_j theta_j, the client takes its own part out again and is left with a penalty of weight U = u - F_s and
 * centre (v - F_s theta_s) / U. That is SEPARATE over the others' records (RAW), up to rounding; whoever has the
 * records themselves needs neither sum. All clients take one kind of Fisher, with factor (raw F = factor * fisher).
 * The centred form does not cancel the way theta^2 U - 2 theta v does. u and v reveal about the data what F and theta
 * do. */

/* u, v (P) += F, F theta. EWC_E_INVAL (factor), EWC_E_NONFINITE (u and v are then undefined). */
EWC_API int ewc_fedcurv_add(size_t P, double factor, const float *fisher, const float *theta, double *u, double *v);

/* U, centre (P) from the sums over all clients, own record included. Where nothing of the others is left beside
 * rounding (1e-12 of u), U is 0 and the centre the client's own theta. EWC_E_INVAL (factor), EWC_E_NONFINITE. */
EWC_API int ewc_fedcurv_without(size_t P, const double *u, const double *v, double factor, const float *fisher,
    const float *theta, float *U, float *centre);

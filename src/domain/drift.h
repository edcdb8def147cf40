/* drift.h: whether answers or inputs have changed. Pure.
 *
 * Answers: Page-Hinkley (Page 1954; Gama et al. 2014, sec. 4.3) over the errors of served predictions. With x_t 1 for
 * a wrong answer and 0 for a right one, mean_t their running mean and delta the change that is tolerated:
 *   m_t = sum_{s <= t} (x_s - mean_s - delta);  fires when m_t - min_{s <= t} m_s > threshold.
 * Without any change it fires about once in v / (2 delta^2) (e^k - k - 1) rows, k = 2 delta threshold / v, where v is
 * p (1 - p) of the error rate p (Siegmund 1985): at p 0.1 and delta 0.005 in 22 thousand for threshold 25, in 100
 * million for 100. A rise of the error rate by r is seen after about threshold / (r - delta) rows.
 * Inputs: the two-sample Kolmogorov-Smirnov test of each feature, by Bonferroni's correction over all that vary,
 * against a reference of rows the model was trained on or held out from. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct page_hinkley { /* all-zero: nothing seen */
        uint64_t n;
        double mean, m, low; /* running mean of errors, m_t, min m_s */
        uint64_t low_seq;    /* row at which the minimum stood: the change came after it; kept from the firing on */
        bool fired;          /* once set it stays */
        uint64_t fired_seq;
};

struct page_hinkley_conf {
        double delta;      /* tolerated rise of the error rate, 0.005 */
        double threshold;  /* rows wrong beyond the mean, e.g. 25; 0: off */
        uint64_t min_rows; /* before it may fire, 30 */
};
void page_hinkley_add(struct page_hinkley *p, const struct page_hinkley_conf *c, uint64_t seq, bool wrong);

struct input_drift {
        uint64_t n_reference, n_current; /* rows compared; 0: not compared */
        size_t n_features;               /* that vary at all; the correction counts these */
        size_t feature;                  /* the most changed one */
        double statistic, p;             /* its KS distance, and its p value after correction (at most 1) */
        size_t n_changed;                /* features below the significance */
        bool fired;
};

enum { DRIFT_MIN_ROWS = 30 }; /* on both sides, else nothing is said */

/* reference (n, F), current (m, F), row-major, finite; ws: at least n + m floats. significance in (0,1); p below it
 * is a change. Too few rows, or none that vary: p is 1. */
void drift_inputs(size_t F, size_t n, const float *reference, size_t m, const float *current, double significance,
    float *ws, struct input_drift *ret);
/* p value of KS distance d of samples of n and m: asymptotic series (Smirnov 1948) with Stephens' correction (1970).
 * */
double drift_ks_p(double d, size_t n, size_t m);

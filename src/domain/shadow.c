/* shadow.c: challenger against champion; see shadow.h.
 *
 * Probabilities of the binomial with 1/2 are taken in logarithms, by the saddle-point form of Loader (2000), which
 * stays exact where sums of logarithms of factorials lose their digits. A tail is its greatest term times a sum of
 * ratios that fall, so it needs as many steps as there are terms that count. */
#include "domain/shadow.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define LN_2 0.69314718055994530942
#define LN_2PI 1.83787706640934548356
#define TINY 1e-18      /* a term below this part of the sum no longer counts */
#define TOLERANCE 1e-12 /* of p at its limit */

enum { EXACT_BELOW = 16 };

/* log n! less Stirling's formula. */
static double stirling_rest(uint64_t count)
{
        double n = (double)count, f = 1;
        if (count < EXACT_BELOW) {
                for (uint64_t i = 2; i <= count; i++)
                        f *= (double)i;
                return count == 0 ? 0 : log(f) - (n + 0.5) * log(n) + n - 0.5 * LN_2PI;
        }
        double s = 1 / (n * n);
        return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - s / 1680) * s) * s) / n;
}

/* log of C(n, k) / 2^n, 0 <= k <= n */
static double log_term(uint64_t n, uint64_t k)
{
        if (k == 0 || k == n)
                return -(double)n * LN_2;
        double a = (double)k, b = (double)(n - k), off = (a - b) / (double)n;
        double deviance = a * log1p(off) + b * log1p(-off); /* a log(2a/n) + b log(2b/n) */
        return stirling_rest(n) - stirling_rest(k) - stirling_rest(n - k) - deviance +
               0.5 * (log((double)n / a) - log(b) - LN_2PI);
}

double shadow_sign_test(uint64_t won, uint64_t lost)
{
        uint64_t n = won + lost, k = won < lost ? won : lost;
        if (won == lost)
                return 1;
        double sum = 1, term = 1;
        for (uint64_t i = k; i > 0 && term > sum * TINY; i--) {
                term *= (double)i / (double)(n - i + 1);
                sum += term;
        }
        double p = 2 * sum * exp(log_term(n, k));
        return p < 1 ? p : 1;
}

double shadow_sequential(uint64_t won, uint64_t lost)
{
        double p = exp(log((double)(won + lost) + 1) + log_term(won + lost, won));
        return p < 1 ? p : 1;
}

static struct shadow_verdict say(enum shadow_outcome outcome, const struct shadow_score *s, const char *why)
{
        struct shadow_verdict v = {.outcome = outcome, .p = shadow_sign_test(s->won, s->lost)};
        snprintf(v.reason, sizeof(v.reason),
            "challenger %" PRIu64 " against champion %" PRIu64 " on %" PRIu64 " live rows: right on %" PRIu64
            " and %" PRIu64 ", alone right on %" PRIu64 " and %" PRIu64
            " (sign test p %.3g, %.3g however often asked)"
            "; %s",
            s->challenger, s->champion, s->n, s->n_right_challenger, s->n_right_champion, s->won, s->lost, v.p,
            shadow_sequential(s->won, s->lost), why);
        return v;
}

struct shadow_verdict shadow_judge(const struct shadow_score *s, const struct shadow_conf *c)
{
        struct shadow_verdict v = {.p = 1};
        if (s->challenger == 0) {
                snprintf(v.reason, sizeof(v.reason), "nothing is compared");
                return v;
        }
        if (s->parent != 0 && s->parent != s->champion) {
                v.outcome = SHADOW_DROP;
                snprintf(v.reason, sizeof(v.reason),
                    "challenger %" PRIu64 " dropped: superseded: it was judged against version %" PRIu64
                    ", and the champion is version %" PRIu64,
                    s->challenger, s->parent, s->champion);
                return v;
        }
        if (s->n < c->min_rows) {
                v.p = shadow_sign_test(s->won, s->lost);
                snprintf(v.reason, sizeof(v.reason),
                    "challenger %" PRIu64 " waits: %" PRIu64 " of %" PRIu64 " labelled rows newer than its training",
                    s->challenger, s->n, c->min_rows);
                return v;
        }
        if (s->won != s->lost && shadow_sequential(s->won, s->lost) <= 1 - c->confidence + TOLERANCE)
                return s->won > s->lost ? say(SHADOW_PROMOTE, s, "promoted: it is better")
                                        : say(SHADOW_DROP, s, "dropped: it is worse");
        if (c->max_rows > 0 && s->n >= c->max_rows)
                return say(SHADOW_DROP, s, "dropped: not shown to be better within the rows allowed");
        return say(SHADOW_WAIT, s, "waits: no difference beyond chance yet");
}

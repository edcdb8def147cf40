/* drift.c: whether answers or inputs have changed; see drift.h for the statistics.
 *
 * A feature's two samples are sorted in the caller's workspace and walked together; equal values are passed on both
 * sides at once, so ties do not widen the distance. The p value takes the alternating series where it converges fast
 * and the theta series of the same function (Jacobi) where it does not. Sorting is done here: the C library's may
 * allocate. */
#include "domain/drift.h"
#include <math.h>

#define PI 3.14159265358979323846
#define SERIES_MEET 1.18 /* both series are exact here with their first three terms */

void page_hinkley_add(struct page_hinkley *p, const struct page_hinkley_conf *c, uint64_t seq, bool wrong)
{
        double x = wrong ? 1.0 : 0.0;
        p->n++;
        p->mean += (x - p->mean) / (double)p->n;
        p->m += x - p->mean - c->delta;
        if (p->fired)
                return;
        if (p->m <= p->low) {
                p->low = p->m;
                p->low_seq = seq;
        }
        if (c->threshold > 0 && p->n >= c->min_rows && p->m - p->low > c->threshold) {
                p->fired = true;
                p->fired_seq = seq;
        }
}

/* --- Kolmogorov-Smirnov --- */

static double tail(double x) /* of Kolmogorov's distribution: P(K > x) */
{
        if (x <= 0)
                return 1;
        double sum = 0;
        if (x < SERIES_MEET) {
                double q = PI * PI / (8 * x * x);
                for (int k = 1; k <= 5; k += 2)
                        sum += exp(-k * k * q);
                return 1 - sqrt(2 * PI) / x * sum;
        }
        for (int k = 1; k <= 4; k++)
                sum += (k % 2 ? 2 : -2) * exp(-2 * k * k * x * x);
        return sum;
}

double drift_ks_p(double d, size_t n, size_t m)
{
        if (n == 0 || m == 0 || !(d > 0))
                return 1;
        double root = sqrt((double)n / ((double)n + (double)m) * (double)m);
        return tail((root + 0.12 + 0.11 / root) * d);
}

static void sift(float *v, size_t at, size_t n)
{
        float x = v[at];
        for (size_t child; (child = 2 * at + 1) < n; at = child) {
                if (child + 1 < n && v[child + 1] > v[child])
                        child++;
                if (!(v[child] > x))
                        break;
                v[at] = v[child];
        }
        v[at] = x;
}

static void sort(float *v, size_t n)
{
        for (size_t i = n / 2; i-- > 0;)
                sift(v, i, n);
        for (size_t end = n; end-- > 1;) {
                float x = v[end];
                v[end] = v[0];
                v[0] = x;
                sift(v, 0, end);
        }
}

/* Greatest distance of the two distribution functions; a (n), b (m) in ascending order. */
static double distance(const float *a, size_t n, const float *b, size_t m)
{
        double d = 0;
        size_t i = 0, k = 0;
        while (i < n && k < m) {
                float x = a[i] < b[k] ? a[i] : b[k];
                while (i < n && a[i] <= x)
                        i++;
                while (k < m && b[k] <= x)
                        k++;
                double gap = fabs((double)i / (double)n - (double)k / (double)m);
                d = gap > d ? gap : d;
        }
        return d; /* behind the end of one the gap only closes */
}

static void column(size_t F, size_t f, size_t n, const float *rows, float *ret)
{
        for (size_t i = 0; i < n; i++)
                ret[i] = rows[i * F + f];
        sort(ret, n);
}

static bool varies(size_t F, size_t f, float first, size_t n, const float *rows)
{
        for (size_t i = 0; i < n; i++)
                if (rows[i * F + f] < first || rows[i * F + f] > first)
                        return true;
        return false;
}

void drift_inputs(size_t F, size_t n, const float *reference, size_t m, const float *current, double significance,
    float *ws, struct input_drift *ret)
{
        *ret = (struct input_drift){.p = 1};
        if (F == 0 || n < DRIFT_MIN_ROWS || m < DRIFT_MIN_ROWS)
                return;
        ret->n_reference = n;
        ret->n_current = m;
        for (size_t f = 0; f < F; f++)
                ret->n_features += varies(F, f, reference[f], n, reference) || varies(F, f, reference[f], m, current);
        for (size_t f = 0; f < F; f++) {
                if (!varies(F, f, reference[f], n, reference) && !varies(F, f, reference[f], m, current))
                        continue;
                column(F, f, n, reference, ws);
                column(F, f, m, current, ws + n);
                double d = distance(ws, n, ws + n, m);
                double p = drift_ks_p(d, n, m) * (double)ret->n_features;
                ret->n_changed += p < significance;
                if (d > ret->statistic) { /* at equal samples a greater distance is a smaller p */
                        ret->feature = f;
                        ret->statistic = d;
                        ret->p = p < 1 ? p : 1;
                }
        }
        ret->fired = ret->n_changed > 0;
}

/* metrics.c: numbers read off the lower triangle of the accuracy matrix R (T,T), R[i][j] after task i on task j. */
#include <ewc/metrics.h>

#include <math.h>

double ewc_metrics_accuracy(size_t T, const double *R)
{
        double sum = 0;

        for (size_t j = 0; j < T; j++)
                sum += R[(T - 1) * T + j];
        return T > 0 ? sum / (double)T : 0;
}

/* Chaudhry et al. 2018, eq. 3: the best a task ever had before the last one, against what is left of it. Rows
 * before j have not seen task j and are not read. */
double ewc_metrics_forgetting(size_t T, const double *R)
{
        double sum = 0;

        if (T < 2)
                return 0;
        for (size_t j = 0; j < T - 1; j++) {
                double best = R[j * T + j];

                for (size_t l = j + 1; l < T - 1; l++)
                        best = R[l * T + j] > best ? R[l * T + j] : best;
                sum += best - R[(T - 1) * T + j];
        }
        return sum / (double)(T - 1);
}

/* Lopez-Paz and Ranzato 2017, eq. 3 */
double ewc_metrics_backward_transfer(size_t T, const double *R)
{
        double sum = 0;

        if (T < 2)
                return 0;
        for (size_t j = 0; j < T - 1; j++)
                sum += R[(T - 1) * T + j] - R[j * T + j];
        return sum / (double)(T - 1);
}

/* Recorded first against last, as Avalanche reports it. */
double ewc_metrics_forgetting_first(size_t T, const double *R)
{
        return T < 2 ? 0 : -ewc_metrics_backward_transfer(T, R);
}

/* Lopez-Paz and Ranzato 2017, eq. 4 */
double ewc_metrics_forward_transfer(size_t T, const double *R, const double *b)
{
        double sum = 0;

        if (T < 2)
                return 0;
        for (size_t j = 1; j < T; j++)
                sum += R[(j - 1) * T + j] - b[j];
        return sum / (double)(T - 1);
}

/* Chaudhry et al. 2018, eq. 4 */
double ewc_metrics_intransigence(size_t T, const double *R, size_t k, double joint)
{
        return k < T ? joint - R[k * T + k] : 0;
}

struct ewc_summary ewc_metrics_summary(size_t n, const double *x)
{
        struct ewc_summary s = {.n = n};
        double squares = 0;

        if (n == 0)
                return s;
        s.min = s.max = x[0];
        for (size_t i = 0; i < n; i++) {
                s.mean += x[i] / (double)n;
                s.min = x[i] < s.min ? x[i] : s.min;
                s.max = x[i] > s.max ? x[i] : s.max;
        }
        for (size_t i = 0; i < n; i++)
                squares += (x[i] - s.mean) * (x[i] - s.mean);
        s.sem = sqrt(squares / (double)n) / sqrt((double)n);
        return s;
}

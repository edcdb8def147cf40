/* metrics.c: numbers read off the lower triangle of the accuracy matrix R (T,T), R[i][j] after task i on task j. */
#include <ewc/metrics.h>

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

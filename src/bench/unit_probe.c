/* unit_probe.c: accuracy while training goes on, on the first test rows of every task seen so far: what a model that
 * is served while it learns would show. The mean over tasks is one sample; mean and minimum of the samples are
 * kept. */
#include "base/err.h"
#include "base/mem.h"
#include "bench/unit_in.h"
#include <errno.h>
#include <math.h>
#include <string.h>

int unit_probe_open(struct unit *u)
{
        int r = ewc_net_new(&u->probe, &u->net, NULL);
        if (r < 0)
                return err_set(u->e, -EINVAL, "net: %s", ewc_strerror(r));
        u->probe_ws = mem_aligned(ewc_train_workspace(u->probe, ANYTIME_ROWS) + 64, 1, 64);
        return u->probe_ws ? 0 : err_oom(u->e);
}

void unit_probe_close(struct unit *u)
{
        ewc_net_free(u->probe);
        free(u->probe_ws);
}

void unit_probe(struct unit *u, const float *theta)
{
        double sum = 0;
        uint32_t n = 0;
        memcpy(ewc_net_theta(u->probe), theta, ewc_net_params(u->probe) * sizeof(float));
        for (uint32_t j = 0; j <= u->k; j++) {
                const struct table *t = &u->test[j].test;
                struct ewc_score score = {0};
                struct ewc_batch b = {.n = t->n < ANYTIME_ROWS ? t->n : ANYTIME_ROWS, .x = t->x, .label = t->label};
                if (b.n == 0 || ewc_train_score(u->probe, &u->test[j].head, &b, &score, u->probe_ws) < 0)
                        continue;
                sum += (double)score.correct / (double)score.n;
                n++;
        }
        if (n == 0)
                return;
        double mean = sum / n, *min = &u->st.result.anytime_min;
        u->st.anytime_sum += mean;
        u->st.anytime_n++;
        *min = isnan(*min) || mean < *min ? mean : *min;
}

double unit_accuracy(struct unit *u, const float *theta, uint32_t j)
{
        const struct table *t = &u->test[j].test;
        struct ewc_score score = {0};
        memcpy(ewc_net_theta(u->probe), theta, ewc_net_params(u->probe) * sizeof(float));
        for (size_t at = 0; at < t->n; at += ANYTIME_ROWS) {
                struct ewc_batch b = {.n = t->n - at < ANYTIME_ROWS ? t->n - at : ANYTIME_ROWS,
                    .x = t->x + at * u->net.n_inputs,
                    .label = t->label + at};
                if (ewc_train_score(u->probe, &u->test[j].head, &b, &score, u->probe_ws) < 0)
                        return (double)NAN;
        }
        return score.n > 0 ? (double)score.correct / (double)score.n : (double)NAN;
}

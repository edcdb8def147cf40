/* federated.h: clients that share a net but no rows, averaged round by round (McMahan et al. 2017, arXiv:1602.05629),
 * with the penalty of federated curvature (FedCurv, Shoham et al. 2019, arXiv:1910.07796) or without.
 *
 * Client k has the rows of task k of the cut. In every round each client trains from the server's theta, and the
 * server averages what they come to, weighted by their rows. With the penalty they also send a Fisher of their own
 * rows at their own theta, and from the second round on train under
 *     lambda sum_{j != s} F_j (theta - theta_j)^2
 * of the round before, made of the sums u and v (ewc/merge.h). */
#pragma once
#include "bench/dataset.h"

enum { FEDERATED_MAX_ROUNDS = 1000 };

struct federated {
        uint32_t rounds;
        double *accuracy; /* (rounds) owned: of the average, on the clients' test rows, all their outputs active */
        size_t n_params;
        float *theta; /* (P) owned: the last average */
};
void federated_free(struct federated *f); /* accepts an all-zero one */

/* Settings as of a unit: tasks is the number of clients, at least 2, steps (or the protocol's schedule) what each
 * trains a round, always from a fresh optimiser. A method with a penalty is FedCurv, one without FedAvg; with lambda
 * 0 both come to the same bits. Labels must be outputs of their own (the class scenario). rounds: from 1 to
 * FEDERATED_MAX_ROUNDS. progress may be NULL: called after every client's turn with the share done.
 * 0; RUNNER_STOPPED (runner.h): interrupted; negative: broken, -EINVAL for a client without rows, -ERANGE when
 * training diverged. */
int federated_run(const struct settings *s, uint32_t rounds, const struct dataset *d,
    void (*progress)(void *arg, double fraction), void *arg, struct federated *ret, struct err *e);

/* test_fedcurv.c: the penalty a client makes of the server's sums against the pairwise form of the paper and against
 * SEPARATE over the other clients' records; and four clients of different tasks, who learn one net together. */
#include "claim.h"

#include <ewc/merge.h>

enum { CLIENTS = 4, P = 300 };

struct clients {
        float fisher[CLIENTS][P], theta[CLIENTS][P];
        double factor[CLIENTS], u[P], v[P];
};

static void clients_init(struct clients *c, double heavy)
{
        struct ewc_rng r;

        memset(c, 0, sizeof(*c));
        ewc_rng_seed(&r, 301, 0);
        for (int k = 0; k < CLIENTS; k++) {
                c->factor[k] = k == 1 ? heavy : 0.5 + k;
                for (int i = 0; i < P; i++) {
                        c->fisher[k][i] = i % 9 == k ? 0.0f : ewc_rng_unit(&r) * ewc_rng_unit(&r);
                        c->theta[k][i] = (float)ewc_rng_normal(&r);
                }
                c->fisher[k][7] = k == 0; /* client 0 is alone here */
        }
        for (int k = 0; k < CLIENTS; k++)
                assert_int_equal(ewc_fedcurv_add(P, c->factor[k], c->fisher[k], c->theta[k], c->u, c->v), 0);
}

/* sum_{j != s} F_j (theta - theta_j)^2, client by client. */
static double pairwise(const struct clients *c, int s, const double *theta)
{
        double sum = 0;

        for (int j = 0; j < CLIENTS; j++) {
                for (int i = 0; j != s && i < P; i++)
                        sum += c->factor[j] * (double)c->fisher[j][i] * pow(theta[i] - (double)c->theta[j][i], 2);
        }
        return sum;
}

static double centred(const float *U, const float *centre, const double *theta)
{
        double sum = 0;

        for (int i = 0; i < P; i++)
                sum += (double)U[i] * pow(theta[i] - (double)centre[i], 2);
        return sum;
}

/* Differences between two thetas: the forms differ by a constant. heavy: one client outweighs the rest a millionfold,
 * and is still subtracted cleanly. */
static void equals_the_pairwise_form(void **state)
{
        static const double weights[] = {1, 1e6};
        double a[P], b[P];
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 302, 0);
        for (int i = 0; i < P; i++) {
                a[i] = ewc_rng_normal(&r);
                b[i] = 2 * ewc_rng_normal(&r);
        }
        for (int w = 0; w < 2; w++) {
                struct clients c;

                clients_init(&c, weights[w]);
                for (int s = 0; s < CLIENTS; s++) {
                        float U[P], centre[P];
                        double want, got;

                        assert_int_equal(
                            ewc_fedcurv_without(P, c.u, c.v, c.factor[s], c.fisher[s], c.theta[s], U, centre), 0);
                        want = pairwise(&c, s, a) - pairwise(&c, s, b);
                        got = centred(U, centre, a) - centred(U, centre, b);
                        assert_true(fabs(got / want - 1) < 1e-5);
                }
        }
}

static void equals_separate_without_the_own_record(void **state)
{
        const struct ewc_merge_rule rule = {.mode = EWC_MERGE_SEPARATE, .scale = EWC_SCALE_RAW};
        struct clients c;

        (void)state;
        clients_init(&c, 3);
        for (int s = 0; s < CLIENTS; s++) {
                struct ewc_record others[CLIENTS - 1];
                float U[2][P], centre[2][P];
                size_t n = 0;

                for (int j = 0; j < CLIENTS; j++) {
                        if (j != s)
                                others[n++] = (struct ewc_record){1, c.factor[j], c.fisher[j], c.theta[j]};
                }
                assert_int_equal(ewc_merge_all(&rule, P, n, others, U[0], centre[0]), 0);
                assert_int_equal(
                    ewc_fedcurv_without(P, c.u, c.v, c.factor[s], c.fisher[s], c.theta[s], U[1], centre[1]), 0);
                for (int i = 0; i < P; i++) {
                        assert_true(fabsf(U[0][i] - U[1][i]) <= 1e-5f * U[0][i]);
                        if (U[0][i] > 0)
                                assert_true(fabsf(centre[0][i] - centre[1][i]) <= 1e-5f * (1 + fabsf(centre[0][i])));
                }
                assert_true(s > 0 || (U[1][7] == 0 && centre[1][7] == c.theta[0][7]));
                assert_true(s == 0 || U[1][7] == 0.5f);
        }
}

struct round { /* of one way of averaging: the average, and each client's last record */
        float *theta, *fisher[CLIENTS], *own[CLIENTS], *U, *centre;
        double factor[CLIENTS], *u, *v;
};

static void round_open(struct round *d, const struct claim *c)
{
        d->theta = test_alloc(c->P, sizeof(float));
        d->U = test_alloc(c->P, sizeof(float));
        d->centre = test_alloc(c->P, sizeof(float));
        d->u = test_alloc(c->P, sizeof(double));
        d->v = test_alloc(c->P, sizeof(double));
        memcpy(d->theta, ewc_net_theta(c->net), c->P * sizeof(float));
        for (int k = 0; k < CLIENTS; k++) {
                d->fisher[k] = test_alloc(c->P, sizeof(float));
                d->own[k] = test_alloc(c->P, sizeof(float));
        }
}

static void round_close(struct round *d)
{
        free(d->theta);
        free(d->U);
        free(d->centre);
        free(d->u);
        free(d->v);
        for (int k = 0; k < CLIENTS; k++) {
                free(d->fisher[k]);
                free(d->own[k]);
        }
}

/* Every client trains from the average on its own task; their mean is the next average. lambda 0: FedAvg. From the
 * second round on FedCurv holds each of them near the others' optima. */
static void one_round(struct claim *c, const struct claim_task *task, struct round *d, double lambda, int number)
{
        const struct ewc_penalty pen = {lambda, d->U, d->centre};
        struct ewc_fisher_info info;

        for (int k = 0; k < CLIENTS; k++) {
                bool held = lambda > 0 && number > 0;

                if (held)
                        assert_int_equal(ewc_fedcurv_without(c->P, d->u, d->v, d->factor[k], d->fisher[k], d->own[k],
                                             d->U, d->centre),
                            0);
                memcpy(ewc_net_theta(c->net), d->theta, c->P * sizeof(float));
                claim_train(c, &task[k], 0, CLAIM_ROWS, 10, held ? &pen : NULL);
                memcpy(d->own[k], ewc_net_theta(c->net), c->P * sizeof(float));
        }
        memset(d->u, 0, c->P * sizeof(double));
        memset(d->v, 0, c->P * sizeof(double));
        memset(d->theta, 0, c->P * sizeof(float));
        for (int k = 0; k < CLIENTS; k++) {
                memcpy(ewc_net_theta(c->net), d->own[k], c->P * sizeof(float));
                claim_fisher(c, EWC_FISHER_EXACT, &task[k], 0, CLAIM_ROWS, d->fisher[k], &info);
                d->factor[k] = 1; /* every record on the scale of mean 1 */
                assert_int_equal(ewc_fedcurv_add(c->P, 1, d->fisher[k], d->own[k], d->u, d->v), 0);
                for (size_t i = 0; i < c->P; i++)
                        d->theta[i] += d->own[k][i] / CLIENTS;
        }
}

static double all_tasks(struct claim *c, const struct claim_task *task, const struct round *d)
{
        double sum = 0;

        memcpy(ewc_net_theta(c->net), d->theta, c->P * sizeof(float));
        for (int k = 0; k < CLIENTS; k++)
                sum += claim_accuracy(c, &task[k]) / CLIENTS;
        return sum;
}

/* Accuracy of the average over all clients' tasks, the mean of the rounds after the first and of five seeds. */
static void beats_plain_averaging(void **state)
{
        enum { ROUNDS = 10, SEEDS = 5 };
        static struct claim_task task[CLIENTS];
        double curv = 0, plain = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct round d[2];
                struct claim c;
                double last[2];

                for (int k = 0; k < CLIENTS; k++)
                        claim_task_make(&task[k], seed, 1 + (uint64_t)k);
                claim_open(&c, 64, seed);
                for (int way = 0; way < 2; way++)
                        round_open(&d[way], &c);
                for (int n = 0; n < ROUNDS; n++) {
                        for (int way = 0; way < 2; way++)
                                one_round(&c, task, &d[way], way ? 0.03 : 0, n);
                }
                for (int way = 0; way < 2; way++)
                        last[way] = all_tasks(&c, task, &d[way]);
                print_message(
                    "seed %d: average of all tasks, FedAvg %.3f, FedCurv %.3f\n", (int)seed, last[0], last[1]);
                plain += last[0] / SEEDS;
                curv += last[1] / SEEDS;
                for (int way = 0; way < 2; way++)
                        round_close(&d[way]);
                claim_close(&c);
        }
        print_message("mean: FedAvg %.3f, FedCurv %.3f\n", plain, curv);
        assert_true(curv > plain);
}

static void refusals(void **state)
{
        struct clients c;
        float U[P], centre[P];

        (void)state;
        clients_init(&c, 1);
        assert_int_equal(ewc_fedcurv_add(P, -1, c.fisher[0], c.theta[0], c.u, c.v), EWC_E_INVAL);
        assert_int_equal(ewc_fedcurv_add(P, (double)NAN, c.fisher[0], c.theta[0], c.u, c.v), EWC_E_INVAL);
        assert_int_equal(
            ewc_fedcurv_without(P, c.u, c.v, (double)INFINITY, c.fisher[0], c.theta[0], U, centre), EWC_E_INVAL);
        c.fisher[2][5] = -1;
        assert_int_equal(ewc_fedcurv_add(P, 1, c.fisher[2], c.theta[2], c.u, c.v), EWC_E_NONFINITE);
        c.u[3] = (double)NAN;
        assert_int_equal(ewc_fedcurv_without(P, c.u, c.v, 1, c.fisher[0], c.theta[0], U, centre), EWC_E_NONFINITE);
        c.u[3] = 1e300; /* beyond float */
        assert_int_equal(ewc_fedcurv_without(P, c.u, c.v, 1, c.fisher[0], c.theta[0], U, centre), EWC_E_NONFINITE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(equals_the_pairwise_form),
            cmocka_unit_test(equals_separate_without_the_own_record),
            cmocka_unit_test(beats_plain_averaging),
            cmocka_unit_test(refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

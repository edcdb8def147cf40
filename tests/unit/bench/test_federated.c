/* test_federated.c: the rounds against softmax regression written out in double, with the penalty client by client as
 * the paper has it; what both ways share; refusals; and the command. */
#include "bench/federated.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "lib/tmpdir.h"
#include "unit/bench/kit.h"
#include "unit/bench/made.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { I = MADE_INPUTS, O = MADE_CLASSES, P = I * O + O, ROUNDS = 4, STEPS = 5, MAX_CLIENTS = 3 };
#define RATE 0.5
#define LAMBDA 3.0

static struct dataset data;

/* One layer, every step over all rows of a client, so that no draw matters; digits in the order of their numbers. */
static struct protocol linear;
static const struct data_files files; /* that the data is a dataset's: clients may be fewer than the cut has tasks */

static int setup(void **state)
{
        size_t n = 0;
        (void)state;
        made_dataset(&data);
        for (size_t i = 0; i < data.train.n; i++) { /* the last client has half of the others' rows */
                if (data.train.label[i] >= 4 && i % 12 >= 6)
                        continue;
                memmove(data.train.x + n * I, data.train.x + i * I, I * sizeof(float));
                data.train.label[n++] = data.train.label[i];
        }
        data.train.n = n;
        linear = made_protocol;
        linear.scenario = SCENARIO_CLASS;
        linear.cut.shuffle_classes = false;
        linear.data = &files;
        linear.n_hidden = 0;
        linear.optim = (struct ewc_optim){.type = EWC_OPTIM_SGD, .rate = (float)RATE};
        linear.batch = MADE_TRAIN;
        linear.drop_last = false;
        linear.steps = STEPS;
        linear.form = LEARN_FORM_PROX;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        dataset_close(&data);
        return 0;
}

static struct settings settings_of(const struct protocol *p, enum bench_method m, uint32_t clients)
{
        struct settings s = made_settings(p, m, 5);
        s.tasks = clients;
        if (m == METHOD_EWC)
                s.lambda = LAMBDA;
        return s;
}

static void run(const struct settings *s, struct federated *ret)
{
        struct err e = ERR_NULL;
        if (federated_run(s, ROUNDS, &data, NULL, NULL, ret, &e) != 0)
                fail_msg("%s", e.msg);
}

/* The oracle. theta: W (O,I), then b (O). */

struct own_client {
        double theta[P], fisher[P], rows;
};

static void probabilities(const double *theta, const float *x, uint32_t active, double *p)
{
        double sum = 0;
        for (uint32_t o = 0; o < active; o++) {
                double z = theta[O * I + o];
                for (size_t i = 0; i < I; i++)
                        z += theta[o * I + i] * (double)x[i];
                sum += p[o] = exp(z);
        }
        for (uint32_t o = 0; o < active; o++)
                p[o] /= sum;
}

static bool mine(const struct table *t, size_t row, uint32_t client)
{
        return (uint32_t)t->label[row] / 2 == client;
}

/* Mean gradient and mean Fisher p (1 - p) x^2 over the client's rows. */
static double pass(const double *theta, uint32_t client, uint32_t active, double *grad, double *fisher)
{
        double n = 0, p[O];
        memset(grad, 0, P * sizeof(*grad));
        memset(fisher, 0, P * sizeof(*fisher));
        for (size_t r = 0; r < data.train.n; r++) {
                const float *x = data.train.x + r * I;
                if (!mine(&data.train, r, client))
                        continue;
                probabilities(theta, x, active, p);
                for (uint32_t o = 0; o < active; o++)
                        for (size_t i = 0; i <= I; i++) {
                                size_t at = i < I ? o * I + i : (size_t)O * I + o;
                                double v = i < I ? (double)x[i] : 1;
                                grad[at] += (p[o] - (o == (uint32_t)data.train.label[r])) * v;
                                fisher[at] += p[o] * (1 - p[o]) * v * v;
                        }
                n++;
        }
        for (size_t i = 0; i < P; i++) {
                grad[i] /= n;
                fisher[i] /= n;
        }
        return n;
}

/* before: what the clients sent in the last round, NULL for none. */
static void own_turn(const double *start, uint32_t client, uint32_t clients, double lambda,
    const struct own_client *before, struct own_client *ret)
{
        double grad[P];
        memcpy(ret->theta, start, sizeof(ret->theta));
        for (int step = 0; step < STEPS; step++) {
                pass(ret->theta, client, 2 * clients, grad, ret->fisher);
                for (size_t i = 0; i < P; i++) {
                        double pull = 0, weight = 0;
                        for (uint32_t j = 0; before && j < clients; j++) {
                                if (j == client)
                                        continue;
                                weight += before[j].fisher[i];
                                pull += before[j].fisher[i] * before[j].theta[i];
                        }
                        double k = 2 * RATE * lambda, t = ret->theta[i] - RATE * grad[i];
                        ret->theta[i] = (t + k * pull) / (1 + k * weight);
                }
        }
        ret->rows = pass(ret->theta, client, 2 * clients, grad, ret->fisher);
}

static double own_accuracy(const double *theta, uint32_t clients)
{
        double right = 0, n = 0, p[O];
        for (size_t r = 0; r < data.test.n; r++) {
                uint32_t best = 0;
                if ((uint32_t)data.test.label[r] >= 2 * clients)
                        continue;
                probabilities(theta, data.test.x + r * I, 2 * clients, p);
                for (uint32_t o = 1; o < 2 * clients; o++)
                        best = p[o] > p[best] ? o : best;
                right += best == (uint32_t)data.test.label[r];
                n++;
        }
        return right / n;
}

static void own_start(const struct settings *s, double *theta)
{
        struct ewc_spec spec = settings_net(s, I, O);
        struct ewc_net *net;
        struct ewc_rng r;
        assert_int_equal(ewc_net_new(&net, &spec, NULL), 0);
        assert_int_equal(ewc_net_params(net), P);
        ewc_rng_seed(&r, s->seed, 2);
        ewc_net_init(net, &r);
        for (size_t i = 0; i < P; i++)
                theta[i] = (double)ewc_net_theta_const(net)[i];
        ewc_net_free(net);
}

static void own_rounds(const struct settings *s, double lambda, double *theta, double *accuracy)
{
        struct own_client sent[MAX_CLIENTS], now[MAX_CLIENTS];
        own_start(s, theta);
        for (int round = 0; round < ROUNDS; round++) {
                double rows = 0;
                for (uint32_t k = 0; k < s->tasks; k++)
                        own_turn(theta, k, s->tasks, lambda, round > 0 ? sent : NULL, &now[k]);
                memset(theta, 0, P * sizeof(*theta));
                for (uint32_t k = 0; k < s->tasks; k++)
                        rows += now[k].rows;
                for (uint32_t k = 0; k < s->tasks; k++)
                        for (size_t i = 0; i < P; i++)
                                theta[i] += now[k].rows * now[k].theta[i] / rows;
                memcpy(sent, now, sizeof(sent));
                accuracy[round] = own_accuracy(theta, s->tasks);
        }
}

static double distance(const float *a, const double *b)
{
        double most = 0;
        for (size_t i = 0; i < P; i++)
                most = fmax(most, fabs((double)a[i] - b[i]));
        return most;
}

static void test_rounds_against_the_formulas(void **state)
{
        (void)state;
        for (uint32_t clients = 2; clients <= MAX_CLIENTS; clients++) {
                struct settings s = settings_of(&linear, METHOD_EWC, clients);
                double with[P], without[P], accuracy[ROUNDS];
                struct federated f;
                run(&s, &f);
                own_rounds(&s, LAMBDA, with, accuracy);
                assert_int_equal(f.n_params, P);
                assert_true(distance(f.theta, with) < 1e-5);
                for (int i = 0; i < ROUNDS; i++)
                        assert_true(fabs(f.accuracy[i] - accuracy[i]) < 1e-12);
                s.method = METHOD_NONE;
                own_rounds(&s, 0, without, accuracy);
                assert_true(distance(f.theta, without) > 1e-2); /* the penalty did something */
                federated_free(&f);
                s = settings_of(&linear, METHOD_NONE, clients);
                run(&s, &f);
                assert_true(distance(f.theta, without) < 1e-5);
                federated_free(&f);
        }
}

/* Of batches drawn from a seed, with two layers and Adam. */
static void test_without_lambda_it_is_fedavg(void **state)
{
        struct protocol p = made_protocol;
        (void)state;
        p.scenario = SCENARIO_CLASS;
        for (int form = LEARN_FORM_PROX; form <= LEARN_FORM_GRAD; form++) {
                struct federated a, b, c;
                p.form = (enum learn_form)form;
                struct settings s = settings_of(&p, METHOD_EWC, 3);
                run(&s, &c);
                s.lambda = 0;
                run(&s, &a);
                s = settings_of(&p, METHOD_NONE, 3);
                run(&s, &b);
                assert_memory_equal(a.theta, b.theta, a.n_params * sizeof(float));
                assert_memory_equal(a.accuracy, b.accuracy, ROUNDS * sizeof(double));
                assert_memory_not_equal(c.theta, b.theta, b.n_params * sizeof(float));
                assert_true(c.accuracy[0] == b.accuracy[0]); /* nothing was sent yet */
                federated_free(&a);
                federated_free(&b);
                federated_free(&c);
        }
}

static void refused(const struct settings *s, uint32_t rounds, const struct dataset *d, const char *field)
{
        struct federated f;
        struct err e = ERR_NULL;
        assert_int_equal(federated_run(s, rounds, d, NULL, NULL, &f, &e), -EINVAL);
        assert_string_equal(e.field, field);
}

static void test_refusals(void **state)
{
        struct settings s = settings_of(&linear, METHOD_EWC, 3);
        struct dataset few = data;
        (void)state;
        few.train.n = 4; /* no row of the last client */
        refused(&s, 1, &few, "--data");
        few = data;
        few.test.n = 2;
        refused(&s, 1, &few, "--data");
        refused(&s, 0, &data, "--rounds");
        refused(&s, FEDERATED_MAX_ROUNDS + 1, &data, "--rounds");
        s.scenario = SCENARIO_TASK;
        refused(&s, 1, &data, "--clients");
        s = settings_of(&linear, METHOD_EWC, 1);
        refused(&s, 1, &data, "--clients");
        s.tasks = 4;
        refused(&s, 1, &data, "--clients");
}

static void test_command(void **state)
{
        char *dir = tmpdir_new(), *text, line[512];
        struct json_doc *d;
        (void)state;
        kit_mnist(dir);
        snprintf(line, sizeof(line),
            "federated --data %s --clients 3 --rounds 2 --steps 2 --fisher-samples 20 --seeds 2 --json", dir);
        assert_int_equal(kit_run(line, &text, &d), EXIT_DONE);
        assert_non_null(strstr(text, "FedCurv - FedAvg after the last round"));
        assert_string_equal(json_text(d, "/protocol"), "federated");
        assert_true(kit_number(d, "/clients") == 3 && kit_number(d, "/rounds") == 2 && kit_number(d, "/seeds") == 2);
        assert_int_equal(json_length(d, "/fedavg_rounds"), 2);
        assert_true(kit_number(d, "/fedavg_rounds/0") == kit_number(d, "/fedcurv_rounds/0"));
        assert_true(kit_number(d, "/fedavg_rounds/1") == kit_number(d, "/fedavg_mean"));
        double more = kit_number(d, "/fedcurv_mean") - kit_number(d, "/fedavg_mean");
        assert_true(fabs(kit_number(d, "/difference_mean") - more) < 1e-12);
        assert_true(kit_number(d, "/fedcurv_sem") >= 0 && kit_number(d, "/lambda") > 0);
        json_free(d);
        free(text);
        static const char *const bad[] = {"--clients 6", "--clients 1", "--rounds 2000", "--lambda auto"};
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                snprintf(line, sizeof(line), "federated --data %s %s", dir, bad[i]);
                assert_int_equal(kit_run(line, NULL, NULL), EXIT_USAGE);
                assert_non_null(strstr(kit_said(), "--"));
        }
        assert_int_equal(kit_run("federated", NULL, NULL), EXIT_USAGE);
        tmpdir_remove(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_rounds_against_the_formulas),
            cmocka_unit_test(test_without_lambda_it_is_fedavg),
            cmocka_unit_test(test_refusals),
            cmocka_unit_test(test_command),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}

/* test_team.c: every element is worked on once whatever the threads, parts wait for nobody, and what a team shares
 * keeps the bits it promises. */
#include "fixture.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include <ewc/fisher.h>
#include <ewc/step.h>

#include "ewc/share.h"

enum { N = (1 << 20) + 77 };

static const struct ewc_cut cut = {.unit = 64, .least = 1 << 17};

static struct ewc_team *team_of(unsigned n)
{
        struct ewc_team *t;

        assert_int_equal(ewc_team_new(&t, n, NULL), 0);
        assert_int_equal(ewc_team_size(t), n);
        return t;
}

struct touched {
        unsigned char *count;
        _Atomic size_t parts;
        size_t largest;
};

static void touch(void *arg, size_t from, size_t n)
{
        struct touched *t = arg;

        for (size_t i = from; i < from + n; i++)
                t->count[i]++;
        t->parts++;
        if (from == 0)
                t->largest = n;
}

static void once_each(void **state)
{
        static const size_t lengths[] = {0, 1, 64, 1 << 17, (1 << 18) - 1, 1 << 18, N};
        static const unsigned threads[] = {1, 2, 3, 8};
        struct touched t = {.count = malloc(N)};

        (void)state;
        assert_non_null(t.count);
        for (size_t k = 0; k < sizeof(threads) / sizeof(threads[0]); k++) {
                struct ewc_team *team = team_of(threads[k]);

                for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
                        memset(t.count, 0, N);
                        ewc_share(team, lengths[i], cut, touch, &t);
                        for (size_t at = 0; at < N; at++)
                                assert_int_equal(t.count[at], at < lengths[i]);
                        if (threads[k] == 1 || lengths[i] < 1 << 18) /* too short to be worth a thread */
                                assert_int_equal(t.largest, lengths[i]);
                }
                ewc_team_free(team);
        }
        free(t.count);
}

/* Cuts by length, cut and size of the team alone. */
static void cuts(void **state)
{
        static const struct {
                unsigned threads;
                size_t n, unit, least, parts, largest;
        } want[] = {{2, 100, 16, 16, 2, 64}, {2, 31, 16, 16, 1, 31}, {2, 32, 16, 16, 2, 16}, {3, 100, 16, 16, 3, 48},
            {3, 100, 16, 40, 2, 64}, {8, 100, 64, 1, 2, 64}, {4, 4, 1, 1, 4, 1}, {4, 3, 1, 1, 3, 1},
            {1, 100, 1, 1, 1, 100}};
        unsigned char count[128];

        (void)state;
        for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
                struct ewc_team *team = team_of(want[i].threads);
                struct touched t = {.count = count};

                memset(count, 0, sizeof(count));
                ewc_share(team, want[i].n, (struct ewc_cut){want[i].unit, want[i].least}, touch, &t);
                assert_int_equal(t.parts, want[i].parts);
                assert_int_equal(t.largest, want[i].largest);
                for (size_t at = 0; at < sizeof(count); at++)
                        assert_int_equal(count[at], at < want[i].n);
                ewc_team_free(team);
        }
}

/* Both parts are under way at the same time, or this would never end. */
static void meet(void *arg, size_t from, size_t n)
{
        (void)from;
        (void)n;
        pthread_barrier_wait(arg);
}

static void at_the_same_time(void **state)
{
        struct ewc_team *team = team_of(3);
        pthread_barrier_t all;

        (void)state;
        assert_int_equal(pthread_barrier_init(&all, NULL, 3), 0);
        for (int i = 0; i < 1000; i++)
                ewc_share(team, 3, (struct ewc_cut){1, 1}, meet, &all);
        pthread_barrier_destroy(&all);
        ewc_team_free(team);
}

/* Works that follow each other closely, of a size that changes: a thread that comes late takes no part twice. */
static void one_after_another(void **state)
{
        unsigned char count[64];
        struct touched t = {.count = count};
        struct ewc_team *team = team_of(4);

        (void)state;
        for (size_t i = 0; i < 20000; i++) {
                memset(count, 0, sizeof(count));
                ewc_share(team, i % 64 + 1, (struct ewc_cut){1, 1}, touch, &t);
                for (size_t at = 0; at < sizeof(count); at++)
                        assert_int_equal(count[at], at < i % 64 + 1);
        }
        ewc_team_free(team);
}

static void look_at_mask(void *arg, size_t from, size_t n)
{
        _Atomic unsigned *open = arg;
        sigset_t now;

        (void)n;
        if (from == 0)
                return;
        pthread_sigmask(SIG_SETMASK, NULL, &now);
        *open += !sigismember(&now, SIGTERM);
}

static void refused_and_quiet(void **state)
{
        struct ewc_team *t = NULL;
        sigset_t term, after;

        (void)state;
        assert_int_equal(ewc_team_new(&t, 0, NULL), EWC_E_INVAL);
        assert_int_equal(ewc_team_new(&t, EWC_MAX_TEAM + 1, NULL), EWC_E_INVAL);
        assert_null(t);
        ewc_team_free(NULL);
        assert_int_equal(ewc_team_size(NULL), 1);
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        pthread_sigmask(SIG_UNBLOCK, &term, NULL);
        t = team_of(EWC_MAX_TEAM);
        pthread_sigmask(SIG_SETMASK, NULL, &after);
        assert_int_equal(sigismember(&after, SIGTERM), 0);
        ewc_team_free(t);
}

static float *made(size_t n, float from)
{
        float *x = malloc(n * sizeof(*x));

        assert_non_null(x);
        for (size_t i = 0; i < n; i++)
                x[i] = from + (float)(i % 1013) / 1013;
        return x;
}

/* theta after three steps of Adam with the penalty at so many threads; with a value that is not finite at `bad`. */
static float *stepped(unsigned threads, size_t bad, int want)
{
        const struct ewc_optim o = {EWC_OPTIM_ADAM, 1e-3f, 0.0f, 0.9f, 0.999f, 1e-8f};
        const struct ewc_spec spec = {.n_inputs = 1024, .n_outputs = 1024, .loss = EWC_LOSS_SQUARED};
        const size_t P = ewc_spec_params(&spec);
        float *theta = made(P, -0.5f), *grad = made(P, -0.3f), *slots = calloc(2 * P, sizeof(*slots));
        float *fisher = made(P, 0.0f), *anchor = made(P, -0.4f);
        const struct ewc_penalty pen = {.lambda = 0.5, .fisher = fisher, .anchor = anchor};
        struct ewc_team *team = team_of(threads);
        const struct ewc_step how = {.team = team};

        assert_non_null(slots);
        if (bad < P)
                theta[bad] = INFINITY;
        for (uint64_t t = 1; t <= 3; t++)
                assert_int_equal(ewc_optim_step_with(&o, &spec, theta, grad, slots, t, &pen, &how), want);
        ewc_team_free(team);
        free(grad);
        free(slots);
        free(fisher);
        free(anchor);
        return theta;
}

static void same_bits(void **state)
{
        float *one = stepped(1, SIZE_MAX, 0);

        (void)state;
        for (unsigned threads = 2; threads <= 4; threads++) {
                float *more = stepped(threads, SIZE_MAX, 0);

                assert_memory_equal(one, more, (1 << 20) * sizeof(*one));
                free(more);
        }
        free(one);
}

static void any_part_may_fail(void **state)
{
        static const size_t bad[] = {0, N / 2, 1 << 20};

        (void)state;
        for (size_t i = 0; i < 3; i++)
                free(stepped(3, bad[i], EWC_E_NONFINITE));
}

static const struct ewc_spec net = {.n_inputs = 784,
    .n_outputs = 10,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 2,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 400},
        {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 400}}};

/* Gradient and Fisher of a net with a team: the same bits every time, and those of one thread to rounding. */
static void a_net_with_a_team(void **state)
{
        struct fixture f;
        float *grad[3];
        double *sum[3];

        (void)state;
        fixture_init(&f, &net, NULL, 128, 1, 31);
        for (int i = 0; i < 3; i++) {
                struct ewc_team *team = team_of(i == 0 ? 1 : 2);
                void *ws = test_alloc(ewc_train_workspace(f.net, 128), 1);
                void *fisher_ws = test_alloc(ewc_fisher_workspace(f.net, NULL, EWC_FISHER_EXACT, 128), 1);
                double loss;

                grad[i] = test_alloc(f.P, sizeof(float));
                sum[i] = test_alloc(f.P, sizeof(double));
                memset(sum[i], 0, f.P * sizeof(double));
                ewc_net_team(f.net, team);
                assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad[i], &loss, ws), 0);
                assert_int_equal(ewc_fisher_add(f.net, EWC_FISHER_EXACT, NULL, &f.batch, NULL, sum[i], fisher_ws), 0);
                ewc_net_team(f.net, NULL);
                ewc_team_free(team);
                free(ws);
                free(fisher_ws);
        }
        assert_memory_equal(grad[1], grad[2], f.P * sizeof(float));
        assert_memory_equal(sum[1], sum[2], f.P * sizeof(double));
        for (size_t i = 0; i < f.P; i++) {
                assert_true(fabsf(grad[0][i] - grad[1][i]) <= 1e-6f);
                assert_true(fabs(sum[0][i] - sum[1][i]) <= 1e-5 * (fabs(sum[0][i]) + 1e-6));
        }
        for (int i = 0; i < 3; i++) {
                free(grad[i]);
                free(sum[i]);
        }
        fixture_deinit(&f);
}

static void signals_go_elsewhere(void **state)
{
        struct ewc_team *team = team_of(3);
        _Atomic unsigned open = 0;
        sigset_t term, before;

        (void)state;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &term, &before); /* a part that the caller takes over counts as none */
        for (int i = 0; i < 1000; i++)
                ewc_share(team, 3, (struct ewc_cut){1, 1}, look_at_mask, &open);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        assert_int_equal(open, 0);
        ewc_team_free(team);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(once_each),
            cmocka_unit_test(cuts),
            cmocka_unit_test(at_the_same_time),
            cmocka_unit_test(one_after_another),
            cmocka_unit_test(refused_and_quiet),
            cmocka_unit_test(signals_go_elsewhere),
            cmocka_unit_test(same_bits),
            cmocka_unit_test(any_part_may_fail),
            cmocka_unit_test(a_net_with_a_team),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

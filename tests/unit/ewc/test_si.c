/* test_si.c: the path integral against double loops, and what it means: the parts of the loss's fall. */
#include "fixture.h"

#include <ewc/si.h>

static const struct ewc_spec spec = {.n_inputs = 6,
    .n_outputs = 3,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 1,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 9}}};
enum { P = 9 * 6 + 9 + 3 * 9 + 3, B = 16 };

struct run {
        float start[P], end[P], omega[P];
        double path[P], want[P], fall;
};

/* Full-batch SGD with a penalty: the path sees the gradient of the loss alone. */
static void run(struct run *r, int steps, float rate)
{
        const struct ewc_optim o = {.type = EWC_OPTIM_SGD, .rate = rate};
        float grad[P], before[P], fisher[P];
        const struct ewc_penalty pen = {0.01, fisher, r->start};
        struct fixture f;
        double loss, first;
        void *ws;

        fixture_init(&f, &spec, NULL, B, 1, 131);
        assert_int_equal(f.P, P);
        ws = test_alloc(ewc_train_workspace(f.net, B), 1);
        memset(r->path, 0, sizeof(r->path));
        memset(r->want, 0, sizeof(r->want));
        memcpy(r->start, ewc_net_theta(f.net), sizeof(r->start));
        for (size_t i = 0; i < P; i++)
                fisher[i] = (float)(i % 3);
        first = fixture_loss(&f, f.theta);
        for (int t = 1; t <= steps; t++) {
                memcpy(before, ewc_net_theta(f.net), sizeof(before));
                assert_int_equal(ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, ws), 0);
                assert_int_equal(ewc_optim_step(&o, P, ewc_net_theta(f.net), grad, NULL, (uint64_t)t, &pen), 0);
                ewc_si_step(P, grad, before, ewc_net_theta(f.net), r->path);
                for (size_t i = 0; i < P; i++)
                        r->want[i] += (double)grad[i] * ((double)before[i] - (double)ewc_net_theta(f.net)[i]);
        }
        memcpy(r->end, ewc_net_theta(f.net), sizeof(r->end));
        fixture_theta(&f);
        r->fall = first - fixture_loss(&f, f.theta);
        free(ws);
        fixture_deinit(&f);
}

static void path_by_plain_loop(void **state)
{
        static struct run r;

        (void)state;
        run(&r, 50, 0.1f);
        for (size_t i = 0; i < P; i++)
                assert_true(fabs(r.path[i] - r.want[i]) <= 1e-12 * fabs(r.want[i]));
        assert_int_equal(ewc_si_finish(P, r.path, r.start, r.end, 0.1, r.omega), 0);
        for (size_t i = 0; i < P; i++) {
                double d = (double)r.end[i] - (double)r.start[i], want = fmax(0, r.path[i] / (d * d + 0.1));

                assert_true(fabs((double)r.omega[i] - want) <= 1e-6 * want);
        }
}

/* With small steps the parts add up to the fall of the loss. */
static void parts_of_the_fall(void **state)
{
        static struct run r;
        double sum = 0;

        (void)state;
        run(&r, 2000, 0.01f);
        for (size_t i = 0; i < P; i++)
                sum += r.path[i];
        assert_true(r.fall > 0.1 && fabs(sum / r.fall - 1) < 0.01);
}

static void clamp_and_refusals(void **state)
{
        const double path[3] = {-1, 0, 2};
        const float start[3] = {0, 0, 0}, end[3] = {1, 1, 2}, bad[3] = {0, INFINITY, 0};
        const double nan[3] = {0, NAN, 0};
        float omega[3] = {7, 7, 7};

        (void)state;
        assert_int_equal(ewc_si_finish(3, path, start, end, 0, omega), EWC_E_INVAL);
        assert_int_equal(ewc_si_finish(3, path, start, end, -1, omega), EWC_E_INVAL);
        assert_int_equal(ewc_si_finish(3, path, start, end, NAN, omega), EWC_E_INVAL);
        assert_true(omega[0] == 7.0f);
        assert_int_equal(ewc_si_finish(3, path, start, end, 0.5, omega), 0);
        assert_true(omega[0] == 0.0f && omega[1] == 0.0f && fabs((double)omega[2] - 2 / 4.5) < 1e-7);
        assert_int_equal(ewc_si_finish(3, nan, start, end, 0.5, omega), EWC_E_NONFINITE);
        assert_int_equal(ewc_si_finish(3, path, start, bad, 0.5, omega), 0); /* infinitely far: no importance */
        assert_true(omega[1] == 0.0f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(path_by_plain_loop),
            cmocka_unit_test(parts_of_the_fall),
            cmocka_unit_test(clamp_and_refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_mem.c: carving, the allocator hook, and the promise that nothing allocates after warm-up.
 *
 * malloc and its kin are wrapped by the linker in everything this program links statically, libewc included. The
 * heap's own count (mallinfo2) covers the BLAS too. */
#include "fixture.h"

#include <ewc/forward.h>
#include <malloc.h>

#include "ewc/internal.h"

static size_t calls; /* of any wrapped function */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
int __real_posix_memalign(void **ret, size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
int __wrap_posix_memalign(void **ret, size_t align, size_t n);

void *__wrap_malloc(size_t n)
{
        calls++;
        return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
        calls++;
        return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
        calls++;
        return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
        calls++;
        return __real_aligned_alloc(align, n);
}

int __wrap_posix_memalign(void **ret, size_t align, size_t n)
{
        calls++;
        return __real_posix_memalign(ret, align, n);
}

static const struct ewc_spec spec = {.n_inputs = 30,
    .n_outputs = 5,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 2,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_GELU, .units = 40},
        {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = 20}}};

static void carving(void **state)
{
        _Alignas(64) char block[256];
        struct ewc_carve count = {0}, real = {.base = block};

        (void)state;
        assert_null(ewc_carve(&count, 3, sizeof(double)));
        assert_null(ewc_carve(&count, 0, 4));
        assert_null(ewc_carve(&count, 65, 1));
        assert_int_equal(count.used, 64 + 128);
        assert_ptr_equal(ewc_carve(&real, 3, sizeof(double)), block);
        assert_ptr_equal(ewc_carve(&real, 65, 1), block + 64);
}

struct counter {
        int allocated, released, left; /* left: calls until the next one fails */
};

static void *counted_alloc(void *arg, size_t size)
{
        struct counter *c = arg;

        if (c->left-- == 0)
                return NULL;
        c->allocated++;
        return __real_aligned_alloc(64, (size + 63) / 64 * 64);
}

static void counted_free(void *arg, void *p)
{
        struct counter *c = arg;

        c->released++;
        free(p);
}

static void allocator_hook(void **state)
{
        struct counter c = {.left = 1};
        const struct ewc_allocator a = {counted_alloc, counted_free, &c};
        struct ewc_net *net = NULL, *second = NULL;

        (void)state;
        calls = 0;
        assert_int_equal(ewc_net_new(&net, &spec, &a), 0);
        assert_int_equal(ewc_net_new(&second, &spec, &a), EWC_E_NOMEM);
        assert_null(second);
        assert_int_equal(calls, 0);
        assert_int_equal((uintptr_t)ewc_net_theta(net) % 64, 0);
        ewc_net_free(net);
        ewc_net_free(NULL);
        assert_int_equal(c.allocated, 1);
        assert_int_equal(c.released, 1);
        assert_int_equal(ewc_net_new(&net, &spec, NULL), 0);
        assert_int_equal(calls, 1);
        ewc_net_free(net);
}

/* Everything a step touches, allocated up front. */
struct bench {
        struct fixture f;
        float *grad, *state, *y;
        double *sum;
        struct ewc_plan *plan;
        void *train_ws, *forward_ws, *plan_ws, *fisher_ws;
};

static void work(struct bench *b, uint64_t t)
{
        const struct ewc_optim adam = {EWC_OPTIM_ADAM, 1e-3f, 0.0f, 0.9f, 0.999f, 1e-8f};
        const struct ewc_penalty pen = {0.5, b->y, b->y}; /* any arrays of P numbers */
        struct ewc_score score = {0};
        struct ewc_rng r;
        double loss;

        ewc_rng_seed(&r, 1, t);
        assert_int_equal(ewc_train_grad(b->f.net, NULL, &b->f.batch, 1, t % 2, b->grad, &loss, b->train_ws), 0);
        assert_int_equal(ewc_optim_step(&adam, b->f.P, ewc_net_theta(b->f.net), b->grad, b->state, t, &pen), 0);
        assert_int_equal(ewc_train_score(b->f.net, NULL, &b->f.batch, &score, b->train_ws), 0);
        assert_int_equal(ewc_net_forward(b->f.net, 16, b->f.x, b->y, b->forward_ws), 0);
        assert_int_equal(ewc_plan_run(b->plan, 16, b->f.x, b->y, NULL, b->plan_ws), 0);
        for (int kind = EWC_FISHER_EXACT; kind <= EWC_FISHER_BATCHED; kind++)
                assert_int_equal(
                    ewc_fisher_add(b->f.net, (enum ewc_fisher)kind, NULL, &b->f.batch, &r, b->sum, b->fisher_ws), 0);
}

static void no_hidden_allocation(void **state)
{
        struct bench b = {0};
        size_t fisher_size = 0, in_use;

        (void)state;
        fixture_init(&b.f, &spec, NULL, 16, 1, 21);
        b.grad = test_alloc(b.f.P, sizeof(float));
        b.state = test_alloc(2 * b.f.P, sizeof(float));
        b.y = test_alloc(b.f.P, sizeof(float));
        b.sum = test_alloc(b.f.P, sizeof(double));
        b.train_ws = test_alloc(ewc_train_workspace(b.f.net, 16), 1);
        b.forward_ws = test_alloc(ewc_net_workspace(b.f.net, 16), 1);
        assert_int_equal(ewc_plan_new(&b.plan, b.f.net, NULL), 0);
        b.plan_ws = test_alloc(ewc_plan_workspace(b.plan, 16), 1);
        for (int kind = EWC_FISHER_EXACT; kind <= EWC_FISHER_BATCHED; kind++) {
                size_t size = ewc_fisher_workspace(b.f.net, NULL, (enum ewc_fisher)kind, 16);

                fisher_size = size > fisher_size ? size : fisher_size;
        }
        b.fisher_ws = test_alloc(fisher_size, 1);
        for (uint64_t t = 1; t <= 3; t++)
                work(&b, t);
        calls = 0;
        in_use = mallinfo2().uordblks;
        for (uint64_t t = 4; t < 104; t++)
                work(&b, t);
        assert_int_equal(calls, 0);
        assert_int_equal(mallinfo2().uordblks, in_use);
        fixture_deinit(&b.f);
        free(b.grad);
        free(b.state);
        free(b.y);
        free(b.sum);
        free(b.train_ws);
        free(b.forward_ws);
        ewc_plan_free(b.plan);
        free(b.plan_ws);
        free(b.fisher_ws);
}

/* A workspace query names every byte used: a canary behind the block survives. */
static void workspace_is_enough(void **state)
{
        static const size_t rows[] = {1, 3, 16};
        struct fixture f;
        float *grad, y[16 * 5];
        double *sum, loss;
        struct ewc_rng r;

        (void)state;
        ewc_rng_seed(&r, 1, 0);
        fixture_init(&f, &spec, NULL, 16, 1, 22);
        grad = test_alloc(f.P, sizeof(float));
        sum = test_alloc(f.P, sizeof(double));
        for (int kind = -1; kind <= EWC_FISHER_BATCHED; kind++) {
                for (size_t i = 0; i < 3; i++) {
                        size_t size = kind == -1  ? ewc_net_workspace(f.net, rows[i])
                                      : kind == 0 ? ewc_train_workspace(f.net, rows[i])
                                                  : ewc_fisher_workspace(f.net, NULL, (enum ewc_fisher)kind, rows[i]);
                        unsigned char *ws = test_alloc(size + 64, 1);

                        memset(ws + size, 0xa5, 64);
                        f.batch.n = rows[i];
                        if (kind == -1)
                                ewc_net_forward(f.net, rows[i], f.x, y, ws);
                        else if (kind == 0)
                                ewc_train_grad(f.net, NULL, &f.batch, 1, false, grad, &loss, ws);
                        else
                                ewc_fisher_add(f.net, (enum ewc_fisher)kind, NULL, &f.batch, &r, sum, ws);
                        for (size_t k = 0; k < 64; k++)
                                assert_int_equal(ws[size + k], 0xa5);
                        free(ws);
                }
        }
        fixture_deinit(&f);
        free(grad);
        free(sum);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(carving),
            cmocka_unit_test(allocator_hook),
            cmocka_unit_test(no_hidden_allocation),
            cmocka_unit_test(workspace_is_enough),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Fuzz target of the bodies that carry tensors: the Open Inference Protocol's and predict's. */
#include "base/arena.h"
#include "base/err.h"
#include "fuzz.h"
#include "proto/oip.h"
#include <math.h>

static void check_numbers(const float *v, size_t n)
{
        for (size_t i = 0; i < n; i++)
                fuzz_check(isfinite(v[i]));
}

static void check_tensor(const struct oip_tensor *t)
{
        uint64_t n = 1;
        fuzz_check(t->rank <= OIP_MAX_RANK);
        for (size_t i = 0; i < t->rank; i++)
                n *= t->shape[i];
        fuzz_check(n == t->n);
        check_numbers(t->data, t->n);
        fuzz_touch_text(t->name);
        fuzz_touch_text(t->datatype);
}

static void check_request(int outcome, const struct oip_request *q, const struct err *e)
{
        if (outcome != 0) {
                fuzz_check(e->code != 0 && e->msg[0]);
                return;
        }
        fuzz_touch_text(q->id);
        fuzz_touch_text(q->ewcd_task);
        for (size_t i = 0; i < q->n_inputs; i++)
                check_tensor(&q->inputs[i]);
        for (size_t i = 0; i < q->n_outputs; i++)
                fuzz_touch_text(q->outputs[i].name);
}

/* As JSON; as JSON up to its first NUL with tensors behind; raw. */
static void oip(struct slice body)
{
        static const uint32_t shape[2] = {2, 3};
        struct arena a;
        struct oip_request q;
        struct err e = ERR_NULL;
        const char *nul = body.n > 0 ? memchr(body.p, '\0', body.n) : NULL;
        arena_init(&a, 1 << 22);
        check_request(oip_request_read(body, &a, &q, &e), &q, &e);
        if (nul)
                check_request(oip_request_read_binary(body, (uint64_t)(nul - body.p), &a, &q, &e), &q, &e);
        check_request(oip_request_read_raw(body, "x", 2, shape, &a, &q, &e), &q, &e);
        arena_deinit(&a);
}

static void predict(struct slice body)
{
        struct arena a;
        struct predict_request q;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 22);
        if (predict_request_read(body, &a, &q, &e) == 0) {
                check_numbers(q.inputs, q.rows * q.cols);
                fuzz_touch_text(q.task);
        } else {
                fuzz_check(e.code != 0 && e.msg[0]);
        }
        arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size > 4096)
                return 0;
        char *p = fuzz_copy(data, size);
        oip((struct slice){p, size});
        predict((struct slice){p, size});
        free(p);
        return 0;
}

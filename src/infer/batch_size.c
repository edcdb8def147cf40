/* batch_size.c: the crossover between rows one by one and rows together.
 *
 * Rows that are run together are all answered when the last of them is done, so gathering must earn its keep: a
 * larger batch is taken only if a row costs clearly less in it. A net of dense layers reads its weights once per
 * batch and gains; a convolution reads its weights once per pixel anyway and does not. A batch that would keep the
 * loop from its sockets for long is not taken either. Each size is timed by the fastest of a few runs, because the
 * machine has other work. */
#include "infer/batch_size.h"
#include "base/clock.h"
#include "base/mem.h"
#include "infer/batch.h"
#include "infer/served.h"
#include <stdlib.h>

enum { FEW_RUNS = 3, RUNS = 32, ALIGN = 64, GAIN_PERCENT = 3 };
static const uint64_t hold_ns = 5000000, enough_ns = 300000;

/* ns of the fastest run of n rows; 0: it failed. */
static uint64_t fastest(const struct served *s, const struct clock *clock, const struct served_part *p, void *ws)
{
        uint64_t best = 0, spent = 0;
        for (int i = 0; i < RUNS && spent < (i < FEW_RUNS ? hold_ns : enough_ns); i++) {
                uint64_t start = clock_mono_ns(clock);
                if (served_answer_batch(s, p->rows, 1, p, ws) < 0)
                        return 0;
                uint64_t took = clock_mono_ns(clock) - start;
                took = took > 0 ? took : 1;
                spent += took;
                best = best == 0 || took < best ? took : best;
        }
        return best;
}

size_t batch_size_measure(const struct served *s, const struct clock *clock)
{
        static const size_t sizes[] = {1, 4, 16, BATCH_MAX_ROWS};
        const struct served_task *t = s->open;
        for (size_t i = 0; i < s->n_tasks && t->head.n == 0; i++)
                t = &s->tasks[i];
        size_t n_raw, n_probs;
        if (!mem_mul(BATCH_MAX_ROWS, s->spec.n_inputs, &n_raw) || !mem_mul(BATCH_MAX_ROWS, t->head.n, &n_probs))
                return 1;
        _free_ float *raw = new_array(float, n_raw), *probs = new_array(float, n_probs);
        _free_ void *ws = mem_aligned(1, served_batch_workspace(s, BATCH_MAX_ROWS), ALIGN);
        if (!raw || !probs || !ws)
                return 1;
        size_t chosen = 1;
        uint64_t cost = 0; /* of the chosen size */
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
                struct served_part p = {
                    .task = t, .rows = sizes[i], .raw = raw, .answer = {.stride = t->head.n, .probs = probs}};
                uint64_t ns = fastest(s, clock, &p, ws);
                if (ns == 0 || (i > 0 && ns > hold_ns))
                        break;
                if (i == 0 || ns * chosen * 100 <= cost * sizes[i] * (100 - GAIN_PERCENT)) {
                        chosen = sizes[i];
                        cost = ns;
                }
                if (ns > hold_ns)
                        break;
        }
        return chosen;
}

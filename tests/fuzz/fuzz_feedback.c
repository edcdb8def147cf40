/* Fuzz target of feedback bodies. The first byte chooses JSON or ndjson. */
#include "base/arena.h"
#include "base/err.h"
#include "fuzz.h"
#include "proto/json_feedback.h"
#include <math.h>

static void check_event(const struct event *v)
{
        fuzz_check(v->problem == 0 || (v->why && v->why->msg[0]));
        if (v->problem)
                return;
        for (size_t i = 0; i < v->n_inputs; i++)
                fuzz_check(isfinite(v->inputs[i]));
        for (size_t i = 0; i < v->n_target; i++)
                fuzz_check(isfinite(v->target[i]));
        for (size_t i = 0; v->n_labels != SIZE_MAX && i < v->n_labels; i++)
                fuzz_touch_text(v->labels[i]);
        fuzz_touch_text(v->event_id);
        fuzz_touch_text(v->source);
        fuzz_touch_text(v->task);
        fuzz_touch_text(v->label);
        fuzz_check(isfinite(v->weight));
        fuzz_check((v->label != NULL) + (v->n_labels != SIZE_MAX) + (v->n_target > 0) == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena a;
        struct event *events;
        struct err e = ERR_NULL;
        size_t n;
        if (size < 1 || size > 4096)
                return 0;
        char *p = fuzz_copy(data + 1, size - 1);
        arena_init(&a, 1 << 22);
        if (json_feedback_read((struct slice){p, size - 1}, data[0] & 1, &a, &events, &n, &e) == 0) {
                fuzz_check(n > 0);
                for (size_t i = 0; i < n; i++)
                        check_event(&events[i]);
        } else {
                fuzz_check(e.code != 0 && e.msg[0]);
        }
        arena_deinit(&a);
        free(p);
        return 0;
}

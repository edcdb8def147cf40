/* json_gate.c: the gate's checks and the numbers of every task, as canonical JSON. */
#include "proto/json_gate.h"
#include "base/buf.h"
#include "proto/json.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* The class by name, or the output by number where it has none. */
static void put_class(struct buf *b, const struct gate_task *t, int64_t output)
{
        char number[24];
        snprintf(number, sizeof(number), "%" PRId64, output);
        json_put_text(b, output < 0 ? NULL : (uint64_t)output < t->n_classes ? t->classes[output] : number);
}

static void put_check(struct buf *b, const struct gate_record *r, const struct gate_check *c)
{
        const struct gate_task *t = &r->tasks[c->task];
        buf_puts(b, "{\"check\":");
        json_put_text(b, gate_kind_name(c->kind));
        json_put_key(b, "task");
        json_put_string(b, t->name);
        json_put_key(b, "class");
        put_class(b, t, c->output);
        json_put_key(b, "passed");
        buf_puts(b, c->passed ? "true" : "false");
        json_put_key(b, "value");
        json_put_number(b, c->value);
        json_put_key(b, "limit");
        json_put_number(b, c->limit);
        json_put_key(b, "noise");
        json_put_number(b, c->noise > 0 ? c->noise : (double)NAN);
        json_put_key(b, "words");
        json_put_string(b, c->words);
        buf_putc(b, '}');
}

static void put_pair(
    struct buf *b, const struct gate_task *t, const char *before, const char *after, double x, double y)
{
        json_put_key(b, before);
        json_put_number(b, t->before.n > 0 ? x : (double)NAN);
        json_put_key(b, after);
        json_put_number(b, t->after.n > 0 ? y : (double)NAN);
}

static void put_task(struct buf *b, const struct gate_task *t)
{
        buf_puts(b, "{\"task\":");
        json_put_string(b, t->name);
        json_put_key(b, "n");
        buf_put_u64(b, t->after.n);
        put_pair(b, t, "accuracy_before", "accuracy_after", t->before.accuracy, t->after.accuracy);
        put_pair(b, t, "ece_before", "ece_after", t->before.ece, t->after.ece);
        put_pair(b, t, "loss_before", "loss_after", t->before.loss, t->after.loss);
        json_put_key(b, "loss_change_predicted");
        json_put_number(b, t->after.predicted);
        json_put_key(b, "n_won");
        buf_put_u64(b, t->after.n_won);
        json_put_key(b, "n_lost");
        buf_put_u64(b, t->after.n_lost);
        buf_putc(b, '}');
}

void json_gate_write(struct buf *b, const struct gate_record *r)
{
        buf_puts(b, "{\"verdict\":");
        json_put_text(b, r->verdict);
        json_put_key(b, "reason");
        json_put_text(b, r->reason);
        json_put_key(b, "checks");
        buf_putc(b, '[');
        for (size_t i = 0; i < r->n_checks; i++) {
                buf_puts(b, i > 0 ? "," : "");
                put_check(b, r, &r->checks[i]);
        }
        buf_puts(b, "],\"tasks\":[");
        for (size_t i = 0; i < r->n_tasks; i++) {
                buf_puts(b, i > 0 ? "," : "");
                put_task(b, &r->tasks[i]);
        }
        buf_puts(b, "]}");
}

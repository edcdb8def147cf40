/* json_task.c: the list of a model's tasks, and the request that closes one and opens the next (reference 3.3). */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/learn_job.h"
#include "proto/json.h"
#include "proto/json_admin.h"
#include "proto/json_in.h"
#include <math.h>
#include <stdio.h>

const char *json_fisher_variant(enum learn_importance importance, enum ewc_fisher kind)
{
        return importance == LEARN_IMPORTANCE_FISHER ? ewc_fisher_name(kind) : learn_importance_name(importance);
}

static void put_stored(struct buf *b, const struct fisher_stored *f)
{
        bool plain = f->encoding == FISHER_PLAIN;
        json_put_key(b, "encoding");
        json_put_text(b, ewc_pack_name(plain ? EWC_PACK_DENSE32 : (enum ewc_pack_encoding)f->encoding));
        json_put_key(b, "bytes");
        buf_put_u64(b, f->n_bytes);
        json_put_key(b, "kept");
        json_put_number(b, f->n > 0 ? (double)f->n_kept / (double)f->n : NAN);
}

/* What only a closed task has: its protection, and what became of its accuracy. */
static void put_closed(struct buf *b, const struct task_view *v)
{
        const struct task *t = v->task;
        buf_puts(b, ",\"fisher\":");
        if (t->has_fisher) {
                buf_puts(b, "{\"variant\":");
                json_put_text(b, json_fisher_variant(t->importance, t->fisher.kind));
                buf_puts(b, ",\"samples\":");
                buf_put_u64(b, t->fisher.n_samples);
                put_stored(b, &t->stored);
                buf_putc(b, '}');
        } else {
                buf_puts(b, "null");
        }
        buf_puts(b, ",\"accuracy\":{\"at_close\":");
        json_put_number(b, t->n_at_close ? t->accuracy_at_close : NAN);
        buf_puts(b, ",\"now\":");
        json_put_number(b, v->n_now ? v->accuracy_now : NAN);
        buf_puts(b, ",\"n\":");
        buf_put_u64(b, v->n_now);
        buf_putc(b, '}');
}

static void put_task(struct buf *b, const struct task_view *v)
{
        const struct task *t = v->task;
        buf_puts(b, "{\"task\":");
        json_put_string(b, t->name);
        buf_puts(b, ",\"state\":");
        json_put_text(b, task_state_name(t->state));
        buf_puts(b, ",\"classes\":[");
        for (size_t i = 0; i < t->n_classes; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                json_put_string(b, v->class_names[i]);
        }
        buf_puts(b, "],\"opened_at\":");
        json_put_time(b, t->opened_ms);
        buf_puts(b, ",\"closed_at\":");
        json_put_time(b, t->closed_ms);
        if (t->state == TASK_CLOSED) {
                buf_puts(b, ",\"alpha\":");
                json_put_number(b, t->alpha);
        }
        buf_puts(b, ",\"feedback\":{\"train\":");
        buf_put_u64(b, t->n_train);
        buf_puts(b, ",\"holdout\":");
        buf_put_u64(b, t->n_holdout);
        buf_putc(b, '}');
        if (t->state == TASK_CLOSED)
                put_closed(b, v);
        buf_putc(b, '}');
}

void json_task_list_write(struct buf *b, const struct task_view *tasks, size_t n)
{
        buf_puts(b, "{\"tasks\":[");
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                put_task(b, &tasks[i]);
        }
        buf_puts(b, "]}");
}

static int refuse_twice(const struct rollover_request *q, struct err *e)
{
        for (size_t i = 0; i < q->n_classes; i++)
                for (size_t k = 0; k < i; k++)
                        if (strcmp(q->classes[i], q->classes[k]) == 0) {
                                char field[JSON_FIELD_SIZE];
                                snprintf(field, sizeof(field), "/classes/%zu", i);
                                return err_field(
                                    e, PROBLEM_BAD_VALUE, field, "class '%.80s' stands twice", q->classes[i]);
                        }
        return 0;
}

int json_rollover_read(struct slice body, struct arena *a, struct rollover_request *ret, struct err *e)
{
        static const char *const keys[] = {"task", "classes"};
        _json_ json_t *v = NULL;
        struct rollover_request q = {0};
        int r = json_body_object(body, keys, ARRAY_LEN(keys), &v, e);
        if (r != 0 || (r = json_get_name(json_object_get(v, "task"), "/task", a, &q.task, e)) != 0)
                return r;
        const json_t *classes = json_object_get(v, "classes");
        if (classes) {
                q.classes_given = true;
                if ((r = json_get_labels(classes, "/classes", a, &q.classes, &q.n_classes, e)) != 0 ||
                    (r = refuse_twice(&q, e)) != 0)
                        return r;
        }
        *ret = q;
        return 0;
}

int json_alpha_read(struct slice body, struct arena *arena, double *ret, const char **ret_reason, struct err *e)
{
        static const char *const keys[] = {"alpha", "reason"};
        _json_ json_t *v = NULL;
        int r = json_body_object(body, keys, ARRAY_LEN(keys), &v, e);
        if (r != 0)
                return r;
        const json_t *alpha = json_object_get(v, "alpha");
        if (!json_is_number(alpha))
                return json_wrong_type(alpha, "/alpha", "a number", e);
        double a = json_number_value(alpha);
        if (!(a >= 0 && a <= 1e6))
                return err_field(e, PROBLEM_BAD_VALUE, "/alpha", "alpha is %g; it must lie between 0 and 1e6", a);
        if ((r = json_get_reason(v, arena, ret_reason, e)) != 0)
                return r;
        *ret = a;
        return 0;
}

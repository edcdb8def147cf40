/* json_inspect.c: lineage, difference and Fisher as JSON. Every key is always there; what is not known is null. */
#include "proto/json_inspect.h"
#include "base/buf.h"
#include "proto/json.h"
#include <math.h>

void json_lineage_begin(struct buf *b, const char *model)
{
        buf_puts(b, "{\"model\":");
        json_put_string(b, model);
        buf_puts(b, ",\"lineage\":[");
}

void json_lineage_row(struct buf *b, const struct version_view *v, const struct job *job, bool first)
{
        if (!first)
                buf_putc(b, ',');
        json_version_write(b, v);
        if (buf_ok(b))
                b->len--; /* its bracket: two members more */
        json_put_key(b, "trigger");
        json_put_text(b, job ? trigger_kind_name(job->trigger) : NULL);
        json_put_key(b, "trigger_text");
        json_put_text(b, job && job->trigger_text && job->trigger_text[0] ? job->trigger_text : NULL);
        buf_putc(b, '}');
}

void json_lineage_end(struct buf *b)
{
        buf_puts(b, "]}");
}

/* --- difference --- */

static void put_drift(struct buf *b, const struct layer_drift *l)
{
        buf_puts(b, "{\"layer\":");
        json_put_string(b, l->name);
        json_put_key(b, "n");
        buf_put_u64(b, l->n);
        json_put_key(b, "n_changed");
        buf_put_u64(b, l->n_changed);
        json_put_key(b, "rms");
        json_put_number(b, l->rms);
        json_put_key(b, "max");
        json_put_number(b, l->max);
        json_put_key(b, "fisher_distance");
        json_put_number(b, l->fisher_distance);
        buf_putc(b, '}');
}

static void put_pair(struct buf *b, const char *key, double from, double to)
{
        json_put_key(b, key);
        buf_puts(b, "{\"from\":");
        json_put_number(b, from);
        buf_puts(b, ",\"to\":");
        json_put_number(b, to);
        buf_putc(b, '}');
}

static void put_diff_task(struct buf *b, const struct diff_task *t)
{
        buf_puts(b, "{\"task\":");
        json_put_string(b, t->name);
        put_pair(b, "accuracy", t->from.n > 0 ? t->from.accuracy : NAN, t->to.n > 0 ? t->to.accuracy : NAN);
        put_pair(b, "loss", t->from.n > 0 ? t->from.loss : NAN, t->to.n > 0 ? t->to.loss : NAN);
        buf_putc(b, '}');
}

void json_diff_write(struct buf *b, const struct diff_view *d)
{
        buf_puts(b, "{\"from\":");
        json_put_version(b, d->from->number);
        json_put_key(b, "to");
        json_put_version(b, d->to->number);
        json_put_key(b, "outputs_added");
        buf_put_u64(b, d->n_added);
        json_put_key(b, "outputs_removed");
        buf_put_u64(b, d->n_removed);
        json_put_key(b, "fisher_of");
        json_put_version(b, d->fisher_of);
        json_put_key(b, "total");
        put_drift(b, d->total);
        json_put_key(b, "layers");
        buf_putc(b, '[');
        for (size_t i = 0; i < d->n_layers; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                put_drift(b, &d->layers[i]);
        }
        buf_puts(b, "],\"tasks\":[");
        for (size_t i = 0; i < d->n_tasks; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                put_diff_task(b, &d->tasks[i]);
        }
        buf_puts(b, "]}");
}

/* --- Fisher --- */

static void put_layer(struct buf *b, const struct layer_fisher *l)
{
        buf_puts(b, "{\"layer\":");
        json_put_string(b, l->name);
        json_put_key(b, "n");
        buf_put_u64(b, l->n);
        json_put_key(b, "n_zero");
        buf_put_u64(b, l->n_zero);
        json_put_key(b, "trace");
        json_put_number(b, l->trace);
        json_put_key(b, "share");
        json_put_number(b, l->share);
        json_put_key(b, "mean");
        json_put_number(b, l->mean);
        json_put_key(b, "max");
        json_put_number(b, l->max);
        json_put_key(b, "histogram");
        for (size_t i = 0; i < INSPECT_BINS; i++) {
                buf_putc(b, i > 0 ? ',' : '[');
                buf_put_u64(b, l->bins[i]);
        }
        buf_puts(b, "]}");
}

void json_task_fisher_write(struct buf *b, const struct task_fisher_view *v)
{
        const struct task *t = v->task;
        buf_puts(b, "{\"task\":");
        json_put_string(b, t->name);
        json_put_key(b, "alpha");
        json_put_number(b, t->alpha);
        json_put_key(b, "variant");
        json_put_text(b, json_fisher_variant(t->importance, t->fisher.kind));
        json_put_key(b, "samples");
        buf_put_u64(b, t->fisher.n_samples);
        json_put_key(b, "factor"); /* raw Fisher = factor * stored */
        json_put_number(b, t->fisher.factor);
        json_put_key(b, "trace");
        json_put_number(b, v->fisher->trace);
        json_put_key(b, "top_fifth_share");
        json_put_number(b, v->fisher->top_share);
        json_put_key(b, "layers");
        for (size_t i = 0; i < v->fisher->n_layers; i++) {
                buf_putc(b, i > 0 ? ',' : '[');
                put_layer(b, &v->layers[i]);
        }
        buf_puts(b, "],\"overlaps\":[");
        for (size_t i = 0; i < v->n_overlaps; i++) {
                buf_puts(b, i > 0 ? ",{\"task\":" : "{\"task\":");
                json_put_string(b, v->overlaps[i].task);
                json_put_key(b, "similarity");
                json_put_number(b, v->overlaps[i].similarity);
                buf_putc(b, '}');
        }
        buf_puts(b, "]}");
}

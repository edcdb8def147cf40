/* json_receipt.c: what became of the events: the answer to feedback, and the fate of one label (reference 3.2). */
#include "base/buf.h"
#include "proto/json.h"
#include "proto/json_admin.h"
#include "proto/json_feedback.h"
#include <inttypes.h>
#include <math.h>

static void put_rejected(struct buf *b, size_t i, const struct event *event, const struct event_verdict *v)
{
        if (event->line)
                buf_printf(b, "{\"line\":%zu,\"pointer\":", event->line);
        else
                buf_printf(b, "{\"index\":%zu,\"pointer\":", i);
        if (v->field && v->field[0])
                json_put_string(b, v->field);
        else if (event->line)
                buf_puts(b, "\"\"");
        else
                buf_printf(b, "\"/events/%zu\"", i);
        buf_printf(b, ",\"type\":\"urn:ewcd:problem:%s\",\"detail\":",
            v->slug ? v->slug : problem_slug((enum problem)v->problem));
        json_put_string(b, v->detail ? v->detail : problem_title((enum problem)v->problem));
        buf_putc(b, '}');
}

void json_rejected_write(
    struct buf *b, const struct event *events, const struct event_verdict *v, size_t n, size_t max)
{
        size_t written = 0;
        buf_putc(b, '[');
        for (size_t i = 0; i < n && written < max; i++) {
                if (v[i].problem == 0)
                        continue;
                if (written++ > 0)
                        buf_putc(b, ',');
                put_rejected(b, i, &events[i], &v[i]);
        }
        buf_putc(b, ']');
}

void json_receipt_write(
    struct buf *b, const struct receipt *r, const struct event *events, const struct event_verdict *v, size_t n)
{
        buf_printf(b,
            "{\"accepted\":%" PRIu64 ",\"duplicate\":%" PRIu64 ",\"quarantined\":%" PRIu64 ",\"late\":%" PRIu64
            ",\"superseded\":%" PRIu64 ",\"rejected\":",
            r->n_accepted, r->n_duplicate, r->n_quarantined, r->n_late, r->n_superseded);
        json_rejected_write(b, events, v, n, n);
        buf_puts(b, ",\"first_seq\":");
        json_put_id(b, r->first_seq);
        buf_puts(b, ",\"last_seq\":");
        json_put_id(b, r->last_seq);
        buf_puts(b, ",\"durable\":true}");
}

static void put_prediction(struct buf *b, const struct fate_view *f)
{
        json_put_key(b, "prediction");
        if (f->served_version == 0) {
                buf_puts(b, "null");
                return;
        }
        buf_puts(b, "{\"version\":");
        json_put_version(b, f->served_version);
        json_put_key(b, "label");
        json_put_text(b, f->served_label);
        json_put_key(b, "probability");
        json_put_float(b, f->served_label ? f->served_probability : NAN);
        buf_putc(b, '}');
}

void json_fate_write(struct buf *b, const struct fate_view *f)
{
        buf_puts(b, "{\"id\":");
        json_put_text(b, f->id);
        json_put_key(b, "seq");
        json_put_id(b, f->seq);
        json_put_key(b, "state");
        json_put_text(b, f->state);
        json_put_key(b, "received_at");
        json_put_time(b, f->received_ms);
        json_put_key(b, "label");
        json_put_text(b, f->label);
        json_put_key(b, "task");
        json_put_text(b, f->task);
        json_put_key(b, "source");
        json_put_text(b, f->source && f->source[0] ? f->source : NULL);
        json_put_key(b, "split");
        buf_puts(b, f->holdout ? "\"holdout\"" : "\"train\"");
        json_put_key(b, "trusted");
        buf_puts(b, f->trusted ? "true" : "false");
        json_put_key(b, "job");
        json_put_id(b, f->job);
        json_put_key(b, "version");
        json_put_version(b, f->version);
        put_prediction(b, f);
        json_put_key(b, "reason");
        json_put_text(b, f->reason);
        buf_putc(b, '}');
}

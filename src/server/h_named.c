/* h_named.c: an event and the prediction it names.
 *
 * One prediction is one event: the first that names it, with the inputs the prediction was of. It claims the
 * prediction where that is remembered, and gives it back if it does not come into the store. Of a prediction that is
 * no longer remembered only its version and time are known, from its id: the label has to bring its inputs, and the
 * version counts only under the prediction's own id, under which the store has one event. */
#include "server/h_named.h"
#include "base/clock.h"
#include "infer/served.h"
#include "server/h_recall.h"
#include <errno.h>
#include <string.h>

enum { AHEAD_MS = 5 * 60 * 1000 }; /* how far a client's clock may be ahead of ours */

/* --- when it happened --- */

/* Lateness is not the client's to decide: what is in the future would never be late. */
int h_named_time(struct one *o, const struct event *ev)
{
        char said[25], now[25];
        if (ev->observed_ms > o->judge->now_ms + AHEAD_MS) {
                clock_format(ev->observed_ms, said);
                clock_format(o->judge->now_ms, now);
                return h_reject(o, PROBLEM_BAD_VALUE, "/observed_at",
                    "observed %s, more than %d minutes after now, %s: see to the clock it was taken from", said,
                    AHEAD_MS / 60000, now);
        }
        o->happened_ms = ev->observed_ms;
        return 0;
}

static void happened_by(struct one *o, int64_t ms)
{
        o->happened_ms = o->happened_ms == 0 || ms < o->happened_ms ? ms : o->happened_ms;
}

/* --- the prediction it names --- */

static const char *what_instead(const struct event *ev)
{
        return ev->inputs ? "leave the prediction_id out, its inputs are enough" : "send inputs instead";
}

static int unknown(const struct one *o, const struct event *ev)
{
        const char *model = o->served->spec.name;
        if (o->served->learning.predict_retain_rows == 0)
                return h_reject(o, PROBLEM_UNKNOWN_PREDICTION, "/prediction_id",
                    "model %s remembers no predictions (predict.retain_rows is 0): %s", model, what_instead(ev));
        return h_reject(o, PROBLEM_UNKNOWN_PREDICTION, "/prediction_id",
            "no version of model %s gave a prediction this id: %s", model, what_instead(ev));
}

/* It comes with its inputs, or not at all. Under another id than the prediction's own it could come again. */
static int join_forgotten(struct one *o, const struct event *ev, struct feedback *row)
{
        if (!ev->inputs)
                return h_reject(o, PROBLEM_FORGOTTEN_PREDICTION, "/prediction_id",
                    "this prediction is no longer remembered, send inputs with its label");
        if (!ev->event_id || strcmp(ev->event_id, ev->prediction_id) == 0)
                row->served_version = o->served_as.version;
        happened_by(o, o->served_as.at_ms);
        row->observed_ms = row->observed_ms ? row->observed_ms : o->served_as.at_ms;
        return 0;
}

/* Equal bit for bit, so that what is learned is what the prediction was of. */
static int same_inputs(const struct one *o, const struct event *ev)
{
        const float *was = o->served_as.inputs;
        size_t i = 0;
        if (!ev->inputs)
                return 0;
        while (i < ev->n_inputs && memcmp(&was[i], &ev->inputs[i], sizeof(*was)) == 0)
                i++;
        if (i == ev->n_inputs)
                return 0;
        return h_reject(o, PROBLEM_BAD_VALUE, "/inputs",
            "prediction %s was of other inputs: number %zu was %.9g and is %.9g here. Leave inputs out, or the "
            "prediction_id",
            ev->prediction_id, i, (double)was[i], (double)ev->inputs[i]);
}

int h_named(struct one *o, const struct event *ev, struct feedback *row)
{
        struct h_judge *j = o->judge;
        const struct model_spec *m = &o->served->spec;
        if (!ev->prediction_id)
                return 0;
        if (j->trusted)
                return h_reject(o, PROBLEM_BAD_VALUE, "/prediction_id", "a trusted row brings its own inputs");
        if (!j->inputs && !(j->inputs = arena_new_array(o->arena, float, m->n_inputs)))
                return -ENOMEM;
        int r = h_recall(j->server, o->served, ev->prediction_id, j->now_ms, j->inputs, &o->served_as);
        if (r == H_RECALL_UNKNOWN)
                return unknown(o, ev);
        if (r == H_RECALL_FORGOTTEN)
                return join_forgotten(o, ev, row);
        const struct recalled *p = &o->served_as;
        o->remembered = true;
        happened_by(o, p->at_ms);
        if ((r = same_inputs(o, ev)) != 0)
                return r;
        row->served_version = p->version;
        row->served_class = p->class;
        row->served_probability = p->probability;
        row->observed_ms = row->observed_ms ? row->observed_ms : p->at_ms;
        if (!ev->inputs) {
                row->inputs = p->inputs;
                row->n_inputs = p->n_inputs;
                j->inputs = NULL;
        }
        return 0;
}

/* --- whose it is --- */

int h_named_claim(struct one *o, const struct event *ev, const struct feedback *row)
{
        char first[KEY_SIZE];
        bool *claimed = &o->batch->claimed[o->batch->n_rows];
        *claimed = false;
        if (!o->remembered)
                return 0;
        switch (h_recall_claim(o->judge->server, o->served->model, ev->prediction_id, row->event_id, first)) {
        case RECALL_CLAIMED:
                *claimed = true;
                return 0;
        case RECALL_SAME:
                return 0;
        case RECALL_OTHER:
                return h_reject(o, PROBLEM_DUPLICATE_KEY, "/event_id",
                    "prediction %s was labelled as event '%s'; send the new label under that id", ev->prediction_id,
                    first);
        case RECALL_GONE:
                break;
        }
        return h_reject(o, PROBLEM_FORGOTTEN_PREDICTION, "/prediction_id",
            "this prediction has just been forgotten, send its label again, with inputs");
}

void h_judge_release(struct server *server, struct h_events *b)
{
        for (size_t i = 0; i < b->n_rows; i++) {
                if (b->claimed[i])
                        h_recall_unclaim(
                            server, b->model, b->events[b->event_of[i]].prediction_id, b->rows[i].event_id);
                b->claimed[i] = false;
        }
}

/* h_recall.c: see h_recall.h.
 *
 * A label's id is looked for first and its code checked against the remembered one: what is found needs no
 * arithmetic. Only an id that is not found is tried against the versions of the model that are loaded, as a rule
 * the one whose number it says, to tell one that was forgotten from one that was never given. */
#include "server/h_recall.h"
#include "infer/batch.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "server/server.h"
#include <string.h>

bool h_remembers(const struct server *server, const struct served *s)
{
        return server->predictions && server->recall && s->learning.predict_retain_rows > 0;
}

static struct prediction_of of_version(const struct served *s)
{
        return (struct prediction_of){s->spec.name, s->number, s->digest};
}

static size_t best_of(size_t n, const float *p)
{
        size_t best = 0;
        for (size_t i = 1; i < n; i++)
                best = p[i] > p[best] ? i : best;
        return best;
}

void h_remember(
    struct server *server, const struct batch_job *j, size_t i, int64_t now_ms, char ret[PREDICTION_ID_SIZE])
{
        const struct served *s = j->version;
        const struct served_task *t = j->task ? j->task : j->answer.chosen[i];
        const float *probs = j->answer.probs + i * j->answer.stride;
        struct prediction_of of = of_version(s);
        struct prediction_id id;
        prediction_id_make(server->predictions, now_ms, &of, &id, ret);
        struct recalled p = {
            .mac = id.mac,
            .version = s->number,
            .task = t->id,
            .class = -1,
            .at_ms = now_ms,
            .n_inputs = s->spec.n_inputs,
            .inputs = j->raw + i * s->spec.n_inputs,
        };
        memcpy(p.id, id.ulid, sizeof(p.id));
        if (s->spec.net.loss == EWC_LOSS_SOFTMAX && t->head.n > 0) { /* else there is no one class it said */
                size_t best = best_of(t->head.n, probs);
                p.class = (int32_t)s->outputs[t->head.out[best]].class;
                p.probability = probs[best];
        }
        recall_put(server->recall, vtable_lane(server->versions), s->model, s->learning.predict_retain_rows, &p);
}

static bool is_of(struct server *server, const struct prediction_id *id, const struct served *s)
{
        struct prediction_of of = of_version(s);
        return (uint16_t)s->number == prediction_id_version(id) &&
               prediction_id_genuine(server->predictions, id, &of);
}

static bool is_genuine(struct server *server, const struct served *s, const struct prediction_id *id)
{
        const struct vrow *row = vtable_row(server->versions, slice_of(s->spec.name));
        bool genuine = row && is_of(server, id, row->champion);
        for (size_t i = 0; row && i < row->n && !genuine; i++)
                genuine = is_of(server, id, row->others[i]);
        return genuine;
}

int h_recall(struct server *server, const struct served *s, const char *text, int64_t now_ms, float *inputs,
    struct recalled *ret)
{
        struct prediction_id id;
        int64_t oldest_ms = now_ms - (int64_t)s->learning.predict_retain_s * 1000;
        if (!h_remembers(server, s) || !prediction_id_parse(text, &id))
                return H_RECALL_UNKNOWN;
        if (recall_find(server->recall, s->model, id.ulid, oldest_ms, inputs, s->spec.n_inputs, ret))
                return ret->mac == id.mac ? 0 : H_RECALL_UNKNOWN;
        return is_genuine(server, s, &id) ? H_RECALL_FORGOTTEN : H_RECALL_UNKNOWN;
}

void h_recall_forget(struct server *server, model_id m, const char *text)
{
        struct prediction_id id;
        if (server->recall && prediction_id_parse(text, &id))
                recall_forget(server->recall, m, id.ulid);
        if (server->recall)
                recall_forget_event(server->recall, m, text);
}

void h_recall_named(struct server *server, model_id m, const char *text, const char *event)
{
        struct prediction_id id;
        if (server->recall && prediction_id_parse(text, &id))
                recall_named(server->recall, m, id.ulid, event);
}

void h_recall_clear(struct server *server, model_id m)
{
        if (server->recall)
                recall_clear(server->recall, m);
}

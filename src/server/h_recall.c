/* h_recall.c: see h_recall.h.
 *
 * A label's id is looked for first and its code checked against the remembered one: what is found needs no
 * arithmetic. Only an id that is not found is tried against the versions of the model, loaded or not, as a rule
 * the one whose number it says, to tell one that was forgotten from one that was never given. */
#include "server/h_recall.h"
#include "infer/batch.h"
#include "infer/census.h"
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

static bool is_of(struct server *server, const struct prediction_id *id, const struct prediction_of *of)
{
        return (uint16_t)of->version == prediction_id_version(id) &&
               prediction_id_genuine(server->predictions, id, of);
}

/* The number of the version that gave it; 0: none did. */
static uint64_t giver(struct server *server, const struct served *s, const struct prediction_id *id)
{
        const struct vrow *row = vtable_row(server->versions, slice_of(s->spec.name));
        const struct census *c = row ? row->census : NULL;
        struct prediction_of of = of_version(s);
        if (is_of(server, id, &of))
                return of.version;
        for (size_t i = 0; row && i < row->n; i++) {
                of = of_version(row->others[i]);
                if (is_of(server, id, &of))
                        return of.version;
        }
        for (size_t i = 0; c && i < c->n; i++) {
                char digest[DIGEST_HEX];
                if ((uint16_t)c->row[i].number != prediction_id_version(id))
                        continue;
                digest_hex(&c->row[i].theta, digest);
                of = (struct prediction_of){s->spec.name, c->row[i].number, digest};
                if (is_of(server, id, &of))
                        return of.version;
        }
        return 0;
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
        uint64_t version = giver(server, s, &id);
        if (version == 0)
                return H_RECALL_UNKNOWN;
        *ret = (struct recalled){.mac = id.mac, .version = version, .class = -1, .at_ms = prediction_id_time(&id)};
        return H_RECALL_FORGOTTEN;
}

void h_recall_forget(struct server *server, model_id m, const char *text)
{
        struct prediction_id id;
        if (server->recall && prediction_id_parse(text, &id))
                recall_forget(server->recall, m, id.ulid);
        if (server->recall)
                recall_forget_event(server->recall, m, text);
}

enum recall_claimed h_recall_claim(
    struct server *server, model_id m, const char *text, const char *event, char ret_first[KEY_SIZE])
{
        struct prediction_id id;
        bool known = server->recall && prediction_id_parse(text, &id);
        return known ? recall_claim(server->recall, m, id.ulid, event, ret_first) : RECALL_GONE;
}

void h_recall_unclaim(struct server *server, model_id m, const char *text, const char *event)
{
        struct prediction_id id;
        if (server->recall && prediction_id_parse(text, &id))
                recall_unclaim(server->recall, m, id.ulid, event);
}

void h_recall_clear(struct server *server, model_id m)
{
        if (server->recall)
                recall_clear(server->recall, m);
}

/* h_infer.c: predictions by the Open Inference Protocol: one input tensor in, one output tensor out.
 *
 * All on the loop: the request's arena and the server's workspace and body are the only memory. */
#include "base/err.h"
#include "base/mem.h"
#include "domain/validate.h"
#include "infer/served.h"
#include "proto/json_oip.h"
#include "proto/oip.h"
#include "server/event_id.h"
#include "server/h.h"
#include "server/handlers.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *shape_text(struct arena *a, size_t rank, const uint64_t *shape)
{
        const char *text = "";
        for (size_t i = 0; i < rank && text; i++)
                text = arena_printf(a, "%s%s%" PRIu64, text, i > 0 ? "," : "", shape[i]);
        return text ? text : "";
}

/* [B, shape of the model...] or [B, product of it]. */
static bool shape_fits(const struct model_spec *m, const struct oip_tensor *t)
{
        size_t n;
        if (t->rank < 2 || t->shape[0] == 0 || t->shape[0] > SIZE_MAX ||
            !mem_mul((size_t)t->shape[0], m->n_inputs, &n) || n != t->n)
                return false;
        if (t->rank == 2 && t->shape[1] == m->n_inputs)
                return true;
        if (t->rank != m->rank + 1)
                return false;
        for (size_t i = 0; i < m->rank; i++) {
                if (t->shape[i + 1] != m->shape[i])
                        return false;
        }
        return true;
}

/* The request's only tensor, checked; NULL after having replied. */
static const struct oip_tensor *input_of(struct request *r, const struct served *s, const struct oip_request *q)
{
        const struct oip_tensor *t = &q->inputs[0];
        struct err e = ERR_NULL;
        if (q->n_inputs != 1) {
                reply_problem(r, PROBLEM_BAD_SHAPE, "/inputs", "%zu tensors; model %s takes one, named %s",
                    q->n_inputs, s->spec.name, s->spec.input_name);
                return NULL;
        }
        if (strcmp(t->name, s->spec.input_name) != 0) {
                reply_problem(r, PROBLEM_BAD_VALUE, "/inputs/0/name", "no input named '%.64s'; model %s takes %s",
                    t->name, s->spec.name, s->spec.input_name);
                return NULL;
        }
        if (!shape_fits(&s->spec, t)) {
                uint64_t want[MODEL_MAX_RANK];
                for (size_t i = 0; i < s->spec.rank; i++)
                        want[i] = s->spec.shape[i];
                reply_problem(r, PROBLEM_BAD_SHAPE, "/inputs/0/shape",
                    "tensor %s has shape [%s]; model %s takes [rows,%s]", t->name,
                    shape_text(r->arena, t->rank, t->shape), s->spec.name, shape_text(r->arena, s->spec.rank, want));
                return NULL;
        }
        for (size_t i = 0; i < t->n; i += s->spec.n_inputs) {
                if (validate_row(&s->spec, s->spec.n_inputs, t->data + i, &e) < 0) {
                        reply_problem(r, PROBLEM_NON_FINITE, "/inputs/0/data", "tensor %s, row %zu: %s", t->name,
                            i / s->spec.n_inputs, e.msg);
                        return NULL;
                }
        }
        return t;
}

static bool outputs_known(struct request *r, const struct served *s, const struct oip_request *q, const char *name)
{
        for (size_t i = 0; i < q->n_outputs; i++) {
                if (strcmp(q->outputs[i], name) != 0) {
                        char field[48];
                        snprintf(field, sizeof(field), "/outputs/%zu/name", i);
                        reply_problem(r, PROBLEM_BAD_VALUE, field, "no output named '%.64s'; model %s gives %s",
                            q->outputs[i], s->spec.name, name);
                        return false;
                }
        }
        return true;
}

void h_infer(struct request *r)
{
        struct served *s = h_served(r);
        if (!s)
                return;
        struct err e = ERR_NULL;
        struct oip_request q;
        char id[EVENT_ID_SIZE];
        int p = oip_request_read(r->body, r->arena, &q, &e);
        if (p == 0 && !q.id && event_id("", id) < 0)
                p = err_set(&e, -EIO, "no random bytes for an id");
        if (p != 0) {
                reply_error(r, p, &e);
                return;
        }
        const char *name = oip_output_name(s->spec.net.loss);
        const struct oip_tensor *in = outputs_known(r, s, &q, name) ? input_of(r, s, &q) : NULL;
        const struct served_task *t = in ? h_head(r, s, q.ewcd_task, "/parameters/ewcd_task") : NULL;
        const float *probs = t ? h_probs(r, s, t, (size_t)in->shape[0], in->data) : NULL;
        if (!probs)
                return;
        struct oip_output out = {
            .name = name, .datatype = "FP32", .rank = 2, .shape = {in->shape[0], t->head.n}, .data = probs};
        char digest[DIGEST_HEX + 8];
        snprintf(digest, sizeof(digest), "sha256:%s", s->digest);
        struct oip_response a = {
            .model_name = s->spec.name,
            .model_version = s->number_text,
            .id = q.id ? q.id : id,
            .model_digest = digest,
            .task = q.ewcd_task || s->spec.scenario == SCENARIO_TASK ? t->name : NULL,
            .n_outputs = 1,
            .outputs = &out,
        };
        struct buf *b = server_body(r->server);
        oip_response_write(b, &a);
        reply_json(r, 200, b);
}

/* h_infer.c: predictions by the Open Inference Protocol: one input tensor in, one output tensor out, as JSON or
 * binary.
 *
 * All on the loop: the request is read into its arena, waits there for the end of the loop's turn (h_run.c), and is
 * answered from there. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/validate.h"
#include "infer/served.h"
#include "loop/loop.h"
#include "proto/json_oip.h"
#include "proto/oip.h"
#include "server/event_id.h"
#include "server/h.h"
#include "server/h_recall.h"
#include "server/handlers.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct infer {
        struct h_run run; /* first */
        struct oip_request q;
        char id[EVENT_ID_SIZE];
};

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

/* In the form its header field tells: JSON, JSON with binary tensors, or one row of raw numbers. */
static int read_request(struct request *r, const struct served *s, struct oip_request *ret, struct err *e)
{
        struct slice text = request_header(r, "Inference-Header-Content-Length");
        uint64_t json;
        if (request_headers(r, "Inference-Header-Content-Length") > 1)
                return err_field(e, PROBLEM_MALFORMED, "", "more than one Inference-Header-Content-Length");
        if (!text.p)
                return oip_request_read(r->body, r->arena, ret, e);
        if (!slice_u64(text, &json))
                return err_field(e, PROBLEM_MALFORMED, "",
                    "Inference-Header-Content-Length must be the number of bytes of the JSON in front, not '%.*s'",
                    text.n < 40 ? (int)text.n : 40, text.p);
        if (json == 0)
                return oip_request_read_raw(
                    r->body, s->spec.input_name, s->spec.rank, s->spec.shape, r->arena, ret, e);
        return oip_request_read_binary(r->body, json, r->arena, ret, e);
}

static bool outputs_known(struct request *r, const struct served *s, const struct oip_request *q, const char *name)
{
        for (size_t i = 0; i < q->n_outputs; i++) {
                if (strcmp(q->outputs[i].name, name) != 0) {
                        char field[48];
                        snprintf(field, sizeof(field), "/outputs/%zu/name", i);
                        reply_problem(r, PROBLEM_BAD_VALUE, field, "no output named '%.64s'; model %s gives %s",
                            q->outputs[i].name, s->spec.name, name);
                        return false;
                }
        }
        return true;
}

/* The one output as asked for: as it is, or its highest classes. 0 or -ENOMEM. */
static int output_of(struct request *r, const struct served *s, const struct served_task *t,
    const struct oip_request *q, const float *probs, struct oip_output *ret)
{
        size_t rows = (size_t)q->inputs[0].shape[0];
        uint32_t k = q->n_outputs > 0 ? q->outputs[0].classification : 0;
        *ret = (struct oip_output){
            .name = oip_output_name(s->spec.net.loss),
            .binary = q->n_outputs > 0 ? q->outputs[0].binary : q->binary_output,
            .rank = 2,
            .shape = {rows, t->head.n},
            .data = probs,
        };
        if (k == 0)
                return 0;
        const char *const *labels = s->spec.net.loss == EWC_LOSS_SQUARED ? NULL : t->head_classes;
        return oip_classify(r->arena, rows, t->head.n, probs, labels, k, ret);
}

/* The rows' ids, commas between; NULL when memory is short. */
static const char *name_rows(struct request *r, const struct batch_job *j)
{
        size_t n;
        char *text = mem_mul(j->rows, PREDICTION_ID_SIZE, &n) ? arena_alloc(r->arena, n) : NULL;
        int64_t now_ms = clock_wall_ms(loop_clock(r->server->loop));
        for (size_t i = 0; text && i < j->rows; i++) {
                char *at = text + i * PREDICTION_ID_SIZE;
                h_remember(r->server, j, i, now_ms, at);
                at[PREDICTION_ID_SIZE - 1] = i + 1 < j->rows ? ',' : '\0';
        }
        return text;
}

static void write_answer(struct buf *b, const struct served *s, const struct served_task *t,
    const struct oip_request *q, const char *prediction_id, const struct oip_output *out, size_t *ret_json)
{
        static const char algorithm[] = "sha256:";
        char digest[sizeof(algorithm) - 1 + DIGEST_HEX];
        memcpy(digest, algorithm, sizeof(algorithm) - 1);
        memcpy(digest + sizeof(algorithm) - 1, s->digest, DIGEST_HEX);
        struct oip_response a = {
            .model_name = s->spec.name,
            .model_version = s->number_text,
            .id = q->id,
            .model_digest = digest,
            .task = q->ewcd_task || s->spec.scenario == SCENARIO_TASK ? t->name : NULL,
            .prediction_id = prediction_id,
            .n_outputs = 1,
            .outputs = out,
        };
        oip_response_write(b, &a, ret_json);
}

static bool write_infer(struct h_run *run, struct request *r, struct buf *b, size_t *ret_json)
{
        const struct infer *in = (const struct infer *)(const void *)run;
        const struct batch_job *j = &run->job;
        struct oip_output out;
        const char *ids = NULL;
        bool named = in->q.prediction_id && h_remembers(r->server, j->version);
        if ((named && !(ids = name_rows(r, j))) ||
            output_of(r, j->version, j->task, &in->q, j->answer.probs, &out) < 0) {
                reply_error(r, -ENOMEM, NULL);
                return false;
        }
        write_answer(b, j->version, j->task, &in->q, ids, &out, ret_json);
        return true;
}

/* Of a row's answer at least: four bytes of a binary number, a digit and a comma in JSON, as of a class in quotes. */
static size_t row_bytes(const struct oip_request *q, size_t n)
{
        size_t k = q->n_outputs > 0 ? q->outputs[0].classification : 0;
        bool binary = q->n_outputs > 0 ? q->outputs[0].binary : q->binary_output;
        return k > 0 ? 2 * (k < n ? k : n) : (binary ? sizeof(float) : 2) * n;
}

/* Read and checked, its answer under way; false: it has been refused. */
static bool infer(struct request *r, struct served *s)
{
        struct err e = ERR_NULL;
        struct infer *in = arena_new(r->arena, struct infer);
        if (!in) {
                reply_error(r, -ENOMEM, NULL);
                return false;
        }
        struct oip_request *q = &in->q;
        h_run_begin(&in->run, r);
        int p = read_request(r, s, q, &e);
        if (p != 0) {
                reply_error(r, p, &e);
                return false;
        }
        if (!q->id)
                event_id(r->server->random, "", in->id);
        q->id = q->id ? q->id : in->id;
        const struct oip_tensor *x =
            outputs_known(r, s, q, oip_output_name(s->spec.net.loss)) ? input_of(r, s, q) : NULL;
        const struct served_task *task = x ? h_head(r, s, q->ewcd_task, "/parameters/ewcd_task") : NULL;
        if (!task)
                return false;
        in->run.write = write_infer;
        return h_run(&in->run, r, s,
            &(struct h_ask){.task = task,
                .rows = (size_t)x->shape[0],
                .raw = x->data,
                .row_bytes = row_bytes(q, task->head.n),
                .priority = q->priority,
                .timeout_us = q->timeout_us});
}

void h_infer(struct request *r)
{
        struct served *s = h_served(r);
        struct server *server = r->server;
        uint64_t start = r->start_ns;
        if (s && !infer(r, s))
                h_run_refused(server, s, start);
}

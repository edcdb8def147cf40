/* json_oip.c: the Open Inference Protocol around inference: server, health, metadata, configuration, statistics,
 * repository.
 *
 * Extensions are announced only when they pass their tests. Unknown keys of a body are ignored, as the protocol wants
 * it; a parameter that asks for another model than the stored one is refused. */
#include "proto/json_oip.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/json.h"
#include "proto/json_in.h"
#include <inttypes.h>

static const char *const extensions[] = {"binary_tensor_data", "classification", "model_repository", "statistics",
    "model_configuration", "schedule_policy", "ewcd_feedback", "ewcd_tasks"};

void json_server_write(struct buf *b, const char *name, const char *version)
{
        buf_puts(b, "{\"name\":");
        json_put_string(b, name);
        buf_puts(b, ",\"version\":");
        json_put_string(b, version);
        buf_puts(b, ",\"extensions\":[");
        for (size_t i = 0; i < ARRAY_LEN(extensions); i++) {
                buf_puts(b, i > 0 ? "," : "");
                json_put_string(b, extensions[i]);
        }
        buf_puts(b, "]}");
}

void json_live_write(struct buf *b)
{
        buf_puts(b, "{\"live\":true}");
}

void json_ready_write(struct buf *b, bool ready)
{
        buf_puts(b, ready ? "{\"live\":true,\"ready\":true}" : "{\"live\":true,\"ready\":false}");
}

void json_model_ready_write(struct buf *b, const char *name, bool ready)
{
        buf_puts(b, "{\"name\":");
        json_put_string(b, name);
        buf_puts(b, ready ? ",\"ready\":true}" : ",\"ready\":false}");
}

const char *oip_output_name(enum ewc_loss loss)
{
        return loss == EWC_LOSS_SQUARED ? "values" : "probabilities";
}

/* --- metadata and configuration --- */

/* Numbers with commas between; quoted: as strings. A head's size differs by task in scenario task: -1. */
static void put_input_shape(struct buf *b, const struct model_spec *s, const char *quote)
{
        for (size_t i = 0; i < s->rank; i++)
                buf_printf(b, "%s%s%" PRIu32 "%s", i > 0 ? "," : "", quote, s->shape[i], quote);
}

static void put_output_shape(struct buf *b, const struct model_spec *s, const char *quote)
{
        if (s->scenario == SCENARIO_TASK)
                buf_printf(b, "%s-1%s", quote, quote);
        else
                buf_printf(b, "%s%zu%s", quote, s->n_classes, quote);
}

void json_metadata_begin(struct buf *b, const struct model_spec *s, size_t n_versions, const uint64_t *versions)
{
        buf_puts(b, "{\"name\":");
        json_put_string(b, s->name);
        buf_puts(b, ",\"versions\":[");
        for (size_t i = 0; i < n_versions; i++) {
                buf_puts(b, i > 0 ? "," : "");
                json_put_version(b, versions[i]);
        }
        buf_puts(b, "],\"platform\":\"ewcd_v1\",\"inputs\":[{\"name\":");
        json_put_string(b, s->input_name);
        buf_puts(b, ",\"datatype\":\"FP32\",\"shape\":[-1,");
        put_input_shape(b, s, "");
        buf_printf(b, "]}],\"outputs\":[{\"name\":\"%s\",\"datatype\":\"FP32\",\"shape\":[-1,",
            oip_output_name(s->net.loss));
        put_output_shape(b, s, "");
        buf_puts(b, "]}]");
}

void json_config_write(struct buf *b, const struct model_spec *s, uint64_t version, uint64_t champion)
{
        buf_puts(b, "{\"name\":");
        json_put_string(b, s->name);
        buf_printf(b, ",\"platform\":\"ewcd_v1\",\"backend\":\"ewcd\",\"max_batch_size\":%d,\"input\":[{\"name\":",
            OIP_MAX_BATCH);
        json_put_string(b, s->input_name);
        buf_puts(b, ",\"data_type\":\"TYPE_FP32\",\"dims\":[");
        put_input_shape(b, s, "\"");
        buf_printf(b, "]}],\"output\":[{\"name\":\"%s\",\"data_type\":\"TYPE_FP32\",\"dims\":[",
            oip_output_name(s->net.loss));
        put_output_shape(b, s, "\"");
        buf_printf(b,
            "]}],\"parameters\":{\"ewcd_version\":{\"string_value\":\"%" PRIu64
            "\"},\"ewcd_champion\":{\"string_value\":"
            "\"%" PRIu64 "\"}}}",
            version, champion);
}

/* --- statistics --- */

static void put_sum(struct buf *b, const char *key, uint64_t count, uint64_t ns)
{
        buf_printf(b, "\"%s\":{\"count\":%" PRIu64 ",\"ns\":%" PRIu64 "}", key, count, ns);
}

static void put_batches(struct buf *b, const struct oip_stats *s)
{
        bool first = true;
        buf_puts(b, ",\"batch_stats\":[");
        for (size_t size = 1; size <= OIP_MAX_BATCH; size++) {
                const struct oip_batch *o = &s->batch[size];
                if (o->count == 0)
                        continue;
                buf_printf(b, "%s{\"batch_size\":%zu,", first ? "" : ",", size);
                put_sum(b, "compute_input", o->count, o->input_ns);
                buf_putc(b, ',');
                put_sum(b, "compute_infer", o->count, o->infer_ns);
                buf_putc(b, ',');
                put_sum(b, "compute_output", o->count, o->output_ns);
                buf_putc(b, '}');
                first = false;
        }
        buf_putc(b, ']');
}

static void put_stats(struct buf *b, const struct oip_stats *s)
{
        static const char *const names[OIP_STAGES] = {
            "success", "fail", "queue", "compute_input", "compute_infer", "compute_output"};
        buf_puts(b, "{\"name\":");
        json_put_string(b, s->model);
        buf_printf(b,
            ",\"version\":\"%" PRIu64 "\",\"last_inference\":%" PRId64 ",\"inference_count\":%" PRIu64
            ",\"execution_count\":%" PRIu64 ",\"inference_stats\":{",
            s->number, s->last_ms, s->rows, s->executions);
        for (size_t i = 0; i < OIP_STAGES; i++) {
                put_sum(b, names[i], s->stage[i].count, s->stage[i].ns);
                buf_putc(b, ',');
        }
        put_sum(b, "cache_hit", 0, 0);
        buf_putc(b, ',');
        put_sum(b, "cache_miss", 0, 0);
        buf_putc(b, '}');
        put_batches(b, s);
        buf_putc(b, '}');
}

void json_stats_write(struct buf *b, size_t n, const struct oip_stats *const *s)
{
        buf_puts(b, "{\"model_stats\":[");
        for (size_t i = 0; i < n; i++) {
                buf_puts(b, i > 0 ? "," : "");
                put_stats(b, s[i]);
        }
        buf_puts(b, "]}");
}

/* --- repository --- */

void json_index_row(struct buf *b, const char *name, uint64_t version, bool ready, const char *reason, bool first)
{
        buf_puts(b, first ? "{\"name\":" : ",{\"name\":");
        json_put_string(b, name);
        json_put_key(b, "version");
        json_put_version(b, version);
        buf_printf(b, ",\"state\":\"%s\",\"reason\":", ready ? "READY" : "UNAVAILABLE");
        json_put_string(b, reason);
        buf_putc(b, '}');
}

/* An object, or nothing at all: *ret is then NULL. */
static int read_object(struct slice body, json_t **ret, struct err *e)
{
        size_t n = body.n;
        while (n > 0 && memchr(" \t\r\n", body.p[n - 1], 4))
                n--;
        *ret = NULL;
        if (n == 0)
                return 0;
        int r = json_body(body, ret, e);
        return r == 0 && !json_is_object(*ret) ? json_wrong_type(*ret, "", "an object", e) : r;
}

int json_index_request_read(struct slice body, bool *ret_ready_only, struct err *e)
{
        _json_ json_t *v = NULL;
        int r = read_object(body, &v, e);
        if (r != 0)
                return r;
        const json_t *ready = v ? json_object_get(v, "ready") : NULL;
        if (ready && !json_is_boolean(ready))
                return json_wrong_type(ready, "/ready", "true or false", e);
        *ret_ready_only = json_is_true(ready);
        return 0;
}

int json_load_request_read(struct slice body, struct err *e)
{
        _json_ json_t *v = NULL;
        int r = read_object(body, &v, e);
        if (r != 0)
                return r;
        const json_t *parameters = v ? json_object_get(v, "parameters") : NULL;
        if (parameters && !json_is_object(parameters))
                return json_wrong_type(parameters, "/parameters", "an object", e);
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)parameters, key, value)
        {
                if (strcmp(key, "config") == 0 || strncmp(key, "file:", 5) == 0)
                        return err_field(e, PROBLEM_BAD_VALUE, "/parameters",
                            "a model is loaded as it is stored: parameter '%.64s' cannot replace it", key);
        }
        return 0;
}

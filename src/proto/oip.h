/* oip.h: Open Inference Protocol v2, JSON form (serving reference 2.2), and the short JSON of predict (3.1).
 *
 * Tensor data is scanned straight from the body into float rows; the JSON library is not involved. Numbers are flat
 * or nested, nesting <= 8. Unknown top-level keys are ignored as the protocol wants, in predict refused by name. */
#pragma once
#include "base/str.h"
#include "domain/problem.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct err;

enum { OIP_MAX_TENSORS = 16, OIP_MAX_RANK = 8, OIP_MAX_NESTING = 8 };

struct oip_tensor {
        const char *name;
        const char *datatype;
        size_t rank;
        uint64_t shape[OIP_MAX_RANK];
        size_t n;          /* product of shape = elements */
        const float *data; /* (n) converted to float32 */
};

struct oip_request {
        const char *id;        /* NULL if absent */
        const char *ewcd_task; /* parameter "ewcd_task", NULL if absent */
        size_t n_inputs;
        struct oip_tensor inputs[OIP_MAX_TENSORS];
        size_t n_outputs; /* 0: all */
        const char *outputs[OIP_MAX_TENSORS];
};

/* PROBLEM_MALFORMED, _BAD_SHAPE, _NON_FINITE, _BAD_VALUE with field (JSON pointer) and place; -ENOMEM. */
int oip_request_read(struct slice body, struct arena *a, struct oip_request *ret, struct err *e);

struct oip_output {
        const char *name, *datatype; /* FP32 */
        size_t rank;
        uint64_t shape[OIP_MAX_RANK];
        const float *data;
};
struct oip_response {
        const char *model_name, *model_version, *id;
        const char *model_digest, *task; /* parameters ewcd_model_digest, ewcd_task; NULL: left out */
        size_t n_outputs;
        const struct oip_output *outputs;
};
void oip_response_write(struct buf *b, const struct oip_response *r);

struct predict_request {
        size_t rows, cols;   /* inputs as rows of equal length */
        const float *inputs; /* (rows, cols) */
        const char *task;    /* NULL if absent */
        uint32_t top_k;      /* 0: all */
};
/* {"inputs":[[…],…] | one plain row [..], "task":…, "top_k":…}; unknown keys are PROBLEM_UNKNOWN_KEY. */
int predict_request_read(struct slice body, struct arena *a, struct predict_request *ret, struct err *e);

struct predict_row {
        const char *id;    /* prediction id, NULL: left out */
        const char *label; /* most probable class; NULL for squared loss: "values" instead of "probabilities" */
        float probability;
        size_t n; /* classes shown, most probable first when top_k, else class order */
        const char *const *classes;
        const float *probs;
};
void predict_response_begin(struct buf *b, const char *model_name, const char *model_version, const char *task);
void predict_response_row(struct buf *b, const struct predict_row *r, bool first);
void predict_response_end(struct buf *b);

/* oip.h: Open Inference Protocol v2 (serving reference 2.2, 2.3), and the short JSON of predict (3.1).
 *
 * Tensor data is scanned straight from the body into float rows; the JSON library is not involved. Numbers are
 * flat or nested, nesting <= 8, or binary behind the JSON. Unknown top-level keys are ignored as the protocol
 * wants, in predict refused by name. Pure; memory is the caller's arena and buffer, so that nothing is allocated
 * once those have grown to their size. */
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

struct oip_asked { /* an output the client wants */
        const char *name;
        uint32_t classification; /* k: the k highest as text; 0: the tensor itself */
        bool binary;
};

struct oip_request {
        const char *id;        /* NULL if absent */
        const char *ewcd_task; /* parameter "ewcd_task", NULL if absent */
        uint64_t priority;     /* 0: the default level; 1 is the highest, 2 the next */
        uint64_t timeout_us;   /* past it the client does not want the answer; 0: none */
        size_t n_inputs;
        struct oip_tensor inputs[OIP_MAX_TENSORS];
        size_t n_outputs; /* 0: all */
        struct oip_asked outputs[OIP_MAX_TENSORS];
        bool binary_output; /* for all outputs, if none is listed */
        bool prediction_id; /* parameter "ewcd_prediction_id": the rows' ids are wanted */
};

/* PROBLEM_MALFORMED, _BAD_SHAPE, _NON_FINITE, _BAD_VALUE with field (JSON pointer) and place; -ENOMEM. */
int oip_request_read(struct slice body, struct arena *a, struct oip_request *ret, struct err *e);
/* The first json bytes are the JSON, the others the tensors it says are binary. */
int oip_request_read_binary(
    struct slice body, uint64_t json, struct arena *a, struct oip_request *ret, struct err *e);
/* The body is one row of FP32 of the model's only input. name is borrowed. */
int oip_request_read_raw(struct slice body, const char *name, size_t rank, const uint32_t *shape, struct arena *a,
    struct oip_request *ret, struct err *e);

struct oip_output {
        const char *name;
        bool binary;
        size_t rank;
        uint64_t shape[OIP_MAX_RANK];
        const float *data;  /* FP32, product of shape; or */
        struct slice bytes; /* BYTES, if p is set: each element with its length, 4 bytes, in front */
};
struct oip_response {
        const char *model_name, *model_version, *id;
        const char *model_digest, *task; /* parameters ewcd_model_digest, ewcd_task; NULL: left out */
        const char *prediction_id;       /* ewcd_prediction_id: of every row, commas between; NULL: left out */
        size_t n_outputs;
        const struct oip_output *outputs;
};
/* The answer's body; *ret_json is the length of its JSON if something binary follows, else 0. */
void oip_response_write(struct buf *b, const struct oip_response *r, size_t *ret_json);

/* The k highest of each row's cols values as BYTES "score:index" or, with labels (cols), "score:index:label", highest
 * first, equal ones in order of index; k is cut to cols. shape (rows, k). 0 or -ENOMEM. */
int oip_classify(struct arena *a, size_t rows, size_t cols, const float *values, const char *const *labels,
    uint32_t k, struct oip_output *ret);

struct predict_request {
        size_t rows, cols;   /* inputs as rows of equal length */
        const float *inputs; /* (rows, cols) */
        const char *task;    /* NULL if absent */
        uint32_t top_k;      /* 0: all */
        bool uncertainty;    /* wanted */
};
/* {"inputs":[[…],…] | one plain row [..], "task":…, "top_k":…, "uncertainty":true}; unknown keys are
 * PROBLEM_UNKNOWN_KEY. */
int predict_request_read(struct slice body, struct arena *a, struct predict_request *ret, struct err *e);

struct predict_row {
        const char *id;    /* prediction id, NULL: left out */
        const char *label; /* most probable class; NULL for squared loss: "values" instead of "probabilities" */
        float probability;
        size_t n; /* classes shown, most probable first when top_k, else class order */
        const char *const *classes;
        const float *probs;
        const float *uncertainty; /* one number, NaN is written as null; NULL: left out */
        const char *task;         /* inferred for this row; NULL: left out */
};
void predict_response_begin(struct buf *b, const char *model_name, const char *model_version, const char *task);
void predict_response_row(struct buf *b, const struct predict_row *r, bool first);
void predict_response_end(struct buf *b, const char *why); /* why an uncertainty is null; NULL: none is */

/* json_oip.h: the small answers of the Open Inference Protocol around inference (serving reference 2.1, 2.6). */
#pragma once
#include "base/str.h"
#include "domain/model.h"
#include "domain/problem.h"
#include <ewc/net.h>
#include <stdbool.h>

struct arena;
struct buf;
struct err;

void json_server_write(
    struct buf *b, const char *name, const char *version); /* {"name","version","extensions":[…]} */
void json_live_write(struct buf *b);                       /* {"live":true} */
void json_ready_write(struct buf *b, bool ready);          /* {"live":true,"ready":…} */
void json_model_ready_write(struct buf *b, const char *name, bool ready);

/* What the one output tensor is called: "probabilities", or "values" for squared loss. */
const char *oip_output_name(enum ewc_loss loss);

/* {"name","versions","platform","inputs","outputs"; the object is left open for more members. */
void json_metadata_begin(struct buf *b, const struct model_spec *s, size_t n_versions, const uint64_t *versions);
/* Triton's model configuration in its protobuf JSON: integers of 64 bits are strings, enums their names. */
void json_config_write(struct buf *b, const struct model_spec *s, uint64_t version, uint64_t champion);
enum { OIP_MAX_BATCH = 128 }; /* what the configuration and the statistics say; larger requests are taken too */

/* --- statistics --- */

struct oip_sum {
        uint64_t count, ns;
};

enum oip_stage { OIP_SUCCESS, OIP_FAIL, OIP_QUEUE, OIP_INPUT, OIP_INFER, OIP_OUTPUT, OIP_STAGES };

struct oip_batch { /* of one size */
        uint64_t count, input_ns, infer_ns, output_ns;
};

struct oip_stats { /* of one version */
        char model[NAME_SIZE];
        uint64_t number;
        int64_t last_ms; /* of its last inference; 0: none */
        uint64_t rows, executions;
        struct oip_sum stage[OIP_STAGES];
        struct oip_batch batch[OIP_MAX_BATCH + 1]; /* by size; [0] stays empty */
};
void json_stats_write(struct buf *b, size_t n, const struct oip_stats *const *s); /* {"model_stats":[…]} */

/* --- repository --- */

void json_index_row(struct buf *b, const char *name, uint64_t version, bool ready, const char *reason, bool first);
/* Body of POST /v2/repository/index, may be empty: {"ready":bool}. PROBLEM_* with field, or -ENOMEM. */
int json_index_request_read(struct slice body, bool *ret_ready_only, struct err *e);
/* Body of a load or an unload, may be empty: {"parameters":{…}}; none that would change the model is accepted. */
int json_load_request_read(struct slice body, struct err *e);

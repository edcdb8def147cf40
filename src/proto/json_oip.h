/* json_oip.h: the small answers of the Open Inference Protocol around inference (serving reference 2.1). */
#pragma once
#include <ewc/net.h>
#include <stdbool.h>

struct buf;

void json_server_write(struct buf *b, const char *version); /* {"name":"ewcd","version":…,"extensions":[…]} */
void json_live_write(struct buf *b);                        /* {"live":true} */
void json_ready_write(struct buf *b, bool ready);           /* {"live":true,"ready":…} */
void json_model_ready_write(struct buf *b, const char *name, bool ready);

/* What the one output tensor is called: "probabilities", or "values" for squared loss. */
const char *oip_output_name(enum ewc_loss loss);

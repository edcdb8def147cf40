/* json_oip.c: server metadata and health. Extensions are announced only when they pass their tests. */
#include "proto/json_oip.h"
#include "base/buf.h"
#include "proto/json.h"

void json_server_write(struct buf *b, const char *version)
{
        buf_puts(b, "{\"name\":\"ewcd\",\"version\":");
        json_put_string(b, version);
        buf_puts(b, ",\"extensions\":[\"ewcd_feedback\",\"ewcd_tasks\"]}");
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

/* h_health.c: is the process alive, can it answer, what is it. */
#include "proto/json.h"
#include "server/h.h"
#include "server/handlers.h"
#include <string.h>

/* Extensions of the protocol that work here; announced only because a test shows it. */
static const char *const extensions[] = {"ewcd_feedback", "ewcd_tasks"};

void h_server_metadata(struct request *r)
{
        struct buf *b = server_body(r->server);
        const char *program = r->server->conf->program, *space = strchr(program, ' ');
        buf_puts(b, "{\"name\":");
        json_put_string_n(b, program, space ? (size_t)(space - program) : strlen(program));
        buf_puts(b, ",\"version\":");
        json_put_string(b, space ? space + 1 : "");
        buf_puts(b, ",\"extensions\":[");
        for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
                buf_puts(b, i > 0 ? "," : "");
                json_put_string(b, extensions[i]);
        }
        buf_puts(b, "]}");
        reply_json(r, 200, b);
}

void h_health_live(struct request *r)
{
        struct buf *b = server_body(r->server);
        buf_puts(b, "{\"live\":true}");
        reply_json(r, 200, b);
}

void h_health_ready(struct request *r)
{
        if (!atomic_load(r->server->ready)) {
                reply_problem(r, PROBLEM_NOT_READY, "", "the server is starting or stopping");
                return;
        }
        struct buf *b = server_body(r->server);
        buf_puts(b, "{\"live\":true,\"ready\":true}");
        reply_json(r, 200, b);
}

/* h_health.c: is the process alive, can it answer, what is it. */
#include "proto/json_oip.h"
#include "server/h.h"
#include "server/handlers.h"
#include <string.h>

void h_server_metadata(struct request *r)
{
        struct buf *b = server_body(r->server);
        const char *program = r->server->conf->program, *space = strchr(program, ' ');
        char name[32];
        str_copy_n(name, sizeof(name), program, space ? (size_t)(space - program) : strlen(program));
        json_server_write(b, name, space ? space + 1 : "");
        reply_json(r, 200, b);
}

void h_health_live(struct request *r)
{
        struct buf *b = server_body(r->server);
        json_live_write(b);
        reply_json(r, 200, b);
}

void h_health_ready(struct request *r)
{
        if (!atomic_load(r->server->ready)) {
                reply_problem(r, PROBLEM_NOT_READY, "", "the server is starting or stopping");
                return;
        }
        struct buf *b = server_body(r->server);
        json_ready_write(b, true);
        reply_json(r, 200, b);
}

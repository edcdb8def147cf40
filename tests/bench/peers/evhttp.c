/* evhttp.c: libevent's own HTTP server without anything behind it: takes the body in, answers with the same bytes.
 *   evhttp PORT ANSWER_FILE                    the file is the body of an answer */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static char answer[65536];
static size_t answer_bytes;

static void on_request(struct evhttp_request *r, void *arg)
{
        (void)arg;
        struct evbuffer *in = evhttp_request_get_input_buffer(r), *out = evhttp_request_get_output_buffer(r);
        evbuffer_pullup(in, -1); /* as a handler needs it */
        evbuffer_add(out, answer, answer_bytes);
        evhttp_add_header(evhttp_request_get_output_headers(r), "Content-Type", "application/json");
        evhttp_send_reply(r, 200, "OK", NULL);
}

int main(int argc, char **argv)
{
        FILE *f = argc == 3 ? fopen(argv[2], "rb") : NULL;
        if (!f)
                return 2;
        answer_bytes = fread(answer, 1, sizeof(answer), f);
        fclose(f);
        signal(SIGPIPE, SIG_IGN);
        struct event_base *base = event_base_new();
        struct evhttp *http = evhttp_new(base);
        evhttp_set_gencb(http, on_request, NULL);
        if (evhttp_bind_socket(http, "127.0.0.1", (ev_uint16_t)atoi(argv[1])) < 0)
                return 1;
        return event_base_dispatch(base);
}

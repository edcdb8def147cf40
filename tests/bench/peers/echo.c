/* echo.c: the floor under every server of serve.sh: a bufferevent that waits for as many bytes as a request has and
 * sends the same answer each time. It understands nothing.
 *   echo PORT REQUEST_BYTES ANSWER_FILE        the file is a whole HTTP answer */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t request_bytes, answer_bytes;
static char answer[65536];

static void on_read(struct bufferevent *bev, void *arg)
{
        (void)arg;
        struct evbuffer *in = bufferevent_get_input(bev);
        while (evbuffer_get_length(in) >= request_bytes) {
                evbuffer_drain(in, request_bytes);
                bufferevent_write(bev, answer, answer_bytes);
        }
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
        (void)arg;
        if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
                bufferevent_free(bev);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int n, void *arg)
{
        (void)l, (void)a, (void)n;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct bufferevent *bev = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
        bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
        bufferevent_enable(bev, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
        FILE *f = argc == 4 ? fopen(argv[3], "rb") : NULL;
        if (!f)
                return 2;
        struct sockaddr_in a = {.sin_family = AF_INET,
            .sin_port = htons((uint16_t)atoi(argv[1])),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        request_bytes = (size_t)atol(argv[2]);
        answer_bytes = fread(answer, 1, sizeof(answer), f);
        fclose(f);
        signal(SIGPIPE, SIG_IGN);
        struct event_base *base = event_base_new();
        if (request_bytes == 0 || !evconnlistener_new_bind(base, on_accept, base, LEV_OPT_REUSEABLE, 1024,
                                      (struct sockaddr *)&a, sizeof(a)))
                return 1;
        return event_base_dispatch(base);
}

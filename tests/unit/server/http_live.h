/* http_live.h: a live front end and its clients in one thread: a fake clock, a listener in a temporary directory,
 * a table of test routes. Nothing happens unless a test turns the loop. */
#pragma once
#include "server/request.h"
#include <stddef.h>
#include <stdint.h>

struct live {
        char dir[64], path[96];
        struct server *server;
        struct server_conf *conf;
        struct http *http;
        struct metrics *metrics;
        uint64_t now_ns;
        int64_t wall_ms;
        uint64_t step_ns; /* that /ok takes; 0 at first */
};

extern struct live live;
extern struct req_ref live_last; /* of the last request to /later */
extern unsigned live_calls;      /* of any handler */
extern size_t live_last_body;    /* bytes of the last body to /echo */
enum { LIVE_BIG = 8 << 20 };     /* bytes that /big answers */

int live_setup(void **state);       /* for each test */
int live_setup_small(void **state); /* two connections */
int live_teardown(void **state);
void live_turn(void);        /* the loop, until nothing is left to do */
void live_pass(uint64_t ms); /* time, then a sweep, then the loop */

int live_socket(void);
void live_connect_with(int fd);                  /* and turn */
int live_connect(void);                          /* both */
void live_send(int fd, const char *p, size_t n); /* and turn */
void live_say(int fd, const char *text);
size_t live_read(int fd, char *p, size_t size, int *ret_closed); /* what is there; NUL-terminated */
void live_expect(int fd, const char *begin);                     /* the next bytes start so; throws them all away */
void live_expect_closed(int fd);
void live_expect_silence(int fd);
void live_later(int status); /* answers live_last, if its client is still there */

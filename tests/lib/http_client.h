/* http_client.h: a small blocking HTTP/1.1 client for tests, one connection, written apart from ewcctl's.
 *
 * Functions return 0 or a negative errno and never end the test, so that threads may use them. A connection that the
 * server has closed is opened again by the next call. */
#pragma once
#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

struct json_doc;

struct http_client {
        char path[108]; /* UNIX socket; "" for TCP on 127.0.0.1 */
        unsigned port;
        int timeout_ms; /* of one silence of the server */
        int fd;
        struct buf in;
};

struct http_answer {
        int status;
        struct buf body;
        struct json_doc *doc; /* body as JSON, NULL if it is none */
        char etag[64], location[256], allow[64], content_type[96];
        bool closes;
};

void http_client_unix(struct http_client *c, const char *path);
void http_client_tcp(struct http_client *c, unsigned port);
void http_client_close(struct http_client *c); /* the connection and memory; usable again */

/* headers: "Name: value\r\n…" or "". A Content-Length is sent when body is not NULL. *ret is filled on 0 only; the
 * caller passes it to http_answer_deinit. -EPIPE: closed without an answer; -ETIMEDOUT. */
int http_client_call(struct http_client *c, const char *method, const char *path, const char *headers,
    const void *body, size_t n, struct http_answer *ret);

/* The two halves, for requests no client would send. Sending stops without an error when the server has closed its
 * end: what it said before that is still to be read. */
int http_client_send(struct http_client *c, const void *p, size_t n);
int http_client_receive(struct http_client *c, bool head_request, struct http_answer *ret);

void http_answer_deinit(struct http_answer *a); /* accepts an all-zero answer */

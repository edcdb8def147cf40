/* http_parse.h: HTTP/1.1 requests from bytes to slices, strictly by RFC 9112. Pure: no sockets, no memory, no
 * clock.
 *
 * A head is first found (http_scan, resumable, bounds what a client can make us hold), then parsed in one pass.
 * A chunked body is decoded by a state machine that can stop and go on at any byte. What a sequence of bytes leads
 * to does not depend on how it was cut into pieces. After an error the framing is unknown: answer and close. */
#pragma once
#include "server/request.h"

enum { HTTP_MAX_LINE = 8192, HTTP_MAX_FIELDS = 16384, HTTP_MAX_CHUNKS = 4096 };
enum { HTTP_MAX_HEAD = HTTP_MAX_LINE + HTTP_MAX_FIELDS + 8 }; /* with line ends and one empty line before it */

enum http_step { HTTP_MORE, HTTP_DONE, HTTP_BAD };

struct http_scan {       /* all-zero at the start of each request */
        size_t at, line; /* looked at so far; start of the current line */
        size_t start;    /* of the request line: behind one empty line, which RFC 9112 2.2 asks to ignore */
        size_t n_lines;
        size_t size;          /* DONE: bytes of the head with its empty line */
        enum problem problem; /* BAD */
        const char *why;
};

/* p[0, n): everything received of this request so far, from its first byte. */
enum http_step http_scan(struct http_scan *s, const char *p, size_t n);

struct http_head {
        enum method method; /* METHOD_OTHER never comes out of a good head */
        unsigned minor;     /* HTTP/1.minor */
        struct slice path;  /* as sent; its escapes are known to be valid and to hide no control byte */
        struct slice query; /* as sent, without the '?' */
        bool escaped;       /* the path has a '%' */
        size_t n_headers;
        bool chunked;
        uint64_t length; /* of a body that is not chunked; 0 if none was announced */
        bool keep_alive, expect_continue;
        const char *why; /* with a problem: what is wrong, one phrase */
};

/* p[0, n): exactly the head http_scan found, without the empty line before it. headers has REQUEST_MAX_HEADERS rows.
 * PROBLEM_NONE, or the problem with ret->why; slices point into p. */
enum problem http_parse_head(const char *p, size_t n, struct http_header *headers, struct http_head *ret);

/* Undoes %XX from s to dst (s.n bytes of room; dst may be s.p itself) and returns the new length. s is known to be
 * good. */
size_t http_unescape(struct slice s, char *dst);

struct http_chunked {                      /* all-zero but for limit */
        uint64_t limit;                    /* bytes of the decoded body */
        uint64_t total;                    /* sum of the chunk sizes announced so far */
        uint64_t left;                     /* of the current chunk */
        size_t n_chunks, digits, overhead; /* overhead: bytes of extensions, then of trailers */
        int state;
        enum problem problem; /* BAD */
        const char *why;
};

/* Consumes from *p up to the end, the next run of data, or an error; moves *p, *n; ret_data (n may be 0) points
 * into the input. MORE: call again, with new bytes if *n is 0. DONE: the body ended at *p. */
enum http_step http_chunked(struct http_chunked *c, const char **p, size_t *n, struct slice *ret_data);

/* http_cases.h: requests, most of them malformed or meant to be read in two ways, each with its one right outcome.
 *
 * test_http_parse feeds them to the parser in every cut; test_http_conn sends them to a live server. Routes: GET and
 * POST /ok takes no body; POST /echo takes up to CASE_LIMIT bytes. */
#pragma once
#include "domain/problem.h"
#include <stddef.h>

enum { CASE_LIMIT = 64 };

enum case_then {
        KEEP,  /* another request may follow on this connection */
        CLOSE, /* answered once, whatever follows */
        WAIT,  /* not complete: no answer yet */
};

struct http_case {
        const char *name, *bytes;
        size_t n;
        enum problem problem; /* PROBLEM_NONE: 200 */
        enum case_then then;
};

#define B(text) text, sizeof(text) - 1
#define GET "GET /ok HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define POST "POST /echo HTTP/1.1\r\n" HOST
#define TE "Transfer-Encoding: chunked\r\n"
#define NEXT "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"
#define BAD PROBLEM_MALFORMED, CLOSE
#define GOOD PROBLEM_NONE, KEEP

static const struct http_case http_cases[] = {
#include "http_cases.def"
};

enum { N_HTTP_CASES = sizeof(http_cases) / sizeof(http_cases[0]) };

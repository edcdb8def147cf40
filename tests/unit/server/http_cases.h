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
    /* good ones, so that the rest is not refused for another reason */
    {"plain", B(GET HOST "\r\n"), GOOD},
    {"one empty line before", B("\r\n" GET HOST "\r\n"), GOOD},
    {"no space after colon", B(GET "Host:a\r\n\r\n"), GOOD},
    {"much space around the value", B(GET "Host: \t a \t \r\n\r\n"), GOOD},
    {"empty Host", B(GET "Host:\r\n\r\n"), GOOD},
    {"Host with port", B(GET "Host: [::1]:80\r\n\r\n"), GOOD},
    {"absolute form", B("GET http://a:1/ok HTTP/1.1\r\n" HOST "\r\n"), GOOD},
    {"query", B("GET /ok?a=1&b=%20 HTTP/1.1\r\n" HOST "\r\n"), GOOD},
    {"escaped letter", B("GET /%6fk HTTP/1.1\r\n" HOST "\r\n"), GOOD},
    {"close asked", B(GET HOST "Connection: close\r\n\r\n"), PROBLEM_NONE, CLOSE},
    {"close in a list", B(GET HOST "Connection: x , Close\r\n\r\n"), PROBLEM_NONE, CLOSE},
    {"HTTP/1.0", B("GET /ok HTTP/1.0\r\n\r\n"), PROBLEM_NONE, CLOSE},
    {"HTTP/1.0 keep-alive", B("GET /ok HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), GOOD},
    {"length", B(POST "Content-Length: 3\r\n\r\nabc"), GOOD},
    {"length zero", B(GET HOST "Content-Length: 0\r\n\r\n"), GOOD},
    {"length with zeros in front", B(POST "Content-Length: 003\r\n\r\nabc"), GOOD},
    {"length at the limit", B(POST "Content-Length: 64\r\n\r\n"
                                   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"), GOOD},
    {"chunked", B(POST TE "\r\n3\r\nabc\r\n0\r\n\r\n"), GOOD},
    {"chunked, any case", B(POST "transfer-ENCODING: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), GOOD},
    {"chunked, two", B(POST TE "\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), GOOD},
    {"chunk of LF", B(POST TE "\r\n2\r\n\n\n\r\n0\r\n\r\n"), GOOD},
    {"chunk size with zeros in front", B(POST TE "\r\n0003\r\nabc\r\n000\r\n\r\n"), GOOD},
    {"chunk extension", B(POST TE "\r\n3;a=b;c=\"d\"\r\nabc\r\n0;x\r\n\r\n"), GOOD},
    {"trailers", B(POST TE "\r\n3\r\nabc\r\n0\r\nA: b\r\nC:\r\n\r\n"), GOOD},
    {"chunked, empty", B(POST TE "\r\n0\r\n\r\n"), GOOD},
    {"empty value", B(GET HOST "X:\r\n\r\n"), GOOD},
    {"bytes over 127 in a value", B(GET HOST "X: \xc3\xa4\r\n\r\n"), GOOD},
    {"expect", B(POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"), GOOD},
    {"two dots inside a segment", B("GET /ok?p=.. HTTP/1.1\r\n" HOST "\r\n"), GOOD},

    /* not complete */
    {"no empty line", B(GET HOST), PROBLEM_NONE, WAIT},
    {"half an end", B(GET HOST "\r"), PROBLEM_NONE, WAIT},
    {"body short by one", B(POST "Content-Length: 4\r\n\r\nabc"), PROBLEM_NONE, WAIT},
    {"chunk without its end", B(POST TE "\r\n3\r\nabc"), PROBLEM_NONE, WAIT},
    {"chunked without the last line", B(POST TE "\r\n3\r\nabc\r\n0\r\n"), PROBLEM_NONE, WAIT},

    /* two lengths: who believes which? */
    {"length twice, different", B(POST "Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc" NEXT), BAD},
    {"length twice, the same", B(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" NEXT), BAD},
    {"length list", B(POST "Content-Length: 3, 3\r\n\r\nabc" NEXT), BAD},
    {"length and chunked", B(POST "Content-Length: 3\r\n" TE "\r\n0\r\n\r\n" NEXT), BAD},
    {"chunked and length", B(POST TE "Content-Length: 3\r\n\r\n0\r\n\r\n" NEXT), BAD},
    {"chunked and length zero", B(POST TE "Content-Length: 0\r\n\r\n0\r\n\r\n" NEXT), BAD},
    {"length with plus", B(POST "Content-Length: +3\r\n\r\nabc"), BAD},
    {"length with minus", B(POST "Content-Length: -1\r\n\r\nabc"), BAD},
    {"length in hex", B(POST "Content-Length: 0x3\r\n\r\nabc"), BAD},
    {"length with a letter", B(POST "Content-Length: 3a\r\n\r\nabc"), BAD},
    {"length with a point", B(POST "Content-Length: 3.0\r\n\r\nabc"), BAD},
    {"length with space inside", B(POST "Content-Length: 1 3\r\n\r\nabc"), BAD},
    {"length with vertical tab", B(POST "Content-Length: \v3\r\n\r\nabc"), BAD},
    {"length with form feed", B(POST "Content-Length: 3\f\r\n\r\nabc"), BAD},
    {"length empty", B(POST "Content-Length:\r\n\r\nabc"), BAD},
    {"length overflows", B(POST "Content-Length: 18446744073709551616\r\n\r\nabc"), BAD},
    {"length overflows far", B(POST "Content-Length: 99999999999999999999999999\r\n\r\nabc"), BAD},
    {"length huge", B(POST "Content-Length: 18446744073709551615\r\n\r\nabc"), PROBLEM_TOO_LARGE, CLOSE},
    {"length over the limit", B(POST "Content-Length: 65\r\n\r\n"), PROBLEM_TOO_LARGE, CLOSE},
    {"length where no body goes", B(GET HOST "Content-Length: 1\r\n\r\nx" NEXT), PROBLEM_TOO_LARGE, CLOSE},
    {"length with a space before the colon", B(POST "Content-Length : 3\r\n\r\nabc" NEXT), BAD},

    /* transfer codings */
    {"coding with a space before the colon", B(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" NEXT), BAD},
    {"coding with a tab before the colon", B(POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"), BAD},
    {"coding twice", B(POST TE TE "\r\n0\r\n\r\n"), BAD},
    {"chunked, chunked", B(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), BAD},
    {"chunked not last", B(POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), BAD},
    {"chunked, identity", B(POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"), BAD},
    {"chunked with a comma behind", B(POST "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"), BAD},
    {"chunked with a comma before", B(POST "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"), BAD},
    {"chunked with a parameter", B(POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"), BAD},
    {"chunked in quotes", B(POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"), BAD},
    {"chunked behind a vertical tab", B(POST "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n"), BAD},
    {"coding empty", B(POST "Transfer-Encoding:\r\n\r\n"), BAD},
    {"gzip, chunked", B(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), PROBLEM_UNSUPPORTED, CLOSE},
    {"gzip", B(POST "Transfer-Encoding: gzip\r\n\r\n"), PROBLEM_UNSUPPORTED, CLOSE},
    {"identity", B(POST "Transfer-Encoding: identity\r\n\r\n"), PROBLEM_UNSUPPORTED, CLOSE},
    {"xchunked", B(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), PROBLEM_UNSUPPORTED, CLOSE},
    {"gzip and length", B(POST "Content-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\na"), PROBLEM_UNSUPPORTED, CLOSE},
    {"chunked in HTTP/1.0", B("POST /echo HTTP/1.0\r\n" TE "\r\n0\r\n\r\n"), BAD},
    {"folded coding", B(POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"), BAD},

    /* chunks */
    {"chunk size with plus", B(POST TE "\r\n+3\r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk size with minus", B(POST TE "\r\n-1\r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk size 0x3", B(POST TE "\r\n0x3\r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk size empty", B(POST TE "\r\n\r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk size empty at the end", B(POST TE "\r\n\r\n\r\n"), BAD},
    {"last chunk of an extension only", B(POST TE "\r\n;a\r\n\r\n"), BAD},
    {"chunk size of an extension only", B(POST TE "\r\n;a\r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk size with space before", B(POST TE "\r\n 3\r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk size with space behind", B(POST TE "\r\n3 \r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk size with an underscore", B(POST TE "\r\n1_0\r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk size of 17 digits", B(POST TE "\r\n00000000000000003\r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk size that overflows", B(POST TE "\r\n10000000000000003\r\nabc\r\n0\r\n\r\n"), PROBLEM_MALFORMED, CLOSE},
    {"chunk size of 2^64 - 1", B(POST TE "\r\nffffffffffffffff\r\nabc\r\n0\r\n\r\n"), PROBLEM_TOO_LARGE, CLOSE},
    {"chunk over the limit", B(POST TE "\r\n41\r\n"), PROBLEM_TOO_LARGE, CLOSE},
    {"chunks over the limit together", B(POST TE "\r\n1\r\na\r\n40\r\n"), PROBLEM_TOO_LARGE, CLOSE},
    {"chunk size ended by LF", B(POST TE "\r\n3\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk size ended by CR CR LF", B(POST TE "\r\n3\r\r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk data ended by LF", B(POST TE "\r\n3\r\nabc\n0\r\n\r\n"), BAD},
    {"chunk longer than its size", B(POST TE "\r\n3\r\nabcd\r\n0\r\n\r\n"), BAD},
    {"chunk shorter than its size", B(POST TE "\r\n4\r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk extension with NUL", B(POST TE "\r\n3;a\0b\r\nabc\r\n0\r\n\r\n"), BAD},
    {"chunk extension with LF", B(POST TE "\r\n3;a\nabc\r\n0\r\n\r\n"), BAD},
    {"last chunk ended by LF", B(POST TE "\r\n0\n\r\n"), BAD},
    {"end of the body by LF", B(POST TE "\r\n0\r\n\n"), BAD},
    {"trailer without a colon", B(POST TE "\r\n0\r\nabc\r\n\r\n"), BAD},
    {"trailer with a space before the colon", B(POST TE "\r\n0\r\na : b\r\n\r\n"), BAD},
    {"trailer without a name", B(POST TE "\r\n0\r\n: b\r\n\r\n"), BAD},
    {"trailer folded", B(POST TE "\r\n0\r\nA: b\r\n c\r\n\r\n"), BAD},
    {"trailer ended by LF", B(POST TE "\r\n0\r\nA: b\n\r\n"), BAD},

    /* lines and fields */
    {"LF only", B("GET /ok HTTP/1.1\nHost: a\n\n"), BAD},
    {"LF after the request line", B("GET /ok HTTP/1.1\nHost: a\r\n\r\n"), BAD},
    {"LF after a field", B(GET "Host: a\n\r\n"), BAD},
    {"LF as the empty line", B(GET HOST "\n"), BAD},
    {"CR in a value", B(GET HOST "X: a\rb\r\n\r\n"), BAD},
    {"CR before the end of a value", B(GET HOST "X: a\r\r\n\r\n"), BAD},
    {"CR in a name", B(GET HOST "X\rY: a\r\n\r\n"), BAD},
    {"CR in the request line", B("GET /ok\r HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"LF before the request", B("\n" GET HOST "\r\n"), BAD},
    {"two empty lines before", B("\r\n\r\n" GET HOST "\r\n"), BAD},
    {"folded value", B(GET HOST "X: a\r\n b\r\n\r\n"), BAD},
    {"folded by a tab", B(GET HOST "X: a\r\n\tb\r\n\r\n"), BAD},
    {"space before the first field", B(GET " " HOST "\r\n"), BAD},
    {"NUL in a value", B(GET HOST "X: a\0b\r\n\r\n"), BAD},
    {"NUL in a name", B(GET HOST "X\0: a\r\n\r\n"), BAD},
    {"NUL in the target", B("GET /ok\0 HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"control byte in a value", B(GET HOST "X: a\001b\r\n\r\n"), BAD},
    {"DEL in a value", B(GET HOST "X: a\177\r\n\r\n"), BAD},
    {"name empty", B(GET HOST ": a\r\n\r\n"), BAD},
    {"name with a space", B(GET HOST "X Y: a\r\n\r\n"), BAD},
    {"name with a bracket", B(GET HOST "X(: a\r\n\r\n"), BAD},
    {"name with a byte over 127", B(GET HOST "X\xc3\xa4: a\r\n\r\n"), BAD},
    {"no colon", B(GET HOST "X\r\n\r\n"), BAD},
    {"no Host", B(GET "\r\n"), BAD},
    {"two Hosts", B(GET HOST "Host: b\r\n\r\n"), BAD},
    {"two equal Hosts", B(GET HOST HOST "\r\n"), BAD},
    {"two Hosts in HTTP/1.0", B("GET /ok HTTP/1.0\r\n" HOST "Host: b\r\n\r\n"), BAD},
    {"Host list", B(GET "Host: a,b\r\n\r\n"), BAD},
    {"Host with a path", B(GET "Host: a/b\r\n\r\n"), BAD},
    {"Host with a user", B(GET "Host: u@a\r\n\r\n"), BAD},
    {"Host with a space", B(GET "Host: a b\r\n\r\n"), BAD},
    {"Host with a space before the colon", B(GET "Host : a\r\n\r\n"), BAD},
    {"another Expect", B(POST "Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc"), BAD},

    /* request line */
    {"two spaces", B("GET  /ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"two spaces before the version", B("GET /ok  HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"tab for space", B("GET\t/ok\tHTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"space in front", B(" GET /ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"space behind", B("GET /ok HTTP/1.1 \r\n" HOST "\r\n"), BAD},
    {"space in the target", B("GET /o k HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"no version", B("GET /ok\r\n\r\n"), BAD},
    {"no target", B("GET HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"method with a colon", B("G:T /ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"version in small letters", B("GET /ok http/1.1\r\n" HOST "\r\n"), BAD},
    {"version with a letter", B("GET /ok HTTP/1.x\r\n" HOST "\r\n"), BAD},
    {"version with two digits", B("GET /ok HTTP/1.10\r\n" HOST "\r\n"), BAD},
    {"version with a plus", B("GET /ok HTTP/+1.1\r\n" HOST "\r\n"), BAD},
    {"HTTP/9.9", B("GET /ok HTTP/9.9\r\n" HOST "\r\n"), PROBLEM_HTTP_VERSION, CLOSE},
    {"HTTP/1.2", B("GET /ok HTTP/1.2\r\n" HOST "\r\n"), PROBLEM_HTTP_VERSION, CLOSE},
    {"HTTP/0.9", B("GET /ok HTTP/0.9\r\n\r\n"), PROBLEM_HTTP_VERSION, CLOSE},
    {"HTTP/2 preface", B("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), PROBLEM_HTTP_VERSION, CLOSE},
    {"unknown method", B("PATCH /ok HTTP/1.1\r\n" HOST "\r\n"), PROBLEM_UNSUPPORTED, CLOSE},
    {"method in small letters", B("get /ok HTTP/1.1\r\n" HOST "\r\n"), PROBLEM_UNSUPPORTED, CLOSE},
    {"CONNECT", B("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n"), PROBLEM_UNSUPPORTED, CLOSE},
    {"OPTIONS *", B("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), PROBLEM_UNSUPPORTED, CLOSE},
    {"asterisk", B("GET * HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"relative target", B("GET ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"another scheme", B("GET ftp://a/ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"absolute form without a host", B("GET http:///ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"absolute form with a user", B("GET http://u@a/ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"fragment", B("GET /ok#x HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"byte over 127 in the target", B("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"backslash", B("GET /..\\ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"escape cut short", B("GET /ok% HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"escape of one digit", B("GET /ok%4 HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"escape that is no hex", B("GET /ok%zz HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"escape in the query that is no hex", B("GET /ok?a=%g0 HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"escaped NUL", B("GET /ok%00 HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"escaped line end", B("GET /ok%0d%0a HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"dot dot", B("GET /x/../ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"dot dot at the end", B("GET /ok/.. HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"dot", B("GET /./ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"escaped dot dot", B("GET /x/%2e%2E/ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"half-escaped dot dot", B("GET /x/.%2e/ok HTTP/1.1\r\n" HOST "\r\n"), BAD},
    {"TLS hello", B("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), BAD},
};

enum { N_HTTP_CASES = sizeof(http_cases) / sizeof(http_cases[0]) };

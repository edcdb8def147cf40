/* parse_requests.c: what the parser makes of requests, for http.js to compare with another's reading.
 *
 * Each line of the input is a request in hex; each line of the output is JSON: false when it is refused or not
 * complete, or what was understood of it, every text in hex. With --cases: the requests of http_cases.h, in hex. */
#include "http_cases.h"
#include "server/http_parse.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 65536, BODY_LIMIT = 32768 };

static const char *const methods[] = {[METHOD_GET] = "GET",
    [METHOD_HEAD] = "HEAD",
    [METHOD_POST] = "POST",
    [METHOD_PUT] = "PUT",
    [METHOD_DELETE] = "DELETE"};

static void put_hex(struct slice s)
{
        putchar('"');
        for (size_t i = 0; i < s.n; i++)
                printf("%02x", (unsigned)(unsigned char)s.p[i]);
        putchar('"');
}

/* The body behind the head, joined; false: refused or not complete. */
static bool body_of(const struct http_head *h, const char *p, size_t n, char *to, size_t *ret_n, size_t *ret_used)
{
        struct http_chunked c = {.limit = BODY_LIMIT};
        enum http_step step = HTTP_MORE;
        size_t left = n;
        *ret_n = 0;
        if (!h->chunked) {
                if (h->length > n)
                        return false;
                memcpy(to, p, (size_t)h->length);
                *ret_n = *ret_used = (size_t)h->length;
                return true;
        }
        while (left > 0 && step == HTTP_MORE) {
                struct slice data;
                step = http_chunked(&c, &p, &left, &data);
                if (data.n > 0)
                        memcpy(to + *ret_n, data.p, data.n);
                *ret_n += data.n;
        }
        *ret_used = n - left;
        return step == HTTP_DONE;
}

static void understand(const char *p, size_t n)
{
        static char body[MOST];
        struct http_scan scan = {0};
        struct http_head head;
        struct http_header headers[REQUEST_MAX_HEADERS];
        size_t n_body, used;
        if (http_scan(&scan, p, n) != HTTP_DONE ||
            http_parse_head(p + scan.start, scan.size - scan.start, headers, &head) != PROBLEM_NONE ||
            !body_of(&head, p + scan.size, n - scan.size, body, &n_body, &used)) {
                puts("false");
                return;
        }
        printf("{\"method\":\"%s\",\"minor\":%u,\"keep\":%s,\"path\":", methods[head.method], head.minor,
            head.keep_alive ? "true" : "false");
        put_hex(head.path);
        printf(",\"query\":");
        if (head.query.p)
                put_hex(head.query);
        else
                printf("null");
        printf(",\"headers\":[");
        for (size_t i = 0; i < head.n_headers; i++) {
                printf(i > 0 ? ",[" : "[");
                put_hex(headers[i].name);
                putchar(',');
                put_hex(headers[i].value);
                putchar(']');
        }
        printf("],\"body\":");
        put_hex((struct slice){body, n_body});
        puts("}");
}

int main(int argc, char **argv)
{
        static char line[2 * MOST + 2], bytes[MOST];
        if (argc == 2 && strcmp(argv[1], "--cases") == 0) {
                for (size_t i = 0; i < N_HTTP_CASES; i++) {
                        put_hex((struct slice){http_cases[i].bytes, http_cases[i].n});
                        puts("");
                }
                return 0;
        }
        while (fgets(line, sizeof(line), stdin)) {
                size_t n = strcspn(line, "\n") / 2;
                for (size_t i = 0; i < n; i++) {
                        char two[3] = {line[2 * i], line[2 * i + 1], '\0'};
                        bytes[i] = (char)strtoul(two, NULL, 16);
                }
                understand(bytes, n);
        }
        return 0;
}

/* client.h: a small blocking HTTP/1.1 client to the daemon, over a UNIX socket or TCP; one connection, kept alive. */
#pragma once
#include "base/buf.h"
#include "cli/cli.h"

struct client;
struct json_doc;

/* The daemon is named by --socket, --url, $EWCD_SOCKET, or the default. */
int client_new(struct client **ret, const struct options *o, struct err *e);
void client_free(struct client *c); /* accepts NULL */

struct answer {
        int status;
        struct buf body;
        char etag[64], location[256];
};
void answer_deinit(struct answer *a);

/* 0 with any status, or negative when nobody answered. headers: "Name: value\r\n…" or "". A connection that was
 * closed while idle is opened again once. */
int client_call(struct client *c, const char *method, const char *path, const char *headers, const void *body,
    size_t n, struct answer *ret, struct err *e);

/* The usual way: calls, and for any status but 2xx prints the daemon's own words to stderr, with --json its answer to
 * stdout. ret_doc may be NULL. Returns an exit code; on EXIT_OK the caller frees *ret_doc and answer. */
int cli_call(struct cli *c, const char *method, const char *path, const char *headers, const struct buf *body,
    struct answer *ret, struct json_doc **ret_doc);
int cli_get(struct cli *c, struct answer *ret, struct json_doc **ret_doc, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The end of a command that asked once: prints the answer, as JSON or by show, and frees both. EXIT_OK. */
int cli_show(struct cli *c, struct answer *a, struct json_doc *doc, void (*show)(const struct json_doc *doc));

/* s as one part of a path or as a query's value, percent-encoded. What does not fit is cut, and still longer than any
 * name, id or source the daemon knows. */
enum { URL_PART = 400, URL_REASON = 640 };
const char *url_part(char ret[URL_PART], const char *s);
/* What follows a path when --reason was given: "?reason=…", or with more "&reason=…"; else "". */
const char *url_reason(char ret[URL_REASON], const struct cli *c, bool more);
void put_reason(struct buf *b, const struct cli *c); /* the same as a further JSON member */

/* cmd_job.c's part that others share. job_ask: sends to /v2/models/MODEL/<what> what answers with a job; with --wait
 * it is followed. job_follow: to its end, with a bar; exit code by its outcome. */
int job_ask(struct cli *c, const char *method, const char *what, const struct buf *body);
int job_follow(struct cli *c, const char *model, uint64_t job);

/* cmd_alias.c's part that others share: moves an alias that is there, and says so: "model M <words> version V".
 * version: a number, or @alias. Where the gate rejected that version, stderr says why. */
int alias_move(struct cli *c, const char *alias, const char *version, const char *words);

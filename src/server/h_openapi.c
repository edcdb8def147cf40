/* h_openapi.c: GET /openapi.json: the API as an OpenAPI 3.1 document, made from the tables it is served by.
 *
 * Paths, verbs and summaries come from route.def, schemas from openapi.def; a route that has no row
 * there still stands in the document, with any object for an answer. */
#include "base/buf.h"
#include "base/mem.h"
#include "proto/json.h"
#include "server/handlers.h"
#include "server/openapi.h"
#include "server/route.h"
#include "server/server.h"
#include <string.h>

struct operation {
        void (*handle)(struct request *r);
        int status;
        const char *body, *answer, *parameters;
};

static const struct operation operations[] = {
#define OPERATION(handler, status, body, answer, parameters) {handler, status, body, answer, parameters},
#define SCHEMA(name, json)
#define PARAMETER(name, json)
#include "server/openapi.def"
#undef OPERATION
#undef SCHEMA
#undef PARAMETER
};

struct component {
        const char *name, *json; /* ' for " */
};

static const struct component schemas[] = {
#define OPERATION(handler, status, body, answer, parameters)
#define SCHEMA(name, json) {name, json},
#define PARAMETER(name, json)
#include "server/openapi.def"
#undef SCHEMA
#undef PARAMETER
};

static const struct component parameters[] = {
#define SCHEMA(name, json)
#define PARAMETER(name, json) {name, json},
#include "server/openapi.def"
#undef OPERATION
#undef SCHEMA
#undef PARAMETER
};

static const struct component segments[] = {
    {"m", "name of a model"},
    {"v", "number of a version, or @ and an alias"},
    {"a", "name of an alias"},
    {"id", "id of a job, an event or a prediction"},
    {"s", "name of a source"},
    {"t", "name of a task"},
};

static const struct operation *operation_of(const struct route *r)
{
        for (size_t i = 0; i < ARRAY_LEN(operations); i++)
                if (operations[i].handle == r->handle)
                        return &operations[i];
        return NULL;
}

bool openapi_knows(const struct route *r)
{
        return operation_of(r) != NULL;
}

static void put_quoted(struct buf *b, const char *json)
{
        for (; *json; json++)
                buf_putc(b, (char)(*json == '\'' ? '"' : *json));
}

/* "," unless it is the first of its kind. */
static void put_comma(struct buf *b, bool *first)
{
        if (!*first)
                buf_putc(b, ',');
        *first = false;
}

static void put_components(struct buf *b, const struct component *c, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                buf_puts(b, i > 0 ? "," : "");
                json_put_string(b, c[i].name);
                buf_putc(b, ':');
                put_quoted(b, c[i].json);
        }
}

static void put_path_parameter(struct buf *b, const char *name, size_t n)
{
        const char *what = "";
        for (size_t i = 0; i < ARRAY_LEN(segments); i++)
                if (strlen(segments[i].name) == n && memcmp(segments[i].name, name, n) == 0)
                        what = segments[i].json;
        buf_puts(b, "{\"name\":");
        json_put_string_n(b, name, n);
        buf_puts(b, ",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"},\"description\":");
        json_put_string(b, what);
        buf_putc(b, '}');
}

static void put_parameters(struct buf *b, const char *pattern, const char *names)
{
        bool first = true;
        buf_puts(b, ",\"parameters\":[");
        for (const char *p = strchr(pattern, '{'); p; p = strchr(p + 1, '{')) {
                put_comma(b, &first);
                put_path_parameter(b, p + 1, strcspn(p + 1, "}"));
        }
        while (*names) {
                size_t n = strcspn(names, " ");
                put_comma(b, &first);
                buf_printf(b, "{\"$ref\":\"#/components/parameters/%.*s\"}", (int)n, names);
                names += n + (names[n] == ' ');
        }
        buf_putc(b, ']');
}

/* Text is plain, all else JSON; tensors may be binary, events one a line. */
static void put_content(struct buf *b, const char *schema)
{
        bool text = strcmp(schema, "Text") == 0;
        buf_printf(b, ",\"content\":{\"%s\":{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}",
            text ? "text/plain" : "application/json", schema);
        if (strncmp(schema, "Infer", 5) == 0)
                buf_puts(b, ",\"application/octet-stream\":{\"schema\":{\"type\":\"string\",\"contentEncoding\":"
                            "\"binary\"}}");
        if (strcmp(schema, "FeedbackRequest") == 0)
                buf_puts(b, ",\"application/x-ndjson\":{\"schema\":{\"type\":\"string\"}}");
        buf_putc(b, '}');
}

/* "get_v2_models_m" of GET /v2/models/{m}. */
static void put_id(struct buf *b, const char *verb, const char *pattern)
{
        buf_printf(b, "\"operationId\":\"%s", verb);
        for (const char *p = pattern; *p; p++)
                if (*p != '{' && *p != '}')
                        buf_putc(b, (char)(*p == '/' || *p == '.' ? '_' : *p));
        buf_putc(b, '"');
}

static const char *verb_of(enum method m)
{
        switch (m) {
        case METHOD_GET:
                return "get";
        case METHOD_HEAD:
                return "head";
        case METHOD_POST:
                return "post";
        case METHOD_PUT:
                return "put";
        case METHOD_DELETE:
                return "delete";
        case METHOD_OTHER:
                break;
        }
        return "trace";
}

static void put_operation(struct buf *b, const struct route *r)
{
        static const struct operation unknown = {.status = 200, .body = "", .answer = "", .parameters = ""};
        const struct operation *o = operation_of(r);
        o = o ? o : &unknown;
        buf_printf(b, "\"%s\":{", verb_of(r->method));
        put_id(b, verb_of(r->method), r->pattern);
        buf_puts(b, ",\"summary\":");
        json_put_string(b, r->summary);
        put_parameters(b, r->pattern, o->parameters);
        if (o->body[0]) {
                buf_puts(b, ",\"requestBody\":{\"description\":\"\"");
                put_content(b, o->body);
                buf_putc(b, '}');
        }
        buf_printf(b, ",\"responses\":{\"%d\":{\"description\":", o->status);
        json_put_string(b, r->summary);
        if (o->answer[0])
                put_content(b, o->answer);
        buf_puts(b, "},\"default\":{\"$ref\":\"#/components/responses/Problem\"}}}");
}

static bool seen_before(size_t i)
{
        for (size_t k = 0; k < i; k++)
                if (strcmp(routes[k].pattern, routes[i].pattern) == 0)
                        return true;
        return false;
}

static void put_paths(struct buf *b)
{
        bool first_path = true;
        for (size_t i = 0; i < n_routes; i++) {
                if (seen_before(i))
                        continue;
                bool first = true;
                put_comma(b, &first_path);
                json_put_string(b, routes[i].pattern);
                buf_puts(b, ":{");
                for (size_t k = i; k < n_routes; k++) {
                        if (strcmp(routes[k].pattern, routes[i].pattern) != 0)
                                continue;
                        put_comma(b, &first);
                        put_operation(b, &routes[k]);
                }
                buf_putc(b, '}');
        }
}

void openapi_write(struct buf *b, const char *version)
{
        buf_puts(b, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"ewcd\",\"version\":");
        json_put_string(b, version);
        buf_puts(b,
            ",\"summary\":\"Predictions that keep learning: Open Inference Protocol v2 and ewcd's own API\","
            "\"license\":{\"name\":\"MIT\",\"identifier\":\"MIT\"}},\"servers\":[{\"url\":\"/\"}],\"paths\":{");
        put_paths(b);
        buf_puts(b, "},\"components\":{\"schemas\":{");
        put_components(b, schemas, ARRAY_LEN(schemas));
        buf_puts(b, "},\"parameters\":{");
        put_components(b, parameters, ARRAY_LEN(parameters));
        buf_puts(b, "},\"responses\":{\"Problem\":{\"description\":\"what went wrong, RFC 9457\"");
        put_content(b, "Problem");
        buf_puts(b, "}}}}");
}

void h_openapi(struct request *r)
{
        struct buf *b = server_body(r->server);
        const char *space = strchr(r->server->conf->program, ' ');
        openapi_write(b, space ? space + 1 : "");
        reply_json(r, 200, b);
}

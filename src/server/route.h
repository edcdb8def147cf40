/* route.h: the table of routes: method and pattern to handler, body limit and summary. Documents and tests iterate
 * it. */
#pragma once
#include "server/request.h"

enum body_class { BODY_NONE, BODY_INFER, BODY_FEEDBACK, BODY_ADMIN };

struct route {
        enum method method;
        const char *pattern; /* "/v2/models/{m}/predict" */
        void (*handle)(struct request *r);
        enum body_class body;
        const char *summary;
};

extern const struct route routes[];
extern const size_t n_routes;

/* Fills r->route and r->arg. PROBLEM_NONE, PROBLEM_NOT_FOUND, or PROBLEM_METHOD with allow (size >= 64) listing the
 * methods the path has. HEAD matches GET. */
enum problem route_find(struct request *r, char *allow, size_t allow_size);
/* After NOT_FOUND: "/v2/models/{m}/jobs, …": patterns that share the path's beginning, as many as fit. */
void route_near(struct request *r, char *ret, size_t size);
size_t route_body_limit(const struct server *s, const struct route *route);

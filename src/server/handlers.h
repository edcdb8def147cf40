/* handlers.h: every handler a route names, declared from the table itself. Each replies exactly once, now or
 * later. */
#pragma once

struct request;

#define ROUTE(method, pattern, handler, body_class, summary) void handler(struct request *r);
#include "server/route.def"
#undef ROUTE

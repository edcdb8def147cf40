/* route_table.c: the routes of the daemon, made from route.def.
 *
 * Apart from route.c, so that the front end can be linked with another table, as its own tests do. */
#include "base/mem.h"
#include "server/handlers.h"
#include "server/route.h"

const struct route routes[] = {
#define ROUTE(method, pattern, handler, body_class, summary)                                                         \
        {METHOD_##method, pattern, handler, BODY_##body_class, summary},
#include "server/route.def"
#undef ROUTE
};

const size_t n_routes = ARRAY_LEN(routes);

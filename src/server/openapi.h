/* openapi.h: the API's own document, made from route.def and openapi.def. Pure. */
#pragma once
#include <stdbool.h>

struct buf;
struct route;

void openapi_write(struct buf *b, const char *version); /* OpenAPI 3.1 */
bool openapi_knows(const struct route *r);              /* openapi.def has a row for its handler */

/* feedback.h: what writing and reading feedback share. */
#pragma once
#include "domain/types.h"

struct err;

/* SHA-256 of inputs followed by targets: SQLite does not notice bits that flip in a row's content. */
int feedback_content(const struct feedback *f, struct digest *ret, struct err *e);

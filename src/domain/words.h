/* words.h: a sentence for people, put together part by part in a buffer of REASON_SIZE. Pure. */
#pragma once
#include "domain/kinds.h"
#include <stddef.h>

struct words {
        char *at; /* REASON_SIZE bytes, always ending in NUL */
        size_t n; /* written */
};
struct words words_in(char at[REASON_SIZE]);
/* Appends; what does not fit is cut. */
void words_put(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* validate.h: checks of input from outside against a model. Pure; each returns 0, or a negative code with the field
 * (relative to the row: "/inputs", "/label", …) and what to do in e. */
#pragma once
#include "domain/model.h"

struct err;

/* -EINVAL: not [A-Za-z0-9][A-Za-z0-9._-]{0,62}. */
int validate_name(const char *what, const char *name, struct err *e);

#define VALIDATE_INPUT_MAX 1e12f /* magnitude of an input once scaled; its square times a gradient stays a float */

/* -ERANGE: another count than the model's inputs; -EDOM: not finite, beyond VALIDATE_INPUT_MAX once scaled, or not an
 * id of the model's embedding; names the index. */
int validate_row(const struct model_spec *s, size_t n, const float *x, struct err *e);

enum { VALIDATE_REASON_MAX = 200 };
/* Why somebody does something. -EINVAL: beyond VALIDATE_REASON_MAX bytes of UTF-8, or with control bytes. */
int validate_reason(const char *text, struct err *e);

/* -EINVAL: not 1..128 bytes of UTF-8 without control bytes. */
int validate_key(const char *what, const char *key, struct err *e);

/* checks.h: checks of arguments that several verbs share. 0, or -EINVAL with words. */
#pragma once
#include "store/ops.h"

struct err;

int may_write(const struct store *s, struct err *e); /* STORE_READONLY: it may not */
int bad(struct err *e, const char *what);
int check_text(const char *what, const char *text, size_t max, struct err *e);
/* Who does something, and why: NULL, or at most STORE_WHY_MAX bytes. */
int check_act(const char *who, const char *reason, struct err *e);
int check_name(const char *what, const char *name, struct err *e);
int check_classes(size_t n, const char *const *names, struct err *e);
int check_outputs(size_t n, const struct output_row *rows, struct err *e);
int check_params(size_t P, struct err *e);

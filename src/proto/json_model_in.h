/* json_model_in.h: what json_model.c and json_learning.c share. */
#pragma once
#include "proto/json_in.h"

struct learning;

enum { JSON_ENUM_MAX = 16 };

/* A string that name() gives for some value below JSON_ENUM_MAX; BAD_VALUE lists them. */
int json_get_enum(const json_t *v, const char *pointer, const char *(*name)(int), int *ret, struct err *e);
int json_learning_take(const json_t *v, struct learning *ret, struct err *e); /* v NULL: the defaults */

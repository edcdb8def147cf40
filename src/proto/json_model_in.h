/* json_model_in.h: what json_model.c and json_learning.c share. */
#pragma once
#include "domain/model.h"
#include "proto/json_in.h"

enum { JSON_ENUM_MAX = LEARNING_WORDS_MAX };

/* A string that name() gives for some value below JSON_ENUM_MAX; BAD_VALUE lists them. */
int json_get_enum(const json_t *v, const char *pointer, const char *(*name)(int), int *ret, struct err *e);
int json_learning_take(const json_t *v, struct learning *ret, struct err *e); /* v NULL: the defaults */

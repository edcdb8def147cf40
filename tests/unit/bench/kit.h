/* kit.h: the commands as their users meet them: a command line, files to read, and the object on the last line of
 * what was printed. */
#pragma once
#include "proto/json.h"

struct options;

/* Cuts line at its blanks and parses it; fails the test if it is refused. *ret points into storage of the kit, good
 * until the next call. */
void kit_options(struct options *ret, const char *line);

/* Runs the command of that line with its outputs in files. Returns what the command returned; *ret_text (owned,
 * may be NULL) is all it printed, *ret the object on its last line, NULL if that is none. */
int kit_run(const char *line, char **ret_text, struct json_doc **ret);

const char *kit_said(void); /* on standard error, by the last command; good until the next */

double kit_number(const struct json_doc *d, const char *pointer); /* fails the test if there is none */

/* The four files of MNIST in dir, small: rows go round the digits, digit c has its own bright band. */
enum { KIT_TRAIN = 800, KIT_TEST = 60 };
void kit_mnist(const char *dir);
/* A csv file: six classes, each with its own column high. */
void kit_csv(const char *path, unsigned rows);
/* A stream of two inputs whose label is the sign of the first; after half of it, of the second. */
void kit_stream(const char *path, unsigned rows);

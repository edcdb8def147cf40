/* gz.h: a file read as if it were plain, gzip'ed or not (told by content). Single-threaded. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct gz;

enum { GZ_LINE_MAX = 16 << 20 };

int gz_open(struct gz **ret, const char *path, struct err *e);
void gz_close(struct gz *g); /* accepts NULL */
/* Up to n bytes; *ret_n is less only at the end of the file. -EBADMSG: broken or cut gzip data. */
int gz_read(struct gz *g, void *out, size_t n, size_t *ret_n, struct err *e);
/* The first bytes, without consuming them. */
int gz_peek(struct gz *g, void *out, size_t n, size_t *ret_n, struct err *e);
/* The next line without its LF or CRLF, NUL-terminated, valid until the next call. 1 a line, 0 the end. */
int gz_line(struct gz *g, char **ret, size_t *ret_n, struct err *e);
const char *gz_path(const struct gz *g);
uint64_t gz_lines(const struct gz *g);  /* lines read so far */
uint64_t gz_offset(const struct gz *g); /* plain bytes read so far */
double gz_fraction(const struct gz *g); /* 0..1 of the file's own bytes */

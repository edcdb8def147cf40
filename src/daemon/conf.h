/* conf.h: the daemon's configuration, one member per row of conf.def. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum { CONF_TEXT_MAX = 256 };

typedef char conf_TEXT[CONF_TEXT_MAX];
typedef uint64_t conf_UINT;
typedef uint64_t conf_MODE;
typedef bool conf_BOOL;

struct conf {
#define CONF(section, key, type, fallback, lo, hi, unit, help) conf_##type section##_##key;
#include "daemon/conf.def"
#undef CONF
};

void conf_defaults(struct conf *ret);

/* name is "section.key". -EINVAL with field = name and what is allowed. */
int conf_set(struct conf *c, const char *name, const char *value, struct err *e);

/* Applies a file on top of *c. -EINVAL: "FILE:LINE: …", unknown sections and keys by name, nothing given twice; *c is
 * then partly changed. Other negative codes: it could not be read. */
int conf_read(struct conf *c, const char *path, struct err *e);
int conf_check(const struct conf *c, struct err *e); /* what no single key can say; -EINVAL with field */

/* The file with every key commented out at its default: what etc/ewcd.conf holds. */
void conf_print(struct buf *b);

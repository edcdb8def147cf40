/* conf.c: reading the configuration, by the one table of keys in conf.def.
 *
 * inih splits lines into section, key and value; everything else is here: which keys there are, their types and
 * ranges. An unknown name is an error, because a misspelt limit that is silently ignored is worse than no start. */
#include "daemon/conf.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <ini.h>

enum type { TEXT, UINT, MODE, BOOL };

struct row {
        const char *section, *key;
        enum type type;
        const char *fallback;
        uint64_t lo, hi;
        const char *unit, *help;
        size_t offset;
};

static const struct row rows[] = {
#define CONF(section, key, type, fallback, lo, hi, unit, help)                                                       \
        {#section, #key, type, fallback, lo, hi, unit, help, offsetof(struct conf, section##_##key)},
#include "daemon/conf.def"
#undef CONF
};

static int bad(struct err *e, const struct row *row, const char *why, const char *value)
{
        char name[64];
        snprintf(name, sizeof(name), "%s.%s", row->section, row->key);
        return err_field(e, -EINVAL, name, "%s: '%.64s' %s", name, value, why);
}

static int parse_number(const struct row *row, const char *value, int base, uint64_t *ret, struct err *e)
{
        char *end = NULL, range[96];
        errno = 0;
        uint64_t v = strtoull(value, &end, base);
        snprintf(range, sizeof(range),
            base == 8 ? "is not an octal number from %" PRIo64 " to %" PRIo64
                      : "is not a number from %" PRIu64 " to %" PRIu64,
            row->lo, row->hi);
        if (value[0] < '0' || value[0] > '9' || *end || errno || v < row->lo || v > row->hi)
                return bad(e, row, range, value);
        *ret = v;
        return 0;
}

static int parse_bool(const struct row *row, const char *value, bool *ret, struct err *e)
{
        static const struct {
                const char *text;
                bool v;
        } words[] = {{"true", true}, {"yes", true}, {"false", false}, {"no", false}};
        for (size_t i = 0; i < ARRAY_LEN(words); i++) {
                if (strcmp(value, words[i].text) == 0) {
                        *ret = words[i].v;
                        return 0;
                }
        }
        return bad(e, row, "is not one of true, false", value);
}

static int set(struct conf *c, const struct row *row, const char *value, struct err *e)
{
        char *at = (char *)c + row->offset;
        switch (row->type) {
        case TEXT:
                return str_copy(at, CONF_TEXT_MAX, value) ? 0 : bad(e, row, "is too long", value);
        case UINT:
                return parse_number(row, value, 10, (uint64_t *)(void *)at, e);
        case MODE:
                return parse_number(row, value, 8, (uint64_t *)(void *)at, e);
        case BOOL:
                return parse_bool(row, value, (bool *)(void *)at, e);
        }
        return 0;
}

void conf_defaults(struct conf *ret)
{
        struct conf c = {0};
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                set(&c, &rows[i], rows[i].fallback, NULL);
        *ret = c;
}

static size_t find(const char *section, const char *key)
{
        size_t i = 0;
        while (i < ARRAY_LEN(rows) && (strcmp(rows[i].section, section) != 0 || strcmp(rows[i].key, key) != 0))
                i++;
        return i;
}

static bool section_known(const char *section)
{
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                if (strcmp(rows[i].section, section) == 0)
                        return true;
        }
        return false;
}

static int set_by_name(
    struct conf *c, const char *section, const char *key, const char *value, size_t *ret_i, struct err *e)
{
        size_t i = find(section, key);
        if (i < ARRAY_LEN(rows)) {
                *ret_i = i;
                return set(c, &rows[i], value, e);
        }
        if (!section[0])
                return err_set(e, -EINVAL, "key '%.40s' stands before the first [section]", key);
        if (!section_known(section))
                return err_set(e, -EINVAL, "there is no section [%.40s]", section);
        return err_set(e, -EINVAL, "section [%s] has no key '%.40s'", section, key);
}

int conf_set(struct conf *c, const char *name, const char *value, struct err *e)
{
        char section[32];
        size_t unused;
        const char *dot = strchr(name, '.');
        if (!dot || !str_copy_n(section, sizeof(section), name, (size_t)(dot - name)))
                return err_set(e, -EINVAL, "'%.40s' is not section.key", name);
        return set_by_name(c, section, dot + 1, value, &unused, e);
}

/* --- files --- */

struct reading {
        struct conf *conf;
        bool seen[ARRAY_LEN(rows)];
        struct err first; /* inih goes on after an error and returns the first line */
        bool failed;
};

static int on_pair(void *arg, const char *section, const char *key, const char *value)
{
        struct reading *rd = arg;
        struct err e = ERR_NULL;
        size_t i = 0;
        int r = set_by_name(rd->conf, section, key, value, &i, &e);
        if (r == 0 && rd->seen[i])
                r = err_set(&e, -EINVAL, "%s.%s is given twice", section, key);
        if (r == 0)
                rd->seen[i] = true;
        if (r < 0 && !rd->failed) {
                rd->first = e;
                rd->failed = true;
        }
        return r == 0;
}

int conf_read(struct conf *c, const char *path, struct err *e)
{
        struct reading rd = {.conf = c};
        FILE *f = fopen(path, "re");
        if (!f)
                return err_errno(e, errno, "open %s", path);
        int line = ini_parse_file(f, on_pair, &rd);
        fclose(f);
        if (line == 0)
                return 0;
        if (line < 0)
                return err_set(e, -ENOMEM, "%s: out of memory", path);
        return err_field(e, -EINVAL, rd.first.field, "%s:%d: %s", path, line,
            rd.failed ? rd.first.msg : "neither [section] nor key = value");
}

int conf_check(const struct conf *c, struct err *e)
{
        enum log_level level;
        if (!log_level_parse(c->log_level, &level))
                return err_field(e, -EINVAL, "log.level",
                    "log.level: '%.40s' is not one of error, warning, info, debug", c->log_level);
        if (strcmp(c->listen_socket, "-") == 0 && !c->listen_tcp[0])
                return err_field(e, -EINVAL, "listen.socket", "neither a socket nor a TCP address to listen on");
        return 0;
}

void conf_print(struct buf *b)
{
        const char *section = "";
        buf_puts(b, "# ewcd.conf: every key with its default. Give the file with --config; flags come after it.\n");
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const struct row *r = &rows[i];
                if (strcmp(section, r->section) != 0)
                        buf_printf(b, "\n[%s]\n", r->section);
                section = r->section;
                buf_printf(b, "# %s%s%s%s\n#%s =%s%s\n", r->help, r->unit[0] ? " (" : "", r->unit,
                    r->unit[0] ? ")" : "", r->key, r->fallback[0] ? " " : "", r->fallback);
        }
}

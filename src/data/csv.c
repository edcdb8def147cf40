/* csv.c: comma-separated numbers, one column of which may be the label, with a header line or without.
 *
 * A first line whose every field but the label is a number is data, unless a field of it names the label column: such
 * a file has no header, its columns are named by position from 1, and the last is the label where no other is asked
 * for. Any other first line is the header; without a column named "label" its rows are unlabelled.
 *
 * Fields may be quoted ("" inside stands for one quote) and then may hold commas, but no line ends; a line is cut
 * into fields in place. Every field but the label must be a finite number with a point, whatever the locale. Messages
 * name file, line and column. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "data/gz.h"
#include "data/rows_in.h"
#include <errno.h>
#include <locale.h>
#include <math.h>

enum { MAX_COLUMNS = 1 << 17 };

struct csv {
        struct gz *file;
        locale_t c_locale;       /* numbers are read in it */
        size_t n_columns, label; /* label: n_columns when there is none */
        char **names;            /* (n_columns) into header; NULL without a header line */
        char *header, *first;    /* first: a copy of the first line where that is data */
        bool first_waits;        /* for csv_next, which hands it out as the first row */
        char **fields;           /* (n_columns) into the current line */
        float *inputs;
};

static int bad(const struct csv *c, struct err *e, size_t column, const char *what)
{
        unsigned long long line = gz_lines(c->file);
        if (column >= c->n_columns)
                return err_set(e, -EBADMSG, "%s line %llu: %s", gz_path(c->file), line, what);
        if (!c->names)
                return err_set(e, -EBADMSG, "%s line %llu, column %zu: %s", gz_path(c->file), line, column + 1, what);
        return err_set(
            e, -EBADMSG, "%s line %llu, column '%.60s': %s", gz_path(c->file), line, c->names[column], what);
}

/* The field at *at, unquoted in place and NUL-terminated; *at moves behind its comma, or to NULL at the end of the
 * line. NULL when its quotes are wrong. */
static char *cut_field(char **at)
{
        char *field = *at, *p = field, *out = field;
        bool quoted = *p == '"';
        if (!quoted) {
                p += strcspn(p, ",");
                out = p;
        }
        for (p += quoted; quoted; p++) {
                if (*p == '\0')
                        return NULL;
                if (*p == '"' && *++p != '"')
                        break;
                *out++ = *p;
        }
        if (*p != ',' && *p != '\0')
                return NULL;
        *at = *p == ',' ? p + 1 : NULL;
        *out = '\0';
        return field;
}

/* Cuts line into at most max fields; *ret_n counts those that are there, also past max. */
static int cut_line(const struct csv *c, char *line, char **fields, size_t max, size_t *ret_n, struct err *e)
{
        size_t n = 0;
        for (char *at = line; at; n++) {
                char *field = cut_field(&at);
                if (!field)
                        return bad(c, e, n, "quotes do not match (a quoted field ends on its line)");
                if (n < max)
                        fields[n] = field;
        }
        *ret_n = n;
        return 0;
}

/* A decimal number and nothing else; overflow is an infinity, which the caller refuses. */
static bool parse(const struct csv *c, const char *text, float *ret)
{
        const char *p = text;
        size_t digits = 0;
        p += *p == '-' || *p == '+';
        for (; *p >= '0' && *p <= '9'; p++)
                digits++;
        if (*p == '.')
                for (p++; *p >= '0' && *p <= '9'; p++)
                        digits++;
        if (digits > 0 && (*p == 'e' || *p == 'E')) {
                p++;
                p += *p == '-' || *p == '+';
                for (digits = 0; *p >= '0' && *p <= '9'; p++)
                        digits++;
        }
        if (digits == 0 || *p != '\0')
                return false;
        *ret = strtof_l(text, NULL, c->c_locale);
        return true;
}

static char *trim(char *s)
{
        while (*s == ' ' || *s == '\t')
                s++;
        size_t n = strlen(s);
        while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
                n--;
        s[n] = '\0';
        return s;
}

static void csv_close(void *state)
{
        struct csv *c = state;
        if (c->c_locale)
                freelocale(c->c_locale);
        free(c->names);
        free(c->header);
        free(c->first);
        free(c->fields);
        free(c->inputs);
        free(c);
}

/* Columns of a file with a header line. */
static int find_label(struct csv *c, const char *column, struct err *e)
{
        c->label = c->n_columns;
        for (size_t i = 0; i < c->n_columns; i++) {
                if (strcmp(c->names[i], column ? column : "label") != 0)
                        continue;
                if (c->label < c->n_columns)
                        return bad(c, e, i, "the label column stands twice");
                c->label = i;
        }
        if (column && c->label == c->n_columns)
                return err_set(e, -EINVAL, "%s has no column '%.60s'; its first is '%.60s', its last '%.60s'",
                    gz_path(c->file), column, c->names[0], c->names[c->n_columns - 1]);
        return 0;
}

/* Whether the first line is data, and then which column is the label. */
static int tell_header(const struct csv *c, const char *column, bool *ret_data, size_t *ret_label, struct err *e)
{
        uint64_t position = 0;
        bool by_position = column && slice_u64(slice_of(column), &position);
        size_t label = by_position && position - 1 < c->n_columns ? (size_t)position - 1 : c->n_columns - 1;
        size_t numbers = 0;
        bool named = false;
        for (size_t i = 0; i < c->n_columns; i++) {
                float unused;
                numbers += i != label && parse(c, c->names[i], &unused);
                named |= !by_position && strcmp(c->names[i], column ? column : "label") == 0;
        }
        float unused;
        *ret_data = !named && numbers == c->n_columns - 1 && (numbers > 0 || parse(c, c->names[0], &unused));
        *ret_label = label;
        if (!*ret_data || !column || (by_position && position - 1 < c->n_columns))
                return 0;
        return err_set(e, -EINVAL, "%s has no header line, so its columns are named 1 to %zu: there is no '%.60s'",
            gz_path(c->file), c->n_columns, column);
}

/* Cuts c->header, a copy of the first line, into names and makes room for rows. */
static int cut_header(struct csv *c, struct err *e)
{
        size_t columns = 1;
        for (const char *p = c->header; *p; p++)
                columns += *p == ',';
        if (columns > MAX_COLUMNS)
                return err_set(e, -EFBIG, "%s has more than %d columns", gz_path(c->file), MAX_COLUMNS);
        char **names = new_array(char *, columns);
        if (!names)
                return err_oom(e);
        int r = cut_line(c, c->header, names, columns, &columns, e); /* fewer where quoted names hold commas */
        c->names = names;
        if (r < 0)
                return r;
        for (size_t i = 0; i < columns; i++)
                names[i] = trim(names[i]);
        c->n_columns = columns;
        c->fields = new_array(char *, columns);
        c->inputs = new_array(float, columns);
        return c->fields && c->inputs ? 0 : err_oom(e);
}

static int take_first_line(struct csv *c, const char *label_column, struct err *e)
{
        char *line = NULL;
        size_t n = 0;
        bool data = false;
        int r = gz_line(c->file, &line, &n, e);
        if (r < 0)
                return r;
        if (r == 0 || n == 0)
                return err_set(e, -EBADMSG, "%s has no header line: its first line is empty", gz_path(c->file));
        if (strlen(line) != n)
                return bad(c, e, SIZE_MAX, "a NUL byte; this is no csv file");
        if (n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) /* byte order mark */
                line += 3;
        if (!(c->header = strdup(line)) || !(c->first = strdup(line)))
                return err_oom(e);
        if ((r = cut_header(c, e)) < 0 || (r = tell_header(c, label_column, &data, &c->label, e)) < 0)
                return r;
        if (data) {
                free(c->names);
                c->names = NULL;
        } else {
                r = find_label(c, label_column, e);
        }
        c->first_waits = data;
        if (r == 0 && c->n_columns == 1 && c->label == 0)
                return err_set(e, -EBADMSG, "%s has a label column only", gz_path(c->file));
        return r;
}

int csv_open(void **ret, struct gz *file, const char *label_column, struct err *e)
{
        struct csv *c = new_zero(struct csv);
        if (!c)
                return err_oom(e);
        c->file = file;
        c->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        int r = c->c_locale ? take_first_line(c, label_column, e) : err_oom(e);
        if (r < 0) {
                csv_close(c);
                return r;
        }
        *ret = c;
        return 0;
}

/* The next line that is not blank; 1, 0 at the end. */
static int next_line(struct csv *c, char **ret, struct err *e)
{
        char *line = NULL;
        size_t n;
        int r;
        while ((r = gz_line(c->file, &line, &n, e)) == 1) {
                if (strlen(line) != n)
                        return bad(c, e, SIZE_MAX, "a NUL byte; this is no csv file");
                if (n == strspn(line, " \t"))
                        continue;
                *ret = line;
                return 1;
        }
        return r;
}

static int csv_next(void *state, struct row *ret, struct err *e)
{
        struct csv *c = state;
        char *line = c->first;
        size_t n = 0;
        int r = c->first_waits ? 1 : next_line(c, &line, e);
        c->first_waits = false;
        if (r != 1)
                return r;
        if ((r = cut_line(c, line, c->fields, c->n_columns, &n, e)) < 0)
                return r;
        if (n != c->n_columns)
                return err_set(e, -EBADMSG, "%s line %llu has %zu fields, the %s has %zu", gz_path(c->file),
                    (unsigned long long)gz_lines(c->file), n, c->names ? "header" : "first line", c->n_columns);
        for (size_t i = 0; i < n; i++) {
                char *text = trim(c->fields[i]);
                if (i == c->label) {
                        ret->label = text;
                        continue;
                }
                float *to = &c->inputs[ret->n++];
                if (!parse(c, text, to))
                        return bad(
                            c, e, i, *text ? "not a number" : "the field is empty; fill in missing values first");
                if (!isfinite(*to))
                        return bad(c, e, i, "outside the range of float32");
        }
        if (ret->label && !*ret->label)
                return bad(c, e, c->label, "the label is empty");
        ret->inputs = c->inputs;
        return 1;
}

const struct rows_ops csv_ops = {csv_next, csv_close};

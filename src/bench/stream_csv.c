/* stream_csv.c: a table with a header, some of whose columns may be text (a time stamp), which the data room's reader
 * rightly refuses as inputs of a model. */
#include "base/err.h"
#include "base/mem.h"
#include "bench/stream.h"
#include "data/gz.h"
#include <errno.h>
#include <math.h>
#include <string.h>

enum { MAX_COLUMNS = 256, MAX_LABEL = 1000 };

struct columns {
        size_t n, label;
        bool input[MAX_COLUMNS];
        char *field[MAX_COLUMNS];
};

static size_t split(char *line, char **field)
{
        size_t n = 0;
        for (char *at = line; at && n < MAX_COLUMNS; n++) {
                field[n] = at;
                at = strchr(at, ',');
                if (at)
                        *at++ = '\0';
        }
        return n;
}

static bool number(const char *text, float *ret)
{
        char *end;
        double v = strtod(text, &end);
        *ret = (float)v;
        return end != text && *end == '\0' && isfinite(*ret);
}

static int read_header(struct gz *g, struct columns *c, struct err *e)
{
        char *line;
        size_t len;
        int r = gz_line(g, &line, &len, e);
        if (r != 1)
                return r < 0 ? r : err_set(e, -EBADMSG, "%s is empty", gz_path(g));
        c->n = split(line, c->field);
        c->label = c->n;
        for (size_t i = 0; i < c->n; i++)
                if (strcmp(c->field[i], "label") == 0)
                        c->label = i;
        return c->label < c->n ? 0 : err_set(e, -EBADMSG, "%s has no column named label", gz_path(g));
}

static int add_row(struct gz *g, struct columns *c, char *line, struct stream *s, size_t *cap, struct err *e)
{
        float label = -1, v;
        if (split(line, c->field) != c->n || !number(c->field[c->label], &label) || label < 0 || label > MAX_LABEL)
                return err_set(e, -EBADMSG, "%s line %llu: not %zu columns with an integer label", gz_path(g),
                    (unsigned long long)gz_lines(g), c->n);
        if (s->n == 0)
                for (size_t i = 0; i < c->n; i++) {
                        c->input[i] = i != c->label && number(c->field[i], &v);
                        s->n_inputs += c->input[i];
                }
        if (s->n_inputs == 0)
                return err_set(e, -EBADMSG, "%s has no column of numbers", gz_path(g));
        if (s->n == *cap && (!mem_grow((void **)&s->label, cap, s->n + 1, sizeof(int32_t)) ||
                                !mem_resize((void **)&s->x, *cap * s->n_inputs, sizeof(float))))
                return err_oom(e);
        float *x = s->x + s->n * s->n_inputs;
        for (size_t i = 0; i < c->n; i++)
                if (c->input[i] && !number(c->field[i], x++))
                        return err_set(e, -EBADMSG, "%s line %llu: column %zu is no number", gz_path(g),
                            (unsigned long long)gz_lines(g), i + 1);
        s->label[s->n++] = (int32_t)label;
        s->n_classes = (uint32_t)label + 1 > s->n_classes ? (uint32_t)label + 1 : s->n_classes;
        return 0;
}

int stream_open(const char *path, struct stream *ret, struct err *e)
{
        struct gz *g;
        struct columns c = {.n = 0};
        struct stream s = {0};
        size_t cap = 0, len;
        char *line;
        int r = gz_open(&g, path, e);
        if (r < 0)
                return r;
        r = read_header(g, &c, e);
        while (r == 0 && (r = gz_line(g, &line, &len, e)) == 1)
                r = len > 0 ? add_row(g, &c, line, &s, &cap, e) : 0;
        gz_close(g);
        if (r == 0 && s.n_classes < 2)
                r = err_set(e, -EINVAL, "%s has less than two classes", path);
        if (r < 0) {
                stream_close(&s);
                return r;
        }
        *ret = s;
        return 0;
}

void stream_close(struct stream *s)
{
        free(s->x);
        free(s->label);
        *s = (struct stream){0};
}

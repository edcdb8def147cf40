/* out.c: tables with columns as wide as their cells, and JSON as the daemon sent it. */
#include "base/arena.h"
#include "base/mem.h"
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TABLE_MAX_BYTES = 64 << 20, TABLE_MAX_COLUMNS = 16 };

struct out_table {
        struct arena arena;
        size_t n_columns, n_cells, cap;
        size_t width[TABLE_MAX_COLUMNS];
        char **cells;
};

void out_json(const struct buf *body)
{
        fwrite(body->data, 1, body->len, stdout);
        if (body->len == 0 || body->data[body->len - 1] != '\n')
                fputc('\n', stdout);
}

/* Characters as a terminal counts them, near enough: UTF-8 continuation bytes take no column. */
static size_t columns_of(const char *s)
{
        size_t n = 0;

        for (; *s; s++)
                n += ((unsigned char)*s & 0xC0) != 0x80;
        return n;
}

struct out_table *out_table_new(size_t n_columns, const char *const *headings)
{
        struct out_table *t = new_zero(struct out_table);

        if (!t || n_columns > TABLE_MAX_COLUMNS) {
                free(t);
                return NULL;
        }
        arena_init(&t->arena, TABLE_MAX_BYTES);
        t->n_columns = n_columns;
        for (size_t i = 0; i < n_columns; i++)
                out_table_cell(t, "%s", headings[i]);
        return t;
}

void out_table_cell(struct out_table *t, const char *fmt, ...)
{
        char text[1024];
        size_t column, width;
        va_list ap;

        if (!t || !mem_grow((void **)&t->cells, &t->cap, t->n_cells + 1, sizeof(char *)))
                return;
        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        column = t->n_cells % t->n_columns;
        width = columns_of(text);
        if (width > t->width[column])
                t->width[column] = width;
        t->cells[t->n_cells++] = arena_strdup(&t->arena, text);
}

void out_table_print(struct out_table *t)
{
        if (!t)
                return;
        for (size_t i = 0; i < t->n_cells; i++) {
                const char *cell = t->cells[i] ? t->cells[i] : "?";
                size_t column = i % t->n_columns, pad = t->width[column] - columns_of(cell);
                bool last = column + 1 == t->n_columns;

                fputs(cell, stdout);
                for (; !last && pad > 0; pad--)
                        fputc(' ', stdout);
                fputs(last ? "\n" : "  ", stdout);
        }
        arena_deinit(&t->arena);
        free(t->cells);
        free(t);
}

bool out_list_has(const char *list, const char *item)
{
        size_t n = strlen(item);

        if (!list)
                return true;
        while (*list) {
                size_t k = strcspn(list, ",");

                if (k == n && strncmp(list, item, n) == 0)
                        return true;
                list += k + (list[k] == ',');
        }
        return false;
}

void out_percent(char *ret, size_t size, double share)
{
        if (isnan(share))
                snprintf(ret, size, "-");
        else
                snprintf(ret, size, "%.2f %%", 100.0 * share);
}

void out_number(char *ret, size_t size, double v)
{
        if (isnan(v))
                snprintf(ret, size, "-");
        else
                snprintf(ret, size, v == floor(v) && fabs(v) < 1e16 ? "%.0f" : "%g", v);
}

void out_table_percent(struct out_table *t, double share)
{
        char text[16];

        out_percent(text, sizeof(text), share);
        out_table_cell(t, "%s", text);
}

void out_table_number(struct out_table *t, double v)
{
        char text[32];

        out_number(text, sizeof(text), v);
        out_table_cell(t, "%s", text);
}

void out_table_fixed(struct out_table *t, double v)
{
        if (isnan(v))
                out_table_cell(t, "-");
        else
                out_table_cell(t, "%.4f", v);
}

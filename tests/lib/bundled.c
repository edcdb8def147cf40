/* bundled.c: see bundled.h. */
#include "lib/bundled.h"
#include "base/err.h"
#include "data/rows.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_BACK = 5 };

static void give_up(const char *what)
{
        fprintf(stderr, "bundled: %s\n", what);
        abort();
}

const char *digits_path(void)
{
        const char *path = getenv("EWCD_DIGITS");
        if (!path || !*path)
                give_up("EWCD_DIGITS is not set");
        return path;
}

static void room_for(struct digits *d, size_t n)
{
        void *x = realloc(d->x, n * sizeof(*d->x)), *label = x ? realloc(d->label, n * sizeof(*d->label)) : NULL;
        if (!x || !label)
                give_up("out of memory");
        d->x = x;
        d->label = label;
}

static void add(struct digits *d, const float *x, int label)
{
        if (d->n % 256 == 0)
                room_for(d, d->n + 256);
        memcpy(d->x[d->n], x, sizeof(*d->x));
        d->label[d->n++] = label;
}

void digits_load(struct digits *ret)
{
        struct err e = ERR_NULL;
        struct rows_open how = {.path = digits_path()};
        struct rows *rows = NULL;
        struct row row;
        int r = rows_open(&rows, &how, &e);
        *ret = (struct digits){0};
        while (r >= 0 && (r = rows_next(rows, &row, &e)) == 1) {
                if (row.n != DIGIT_PIXELS || !row.label)
                        give_up("a row of the digits has another shape");
                add(ret, row.inputs, atoi(row.label));
        }
        if (r < 0)
                give_up(e.msg);
        rows_close(rows);
}

void digits_pick(const struct digits *all, int lo, int hi, enum digit_side side, bool mirrored, struct digits *ret)
{
        *ret = (struct digits){0};
        for (size_t i = 0; i < all->n; i++) {
                enum digit_side own = i % KEPT_BACK == KEPT_BACK - 1 ? DIGITS_UNSEEN : DIGITS_SENT;
                float x[DIGIT_PIXELS];
                if (all->label[i] < lo || all->label[i] > hi || !(side & own))
                        continue;
                for (size_t p = 0; p < DIGIT_PIXELS; p++)
                        x[p] = all->x[i][mirrored ? p - p % DIGIT_SIDE + (DIGIT_SIDE - 1 - p % DIGIT_SIDE) : p];
                add(ret, x, all->label[i]);
        }
}

void digits_free(struct digits *d)
{
        free(d->x);
        free(d->label);
        *d = (struct digits){0};
}

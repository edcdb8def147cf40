/* svg.h: a small line chart, self-contained and readable on white. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct buf;

enum { SVG_MAX_LINES = 12 };

struct svg_line {
        const char *name;
        size_t n;
        const double *x, *y; /* (n) points that are not finite are left out */
};

struct svg_chart {
        const char *title, *x_name, *y_name;
        bool log_x;
        size_t n;
        const struct svg_line *lines; /* (n) at most SVG_MAX_LINES are drawn */
};

void svg_draw(const struct svg_chart *c, struct buf *out);

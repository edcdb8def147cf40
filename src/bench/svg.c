/* svg.c: axes, grid, lines with markers, a legend. Colours are told apart by people with colour-blindness (Okabe and
 * Ito); markers are drawn besides. */
#include "bench/svg.h"
#include "base/buf.h"
#include "base/mem.h"
#include <math.h>

enum { WIDTH = 760, HEIGHT = 440, LEFT = 64, RIGHT = 190, TOP = 44, BOTTOM = 52, GRID = 5 };

static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};

struct frame {
        double x0, x1, y0, y1;
        bool log_x;
};

static double scale_x(const struct frame *f, double x)
{
        double v = f->log_x ? log10(x) : x;
        return LEFT + (v - f->x0) / (f->x1 - f->x0) * (WIDTH - LEFT - RIGHT);
}

static double scale_y(const struct frame *f, double y)
{
        return HEIGHT - BOTTOM - (y - f->y0) / (f->y1 - f->y0) * (HEIGHT - TOP - BOTTOM);
}

static bool drawable(const struct svg_line *l, size_t i, bool log_x)
{
        return isfinite(l->x[i]) && isfinite(l->y[i]) && (!log_x || l->x[i] > 0);
}

static struct frame frame_of(const struct svg_chart *c)
{
        struct frame f = {INFINITY, -INFINITY, INFINITY, -INFINITY, c->log_x};
        for (size_t k = 0; k < c->n; k++)
                for (size_t i = 0; i < c->lines[k].n; i++) {
                        const struct svg_line *l = &c->lines[k];
                        if (!drawable(l, i, c->log_x))
                                continue;
                        double x = c->log_x ? log10(l->x[i]) : l->x[i], y = l->y[i];
                        f.x0 = x < f.x0 ? x : f.x0;
                        f.x1 = x > f.x1 ? x : f.x1;
                        f.y0 = y < f.y0 ? y : f.y0;
                        f.y1 = y > f.y1 ? y : f.y1;
                }
        if (!(f.x0 <= f.x1))
                f = (struct frame){0, 1, 0, 1, c->log_x};
        if (f.x0 == f.x1)
                f.x1 = f.x0 + 1;
        double room = f.y1 > f.y0 ? 0.06 * (f.y1 - f.y0) : 1;
        f.y0 -= room;
        f.y1 += room;
        return f;
}

static void put_escaped(struct buf *b, const char *s)
{
        for (; *s; s++) {
                if (*s == '<')
                        buf_puts(b, "&lt;");
                else if (*s == '&')
                        buf_puts(b, "&amp;");
                else
                        buf_putc(b, *s);
        }
}

static void put_label(struct buf *b, double x, double y, const char *anchor, const char *text)
{
        buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
        put_escaped(b, text);
        buf_puts(b, "</text>\n");
}

static void put_axes(const struct svg_chart *c, const struct frame *f, struct buf *b)
{
        for (int i = 0; i <= GRID; i++) {
                double v = f->y0 + (f->y1 - f->y0) * i / GRID, y = scale_y(f, v);
                buf_printf(b, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", LEFT, y,
                    WIDTH - RIGHT, y);
                buf_printf(b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>\n", LEFT - 6, y + 4, v);
                double u = f->x0 + (f->x1 - f->x0) * i / GRID, x = LEFT + (double)(WIDTH - LEFT - RIGHT) * i / GRID;
                buf_printf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s%.3g</text>\n", x,
                    HEIGHT - BOTTOM + 18, f->log_x ? "1e" : "", u);
        }
        buf_printf(b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"#444\"/>\n", LEFT,
            TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        put_label(b, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12, "middle", c->x_name);
        put_label(b, LEFT, TOP - 8, "start", c->y_name);
        put_label(b, WIDTH / 2.0, 18, "middle", c->title);
}

static void put_line(const struct svg_line *l, size_t k, const struct frame *f, struct buf *b)
{
        const char *colour = colours[k % ARRAY_LEN(colours)];
        double y = TOP + 14 + 20 * (double)k;
        buf_printf(b, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colour);
        for (size_t i = 0; i < l->n; i++)
                if (drawable(l, i, f->log_x))
                        buf_printf(b, "%.1f,%.1f ", scale_x(f, l->x[i]), scale_y(f, l->y[i]));
        buf_puts(b, "\"/>\n");
        for (size_t i = 0; i < l->n; i++)
                if (drawable(l, i, f->log_x))
                        buf_printf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", scale_x(f, l->x[i]),
                            scale_y(f, l->y[i]), colour);
        buf_printf(b, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"3\"/>\n",
            WIDTH - RIGHT + 12, y - 4, WIDTH - RIGHT + 34, y - 4, colour);
        put_label(b, WIDTH - RIGHT + 40, y, "start", l->name);
}

void svg_draw(const struct svg_chart *c, struct buf *b)
{
        struct frame f = frame_of(c);
        buf_printf(b,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            WIDTH, HEIGHT);
        put_axes(c, &f, b);
        for (size_t k = 0; k < c->n && k < SVG_MAX_LINES; k++)
                put_line(&c->lines[k], k, &f, b);
        buf_puts(b, "</svg>\n");
}

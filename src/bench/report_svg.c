/* report_svg.c: mean accuracy over the tasks seen so far, after each task, one line a method. */
#include "base/buf.h"
#include "bench/report.h"
#include "bench/settings.h"
#include "bench/svg.h"
#include <math.h>

void report_svg(const struct report *v, size_t n, struct buf *out)
{
        double x[BENCH_MAX_TASKS], y[SVG_MAX_LINES][BENCH_MAX_TASKS];
        struct svg_line lines[SVG_MAX_LINES];
        n = n < SVG_MAX_LINES ? n : SVG_MAX_LINES;
        for (size_t k = 0; k < n; k++) {
                for (uint32_t i = 0; i < v[k].sum.tasks; i++) {
                        double sum = 0;
                        for (uint32_t j = 0; j <= i; j++)
                                sum += v[k].sum.R[i][j];
                        x[i] = i + 1;
                        y[k][i] = 100 * sum / (i + 1);
                }
                lines[k] = (struct svg_line){method_name(v[k].s->method), v[k].sum.tasks, x, y[k]};
        }
        const struct svg_chart chart = {
            .title = v[0].s->protocol->title,
            .x_name = "tasks learned",
            .y_name = "mean accuracy over the tasks learned, %",
            .n = n,
            .lines = lines,
        };
        svg_draw(&chart, out);
}

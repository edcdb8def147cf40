/* report.h: tables for people, one JSON object for programs. */
#pragma once
#include "bench/summary.h"

struct buf;
struct settings;

struct report {                   /* one method of a run */
        const struct settings *s; /* of the first seed */
        struct summary sum;
        const struct unit_result *units; /* (n_units) behind sum, for the tries of a search; n_units may be 0 */
        uint32_t n_units;
};

/* main's figures, with n (methods, main first, then none, then joint). */
void report_print(const struct report *v, size_t n);
/* The fields of one method's object, without the braces around them: protocol, scenario, method, fisher, lambda,
 * seeds, accuracy_mean and the rest. */
void report_fields(const struct report *r, struct buf *out);
/* One object: protocol, scenario, method, fisher, lambda, seeds, accuracy_mean and the rest; none and joint
 * inside. */
void report_json(const struct report *v, size_t n, struct buf *out);

/* Accuracy of every task after each task, one line a method: an SVG of its own. */
void report_svg(const struct report *v, size_t n, struct buf *out);

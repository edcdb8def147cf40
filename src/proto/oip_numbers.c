/* oip_numbers.c: arrays of numbers, flat or nested, from text into floats.
 *
 * This is where the time of a prediction's JSON goes, so runs of plain numbers take a short loop. Nesting must be
 * regular: numbers stand on one level only, arrays of one level have one length, which is not 0 but for the
 * outermost, so that the elements are exactly the product of the lengths. Whether that agrees with a declared shape
 * is the caller's business. */
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/num.h"
#include "proto/oip_in.h"
#include <errno.h>

enum { GROW_MIN = 64 }; /* few: a body of feedback has an array in each of its many events */

static bool starts(const struct scan *s, const char *word)
{
        size_t n = strlen(word);
        return (size_t)(s->end - s->p) >= n && memcmp(s->p, word, n) == 0;
}

/* Why there is no usable number at s->p. */
static int explain(struct scan *s, const struct scan_numbers *t)
{
        if (starts(s, "NaN") || starts(s, "Infinity") || starts(s, "-Infinity") || starts(s, "Inf") ||
            starts(s, "inf") || starts(s, "-Inf") || starts(s, "-inf") || starts(s, "nan"))
                return err_field(s->e, PROBLEM_NON_FINITE, t->field,
                    "%s: element %zu is not a finite number, at byte %zu", t->what, t->n, (size_t)(s->p - s->start));
        const char *at = s->p, *kind = scan_kind(s);
        int r = scan_skip(s, t->field, NULL);
        if (r != 0)
                return r;
        s->p = at;
        if (*at == '-' || (*at >= '0' && *at <= '9'))
                return err_field(s->e, PROBLEM_NON_FINITE, t->field,
                    "%s: element %zu is outside the range of float32, at byte %zu", t->what, t->n,
                    (size_t)(at - s->start));
        return err_field(s->e, PROBLEM_BAD_VALUE, t->field, "%s: element %zu must be a number, not %s, at byte %zu",
            t->what, t->n, kind, (size_t)(at - s->start));
}

static int refuse(struct scan *s, const struct scan_numbers *t, const char *at, const char *why)
{
        return err_field(s->e, PROBLEM_BAD_VALUE, t->field, "%s: element %zu %s, at byte %zu", t->what, t->n, why,
            (size_t)(at - s->start));
}

static int take_integer(struct scan *s, const struct scan_numbers *t, float *ret)
{
        const char *at = s->p, *p = at;
        float unused;
        const char *after = num_scan_f32(at, s->end, &unused);
        if (!after)
                return explain(s, t);
        bool minus = *p == '-', fits = true;
        uint64_t v = 0;
        for (p += minus; p < after && *p >= '0' && *p <= '9'; p++)
                fits = fits && !__builtin_mul_overflow(v, 10u, &v) &&
                       !__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v);
        if (p != after)
                return refuse(s, t, at, "is not an integer");
        uint64_t most = minus ? 0 - (uint64_t)t->lo : t->hi;
        if (!fits || v > most)
                return refuse(s, t, at, "is outside the range of its datatype");
        if (!oip_exact(v))
                return refuse(s, t, at, "has more than the 24 significant bits of a float32");
        s->p = after;
        *ret = minus ? -(float)v : (float)v;
        return 0;
}

static int take_whole(struct scan *s, const struct scan_numbers *t, float *ret)
{
        bool yes = t->words && starts(s, "true");
        if (!yes && !(t->words && starts(s, "false")))
                return take_integer(s, t, ret);
        s->p += yes ? 4 : 5;
        *ret = yes;
        return 0;
}

static int irregular(struct scan *s, const struct scan_numbers *t, const char *why)
{
        return err_field(
            s->e, PROBLEM_BAD_SHAPE, t->field, "%s: %s, at byte %zu", t->what, why, (size_t)(s->p - s->start));
}

static int grow(struct scan *s, struct scan_numbers *t)
{
        size_t cap;
        if (!mem_mul(t->cap ? t->cap : GROW_MIN / 2, 2, &cap))
                return err_oom(s->e);
        float *data = arena_new_array(s->arena, float, cap);
        if (!data)
                return err_oom(s->e);
        if (t->n > 0)
                memcpy(data, t->data, t->n * sizeof(float));
        t->data = data;
        t->cap = cap;
        return 0;
}

static int keep(struct scan *s, struct scan_numbers *t, float v)
{
        if (t->n == t->cap && t->limit == 0) {
                int r = grow(s, t);
                if (r != 0)
                        return r;
        }
        if (t->n < t->cap)
                t->data[t->n] = v;
        t->n++;
        return 0;
}

/* Numbers with commas between them, up to whatever is not a comma. */
static int take_run(struct scan *s, struct scan_numbers *t, size_t *count)
{
        for (;;) {
                float v;
                int r = 0;
                if (t->integers) {
                        r = take_whole(s, t, &v);
                } else {
                        const char *after = num_scan_f32(s->p, s->end, &v);
                        if (!after)
                                return explain(s, t);
                        s->p = after;
                }
                if (r != 0 || (r = keep(s, t, v)) != 0)
                        return r;
                ++*count;
                if (scan_peek(s) != ',')
                        return 0;
                s->p++;
                scan_space(s);
                if (s->p < s->end && *s->p == '[')
                        return irregular(s, t, "numbers and arrays mixed");
        }
}

int scan_numbers(struct scan *s, struct scan_numbers *t)
{
        size_t depth = 0, count[SCAN_MAX_NESTING + 1] = {0};
        bool closed[SCAN_MAX_NESTING + 1] = {false};
        t->n = t->nesting = 0;
        int r = scan_open(s, '[', t->field);
        if (r != 0)
                return r;
        for (depth = 1;;) {
                char c = scan_peek(s);
                if (c == '[') {
                        if (depth == t->max_nesting || depth == SCAN_MAX_NESTING)
                                return irregular(s, t, "nested too deep");
                        if (t->nesting > 0 && depth >= t->nesting)
                                return irregular(s, t, "numbers and arrays mixed");
                        count[++depth] = 0;
                        s->p++;
                        continue;
                }
                if (c == ']' && depth > 1) /* it would count as an element where numbers follow */
                        return irregular(s, t, "an inner array is empty");
                if (c != ']') {
                        if (t->nesting > 0 && depth != t->nesting)
                                return irregular(s, t, "numbers and arrays mixed");
                        t->nesting = depth;
                        if ((r = take_run(s, t, &count[depth])) != 0)
                                return r;
                }
                while (scan_peek(s) == ']') {
                        s->p++;
                        if (closed[depth] && t->dims[depth - 1] != count[depth])
                                return irregular(s, t, "inner arrays differ in length");
                        closed[depth] = true;
                        t->dims[depth - 1] = count[depth];
                        if (--depth == 0)
                                return 0;
                        count[depth]++;
                }
                if (scan_peek(s) != ',')
                        return scan_malformed(s, t->field, "not JSON: ',' or ']' is missing");
                s->p++;
                if (scan_peek(s) == ']')
                        return scan_malformed(s, t->field, "not JSON: nothing follows ','");
        }
}

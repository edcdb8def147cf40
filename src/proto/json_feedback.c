/* json_feedback.c: labelled events from a JSON object or from lines of JSON.
 *
 * The rows of an event are the bulk of it, so the scanner of oip_scan.h reads them, not the JSON library. In a JSON
 * body an event is first passed over as a whole: where its text is no JSON, the place of the next event is unknown
 * and the body is refused; anything else that is wrong with it stays its own affair. A line of ndjson always does. */
#include "proto/json_feedback.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/oip.h"
#include "proto/oip_scan.h"
#include <errno.h>
#include <stdio.h>

struct list {
        struct event *v;
        size_t n, cap;
};

static struct event *add_event(struct list *l, struct arena *a)
{
        if (l->n == l->cap) {
                size_t cap = l->cap ? l->cap * 2 : 8;
                struct event *v = arena_new_array(a, struct event, cap);
                if (!v)
                        return NULL;
                if (l->n > 0)
                        memcpy(v, l->v, l->n * sizeof(*v));
                l->v = v;
                l->cap = cap;
        }
        return &l->v[l->n++];
}

/* --- members --- */

/* An array of numbers, or an array with one tensor. */
static int take_floats(struct scan *s, const char *field, const float **ret, size_t *ret_n)
{
        struct scan ahead = *s;
        struct scan_numbers t = {.what = field, .field = field, .max_nesting = SCAN_MAX_NESTING};
        int r;
        if (scan_peek(&ahead) == '[' && (ahead.p++, scan_peek(&ahead) == '{')) {
                char at[SCAN_FIELD_SIZE];
                struct scan_walk walk = {0};
                struct oip_tensor tensor;
                bool more;
                snprintf(at, sizeof(at), "%s/0", field);
                if ((r = scan_open(s, '[', field)) != 0 || (r = scan_next(s, &walk, field, NULL, &more)) != 0 ||
                    (r = oip_tensor_read(s, at, &tensor)) != 0 || (r = scan_next(s, &walk, field, NULL, &more)) != 0)
                        return r;
                if (more)
                        return err_field(s->e, PROBLEM_BAD_VALUE, field, "%s must be one tensor", field);
                t.data = (float *)tensor.data;
                t.n = tensor.n;
        } else if ((r = scan_numbers(s, &t)) != 0) {
                return r;
        }
        if (t.n == 0)
                return err_field(s->e, PROBLEM_BAD_SHAPE, field, "%s has no numbers", field);
        *ret = t.data;
        *ret_n = t.n;
        return 0;
}

static int take_event_id(struct scan *s, const char *field, struct event *v)
{
        return scan_string(s, field, &v->event_id);
}

static int take_prediction_id(struct scan *s, const char *field, struct event *v)
{
        return scan_string(s, field, &v->prediction_id);
}

static int take_source(struct scan *s, const char *field, struct event *v)
{
        return scan_string(s, field, &v->source);
}

static int take_task(struct scan *s, const char *field, struct event *v)
{
        return scan_string(s, field, &v->task);
}

static int take_inputs(struct scan *s, const char *field, struct event *v)
{
        return take_floats(s, field, &v->inputs, &v->n_inputs);
}

static int take_label(struct scan *s, const char *field, struct event *v)
{
        return scan_label(s, field, &v->label);
}

static int take_labels(struct scan *s, const char *field, struct event *v)
{
        struct scan_walk walk = {0};
        const char **labels = NULL;
        size_t n = 0, cap = 0;
        bool more;
        int r = scan_open(s, '[', field);
        while (r == 0 && (r = scan_next(s, &walk, field, NULL, &more)) == 0 && more) {
                if (n == MODEL_MAX_CLASSES)
                        return err_field(s->e, PROBLEM_BAD_VALUE, field, "more than %d labels", MODEL_MAX_CLASSES);
                if (n == cap) {
                        const char **more_labels = arena_new_array(s->arena, const char *, cap = cap ? cap * 2 : 8);
                        if (!more_labels)
                                return err_oom(s->e);
                        if (n > 0)
                                memcpy(more_labels, labels, n * sizeof(*labels));
                        labels = more_labels;
                }
                r = scan_label(s, field, &labels[n++]);
        }
        v->n_labels = n;
        v->labels = labels;
        return r;
}

static int take_target(struct scan *s, const char *field, struct event *v)
{
        if (scan_peek(s) == '[')
                return take_floats(s, field, &v->target, &v->n_target);
        float *one = arena_new(s->arena, float);
        if (!one)
                return err_oom(s->e);
        v->target = one;
        v->n_target = 1;
        return scan_float(s, field, one);
}

static int take_weight(struct scan *s, const char *field, struct event *v)
{
        int r = scan_float(s, field, &v->weight);
        if (r == 0 && v->weight < 0)
                r = err_field(s->e, PROBLEM_BAD_VALUE, field, "a weight is not negative");
        return r;
}

static int take_observed(struct scan *s, const char *field, struct event *v)
{
        const char *text;
        int r = scan_string(s, field, &text);
        if (r == 0 && clock_parse(text, &v->observed_ms) < 0)
                r = err_field(s->e, PROBLEM_BAD_VALUE, field, "'%.40s' is no time; write 2026-11-23T22:31:10Z", text);
        return r;
}

static const struct member {
        const char *name;
        int (*take)(struct scan *s, const char *field, struct event *v);
} members[] = {
    {"event_id", take_event_id},
    {"prediction_id", take_prediction_id},
    {"source", take_source},
    {"task", take_task},
    {"inputs", take_inputs},
    {"label", take_label},
    {"labels", take_labels},
    {"target", take_target},
    {"weight", take_weight},
    {"observed_at", take_observed},
};

static int take_member(struct scan *s, const char *at, const char *key, struct event *v)
{
        char field[SCAN_FIELD_SIZE], known[128] = "";
        snprintf(field, sizeof(field), "%s/%.40s", at, key);
        for (size_t i = 0; i < ARRAY_LEN(members); i++) {
                if (strcmp(members[i].name, key) == 0)
                        return members[i].take(s, field, v);
                size_t n = strlen(known);
                snprintf(known + n, sizeof(known) - n, "%s%s", n > 0 ? ", " : "", members[i].name);
        }
        return err_field(s->e, PROBLEM_UNKNOWN_KEY, field, "unknown key '%.64s'; known: %s", key, known);
}

static int check_whole(struct scan *s, const char *at, const struct event *v)
{
        char field[SCAN_FIELD_SIZE];
        int answers = (v->label != NULL) + (v->n_labels != SIZE_MAX) + (v->n_target > 0);
        snprintf(field, sizeof(field), "%s/%s", at, v->inputs || v->prediction_id ? "label" : "inputs");
        if (!v->inputs && !v->prediction_id)
                return err_field(s->e, PROBLEM_BAD_VALUE, field, "the event has no inputs and no prediction_id");
        if (answers != 1)
                return err_field(s->e, PROBLEM_BAD_VALUE, field,
                    answers ? "give only one of label, labels and target"
                            : "the event has no label, labels or target");
        return 0;
}

/* --- digest: everything that makes two events the same, each piece with its tag and length --- */

static void add(struct digest_ctx *c, char tag, const void *p, size_t n)
{
        uint64_t size = n;
        digest_add(c, &tag, 1);
        digest_add(c, &size, sizeof(size));
        if (n > 0)
                digest_add(c, p, n);
}

static void add_text(struct digest_ctx *c, char tag, const char *text)
{
        if (text)
                add(c, tag, text, strlen(text));
}

static bool digest_event(struct event *v)
{
        struct digest_ctx *c = digest_new();
        if (!c)
                return false;
        add(c, 'i', v->inputs, v->n_inputs * sizeof(float));
        add_text(c, 'p', v->prediction_id);
        add_text(c, 'l', v->label);
        if (v->n_labels != SIZE_MAX) {
                add(c, 'm', NULL, 0);
                for (size_t i = 0; i < v->n_labels; i++)
                        add_text(c, 'l', v->labels[i]);
        }
        add(c, 't', v->target, v->n_target * sizeof(float));
        add(c, 'w', &v->weight, sizeof(v->weight));
        add_text(c, 'k', v->task);
        add(c, 'o', &v->observed_ms, sizeof(v->observed_ms));
        digest_finish(c, &v->payload);
        return true;
}

/* --- events --- */

/* Fills *ret from the object at s, which must be all there is left. Only -ENOMEM comes back; all else is its
 * verdict. */
static int read_event(struct scan *s, const char *at, struct event *ret)
{
        struct err why = ERR_NULL, *outer = s->e;
        struct event v = {.line = ret->line, .weight = 1, .n_labels = SIZE_MAX};
        struct scan_walk walk = {0};
        const char *key;
        bool more;
        s->e = &why;
        int r = scan_open(s, '{', at);
        while (r == 0 && (r = scan_next(s, &walk, at, &key, &more)) == 0 && more)
                r = take_member(s, at, key, &v);
        if (r == 0)
                r = scan_end(s);
        if (r == 0)
                r = check_whole(s, at, &v);
        if (r == 0 && !digest_event(&v))
                r = -ENOMEM;
        s->e = outer;
        if (r > 0) {
                v.problem = r;
                v.why = arena_memdup(s->arena, &why, sizeof(why));
        }
        if (r < 0 || (r > 0 && !v.why))
                return err_oom(outer);
        *ret = v;
        return 0;
}

static int read_events(struct scan *s, struct list *l)
{
        char at[SCAN_FIELD_SIZE];
        struct scan_walk walk = {0};
        bool more;
        int r = scan_open(s, '[', "/events");
        while (r == 0 && (r = scan_next(s, &walk, "/events", NULL, &more)) == 0 && more) {
                struct slice text;
                struct event *v = add_event(l, s->arena);
                snprintf(at, sizeof(at), "/events/%zu", l->n - 1);
                if (!v)
                        return err_oom(s->e);
                if ((r = scan_skip(s, at, &text)) != 0)
                        return r;
                struct scan one = *s;
                one.p = text.p;
                one.end = text.p + text.n;
                r = read_event(&one, at, v);
        }
        return r;
}

static int read_body(struct slice body, struct list *l, struct arena *a, struct err *e)
{
        struct scan s;
        struct scan_walk walk = {0};
        const char *key;
        bool more;
        scan_init(&s, body, a, e);
        int r = scan_open(&s, '{', "");
        while (r == 0 && (r = scan_next(&s, &walk, "", &key, &more)) == 0 && more) {
                if (strcmp(key, "events") != 0)
                        return err_field(e, PROBLEM_UNKNOWN_KEY, "", "unknown key '%.64s'; known: events", key);
                r = read_events(&s, l);
        }
        return r == 0 ? scan_end(&s) : r;
}

static int read_lines(struct slice body, struct list *l, struct arena *a, struct err *e)
{
        const char *p = body.p, *end = body.p + body.n;
        for (size_t line = 1; p < end; line++) {
                const char *stop = memchr(p, '\n', (size_t)(end - p));
                struct scan s;
                scan_init(&s, (struct slice){p, (size_t)((stop ? stop : end) - p)}, a, e);
                p = stop ? stop + 1 : end;
                if (scan_peek(&s) == '\0' && s.p == s.end)
                        continue; /* a blank line */
                struct event *v = add_event(l, a);
                if (!v)
                        return err_oom(e);
                v->line = line;
                int r = read_event(&s, "", v);
                if (r != 0)
                        return r;
        }
        return 0;
}

int json_feedback_read(
    struct slice body, bool ndjson, struct arena *a, struct event **ret, size_t *ret_n, struct err *e)
{
        struct list l = {0};
        int r = ndjson ? read_lines(body, &l, a, e) : read_body(body, &l, a, e);
        if (r == 0 && l.n == 0)
                r = err_field(e, PROBLEM_BAD_VALUE, ndjson ? "" : "/events", "no events");
        if (r != 0)
                return r;
        *ret = l.v;
        *ret_n = l.n;
        return 0;
}

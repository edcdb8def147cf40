/* export_rows.c: rows of the store as rows of a learner.
 *
 * Inputs are scaled here, labels become output indices of the task's head, so a learner needs to know neither
 * scales nor classes. A row that cannot be used is left out and counted: it must not keep all the others from being
 * learned.
 *
 * A choice per class takes two walks. The first notes (class, hash, sequence number) of each row; sorted, the first
 * k of every class are the chosen ones, whatever order rows came in. The second copies them. Only the noted triples
 * and the chosen rows are held in memory. */
#include "super/export_rows.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/validate.h"
#include "store/store.h"
#include <errno.h>
#include <math.h>
#include <string.h>

void *budget_take(struct budget *b, size_t n, size_t size, const char *what, struct err *e)
{
        size_t bytes;
        if (!mem_mul(n, size, &bytes) || bytes > b->left) {
                err_set(e, -E2BIG, "%s need more memory than an export may use", what);
                return NULL;
        }
        void *p = mem_array(n, size);
        if (!p)
                err_oom(e);
        else
                b->left -= bytes;
        return p;
}

void row_set_free(struct row_set *r)
{
        free(r->x);
        free(r->label);
        free(r->target);
        free(r->weight);
        *r = (struct row_set){0};
}

/* --- choosing --- */

struct noted {
        int32_t class;
        uint64_t hash, seq;
};

struct notes {
        struct noted *v;
        size_t n, cap;
        struct budget *budget;
        struct err *e;
};

/* splitmix64's finaliser: a fixed mixing of the bits. */
static uint64_t mix(uint64_t x)
{
        x ^= x >> 30;
        x *= 0xbf58476d1ce4e5b9u;
        x ^= x >> 27;
        x *= 0x94d049bb133111ebu;
        return x ^ (x >> 31);
}

static int note(void *arg, const struct feedback *row)
{
        struct notes *t = arg;
        if (t->n == t->cap) {
                size_t more = t->cap ? t->cap : 1024, bytes = more * sizeof(*t->v);
                void *v = t->v;
                if (bytes > t->budget->left)
                        return err_set(t->e, -E2BIG, "rows to replay need more memory than an export may use");
                if (!mem_resize(&v, t->cap + more, sizeof(*t->v)))
                        return err_oom(t->e);
                t->budget->left -= bytes;
                t->v = v;
                t->cap += more;
        }
        t->v[t->n++] = (struct noted){row->class, mix(row->seq), row->seq};
        return 0;
}

static int by_class_and_hash(const void *a, const void *b)
{
        const struct noted *x = a, *y = b;
        if (x->class != y->class)
                return x->class < y->class ? -1 : 1;
        if (x->hash != y->hash)
                return x->hash < y->hash ? -1 : 1;
        return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int by_seq(const void *a, const void *b)
{
        const struct noted *x = a, *y = b;
        return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Keeps the first k of each class, in sequence order. */
static void keep_first(struct notes *t, uint32_t k)
{
        size_t kept = 0, of_class = 0;
        if (t->n > 0)
                qsort(t->v, t->n, sizeof(*t->v), by_class_and_hash);
        for (size_t i = 0; i < t->n; i++) {
                of_class = i > 0 && t->v[i].class == t->v[i - 1].class ? of_class + 1 : 0;
                if (of_class < k)
                        t->v[kept++] = t->v[i];
        }
        t->n = kept;
        if (kept > 0)
                qsort(t->v, kept, sizeof(*t->v), by_seq);
}

/* --- copying --- */

struct taker {
        const struct layout *l;
        const struct row_choice *choice;
        const struct notes *only; /* NULL: every row */
        size_t next;              /* of only */
        int32_t *output_of;       /* (n_classes) output index, or -1 */
        struct row_set *set;
        struct budget *budget;
        struct err *e;
};

static bool resize(void **array, size_t n, size_t width)
{
        size_t row;
        return mem_mul(width, sizeof(float), &row) && mem_resize(array, n, row);
}

static bool set_resize(struct row_set *s, size_t cap, const struct ewc_spec *net)
{
        void *x = s->x, *label = s->label, *target = s->target, *weight = s->weight;
        bool softmax = net->loss == EWC_LOSS_SOFTMAX;
        bool ok = resize(&x, cap, net->n_inputs);
        s->x = x;
        ok = ok && resize(&weight, cap, 1);
        s->weight = weight;
        ok = ok && (softmax ? resize(&label, cap, 1) : resize(&target, cap, net->n_outputs));
        s->label = label;
        s->target = target;
        return ok;
}

/* Room for `more` rows beyond cap. */
static int set_grow(struct taker *t, size_t more)
{
        const struct ewc_spec *net = &t->l->spec.net;
        size_t row =
            sizeof(float) * (size_t)(net->n_inputs + 1 + (net->loss == EWC_LOSS_SOFTMAX ? 1 : net->n_outputs));
        size_t bytes;
        if (!mem_mul(more, row, &bytes) || bytes > t->budget->left)
                return err_set(
                    t->e, -E2BIG, "rows of task %s need more memory than an export may use", t->choice->task->name);
        if (!set_resize(t->set, t->set->cap + more, net))
                return err_oom(t->e);
        t->budget->left -= bytes;
        t->set->cap += more;
        return 0;
}

static bool take_inputs(const struct taker *t, const struct feedback *row, float *x)
{
        size_t n = t->l->spec.n_inputs;
        if (row->n_inputs != n || !row->inputs)
                return false;
        model_scale(&t->l->spec, 1, row->inputs, x);
        for (size_t i = 0; i < n; i++)
                if (!(fabsf(x[i]) <= VALIDATE_INPUT_MAX))
                        return false;
        return true;
}

static bool take_label(const struct taker *t, const struct feedback *row, int32_t *label)
{
        if (row->class < 0 || (size_t)row->class >= t->l->spec.n_classes)
                return false;
        *label = t->output_of[row->class];
        return *label >= 0;
}

/* Targets come by class; outputs of other tasks stay 0 and are not looked at. */
static bool take_targets(const struct taker *t, const struct feedback *row, float *target)
{
        memset(target, 0, t->l->n_outputs * sizeof(float));
        if (!row->targets)
                return false;
        for (size_t c = 0; c < row->n_targets && c < t->l->spec.n_classes; c++) {
                if (!isfinite(row->targets[c]))
                        return false;
                if (t->output_of[c] >= 0)
                        target[t->output_of[c]] = row->targets[c];
        }
        return true;
}

static int take(void *arg, const struct feedback *row)
{
        struct taker *t = arg;
        struct row_set *s = t->set;
        if (t->choice->trusted_only && !row->trusted)
                return 0;
        if (t->only) {
                if (t->next == t->only->n || row->seq != t->only->v[t->next].seq)
                        return 0;
                t->next++;
        }
        if (s->n == s->cap) {
                int r = set_grow(t, s->cap ? s->cap : 256);
                if (r < 0)
                        return r;
        }
        bool softmax = t->l->spec.net.loss == EWC_LOSS_SOFTMAX;
        if (!take_inputs(t, row, s->x + s->n * t->l->spec.n_inputs) || !(row->weight >= 0) || isinf(row->weight) ||
            !(softmax ? take_label(t, row, s->label + s->n)
                      : take_targets(t, row, s->target + s->n * t->l->n_outputs))) {
                s->n_unusable++;
                return 0;
        }
        s->weight[s->n] = row->weight;
        s->weighted |= row->weight != 1.0f;
        s->n++;
        return 0;
}

static void map_outputs(const struct layout *l, const struct ewc_head *head, int32_t *output_of)
{
        for (size_t c = 0; c < l->spec.n_classes; c++)
                output_of[c] = -1;
        for (uint32_t i = 0; i < head->n; i++) {
                uint32_t class = l->outputs[head->out[i]].class;
                if (class < l->spec.n_classes)
                        output_of[class] = (int32_t)head->out[i];
        }
}

/* As many rows as the store counts, at first: then nothing has to grow. */
static size_t expected(const struct row_choice *c, const struct notes *only)
{
        uint64_t n = c->split == SPLIT_HOLDOUT ? c->task->n_holdout : c->task->n_train;
        if (only)
                n = only->n;
        return n > 0 && n < UINT32_MAX ? (size_t)n : 1;
}

static int is_trusted(void *arg, const struct feedback *row)
{
        (void)arg;
        return row->trusted ? 1 : 0; /* 1 ends the walk */
}

int rows_trusted(struct store *s, const struct layout *l, const struct row_choice *c, bool *ret, struct err *e)
{
        struct feedback_filter f = {.task = c->task->id, .range = c->range, .split = c->split};
        int r = store_feedback_scan(s, l->parent.model, &f, is_trusted, NULL, e);
        if (r == 0 || r == 1)
                *ret = r == 1;
        return r == 1 ? 0 : r;
}

int rows_gather(struct store *s, const struct layout *l, const struct row_choice *c, struct budget *b,
    struct row_set *ret, struct err *e)
{
        struct feedback_filter f = {.task = c->task->id, .range = c->range, .split = c->split};
        struct notes notes = {.budget = b, .e = e};
        _free_ int32_t *output_of = new_array(int32_t, l->spec.n_classes);
        int r = output_of ? 0 : err_oom(e);
        if (r == 0 && c->per_class > 0) {
                r = store_feedback_scan(s, l->parent.model, &f, note, &notes, e);
                keep_first(&notes, c->per_class);
        }
        struct row_set set = {0};
        struct taker t = {l, c, c->per_class > 0 ? &notes : NULL, 0, output_of, &set, b, e};
        if (r == 0)
                r = set_grow(&t, expected(c, t.only));
        if (r == 0) {
                map_outputs(l, c->head, output_of);
                r = store_feedback_scan(s, l->parent.model, &f, take, &t, e);
        }
        free(notes.v);
        b->left += notes.cap * sizeof(*notes.v);
        if (r != 0) {
                row_set_free(&set);
                return err_wrap(e, r, "rows of task %s", c->task->name);
        }
        *ret = set;
        return 0;
}

struct learn_rows rows_view(const struct row_set *r, const struct row_choice *c)
{
        return (struct learn_rows){
            .task = c->task->id,
            .head = *c->head,
            .n = r->n,
            .x = r->x,
            .label = r->label,
            .target = r->target,
            .weight = r->weighted && c->split == SPLIT_TRAIN ? r->weight : NULL,
        };
}

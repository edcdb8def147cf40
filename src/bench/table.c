/* table.c: the rows of a protocol's table: every method whose lambda is known, and ewc with each Fisher variant that
 * was published. */
#include "bench/table.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/published.h"
#include "bench/settings.h"
#include <errno.h>
#include <string.h>

static const enum bench_method methods[] = {METHOD_NONE, METHOD_EWC, METHOD_ONLINE_EWC, METHOD_SI, METHOD_MAS,
    METHOD_LWF, METHOD_HYBRID, METHOD_REPLAY, METHOD_EWC_REPLAY, METHOD_DERPP, METHOD_JOINT};

const struct table_row *table_row_of(const struct table_of *t, enum bench_method m)
{
        for (size_t i = 0; i < t->n; i++)
                if (t->row[i].s.method == m)
                        return &t->row[i];
        return NULL;
}

/* Where the protocol merges "ewc" as online EWC does, and with the same lambda, training twice would give one figure
 * twice. */
static const struct table_row *same_training(const struct table_of *t, const struct settings *s)
{
        struct settings as_ewc = *s;
        struct digest a, b;
        const struct table_row *ewc = table_row_of(t, METHOD_EWC);
        if (s->method != METHOD_ONLINE_EWC || !ewc)
                return NULL;
        as_ewc.method = METHOD_EWC;
        settings_digest(&as_ewc, &a);
        settings_digest(&ewc->s, &b);
        return digest_eq(&a, &b) ? ewc : NULL;
}

static int add_row(struct table_of *t, const struct options *o, enum bench_method m, uint64_t data_id, struct err *e)
{
        struct table_row *row = &t->row[t->n];
        int r = settings_make(o, t->protocol, m, o->seed, data_id, &row->s, e);
        if (r < 0)
                return r;
        const struct table_row *same = same_training(t, &row->s);
        row->as_ewc = same != NULL;
        row->group = same ? same->group : t->n_groups++;
        t->n++;
        return 0;
}

/* Those of the papers' table, but for the protocol's own Fisher, which "ewc" has. */
static int add_variants(struct table_of *t, const struct options *o, uint64_t data_id, struct err *e)
{
        const struct published *v;
        for (size_t k = 0; k < TABLE_MAX_VARIANTS && (v = published_variant(t->protocol, k)); k++) {
                struct options with = *o;
                if (v->fisher == t->protocol->fisher && v->fisher_samples == t->protocol->fisher_samples)
                        continue;
                with.fisher = v->fisher;
                with.fisher_samples = v->fisher_samples;
                with.fisher_samples_given = true;
                int r = add_row(t, &with, METHOD_EWC, data_id, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

int table_rows(struct table_of *t, const struct options *o, uint64_t data_id, struct err *e)
{
        for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
                int r = add_row(t, o, methods[i], data_id, e);
                if (r == -EINVAL && strcmp(e->field, "--lambda") == 0) {
                        t->left_out[methods[i]] = true;
                        continue;
                }
                if (r == 0 && methods[i] == METHOD_EWC)
                        r = add_variants(t, o, data_id, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

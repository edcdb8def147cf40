/* served.h: one version of one model, built, warmed up and immutable, as every serving loop holds it.
 *
 * refs counts the loops (and hand-overs, and the shelf) that hold it; requests never touch it. Everything inside
 * lives in one arena and one net, freed when the last reference goes; evidence may be shared with other versions.
 * Besides the net it carries what feedback is checked against. What changes is refs, and uses: one counter per loop,
 * each on its own cache line, written by that loop alone. */
#pragma once
#include "base/arena.h"
#include "base/digest.h"
#include "domain/model.h"
#include "infer/class_index.h"
#include <ewc/forward.h>
#include <stdatomic.h>

struct evidence;
struct store;
struct err;

enum { SERVED_LANES = 64, SERVED_LINE = 64 };

struct served_uses { /* of one loop: requests answered by this version */
        _Alignas(SERVED_LINE) _Atomic uint64_t n;
};

struct served_task {
        task_id id;
        char name[NAME_SIZE];
        enum task_state state;
        bool classes_fixed;
        size_t n_classes;
        const uint32_t *classes;
        const uint8_t *class_bits;       /* of classes, a bit each of spec.n_classes; NULL: any class may come */
        struct ewc_head head;            /* active outputs in this version; n 0: not trained yet */
        const char *const *head_classes; /* (head.n) names */
        struct evaluation now;           /* holdout under this version; n 0 if unknown */
        double accuracy_at_close;        /* closed tasks; NaN if n_at_close is 0 */
        uint64_t n_at_close;
};

struct served {
        atomic_uint refs;
        struct served_uses *uses; /* (SERVED_LANES) */
        struct arena arena;
        model_id model;
        version_id version;
        uint64_t number;
        char number_text[24];
        uint64_t stands_in_for;  /* number of the damaged champion it is served for; 0: none */
        char digest[DIGEST_HEX]; /* of theta */
        double lambda;           /* it was trained with; 0 for the first */
        struct model_spec spec;  /* net.n_outputs is this version's */
        struct learning learning;
        struct class_index class_index; /* of spec.classes */
        struct ewc_net *net;
        struct ewc_plan *plan; /* of the net: its packed weights, which answer */
        size_t batch_rows;     /* rows worth running together, measured when it was loaded (infer/batch_size.h) */
        size_t n_outputs;
        const struct output_row *outputs;
        size_t n_tasks;
        const struct served_task *tasks;
        const struct served_task *open; /* the open task */
        struct evidence *evidence;      /* what uncertainty is computed from; NULL: none, and why in no_evidence */
        const char *no_evidence;
        size_t bytes; /* memory it holds: parameters, packed weights, evidence, description */
};

struct served_want {
        model_id model;
        uint64_t number;            /* of the version; 0: the one that alias `champion` names */
        const struct served *donor; /* of the same model, or NULL: evidence that has not changed is shared */
};

/* Builds a version and runs it once. Reader thread. STORE_NOT_FOUND: no such model or version; negative: it cannot be
 * served, the text says why. In place of a champion that is damaged comes the newest promoted version that is not
 * (stands_in_for). */
int served_load(struct store *s, const struct served_want *w, struct served **ret, struct err *e);
struct served *served_ref(struct served *s);
void served_unref(struct served *s); /* accepts NULL; any thread */

/* The loop `lane` has answered with s; relaxed, no other loop's memory. */
static inline void served_used(const struct served *s, unsigned lane)
{
        uint64_t n = atomic_load_explicit(&s->uses[lane].n, memory_order_relaxed);
        atomic_store_explicit(&s->uses[lane].n, n + 1, memory_order_relaxed);
}
uint64_t served_use_count(const struct served *s); /* of all loops */

/* Index of a class by its name, or -1; whether it may be a label of task t. Both in one look. */
int served_class(const struct served *s, const char *name);
bool served_task_has(const struct served_task *t, uint32_t class);
const struct served_task *served_task(const struct served *s, const char *name); /* NULL if unknown */
/* Whether b was loaded under the same tasks and classes as a, so that it still knows all that can be asked. */
bool served_same_tasks(const struct served *a, const struct served *b);

size_t served_workspace(const struct served *s, size_t rows); /* bytes, 64-aligned */
/* probs (rows, head.n of t) from raw inputs (rows, I); head.n >= 1. A row's bits do not depend on the others.
 * EWC_E_NONFINITE. Pure but for ws. */
int served_predict(
    const struct served *s, const struct served_task *t, size_t rows, const float *raw, float *probs, void *ws);

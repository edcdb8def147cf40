/* served.h: one version of one model, built, warmed up and immutable, as every serving loop holds it.
 *
 * refs counts the loops (and hand-overs) that hold it; requests never touch it. Everything inside lives in one
 * arena and one net, freed when the last reference goes. Besides the net it carries what feedback is checked
 * against. */
#pragma once
#include "base/arena.h"
#include "base/digest.h"
#include "domain/model.h"
#include <ewc/net.h>
#include <stdatomic.h>

struct store;
struct err;

struct served_task {
        task_id id;
        char name[NAME_SIZE];
        enum task_state state;
        bool classes_fixed;
        size_t n_classes;
        const uint32_t *classes;
        struct ewc_head head;            /* active outputs in this version; n 0: not trained yet */
        const char *const *head_classes; /* (head.n) names */
        struct evaluation now;           /* holdout under this version; n 0 if unknown */
        double accuracy_at_close;        /* closed tasks; NaN if n_at_close is 0 */
        uint64_t n_at_close;
};

struct served {
        atomic_uint refs;
        struct arena arena;
        model_id model;
        version_id version;
        uint64_t number;
        char number_text[24];
        char digest[DIGEST_HEX]; /* of theta */
        double lambda;           /* it was trained with; 0 for the first */
        struct model_spec spec;  /* net.n_outputs is this version's */
        struct learning learning;
        struct ewc_net *net;
        size_t n_outputs;
        const struct output_row *outputs;
        size_t n_tasks;
        const struct served_task *tasks;
        const struct served_task *open; /* the open task */
};

/* Builds the version that alias `champion` of model m names, and runs it once. Reader thread. STORE_NOT_FOUND. */
int served_load(struct store *s, model_id m, struct served **ret, struct err *e);
struct served *served_ref(struct served *s);
void served_unref(struct served *s); /* accepts NULL; any thread */

const struct served_task *served_task(const struct served *s, const char *name); /* NULL if unknown */

size_t served_workspace(const struct served *s, size_t rows); /* bytes, 64-aligned */
/* probs (rows, head.n of t) from raw inputs (rows, I); head.n >= 1. A row's bits do not depend on the others.
 * EWC_E_NONFINITE. Pure but for ws. */
int served_predict(
    const struct served *s, const struct served_task *t, size_t rows, const float *raw, float *probs, void *ws);

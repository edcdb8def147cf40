/* json_model.h: models and their learning section between JSON text and domain/model.h. */
#pragma once
#include "base/str.h"
#include "domain/model.h"
#include "domain/problem.h"

struct arena;
struct buf;
struct err;

/* The body of POST /v2/models. Unknown keys are refused by name. PROBLEM_* with field, or -ENOMEM. */
int json_model_read(
    struct slice body, struct arena *a, struct model_spec *ret, struct learning *ret_learning, struct err *e);

/* The canonical texts kept in the store, and back. */
void json_spec_write(struct buf *b, const struct model_spec *s);
void json_learning_write(struct buf *b, const struct learning *l);
int json_spec_read(
    const char *text, struct arena *a, struct model_spec *ret, struct err *e); /* classes come from the store */
int json_learning_read(const char *text, struct learning *ret, struct err *e);

/* OIP metadata of a model plus "scenario", "classes", "layers", "learning", "ewcd_champion", "parameters" (P). */
struct model_view {
        const struct model_spec *spec;
        const struct learning *learning;
        uint64_t champion;  /* version number */
        size_t n_versions;  /* that are loaded; 0: the champion alone */
        const uint64_t *versions;
        const char *digest; /* of the champion's theta, hex */
        size_t n_params;
        const char *open_task;
};
void json_model_view_write(struct buf *b, const struct model_view *v);
void json_model_list_write(struct buf *b, size_t n, const char *const *names); /* {"models":[…]} */

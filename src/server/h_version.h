/* h_version.h: a stored version on its way to JSON, as the handlers of versions, lineage and differences need it. */
#pragma once
#include "proto/json_admin.h"
#include "server/h.h"

struct h_tasks { /* what names the tasks of a model */
        size_t n;
        const struct task *v;
        bool has_accuracy; /* answers can be right or wrong */
};

int h_load_tasks(struct h_work *w, struct store *s, const struct model *m, struct h_tasks *ret, struct err *e);
const char *h_task_name(const struct h_tasks *t, task_id id); /* NULL if unknown */
/* v is the caller's own and lives as long as the view; accuracies that mean nothing are taken out of it. loaded is
 * left unsaid. -ENOMEM. */
int h_version_view(struct arena *a, const struct h_tasks *t, struct version *v, struct version_view *ret);

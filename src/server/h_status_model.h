/* h_status_model.h: what status says of one model. Reader thread. */
#pragma once
#include "server/h.h"

struct store;

/* One object into w->body. served: number of the version that answers for it now, 0: none. */
int h_status_model(struct h_work *w, struct store *s, const struct model *m, uint64_t served, struct err *e);

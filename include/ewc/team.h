/* team.h: threads that share the work of a net.
 *
 * A team is lent to nets (ewc_net_team) and to optimiser steps (struct ewc_step). Their products and passes over long
 * vectors are then cut into parts, by shape and size of the team alone and never by which thread came first: bits
 * belong to the size of the team and to the machine. Element-wise passes keep theirs at any size.
 *
 * Between two parts a thread spins for some 100 us, then it sleeps; a part no thread has come for is done by the
 * caller. A team works for one caller at a time; nets that share one take turns. The BLAS has to stay on its caller's
 * thread (ewc_blas_alone), or every part is cut once more. */
#pragma once
#include "ewc.h"

enum { EWC_MAX_TEAM = 256 };

struct ewc_team;

/* n threads with the caller among them, 1 to EWC_MAX_TEAM; signals go to others. EWC_E_INVAL, EWC_E_NOMEM (also: the
 * system starts no more threads). Calls ewc_blas_alone. */
EWC_API int ewc_team_new(struct ewc_team **ret, unsigned n, const struct ewc_allocator *a);
EWC_API void ewc_team_free(struct ewc_team *t);           /* waits for its threads to end; accepts NULL */
EWC_API unsigned ewc_team_size(const struct ewc_team *t); /* 1 for NULL */

/* Makes the BLAS of this process compute on its caller's thread. Before other threads use the library. */
EWC_API void ewc_blas_alone(void);

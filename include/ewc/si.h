/* si.h: Synaptic Intelligence, an importance gathered while training (Zenke, Poole and Ganguli 2017,
 * arXiv:1703.04200, eq. 3 to 5).
 *
 * Along the way w_i += -g_i (theta_i after the step - before it), g the gradient of the UNPENALISED loss: the part of
 * the loss's fall that parameter i answers for. At the end of a task omega_i = max(0, w_i / (Delta_i^2 + xi)) with
 * Delta the change over the task. omega is a record like a Fisher: ewc_normalize sets its scale, ewc_merge_add adds
 * it up. Zenke's c is then lambda. Costs no extra pass over the data. */
#pragma once
#include "ewc.h"

/* path (P), 0 at the start of a task, takes one step of the optimiser. */
EWC_API void ewc_si_step(size_t P, const float *grad, const float *before, const float *after, double *path);

/* ret (P) from the path and the parameters at the two ends of the task. A path may be negative where other parameters
 * raised the loss; it is clamped at 0, which the proximal step needs. xi > 0 is the damping, 0.1 in most published
 * runs. EWC_E_INVAL, EWC_E_NONFINITE (ret is then undefined). */
EWC_API int ewc_si_finish(size_t P, const double *path, const float *start, const float *end, double xi, float *ret);

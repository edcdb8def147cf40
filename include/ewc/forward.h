/* forward.h: predictions at full speed: a net with its weights packed once, and its forward pass for any rows.
 *
 * A plan is made from a net whose theta no longer changes. It adds one copy of the weights of dense and convolution
 * layers, outputs rounded up to 16 a layer; the rest (embeddings, normalisation) is read from the net. Every output
 * is one sum taken in one order with fused multiply-adds, so the bits of a row's answer depend on theta and the row
 * alone: not on its neighbours, the number of rows, its position, the thread or the run, nor on which instruction
 * set the machine offers. They are those of ewc_net_forward, which packs the weights anew in every call. */
#pragma once
#include "net.h"

struct ewc_plan;

/* The net is borrowed: it must outlive the plan, and its theta must stay as it is. EWC_E_NOMEM. */
EWC_API int ewc_plan_new(struct ewc_plan **ret, const struct ewc_net *net, const struct ewc_allocator *a);
EWC_API void ewc_plan_free(struct ewc_plan *plan);          /* accepts NULL */
EWC_API size_t ewc_plan_bytes(const struct ewc_plan *plan); /* that it holds, without the net */

/* Bytes for a run of at most B rows; 64-aligned by the caller. It grows with B up to a bound, except that nets of
 * dense layers take a batch as one block. */
EWC_API size_t ewc_plan_workspace(const struct ewc_plan *plan, size_t B);

/* y (B,O) = logits of x (B,I), without dropout; phi (B,D), if not NULL, = input of the output layer, D as
 * ewc_laplace_inputs says. A plan is only read: any number of threads may run it, each with its own ws. Nothing is
 * allocated. EWC_E_DIM, EWC_E_NONFINITE (a value of x or y is not finite; y and phi are then written), EWC_E_INVAL
 * (an embedding's id is not an integer in 0..count-1; y and phi are untouched). */
EWC_API int ewc_plan_run(const struct ewc_plan *plan, size_t B, const float *x, float *y, float *phi, void *ws);

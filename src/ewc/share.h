/* share.h: element-wise work over a long vector, cut into parts that may run at the same time. */
#pragma once
#include <stddef.h>

unsigned ewc_threads(void); /* as ewc_threads_set left it (blas.c) */

/* Works on elements from .. from+n-1; must not care where the cuts are. */
typedef void ewc_part(void *arg, size_t from, size_t n);
/* run over 0 .. n-1 in one part or several; all have ended on return. A thread's start may fail: then the caller does
 * its part. */
void ewc_share(size_t n, ewc_part *run, void *arg);

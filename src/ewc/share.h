/* share.h: work on 0 .. n-1 cut into parts for the threads of a team. */
#pragma once
#include <ewc/team.h>

struct ewc_cut {
        size_t unit;  /* parts begin at a multiple */
        size_t least; /* of a part: less is not worth a thread */
};
/* Works on from .. from+n-1. */
typedef void ewc_part(void *arg, size_t from, size_t n);
/* run over 0 .. n-1 in one part or several, each once; all have ended on return. Where the cuts are depends on n, cut
 * and the size of the team only. team NULL: in one part. */
void ewc_share(struct ewc_team *team, size_t n, struct ewc_cut cut, ewc_part *run, void *arg);

/* Of a pass over a long vector: it waits for memory, and no two parts write to one cache line. */
#define EWC_CUT_VECTOR ((struct ewc_cut){.unit = 64, .least = (size_t)1 << 17})

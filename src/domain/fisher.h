/* fisher.h: what is remembered of a closed task's Fisher beside its numbers. Numbers are on disk: never renumber. */
#pragma once
#include <ewc/pack.h>
#include <stdint.h>

enum learn_importance {              /* what a rollover measures; on disk. Names: domain/learn_plan.h */
        LEARN_IMPORTANCE_FISHER = 0, /* "fisher" */
        LEARN_IMPORTANCE_SI = 1,     /* "si": path integral of Zenke et al. 2017 (arXiv:1703.04200), eqs. 4 and 5 */
        LEARN_IMPORTANCE_MAS = 2     /* "mas": Aljundi et al. 2018 (arXiv:1711.09601), eq. 3; needs no labels */
};

enum { FISHER_PLAIN = 0 }; /* on disk, beside enum ewc_pack_encoding: floats and nothing else */

struct fisher_stored {      /* how a closed task's Fisher is written */
        int encoding;       /* FISHER_PLAIN, or an enum ewc_pack_encoding: bytes of ewc/pack.h */
        uint64_t n_bytes;   /* stored */
        uint64_t n, n_kept; /* entries, and those stored one by one */
};

/* watch.h: what live labels and inputs say about a model since its champion was trained. Filled by super from stored
 * rows; read by policy_due and by status.
 *
 * accuracy and inputs begin behind both the champion's range and the newest row a finished job has used
 * (counters.used_seq): what a rejected job has answered to does not start the next one. */
#pragma once
#include "domain/drift.h"
#include "domain/shadow.h"

struct watch {
        uint64_t champion;          /* version.number all of it is about; 0: nothing was looked at */
        uint64_t n_scored, n_right; /* labels that came after its range, scored by the answer then served, or by the
                                        champion where none was named */
        uint64_t last_seq;          /* newest row scored */
        uint64_t used_seq;          /* newest row the champion was trained on */
        struct page_hinkley accuracy;
        struct input_drift inputs;
        struct shadow_score shadow;
        uint64_t n_unknown_classes; /* scored rows whose class the champion has no output for */
};

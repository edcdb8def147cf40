/* label.h: late, duplicate and conflicting labels of one event. Pure. */
#pragma once
#include "domain/model.h"

struct vote { /* one row of an event; rows of one event differ in source, or in content under latest and majority */
        uint64_t seq;
        int32_t class;
        bool live; /* not quarantined, late, erased or expired */
};
/* Index of the row that counts, SIZE_MAX when none is live. MAJORITY: the earliest row of the class with most votes;
 * of classes with equally many the one voted for first. votes in sequence order. */
size_t label_winner(const struct vote *votes, size_t n, enum conflict_policy p);
/* An event observed longer than window_s before it was received is late. Never with window_s 0, nor when observed_ms
 * is 0, not given. */
bool label_late(int64_t observed_ms, int64_t received_ms, uint32_t window_s);

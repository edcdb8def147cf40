/* label.c: which of several labels of one event counts, and which come too late.
 *
 * An event has few rows, so votes are counted by comparing each with each. */
#include "domain/label.h"
#include "base/mem.h"

static const char *const names[] = {
    [CONFLICT_EARLIEST] = "earliest",
    [CONFLICT_LATEST] = "latest",
    [CONFLICT_MAJORITY] = "majority",
};

const char *conflict_policy_name(enum conflict_policy v)
{
        return (size_t)v < ARRAY_LEN(names) ? names[v] : NULL;
}

static size_t votes_for(int32_t class, const struct vote *votes, size_t n)
{
        size_t found = 0;
        for (size_t i = 0; i < n; i++)
                found += votes[i].live && votes[i].class == class;
        return found;
}

size_t label_winner(const struct vote *votes, size_t n, enum conflict_policy p)
{
        size_t winner = SIZE_MAX, most = 0;
        for (size_t i = 0; i < n; i++) {
                if (!votes[i].live)
                        continue;
                size_t weight = p == CONFLICT_MAJORITY ? votes_for(votes[i].class, votes, n) : 1;
                if (weight > most || p == CONFLICT_LATEST) { /* of equal ones the first stays */
                        winner = i;
                        most = weight;
                }
        }
        return winner;
}

bool label_late(int64_t observed_ms, int64_t received_ms, uint32_t window_s)
{
        if (window_s == 0 || observed_ms == 0 || observed_ms >= received_ms)
                return false;
        return (uint64_t)received_ms - (uint64_t)observed_ms > (uint64_t)window_s * 1000;
}

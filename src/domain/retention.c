/* retention.c: what expires, and what that costs in guarantees.
 *
 * The words are put together from one sentence for each guarantee, so that a choice and its price cannot drift apart:
 * when features go, what training, rebuilding and unlearning lose by it, what is left to replay, and how sharply the
 * gate still sees. */
#include "domain/retention.h"
#include "base/mem.h"
#include "domain/words.h"
#include <inttypes.h>
#include <math.h>

#define DAY_MS 86400000.0

static const char *const names[] = {
    [RETAIN_FOREVER] = "forever",
    [RETAIN_USED] = "used",
    [RETAIN_ROLLOVER] = "rollover",
    [RETAIN_DAYS] = "days",
};

const char *retention_mode_name(enum retention_mode v)
{
        return (size_t)v < ARRAY_LEN(names) ? names[v] : NULL;
}

void retention_of(const struct learning *l, int64_t now_ms, struct retention *ret)
{
        *ret = (struct retention){
            .mode = l->retention_features,
            .holdout_per_class = l->retention_holdout_per_class,
            .replay_per_class = l->retention_replay_per_class,
        };
        if (l->retention_features == RETAIN_DAYS)
                ret->before_ms = now_ms - (int64_t)(l->retention_days * DAY_MS);
}

/* What goes, and what is then left to replay and to compare inputs with, beside the rows kept of each class. */
static const struct {
        const char *goes, *left;
} prices[] = {
    [RETAIN_USED] = {"once a job has used them", "replay has no rows, drift's reference only holdout rows"},
    [RETAIN_ROLLOVER] = {"once their task has closed", "replay has no rows, drift's reference the open task's"},
    [RETAIN_DAYS] = {"after", "replay and drift's reference have those of that time"},
};

void retention_words(const struct learning *l, char ret[REASON_SIZE])
{
        struct words w = words_in(ret);
        enum retention_mode mode = l->retention_features;
        uint32_t kept = l->retention_replay_per_class, holdout = l->retention_holdout_per_class;
        if (mode == RETAIN_FOREVER || (size_t)mode >= ARRAY_LEN(prices)) {
                words_put(&w, "features are kept for ever: joint training, rebuilding a version bit for bit, replay, "
                              "unlearning and drift's reference have every row");
        } else {
                words_put(&w, "features of train rows go %s", prices[mode].goes);
                if (mode == RETAIN_DAYS)
                        words_put(&w, " %g days", l->retention_days);
                words_put(&w, ": joint training has only what is left; a version whose rows are gone cannot be "
                              "rebuilt bit for bit; unlearning adapts again to the rows left, not to all others; ");
                if (kept > 0)
                        words_put(&w, "replay and drift's reference have up to %" PRIu32 " rows of each class", kept);
                else
                        words_put(&w, "%s", prices[mode].left);
        }
        if (holdout > 0) /* two standard errors of a share near one half */
                words_put(&w,
                    "; the gate knows a class's accuracy from %" PRIu32 " holdout rows, to %.0f points at worst",
                    holdout, fmin(100, ceil(100 / sqrt(holdout))));
        else
                words_put(&w, "; the gate keeps every holdout row");
}

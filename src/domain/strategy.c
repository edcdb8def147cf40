/* strategy.c: the ladder of ways to learn.
 *
 * A rung is a change of a plan made from the model's keys. What the keys leave at 0 a rung must not, so it brings a
 * value of its own: 20 rows of each class to replay, half the weight of the new rows for the champion's answers. */
#include "domain/strategy.h"
#include "base/mem.h"
#include <inttypes.h>
#include <stdio.h>

enum { REPLAY_PER_CLASS = 20 };
#define DISTILL_WEIGHT 0.5

static const char *const names[] = {
    [STRATEGY_MODE_FIXED] = "fixed",
    [STRATEGY_MODE_AUTO] = "auto",
};

const char *strategy_mode_name(enum strategy_mode v)
{
        return (size_t)v < ARRAY_LEN(names) ? names[v] : NULL;
}

enum strategy strategy_first(const struct learning *l)
{
        return l->strategy == STRATEGY_MODE_AUTO ? STRATEGY_EWC : STRATEGY_FIXED;
}

static struct ladder stay(const char *why)
{
        struct ladder r = {0};
        snprintf(r.reason, sizeof(r.reason), "%s", why);
        return r;
}

struct ladder strategy_climb(enum strategy had, const struct learning *l, uint64_t n_closed, uint64_t n_retained)
{
        if (l->strategy != STRATEGY_MODE_AUTO)
                return stay("strategy fixed has no other to try");
        if (had != STRATEGY_EWC && had != STRATEGY_REPLAY)
                return stay(had == STRATEGY_DISTILL ? "strategy distill was the last to try"
                                                    : "the rejected job learned by the model's keys");
        if (n_closed == 0)
                return stay("no task is closed: there is nothing to replay or to distill");
        struct ladder r = {.climb = true};
        bool replay = had == STRATEGY_EWC && n_retained > 0;
        r.next = replay ? STRATEGY_REPLAY : STRATEGY_DISTILL;
        if (replay)
                snprintf(r.reason, sizeof(r.reason),
                    "strategy replay after ewc: %" PRIu64 " rows of closed tasks are retained", n_retained);
        else
                snprintf(r.reason, sizeof(r.reason), "strategy distill after %s%s", strategy_name(had),
                    n_retained > 0 ? "" : ": no row of closed tasks is retained to replay");
        return r;
}

void strategy_apply(enum strategy s, const struct learning *l, struct learn_plan *plan)
{
        if (s == STRATEGY_FIXED)
                return;
        bool replay = s == STRATEGY_REPLAY || s == STRATEGY_DISTILL, distill = s == STRATEGY_DISTILL;
        uint32_t per_class = l->replay_per_class > 0 ? l->replay_per_class : REPLAY_PER_CLASS;
        double weight = l->distill_weight > 0 ? l->distill_weight : DISTILL_WEIGHT;
        plan->replay_per_class = replay ? per_class : 0;
        plan->derpp = replay ? l->replay_derpp : 0;
        plan->distill = distill ? weight : 0;
        plan->distill_temperature = distill ? l->distill_temperature : 0;
}

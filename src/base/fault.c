/* fault.c: the fault counter.
 *
 * The one place of the program besides log.c with static state: a test arms it, and mem.c and file.c ask it before
 * each call that can fail. Ticks are numbered from the arming on, so the decision needs one atomic increment and no
 * lock. When nothing is armed a tick costs one relaxed load. */
#include "base/fault.h"
#include <stdatomic.h>

static atomic_bool armed, fired;
static atomic_llong ticks, first, count; /* ticks since arming; first failing tick; failing ticks, -1 for all */

void fault_arm(int delay, int repeat)
{
        atomic_store(&armed, false);
        atomic_store(&fired, false);
        atomic_store(&ticks, 0);
        atomic_store(&first, delay < 0 ? 0 : delay);
        atomic_store(&count, repeat);
        atomic_store(&armed, true);
}

bool fault_fired(void)
{
        return atomic_load(&fired);
}

void fault_disarm(void)
{
        atomic_store(&armed, false);
}

bool fault_tick(void)
{
        if (!atomic_load_explicit(&armed, memory_order_relaxed))
                return false;
        long long at = atomic_fetch_add(&ticks, 1) - atomic_load(&first);
        long long n = atomic_load(&count);
        if (at < 0 || (n >= 0 && at >= n))
                return false;
        atomic_store(&fired, true);
        return true;
}

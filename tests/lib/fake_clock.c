/* fake_clock.c: see fake_clock.h. Milliseconds are advanced; nanoseconds are there for the interface. */
#include "lib/fake_clock.h"

static uint64_t read_mono(void *arg)
{
        struct fake_clock *f = arg;
        return atomic_load(&f->mono_ns);
}

static int64_t read_wall(void *arg)
{
        struct fake_clock *f = arg;
        return atomic_load(&f->wall_ms);
}

void fake_clock_init(struct fake_clock *f, int64_t wall_ms)
{
        f->clock = (struct clock){read_mono, read_wall, f};
        atomic_init(&f->mono_ns, 1000000000u);
        atomic_init(&f->wall_ms, wall_ms);
}

void fake_clock_advance_ms(struct fake_clock *f, uint64_t ms)
{
        atomic_fetch_add(&f->mono_ns, ms * 1000000u);
        atomic_fetch_add(&f->wall_ms, (long long)ms);
}

void fake_clock_set_wall_ms(struct fake_clock *f, int64_t wall_ms)
{
        atomic_store(&f->wall_ms, wall_ms);
}

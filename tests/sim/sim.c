/* sim.c: one scenario from its first to its last day, event by event.
 *
 * The house has the first turn as long as something may run now (one_thread.h). Then time goes to the earliest of:
 * the house's next timer, labels that are due, the next predictions, the operator's next act; of those that come at
 * one moment in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lib/vfs_shim.h"
#include "one_thread.h"
#include "sim.h"
#include "store/store.h"
#include <string.h>

static struct sim *sim_new(const struct script *c, const struct store_ops *ops, uint64_t seed)
{
        struct sim *s = new_zero(struct sim);
        assert_non_null(s);
        s->script = c;
        s->ops = ops;
        s->seed = seed;
        s->whole = ops == &store_memory || c->sqlite_only;
        s->days = s->whole ? c->days : c->sqlite_days;
        s->past = new_array(struct past, SIM_MAX_TASKS);
        assert_non_null(s->past);
        arena_init(&s->a, (size_t)64 << 20);
        sim_keys(&s->learning);
        s->learning.seed = seed;
        if (c->keys)
                c->keys(&s->learning);
        world_init(&s->world, seed);
        ewc_rng_seed(&s->traffic, seed, 101);
        ewc_rng_seed(&s->labels, seed, 102);
        ewc_rng_seed(&s->tests, seed, 103);
        return s;
}

static void sim_free(struct sim *s)
{
        for (size_t i = 0; i < s->n_nets; i++)
                free(s->nets[i].theta);
        free(s->nets);
        free(s->ended);
        free(s->rows);
        free(s->past);
        arena_deinit(&s->a);
        free(s);
}

static int64_t act_ms(const struct sim *s)
{
        const struct act *a = &s->script->acts[s->next_act];
        return s->next_act < SIM_MAX_ACTS && a->fn ? s->start_ms + (int64_t)(a->day * (double)SIM_DAY_MS) : INT64_MAX;
}

static void act(struct sim *s)
{
        const struct act *a = &s->script->acts[s->next_act++];
        a->fn(s, a->arg);
        s->written--; /* look, whatever it did */
        check_step(s);
}

/* false: the scenario is over */
static bool move_on(struct sim *s)
{
        int64_t timer = INT64_MAX, label = traffic_label_ms(s), doing = act_ms(s), at;
        one_thread_next_ms(&timer);
        at = timer < label ? timer : label;
        at = s->traffic_ms < at ? s->traffic_ms : at;
        at = doing < at ? doing : at;
        if (at >= s->start_ms + (int64_t)(s->days * (double)SIM_DAY_MS))
                return false;
        int64_t now = clock_wall_ms(&s->clock.clock);
        fake_clock_advance_ms(&s->clock, at > now ? (uint64_t)(at - now) : 0);
        if (timer == at)
                return true; /* the house's turn */
        if (label == at)
                traffic_label(s);
        else if (s->traffic_ms == at)
                traffic_predict(s);
        else
                act(s);
        return true;
}

void sim_run(const struct script *c, const struct store_ops *ops, uint64_t seed)
{
        struct sim *s = sim_new(c, ops, seed);
        bool over = false;
        if (ops == &store_sqlite)
                shim_install();
        house_open(s);
        s->traffic_ms = s->start_ms + SIM_BATCH_MS;
        s->written = one_thread_written() - 1;
        check_step(s);
        while (!over) {
                while (one_thread_step()) {
                        check_step(s);
                        meddle_step(s);
                        erase_step(s);
                }
                check_idle(s);
                over = !move_on(s);
        }
        s->written--;
        check_step(s);
        check_end(s);
        if (s->whole && c->expect && seed == SIM_SEED)
                c->expect(s);
        house_close(s);
        if (ops == &store_sqlite)
                shim_remove();
        sim_free(s);
}

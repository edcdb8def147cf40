/* team.c: the threads of a team and the handing out of parts.
 *
 * One word, the ticket, says which parts are left: how many the work has, and the next of them. Whoever moves it on
 * by one owns that part, and only then reads what the work is: the caller writes that before the ticket and changes
 * it when every part has ended. So a thread that comes late finds either nothing or a part of the next work, never
 * half of each. */
#include "ewc/share.h"

#include "ewc/internal.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

enum {
        SPINS = 4000,     /* looks at the ticket before a thread goes to sleep */
        PARTS_SHIFT = 16, /* ticket: parts, next part */
        PART_MASK = 0xffff,
};

struct ewc_team {
        struct ewc_allocator allocator;
        unsigned size, started; /* the caller is no thread of ours */
        _Atomic uint32_t ticket;
        _Atomic unsigned left; /* parts that have not ended */
        ewc_part *run;
        void *arg;
        size_t n, each; /* part i: each elements from i * each, or what is left of n */
        pthread_mutex_t lock;
        pthread_cond_t wake;
        _Atomic unsigned asleep;
        _Atomic bool end;
        pthread_t thread[EWC_MAX_TEAM - 1];
};

static void pause_briefly(void)
{
#if defined(__x86_64__)
        __builtin_ia32_pause();
#else
        sched_yield();
#endif
}

static bool has_part(uint32_t ticket)
{
        return (ticket & PART_MASK) < ticket >> PARTS_SHIFT;
}

/* One part, done. False: none is left. */
static bool do_part(struct ewc_team *t)
{
        uint32_t ticket = atomic_load_explicit(&t->ticket, memory_order_acquire);

        do {
                if (!has_part(ticket))
                        return false;
        } while (!atomic_compare_exchange_weak_explicit(
            &t->ticket, &ticket, ticket + 1, memory_order_acquire, memory_order_acquire));
        const size_t from = (size_t)(ticket & PART_MASK) * t->each;

        t->run(t->arg, from, t->n - from < t->each ? t->n - from : t->each);
        atomic_fetch_sub_explicit(&t->left, 1, memory_order_release);
        return true;
}

static void sleep_until_called(struct ewc_team *t)
{
        pthread_mutex_lock(&t->lock);
        atomic_fetch_add(
            &t->asleep, 1); /* before the look at the ticket, as the caller looks here after writing it */
        while (!has_part(atomic_load(&t->ticket)) && !atomic_load(&t->end))
                pthread_cond_wait(&t->wake, &t->lock);
        atomic_fetch_sub(&t->asleep, 1);
        pthread_mutex_unlock(&t->lock);
}

static void *serve(void *arg)
{
        struct ewc_team *t = arg;

        while (!atomic_load_explicit(&t->end, memory_order_relaxed)) {
                unsigned spins = 0;

                while (do_part(t))
                        continue;
                while (!has_part(atomic_load_explicit(&t->ticket, memory_order_relaxed)) && spins++ < SPINS)
                        pause_briefly();
                if (spins > SPINS)
                        sleep_until_called(t);
        }
        return NULL;
}

static void call(struct ewc_team *t)
{
        if (atomic_load(&t->asleep) == 0)
                return;
        pthread_mutex_lock(&t->lock);
        pthread_cond_broadcast(&t->wake);
        pthread_mutex_unlock(&t->lock);
}

void ewc_share(struct ewc_team *team, size_t n, struct ewc_cut cut, ewc_part *run, void *arg)
{
        const size_t most = n / cut.least, size = ewc_team_size(team), parts = most < size ? most : size;
        unsigned spins = 0;

        if (parts < 2) {
                run(arg, 0, n);
                return;
        }
        team->run = run;
        team->arg = arg;
        team->n = n;
        team->each = ((n + parts - 1) / parts + cut.unit - 1) / cut.unit * cut.unit;
        const uint32_t count = (uint32_t)((n + team->each - 1) / team->each);

        atomic_store_explicit(&team->left, count, memory_order_relaxed);
        atomic_store(&team->ticket, count << PARTS_SHIFT);
        call(team);
        while (do_part(team))
                continue;
        while (atomic_load_explicit(&team->left, memory_order_acquire) > 0) {
                if (++spins < SPINS)
                        pause_briefly();
                else
                        sched_yield();
        }
}

/* Threads inherit the mask: signals are for the program's own. */
static int start(struct ewc_team *t)
{
        sigset_t all, before;
        int r = 0;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        while (t->started + 1 < t->size && r == 0) {
                r = pthread_create(&t->thread[t->started], NULL, serve, t);
                t->started += r == 0;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return r == 0 ? 0 : EWC_E_NOMEM;
}

int ewc_team_new(struct ewc_team **ret, unsigned n, const struct ewc_allocator *a)
{
        const struct ewc_allocator allocator = ewc_allocator_or_default(a);
        struct ewc_team *t;

        if (n < 1 || n > EWC_MAX_TEAM)
                return EWC_E_INVAL;
        ewc_blas_alone();
        t = allocator.alloc(allocator.arg, sizeof(*t));
        if (!t)
                return EWC_E_NOMEM;
        *t = (struct ewc_team){.allocator = allocator, .size = n};
        if (pthread_mutex_init(&t->lock, NULL) != 0) {
                allocator.free(allocator.arg, t);
                return EWC_E_NOMEM;
        }
        if (pthread_cond_init(&t->wake, NULL) != 0) {
                pthread_mutex_destroy(&t->lock);
                allocator.free(allocator.arg, t);
                return EWC_E_NOMEM;
        }
        if (start(t) < 0) {
                ewc_team_free(t);
                return EWC_E_NOMEM;
        }
        *ret = t;
        return 0;
}

void ewc_team_free(struct ewc_team *t)
{
        if (!t)
                return;
        pthread_mutex_lock(&t->lock);
        atomic_store(&t->end, true);
        pthread_cond_broadcast(&t->wake);
        pthread_mutex_unlock(&t->lock);
        for (unsigned i = 0; i < t->started; i++)
                pthread_join(t->thread[i], NULL);
        pthread_cond_destroy(&t->wake);
        pthread_mutex_destroy(&t->lock);
        t->allocator.free(t->allocator.arg, t);
}

unsigned ewc_team_size(const struct ewc_team *t)
{
        return t ? t->size : 1;
}

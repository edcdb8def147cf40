/* test_sim.c: the simulator's program: test_sim [--jobs] [--seed N] [scenario]...; without a name, all of them.
 *
 * No power fails here, so that what the house forces to disk may as well lie in memory: a simulated year forces
 * thousands of times. TMPDIR, where it is set, says otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "sim.h"
#include "store/store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t seed = SIM_SEED;

static void run_on_memory(void **state)
{
        sim_run(*state, &store_memory, seed);
}

static void run_on_sqlite(void **state)
{
        sim_run(*state, &store_sqlite, seed);
}

static bool wanted(const struct script *c, int n, char **names)
{
        for (int i = 0; i < n; i++)
                if (strcmp(names[i], c->name) == 0)
                        return true;
        return n == 0;
}

int main(int argc, char **argv)
{
        struct CMUnitTest *tests = new_array(struct CMUnitTest, 2 * n_scenarios);
        size_t n = 0;
        int from = 1;
        if (access("/dev/shm", W_OK) == 0)
                setenv("TMPDIR", "/dev/shm", 0);
        sim_tells = argc > 1 && strcmp(argv[1], "--jobs") == 0;
        from += sim_tells;
        if (argc > from + 1 && strcmp(argv[from], "--seed") == 0 && slice_u64(slice_of(argv[from + 1]), &seed))
                from += 2;
        for (size_t i = 0; tests && i < n_scenarios; i++) {
                const struct script *c = &scenarios[i];
                void *state = (void *)(uintptr_t)c;
                if (!wanted(c, argc - from, argv + from))
                        continue;
                if (!c->sqlite_only)
                        tests[n++] = (struct CMUnitTest){c->name, run_on_memory, NULL, NULL, state};
                if (c->sqlite_only || c->sqlite_days > 0)
                        tests[n++] = (struct CMUnitTest){c->name, run_on_sqlite, NULL, NULL, state};
        }
        if (n == 0) {
                fprintf(stderr, "usage: test_sim [--jobs] [--seed N] [scenario]...\n");
                return 2;
        }
        int r = _cmocka_run_group_tests("sim", tests, n, NULL, NULL);
        free(tests);
        return r;
}

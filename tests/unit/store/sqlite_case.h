/* sqlite_case.h: each test gets a fresh kit of the SQLite engine in *state. Included after cmocka.h. */
#pragma once
#include "lib/store_kit.h"
#include <stdlib.h>

static inline int setup(void **state)
{
        struct kit *k = malloc(sizeof(*k));

        if (!k)
                return -1;
        kit_open(k, &store_sqlite);
        *state = k;
        return 0;
}

static inline int teardown(void **state)
{
        kit_close(*state);
        free(*state);
        return 0;
}

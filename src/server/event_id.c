/* event_id.c: the only place that asks the kernel for random bytes; they name things, no key is made of them. */
#include "server/event_id.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

int event_id(const char *prefix, char ret[EVENT_ID_SIZE])
{
        uint64_t v[2];
        ssize_t n;
        do
                n = getrandom(v, sizeof(v), 0);
        while (n < 0 && errno == EINTR);
        if (n != (ssize_t)sizeof(v))
                return -EIO;
        snprintf(
            ret, EVENT_ID_SIZE, "%.6s%016llx%016llx", prefix, (unsigned long long)v[0], (unsigned long long)v[1]);
        return 0;
}

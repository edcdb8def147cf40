/* share.c: element-wise work over long vectors cut into parts, one for each thread that ewc_threads_set gave.
 *
 * Such passes wait for memory, and one core does not fill the bus. A thread is started and joined within the call, so
 * that nothing outlives it and the library keeps no state; this costs some 20 us, hence the least length. Where no
 * thread can be had the caller works on all parts. Parts are independent: bits do not depend on their number. */
#include "ewc/share.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

enum {
        LEAST = 1 << 18, /* elements of a part */
        MOST = 8,        /* parts: by then the bus is full */
        LINE = 64,       /* parts begin at a multiple: no two write to one cache line */
};

struct worker {
        pthread_t thread;
        bool started;
        ewc_part *run;
        void *arg;
        size_t from, n;
};

static void *work(void *arg)
{
        struct worker *w = arg;

        w->run(w->arg, w->from, w->n);
        return NULL;
}

/* A worker of the BLAS that waits for its next product keeps its core looking busy, and a new thread would stay
 * beside its maker: so it starts on any core but this one. */
static void elsewhere(pthread_attr_t *attr)
{
#if defined(__GLIBC__)
        const int here = sched_getcpu();
        cpu_set_t cores;

        if (here < 0 || sched_getaffinity(0, sizeof(cores), &cores) < 0)
                return;
        CPU_CLR((size_t)here, &cores);
        if (CPU_COUNT(&cores) > 0)
                pthread_attr_setaffinity_np(attr, sizeof(cores), &cores);
#else
        (void)attr;
#endif
}

void ewc_share(size_t n, ewc_part *run, void *arg)
{
        size_t parts = n / LEAST < ewc_threads() ? n / LEAST : ewc_threads(), each;
        struct worker w[MOST];
        pthread_attr_t attr;

        parts = parts > MOST ? MOST : parts;
        if (parts < 2 || pthread_attr_init(&attr) != 0) {
                run(arg, 0, n);
                return;
        }
        elsewhere(&attr);
        each = (n / parts + LINE - 1) / LINE * LINE;
        for (size_t i = 0; i < parts; i++) {
                const size_t from = i * each;

                w[i] = (struct worker){.run = run, .arg = arg, .from = from};
                w[i].n = i + 1 < parts ? each : n - from;
                w[i].started = i > 0 && pthread_create(&w[i].thread, &attr, work, &w[i]) == 0;
        }
        pthread_attr_destroy(&attr);
        for (size_t i = 0; i < parts; i++)
                if (!w[i].started)
                        work(&w[i]);
        for (size_t i = 0; i < parts; i++)
                if (w[i].started)
                        pthread_join(w[i].thread, NULL);
}

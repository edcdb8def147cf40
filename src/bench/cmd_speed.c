/* cmd_speed.c: `ewc-bench speed`: the time of learning's parts on made data, net by net, and against PyTorch where it
 * is installed. Every figure comes once a net; the largest dense net comes last. */
#include "bench/commands.h"
#include "bench/speed.h"
#include <math.h>
#include <sched.h>

/* Not given: two where there are two processors. */
static unsigned threads_of(const struct options *o)
{
        cpu_set_t set;
        if (o->threads > 0)
                return o->threads;
        return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 1 ? 2 : 1;
}

static int one_net(
    const struct options *o, const struct speed_net *net, unsigned threads, const char *torch_file, struct err *e)
{
        struct speed_torch torch = {(double)NAN, (double)NAN, (double)NAN};
        struct speed_figure figures[SPEED_MAX_FIGURES];
        struct speed_times t;
        int r = speed_measure(net, threads, &t, e);
        if (r == 0 && torch_file)
                r = speed_torch_run(torch_file, net, &torch, e);
        if (r != 0)
                return r;
        size_t n = speed_figures(&t, &torch, figures);
        for (size_t i = 0; i < n; i++)
                speed_print(stdout, o->json, net->name, &figures[i]);
        fflush(stdout);
        return 0;
}

int cmd_speed(const struct options *o)
{
        struct err e = ERR_NULL;
        const char *torch_file = speed_torch_find(o->torch);
        unsigned threads = threads_of(o);
        struct speed_figure used = {"threads", "count", threads};
        int r = 0;
        speed_print(stdout, o->json, NULL, &used);
        for (size_t i = 0; r == 0 && i < speed_n_nets; i++)
                r = one_net(o, &speed_nets[i], threads, torch_file, &e);
        return command_end(r, &e);
}

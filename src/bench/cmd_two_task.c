/* cmd_two_task.c: the report of a drift: the old task before and after the new one was learned, the new task, and
 * what was forgotten, for learning without protection, EWC, EWC with replay, and all rows at once. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "bench/runner.h"
#include "bench/settings.h"
#include "bench/summary.h"
#include "proto/json.h"
#include <math.h>
#include <stdio.h>

static const enum bench_method methods[] = {METHOD_NONE, METHOD_EWC, METHOD_EWC_REPLAY, METHOD_JOINT};

static int make(const struct options *o, const struct protocol *p, uint64_t data_id, struct work *work, struct err *e)
{
        for (size_t k = 0; k < ARRAY_LEN(methods); k++) {
                struct options c = *o;
                c.tasks = 2;
                if (!method_has_penalty(methods[k])) {
                        c.fisher = 0;
                        c.fisher_samples_given = c.lambda_given = c.lambda_auto = false;
                }
                for (uint32_t i = 0; i < o->seeds; i++) {
                        int r = settings_make(&c, p, methods[k], o->seed + i, data_id, &work[k * o->seeds + i].s, e);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static void put(struct buf *b, const char *key, double v)
{
        json_put_key(b, key);
        json_put_number(b, v);
}

static void print(const struct options *o, const struct protocol *p, const struct work *work)
{
        struct buf b;
        buf_init(&b, 1 << 18);
        printf("%s, first two tasks, n=%u seeds; accuracy %%, forgetting pp (SEM)\n%-12s %12s %12s %12s %18s\n",
            p->name, o->seeds, "method", "old before", "old after", "new", "forgetting");
        buf_puts(&b, "{\"protocol\":");
        json_put_string(&b, p->name);
        put(&b, "seeds", o->seeds);
        for (size_t k = 0; k < ARRAY_LEN(methods); k++) {
                _free_ struct unit_result *u = new_array(struct unit_result, o->seeds);
                struct summary s;
                for (uint32_t i = 0; u && i < o->seeds; i++)
                        u[i] = work[k * o->seeds + i].result;
                if (!u)
                        continue;
                summary_of(u, NULL, o->seeds, &s);
                if (s.forgetting.n > 0)
                        printf("%-12s %12.2f %12.2f %12.2f %11.2f (%.2f)\n", method_name(methods[k]), 100 * s.R[0][0],
                            100 * s.R[1][0], 100 * s.R[1][1], 100 * s.forgetting.mean, 100 * s.forgetting.sem);
                else /* joint learns both at once: there is no before */
                        printf("%-12s %12s %12.2f %12.2f %18s\n", method_name(methods[k]), "-", 100 * s.R[1][0],
                            100 * s.R[1][1], "-");
                json_put_key(&b, method_name(methods[k]));
                buf_puts(&b, "{\"seeds\":");
                buf_put_u64(&b, o->seeds);
                put(&b, "old_before", s.R[0][0]);
                put(&b, "old_after", s.R[1][0]);
                put(&b, "new_after", s.R[1][1]);
                put(&b, "forgetting_mean", s.forgetting.mean);
                put(&b, "forgetting_sem", s.forgetting.sem);
                put(&b, "seconds", s.seconds.mean * s.seconds.n);
                buf_putc(&b, '}');
        }
        buf_puts(&b, "}\n");
        if (o->json && buf_ok(&b))
                fwrite(b.data, 1, b.len, stdout);
        buf_deinit(&b);
}

int cmd_two_task(const struct options *o)
{
        struct err e = ERR_NULL;
        struct dataset d = {0};
        const struct protocol *p = protocol_find("permuted-mnist-small");
        _free_ struct work *work = new_array(struct work, ARRAY_LEN(methods) * o->seeds);
        int r = work ? command_data(o, p, &d, &e) : err_oom(&e);
        if (r == 0)
                r = make(o, p, dataset_id(&d), work, &e);
        if (r == 0)
                r = runner_run(work, ARRAY_LEN(methods) * o->seeds, o, &d, &e);
        if (r == 0)
                print(o, p, work);
        dataset_close(&d);
        return command_end(r, &e);
}

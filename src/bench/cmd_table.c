/* cmd_table.c: all methods of a protocol beside what papers print for it.
 *
 * The units are those of `run` with the row's method and these flags: what either command has trained, the other
 * finds in the state directory. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "bench/runner.h"
#include "bench/settings.h"
#include "bench/table.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OUT_MAX ((size_t)4 << 20)

static void make_work(const struct table_of *t, struct work *work)
{
        for (size_t i = 0; i < t->n; i++)
                for (uint32_t k = 0; k < t->seeds && !t->row[i].as_ewc; k++) {
                        struct settings *s = &work[t->row[i].group * t->seeds + k].s;
                        *s = t->row[i].s;
                        s->seed += k;
                }
}

static void take(const struct work *work, uint32_t n, struct unit_result *ret)
{
        for (uint32_t k = 0; k < n; k++)
                ret[k] = work[k].result;
}

static int summarise(struct table_of *t, const struct work *work, struct err *e)
{
        uint32_t seeds = t->seeds;
        _free_ struct unit_result *units = new_array(struct unit_result, seeds);
        _free_ struct unit_result *joint = new_array(struct unit_result, seeds);
        if (!units || !joint)
                return err_oom(e);
        take(&work[table_row_of(t, METHOD_JOINT)->group * seeds], seeds, joint);
        for (size_t i = 0; i < t->n; i++) {
                struct table_row *row = &t->row[i];
                take(&work[row->group * seeds], seeds, units);
                row->report.s = &row->s;
                summary_of(units, joint, seeds, &row->report.sum);
        }
        for (size_t i = 0; i < t->n_groups * seeds; i++)
                t->seconds += work[i].result.seconds;
        return 0;
}

/* The figures are told even where all diverged. */
static int put_results(const struct table_of *t, bool json, struct err *e)
{
        bool any = false;
        struct buf b;
        table_print(t);
        if (json) {
                buf_init(&b, OUT_MAX);
                table_json(t, &b);
                int r = command_write(&b, true, e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < t->n; i++) {
                command_diverged(&t->row[i].s, &t->row[i].report.sum, false, e);
                any |= t->row[i].report.sum.diverged < t->seeds;
        }
        return any ? 0 : err_set(e, -ERANGE, "every seed of every method diverged");
}

static void warn(const struct table_of *t)
{
        for (size_t i = 0; i < t->n; i++)
                if (settings_warning(&t->row[i].s)[0]) {
                        fprintf(stderr, "ewc-bench: warning: %s\n", settings_warning(&t->row[i].s));
                        return;
                }
}

static int run_units(struct table_of *t, const struct options *o, const struct dataset *d, struct err *e)
{
        int r = table_rows(t, o, dataset_id(d), e);
        if (r < 0)
                return r;
        _free_ struct work *work = new_array(struct work, t->n_groups * t->seeds);
        if (!work)
                return err_oom(e);
        make_work(t, work);
        warn(t);
        r = runner_run(work, t->n_groups * t->seeds, o, d, e);
        if (r == 0)
                r = summarise(t, work, e);
        return r == 0 ? put_results(t, o->json, e) : r;
}

int cmd_table(const struct options *o)
{
        struct err e = ERR_NULL;
        struct dataset d = {0};
        struct settings s;
        _free_ struct table_of *t = new_zero(struct table_of);
        if (!t)
                return command_end(err_oom(&e), &e);
        t->seeds = o->seeds;
        int r = command_protocol(o, NULL, &t->protocol, &e);
        if (r == 0 && t->protocol->stream)
                r = err_field(
                    &e, -EINVAL, "PROTOCOL", "%s is a stream and has no table; use ewc-bench run", t->protocol->name);
        if (r == 0) /* contradictions are told before any data is read */
                r = settings_make(o, t->protocol, METHOD_NONE, o->seed, 0, &s, &e);
        if (r == 0)
                r = command_data(o, t->protocol, &d, &e);
        if (r == 0)
                r = run_units(t, o, &d, &e);
        dataset_close(&d);
        return command_end(r, &e);
}

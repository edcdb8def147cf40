/* cmd_run.c: a protocol with one method, none and joint beside it; and `unit`, the part of it that --jobs starts. */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "bench/report.h"
#include "bench/runner.h"
#include "bench/settings.h"
#include "bench/stream.h"
#include "bench/unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define OUT_MAX ((size_t)4 << 20)

int command_write(struct buf *b, bool wanted, struct err *e)
{
        bool ok = buf_ok(b);
        if (wanted && ok)
                fwrite(b->data, 1, b->len, stdout);
        buf_deinit(b);
        return ok ? 0 : err_oom(e);
}

int command_end(int r, const struct err *e)
{
        if (r != 0)
                fprintf(stderr, "ewc-bench: %s%s%s\n", r < 0 && e->field[0] ? e->field : "",
                    r < 0 && e->field[0] && strncmp(e->msg, e->field, strlen(e->field)) != 0 ? ": " : "",
                    r < 0 && e->field[0] && strncmp(e->msg, e->field, strlen(e->field)) == 0
                        ? e->msg + strlen(e->field)
                        : e->msg);
        return r == 0 ? EXIT_DONE : r > 0 ? EXIT_STOPPED : r == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

int command_diverged(const struct settings *s, const struct summary *sum, bool asked, struct err *e)
{
        char line[160], lambda[48] = "";
        if (sum->diverged == 0)
                return 0;
        if (method_has_penalty(s->method) && s->lambda_auto)
                snprintf(lambda, sizeof(lambda), ", lambda searched");
        else if (method_has_penalty(s->method))
                snprintf(lambda, sizeof(lambda), " at lambda %g", s->lambda);
        snprintf(line, sizeof(line), "%s: %u of %u seeds diverged%s", method_name(s->method), sum->diverged,
            sum->seeds, lambda);
        if (asked && sum->diverged == sum->seeds)
                return err_set(e, -ERANGE, "%s", line);
        fprintf(stderr, "ewc-bench: %s\n", line);
        return 0;
}

int command_plot(const char *path, struct err *e)
{
        struct file_writer w = {0};
        struct stat st;
        if (!path)
                return 0;
        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
                return err_field(e, -EINVAL, "--plot", "%s is not a regular file", path);
        int r = file_writer_open(&w, path, e);
        if (r < 0)
                return err_field(e, r, "--plot", "%s", e->msg);
        file_writer_abort(&w);
        return 0;
}

int command_protocol(const struct options *o, const char *own, const struct protocol **ret, struct err *e)
{
        const char *name = o->protocol ? o->protocol : own;
        *ret = protocol_choose(name, o->scenario);
        if (!*ret && o->scenario && protocol_choose(name, 0))
                return err_field(e, -EINVAL, "--scenario", "%s has no scenario %s", name, scenario_name(o->scenario));
        if (!*ret)
                return err_field(e, -EINVAL, "PROTOCOL", "no protocol %s; ewc-bench list shows them", name);
        return 0;
}

int command_data(const struct options *o, const struct protocol *p, struct dataset *ret, struct err *e)
{
        if (!o->data)
                return err_field(e, -EINVAL, "--data", "say where the data is");
        return p->data ? dataset_open(p->data, o->data, ret, e) : dataset_open_file(o->data, o->labels, ret, e);
}

/* Units of all methods, method by method, seeds within. */
static int make_work(const struct options *o, const struct protocol *p, const enum bench_method *methods, size_t n,
    uint64_t data_id, struct work *work, struct err *e)
{
        for (size_t k = 0; k < n; k++) {
                struct options other = options_plain(o); /* none and joint have no use for the rest */
                if (methods[k] == METHOD_JOINT)
                        other.active = 0;
                for (uint32_t i = 0; i < o->seeds; i++) {
                        int r = settings_make(
                            k == 0 ? o : &other, p, methods[k], o->seed + i, data_id, &work[k * o->seeds + i].s, e);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

/* units (n methods, seeds) is filled and lent to v. */
static void summarise(struct work *work, size_t n, uint32_t seeds, struct unit_result *units, struct report *v)
{
        for (size_t i = 0; i < n * seeds; i++)
                units[i] = work[i].result;
        const struct unit_result *joint = &units[(n - 1) * seeds]; /* always the last method */
        for (size_t k = 0; k < n; k++) {
                v[k].s = &work[k * seeds].s;
                v[k].units = &units[k * seeds];
                v[k].n_units = seeds;
                summary_of(&units[k * seeds], joint, seeds, &v[k].sum);
        }
}

static int put_results(const struct options *o, const struct report *v, size_t n, struct err *e)
{
        struct buf b;
        int r = 0;
        buf_init(&b, OUT_MAX);
        report_print(v, n);
        if (o->plot) {
                report_svg(v, n, &b);
                r = buf_ok(&b) ? file_replace(o->plot, b.data, b.len, e) : err_oom(e);
                buf_reset(&b);
        }
        if (r == 0 && o->json)
                report_json(v, n, &b);
        int w = command_write(&b, r == 0, e);
        r = r < 0 ? r : w;
        for (size_t i = n; r == 0 && i-- > 0;) /* the companions' lines first: the method's own may be the error */
                r = command_diverged(v[i].s, &v[i].sum, i == 0, e);
        return r;
}

static int run_units(const struct options *o, const struct protocol *p, const struct dataset *d, struct err *e)
{
        enum bench_method methods[3] = {o->method ? o->method : METHOD_EWC};
        size_t n = 1;
        if (methods[0] != METHOD_NONE && methods[0] != METHOD_JOINT)
                methods[n++] = METHOD_NONE;
        else if (methods[0] == METHOD_JOINT)
                methods[n++] = METHOD_NONE;
        if (methods[0] != METHOD_JOINT)
                methods[n++] = METHOD_JOINT;
        _free_ struct work *work = new_array(struct work, n * o->seeds);
        _free_ struct unit_result *units = new_array(struct unit_result, n * o->seeds);
        _free_ struct report *v = new_array(struct report, n);
        if (!work || !units || !v)
                return err_oom(e);
        int r = make_work(o, p, methods, n, dataset_id(d), work, e);
        if (r < 0)
                return r;
        const char *warning = settings_warning(&work[0].s);
        if (warning[0])
                fprintf(stderr, "ewc-bench: warning: %s\n", warning);
        r = runner_run(work, n * o->seeds, o, d, e);
        if (r != 0)
                return r;
        summarise(work, n, o->seeds, units, v);
        return put_results(o, v, n, e);
}

int cmd_run(const struct options *o)
{
        struct err e = ERR_NULL;
        struct dataset d = {0};
        struct settings s;
        const struct protocol *p;
        int r = command_protocol(o, NULL, &p, &e);
        if (r == 0) /* contradictions are told before any data is read */
                r = settings_make(o, p, o->method ? o->method : METHOD_EWC, o->seed, 0, &s, &e);
        if (r == 0)
                r = command_plot(o->plot, &e);
        if (r == 0 && p->stream)
                return command_end(stream_run(o, p, &e), &e);
        if (r == 0)
                r = command_data(o, p, &d, &e);
        if (r == 0)
                r = run_units(o, p, &d, &e);
        dataset_close(&d);
        return command_end(r, &e);
}

static void say(void *arg, double fraction, const char *text)
{
        (void)arg;
        printf("progress %.4f %s\n", fraction, text);
        fflush(stdout);
}

static bool stop(void *arg)
{
        (void)arg;
        return runner_stopped();
}

int cmd_unit(const struct options *o)
{
        struct err e = ERR_NULL;
        struct dataset d = {0};
        struct settings s;
        struct unit_result result;
        const struct unit_callbacks cb = {say, stop, NULL};
        const struct protocol *p;
        int r = command_protocol(o, NULL, &p, &e);
        if (r == 0 && p->stream)
                r = err_field(&e, -EINVAL, "PROTOCOL", "%s has no units", o->protocol);
        if (r == 0)
                r = command_data(o, p, &d, &e);
        if (r == 0)
                r = settings_make(o, p, o->method ? o->method : METHOD_EWC, o->seed, dataset_id(&d), &s, &e);
        if (r == 0)
                r = unit_run(&s, &d, o->state, &cb, &result, &e);
        dataset_close(&d);
        return command_end(r, &e);
}

/* settings_check.c: contradictions of a command line, told by the flag's name: what a method or protocol has no use
 * for is refused rather than ignored. */
#include "base/err.h"
#include "base/mem.h"
#include "bench/settings_in.h"
#include <errno.h>

/* Flags that mean something to a method with a penalty only. */
static const char *penalty_flag(const struct options *o)
{
        const struct {
                bool given;
                const char *flag;
        } v[] = {
            {o->lambda_given, "--lambda"},
            {o->start_given, "--lambda-start"},
            {o->brake_given, "--brake"},
            {o->scale_given, "--scale"},
            {o->merge_given, "--merge"},
            {o->merge_decay > 0, "--merge-decay"},
            {o->form_given, "--form"},
            {o->huber > 0, "--huber"},
            {o->rate_new > 0, "--rate-new"},
            {o->rate_floor > 0, "--rate-floor"},
            {o->keep_percent > 0, "--keep"},
            {o->encoding > 0, "--encoding"},
        };
        for (size_t i = 0; i < ARRAY_LEN(v); i++)
                if (v[i].given)
                        return v[i].flag;
        return NULL;
}

int settings_check_method(const struct options *o, enum bench_method m, struct err *e)
{
        const char *name = method_name(m), *flag = penalty_flag(o);
        if (!method_has_fisher(m) && o->fisher)
                return err_field(e, -EINVAL, "--fisher", "method %s computes no Fisher", name);
        if (!method_has_fisher(m) && o->fisher_samples_given)
                return err_field(e, -EINVAL, "--fisher-samples", "method %s computes no Fisher", name);
        if (!method_has_fisher(m) && o->damping > 0)
                return err_field(e, -EINVAL, "--damping", "method %s computes no Fisher", name);
        if (!method_has_penalty(m) && flag)
                return err_field(e, -EINVAL, flag, "method %s has no penalty", name);
        if (!(method_distill(m) > 0) && o->distill > 0)
                return err_field(e, -EINVAL, "--distill", "method %s distills nothing", name);
        if (m == METHOD_JOINT && o->active)
                return err_field(e, -EINVAL, "--active", "joint knows all tasks at once");
        if (m == METHOD_SI && o->lambda_auto)
                return err_field(
                    e, -EINVAL, "--lambda", "si follows one path; a search over lambda would leave several");
        if (o->start_given && !o->lambda_auto)
                return err_field(e, -EINVAL, "--lambda-start", "only --lambda auto starts anywhere");
        if (o->brake_given && !o->lambda_auto)
                return err_field(e, -EINVAL, "--brake", "only --lambda auto looks at what it costs earlier tasks");
        if (o->scale_given && o->lambda_auto && o->scale != LEARN_SCALE_UNIT)
                return err_field(e, -EINVAL, "--scale", "a search knows the scale unit only");
        if (o->merge_given && !method_merges(m))
                return err_field(e, -EINVAL, "--merge", "%s merges in a way of its own", name);
        return 0;
}

static int check_pack(const struct options *o, struct err *e)
{
        bool shares = o->encoding == 0 || o->encoding == EWC_PACK_BITMAP16 || o->encoding == EWC_PACK_CSR16;
        if (o->keep_percent > 0 && !shares)
                return err_field(e, -EINVAL, "--keep", "%s keeps every entry", ewc_pack_name(o->encoding));
        return 0;
}

static int check_stream(const struct options *o, const struct protocol *p, struct err *e)
{
        if (o->tasks || o->rows || o->steps || o->lambda_auto)
                return err_field(e, -EINVAL,
                    o->lambda_auto ? "--lambda"
                    : o->tasks     ? "--tasks"
                    : o->rows      ? "--rows"
                                   : "--steps",
                    "a stream has no tasks, rows or steps to choose, and no search");
        if (o->merge_given)
                return err_field(e, -EINVAL, "--merge", "%s keeps one record, merged as online EWC does", p->name);
        if (o->plot)
                return err_field(e, -EINVAL, "--plot", "a stream has no tasks to draw");
        if (o->keep_percent > 0 || o->encoding)
                return err_field(e, -EINVAL, o->encoding ? "--encoding" : "--keep", "%s keeps one record", p->name);
        return 0;
}

int settings_check_protocol(const struct options *o, const struct protocol *p, struct err *e)
{
        bool file = !p->data && !p->stream;
        int r = p->stream ? check_stream(o, p, e) : check_pack(o, e);
        if (r < 0)
                return r;
        if (!file && o->scenario && o->scenario != p->scenario)
                return err_field(e, -EINVAL, "--scenario", "%s has a scenario of its own: %s", p->name,
                    scenario_name(p->scenario));
        if (o->active && (o->scenario ? o->scenario : p->scenario) != SCENARIO_CLASS)
                return err_field(e, -EINVAL, "--active", "only the class scenario has a choice of outputs");
        if (!file && o->labels)
                return err_field(e, -EINVAL, "--labels", "%s knows its label files", p->name);
        if (!file && o->tasks > p->cut.tasks && !p->stream)
                return err_field(e, -EINVAL, "--tasks", "%s has %u tasks", p->name, p->cut.tasks);
        if (p->drop_last && o->rows > 0 && o->rows < p->batch)
                return err_field(e, -EINVAL, "--rows", "%u rows are fewer than a batch of %s has (%u)", o->rows,
                    p->name, p->batch);
        if (o->tasks > BENCH_MAX_TASKS)
                return err_field(e, -EINVAL, "--tasks", "at most %d tasks", BENCH_MAX_TASKS);
        if (!o->data)
                return err_field(e, -EINVAL, "--data", "say where the data is: --data %s", file ? "FILE" : "DIR");
        return 0;
}

int settings_check_made(const struct options *o, const struct settings *s, struct err *e)
{
        bool decays = s->merge == LEARN_MERGE_ONLINE || s->merge == LEARN_MERGE_EMA;
        if (o->merge_decay > 0 && !decays)
                return err_field(
                    e, -EINVAL, "--merge-decay", "merge %s has no decay", learn_merge_rule_name(s->merge));
        if (s->merge == LEARN_MERGE_EMA && !(s->merge_decay > 0 && s->merge_decay < 1))
                return err_field(e, -EINVAL, "--merge-decay", "merge ema needs a decay below 1");
        if (s->merge == LEARN_MERGE_ONLINE && !(s->merge_decay > 0 && s->merge_decay <= 1))
                return err_field(e, -EINVAL, "--merge-decay", "merge online needs a decay of at most 1");
        if (s->rate_floor >= 1)
                return err_field(e, -EINVAL, "--rate-floor", "a rate factor below 1");
        if (!o->lambda_given && !(s->lambda > 0))
                return err_field(e, -EINVAL, "--lambda",
                    "%s knows no lambda for %s with the %s Fisher on the scale %s; give one", s->protocol->name,
                    method_name(s->method), ewc_fisher_name(s->fisher), learn_scale_name(s->scale));
        return 0;
}

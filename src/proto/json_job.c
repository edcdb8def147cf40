/* json_job.c: jobs as JSON, and the request that starts one (reference 3.4). Every key is always there; what is not
 * known yet is null. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/json.h"
#include "proto/json_admin.h"
#include "proto/json_in.h"
#include <math.h>

int json_job_request_read(struct slice body, struct arena *a, struct job_request *ret, struct err *e)
{
        static const char *const keys[] = {"kind", "dry_run"};
        _json_ json_t *v = NULL;
        const char *kind;
        struct job_request q = {0};
        int r = json_body_object(body, keys, ARRAY_LEN(keys), &v, e);
        if (r != 0 || (r = json_get_string(json_object_get(v, "kind"), "/kind", a, &kind, e)) != 0)
                return r;
        if (!job_kind_parse(kind, &q.kind))
                return err_field(e, PROBLEM_BAD_VALUE, "/kind", "unknown kind '%.40s'; give \"consolidate\"", kind);
        if (q.kind != JOB_CONSOLIDATE)
                return err_field(e, PROBLEM_BAD_VALUE, "/kind",
                    "only \"consolidate\" is posted here; a rollover is started by POST to the model's tasks, a "
                    "reweight "
                    "by PUT of a task's alpha, a rebuild by POST to a version's rebuild");
        const json_t *dry = json_object_get(v, "dry_run");
        if (dry && !json_is_boolean(dry))
                return json_wrong_type(dry, "/dry_run", "true or false", e);
        q.dry_run = json_is_true(dry);
        *ret = q;
        return 0;
}

static double progress_of(const struct job *j, const struct job_live *live)
{
        if (job_has_ended(j->state) && j->state != JOB_CANCELLED && j->state != JOB_FAILED)
                return 1;
        return live && isfinite(live->progress) ? live->progress : 0;
}

static void put_origin(struct buf *b, const struct job *j)
{
        json_put_key(b, "parent");
        json_put_version(b, j->parent_number);
        json_put_key(b, "version");
        json_put_version(b, j->version_number);
        json_put_key(b, "trigger");
        buf_puts(b, "{\"kind\":");
        json_put_text(b, trigger_kind_name(j->trigger));
        buf_puts(b, ",\"value\":");
        if (j->trigger == TRIGGER_MANUAL)
                buf_puts(b, "null");
        else
                buf_put_u64(b, j->trigger_value);
        json_put_key(b, "text");
        json_put_text(b, j->trigger_text && j->trigger_text[0] ? j->trigger_text : NULL);
        buf_putc(b, '}');
        json_put_key(b, "strategy");
        json_put_text(b, strategy_name(j->strategy));
        json_put_key(b, "dry_run");
        buf_puts(b, j->dry_run ? "true" : "false");
        if (j->kind == JOB_REWEIGHT) {
                json_put_key(b, "alpha");
                json_put_number(b, j->alpha);
        }
        if (j->next_task[0]) {
                json_put_key(b, "next_task");
                json_put_string(b, j->next_task);
        }
        json_put_key(b, "range");
        json_put_range(b, j->range.first, j->range.last);
        json_put_key(b, "seed");
        json_put_seed(b, j->seed);
}

static void put_live(struct buf *b, const struct job *j, const struct job_live *live)
{
        json_put_key(b, "lambda");
        json_put_number(b, isfinite(j->lambda) || !live ? j->lambda : live->lambda);
        json_put_key(b, "epoch");
        json_put_number(b, live ? (double)live->epoch : NAN);
        json_put_key(b, "epochs");
        json_put_number(b, live ? (double)live->epochs : NAN);
        json_put_key(b, "loss");
        json_put_number(b, live ? live->loss : NAN);
        json_put_key(b, "penalty_ratio");
        json_put_number(b, live ? live->penalty_ratio : NAN);
}

static void put_tasks(struct buf *b, const struct job *j)
{
        json_put_key(b, "tasks");
        buf_putc(b, '[');
        for (size_t i = 0; i < j->n_tasks; i++) {
                const struct job_task *t = &j->tasks[i];
                buf_puts(b, i > 0 ? ",{\"task\":" : "{\"task\":");
                json_put_string(b, t->name);
                json_put_key(b, "n");
                buf_put_u64(b, t->after.n);
                json_put_key(b, "accuracy_before");
                json_put_number(b, t->before.n ? t->before.accuracy : NAN);
                json_put_key(b, "accuracy_after");
                json_put_number(b, t->after.n ? t->after.accuracy : NAN);
                buf_putc(b, '}');
        }
        buf_putc(b, ']');
}

void json_tries_write(struct buf *b, const struct learn_try *tries, size_t n)
{
        buf_putc(b, '[');
        for (size_t i = 0; i < n; i++) {
                buf_puts(b, i > 0 ? ",{\"lambda\":" : "{\"lambda\":");
                json_put_number(b, tries[i].lambda);
                json_put_key(b, "accuracy");
                json_put_number(b, tries[i].accuracy);
                json_put_key(b, "past_accuracy");
                json_put_number(b, tries[i].past_accuracy);
                json_put_key(b, "penalty");
                json_put_number(b, tries[i].penalty);
                json_put_key(b, "loss");
                json_put_number(b, tries[i].loss);
                json_put_key(b, "seconds");
                json_put_number(b, tries[i].seconds);
                buf_putc(b, '}');
        }
        buf_putc(b, ']');
}

void json_job_write(struct buf *b, const struct job *j, const struct job_live *live)
{
        buf_puts(b, "{\"id\":");
        buf_put_u64(b, j->id);
        json_put_key(b, "model");
        json_put_string(b, j->model_name);
        json_put_key(b, "kind");
        json_put_text(b, job_kind_name(j->kind));
        json_put_key(b, "state");
        json_put_text(b, job_state_name(j->state));
        json_put_key(b, "progress");
        json_put_number(b, progress_of(j, live));
        put_origin(b, j);
        put_live(b, j, live);
        json_put_key(b, "reason");
        json_put_text(b, j->reason[0] ? j->reason : NULL);
        put_tasks(b, j);
        json_put_key(b, "tries");
        buf_puts(b, j->tries ? j->tries : "[]"); /* JSON as it was stored */
        json_put_key(b, "created_at");
        json_put_time(b, j->created_ms);
        json_put_key(b, "started_at");
        json_put_time(b, j->started_ms);
        json_put_key(b, "ended_at");
        json_put_time(b, j->ended_ms);
        buf_putc(b, '}');
}

void json_job_list_begin(struct buf *b)
{
        buf_puts(b, "{\"jobs\":[");
}

void json_job_list_row(struct buf *b, const struct job *j, const struct job_live *live, bool first)
{
        if (!first)
                buf_putc(b, ',');
        json_job_write(b, j, live);
}

void json_job_list_end(struct buf *b, uint64_t next_cursor)
{
        buf_puts(b, "],\"next_cursor\":");
        json_put_version(b, next_cursor);
        buf_putc(b, '}');
}

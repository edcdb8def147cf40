/* json_version.c: versions and aliases as JSON, and the request that moves an alias (reference 3.5). */
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/json.h"
#include "proto/json_admin.h"
#include "proto/json_in.h"
#include <math.h>

static void put_lineage(struct buf *b, const struct version *v, const char *task)
{
        json_put_key(b, "parent");
        json_put_version(b, v->parent_number);
        json_put_key(b, "job");
        json_put_id(b, v->job);
        json_put_key(b, "task");
        json_put_text(b, task);
        json_put_key(b, "lambda");
        json_put_number(b, v->state == VERSION_INITIAL ? NAN : v->lambda);
        json_put_key(b, "fisher");
        if (v->has_fisher) {
                buf_puts(b, "{\"variant\":");
                json_put_text(b, json_fisher_variant(v->importance, v->fisher_kind));
                buf_puts(b, ",\"samples\":");
                buf_put_u64(b, v->fisher_samples);
                buf_putc(b, '}');
        } else {
                buf_puts(b, "null");
        }
        json_put_key(b, "prior");
        json_put_number(b, v->prior > 0 ? v->prior : NAN);
        json_put_key(b, "seed");
        json_put_seed(b, v->seed);
        json_put_key(b, "range");
        json_put_range(b, v->range.first, v->range.last);
        json_put_key(b, "program");
        json_put_string(b, v->program);
        json_put_key(b, "strategy");
        json_put_text(b, v->job > 0 ? strategy_name(v->strategy) : NULL);
        json_put_key(b, "threads");
        json_put_id(b, v->threads);
        json_put_key(b, "rows");
        json_put_id(b, v->n_train);
        json_put_key(b, "job_digest");
        if (digest_eq(&v->job_file, &(struct digest){0}))
                buf_puts(b, "null");
        else
                json_put_digest(b, &v->job_file);
        json_put_key(b, "pruned");
        buf_puts(b, v->pruned ? "true" : "false");
}

static void put_evaluations(struct buf *b, const struct version *v, const char *const *tasks)
{
        json_put_key(b, "evaluations");
        buf_putc(b, '[');
        for (size_t i = 0; i < v->n_evaluations; i++) {
                const struct evaluation *e = &v->evaluations[i];
                buf_puts(b, i > 0 ? ",{\"task\":" : "{\"task\":");
                json_put_text(b, tasks ? tasks[i] : NULL);
                json_put_key(b, "n");
                buf_put_u64(b, e->n);
                json_put_key(b, "accuracy");
                json_put_number(b, e->n ? e->accuracy : NAN);
                json_put_key(b, "loss");
                json_put_number(b, e->n ? e->loss : NAN);
                json_put_key(b, "ece");
                json_put_number(b, e->n ? e->ece : NAN);
                buf_putc(b, '}');
        }
        buf_putc(b, ']');
}

void json_version_write(struct buf *b, const struct version_view *view)
{
        const struct version *v = view->version;
        buf_puts(b, "{\"version\":");
        json_put_version(b, v->number);
        json_put_key(b, "digest");
        json_put_digest(b, &v->theta);
        json_put_key(b, "state");
        json_put_text(b, version_state_name(v->state));
        json_put_key(b, "aliases");
        buf_putc(b, '[');
        for (size_t i = 0; i < v->n_aliases; i++) {
                if (i > 0)
                        buf_putc(b, ',');
                json_put_string(b, v->aliases[i]);
        }
        buf_putc(b, ']');
        if (view->loaded != LOADED_UNSAID) {
                json_put_key(b, "loaded");
                buf_puts(b, view->loaded == LOADED_YES ? "true" : "false");
        }
        json_put_key(b, "created_at");
        json_put_time(b, v->created_ms);
        put_lineage(b, v, view->task);
        put_evaluations(b, v, view->evaluation_tasks);
        json_put_key(b, "gate");
        if (v->state == VERSION_INITIAL) {
                buf_puts(b, "null");
        } else {
                buf_puts(b, "{\"verdict\":");
                json_put_text(b, version_state_name(v->state));
                json_put_key(b, "reason");
                json_put_string(b, v->reason);
                buf_putc(b, '}');
        }
        buf_putc(b, '}');
}

void json_version_list_begin(struct buf *b)
{
        buf_puts(b, "{\"versions\":[");
}

void json_version_list_row(struct buf *b, const struct version_view *v, bool first)
{
        if (!first)
                buf_putc(b, ',');
        json_version_write(b, v);
}

void json_version_list_end(struct buf *b, uint64_t next_cursor)
{
        buf_puts(b, "],\"next_cursor\":");
        json_put_version(b, next_cursor);
        buf_putc(b, '}');
}

int json_alias_request_read(struct slice body, struct arena *a, struct alias_request *ret, struct err *e)
{
        static const char *const keys[] = {"version", "reason"};
        _json_ json_t *v = NULL;
        struct alias_request q = {0};
        const char *text;
        int r = json_body_object(body, keys, ARRAY_LEN(keys), &v, e);
        if (r != 0 || (r = json_get_label(json_object_get(v, "version"), "/version", a, &text, e)) != 0)
                return r;
        if (!slice_u64(slice_of(text), &q.version) || q.version == 0)
                return err_field(e, PROBLEM_BAD_VALUE, "/version", "'%.40s' is no version number", text);
        if ((r = json_get_reason(v, a, &q.reason, e)) != 0)
                return r;
        *ret = q;
        return 0;
}

int json_prune_read(struct slice body, struct arena *a, uint64_t *ret_keep, const char **ret_reason, struct err *e)
{
        static const char *const keys[] = {"keep", "reason"};
        _json_ json_t *v = NULL;
        int r = json_body_object(body, keys, ARRAY_LEN(keys), &v, e);
        if (r == 0)
                r = json_get_reason(v, a, ret_reason, e);
        return r != 0 ? r : json_get_uint(json_object_get(v, "keep"), "/keep", 0, UINT32_MAX, ret_keep, e);
}

void json_alias_write(struct buf *b, const struct alias *a)
{
        buf_puts(b, "{\"alias\":");
        json_put_string(b, a->name);
        json_put_key(b, "version");
        json_put_version(b, a->number);
        json_put_key(b, "updated_at");
        json_put_time(b, a->updated_ms);
        buf_putc(b, '}');
}

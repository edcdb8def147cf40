/* h_aliases.c: aliases, moving one (rollback is the champion pointed at an older version) and deleting one.
 *
 * A move is three errands: the reader loads the version's tensor, so that an alias never points at what cannot be
 * served; the store thread compares and sets; every loop switches to the champion or holds what the alias names. Only
 * then the answer goes out: whoever reads it meets the old version nowhere, and the new one is warm. */
#include "base/err.h"
#include "base/mem.h"
#include "domain/validate.h"
#include "proto/json_admin.h"
#include "server/h.h"
#include "server/handlers.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void set_etag(struct h_work *w, const struct alias *a)
{
        snprintf(w->etag, sizeof(w->etag), "\"%" PRIu64 "\"", a->epoch);
}

/* --- GET --- */

struct listing {
        struct buf *body;
        size_t n;
};

static int list_row(void *arg, const struct alias *a)
{
        struct listing *l = arg;
        buf_puts(l->body, l->n++ > 0 ? "," : "");
        json_alias_write(l->body, a);
        return 0;
}

static int run_list(struct h_work *w, struct store *s, struct err *e)
{
        struct model m;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        struct listing l = {&w->body, 0};
        buf_puts(&w->body, "{\"aliases\":[");
        r = store_alias_list(s, m.id, list_row, &l, e);
        buf_puts(&w->body, "]}");
        return r;
}

void h_aliases_list(struct request *r)
{
        struct h_work *w = h_work_new(r, run_list, NULL);
        if (w)
                h_read(w);
}

static int run_get(struct h_work *w, struct store *s, struct err *e)
{
        const char *name = w->arg;
        struct model m;
        struct alias a;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        r = store_alias_get(s, m.id, name, &a, e);
        if (r == STORE_NOT_FOUND)
                return h_refuse(w, e, PROBLEM_UNKNOWN_ALIAS, "", "model %s has no alias %s", m.name, name);
        if (r != 0)
                return r;
        set_etag(w, &a);
        json_alias_write(&w->body, &a);
        return 0;
}

/* The alias's name in the request's arena; NULL after having replied. */
static const char *alias_arg(struct request *r)
{
        const char *name = h_arg(r, 1);
        struct err e = ERR_NULL;
        if (name && validate_name("alias", name, &e) < 0) {
                reply_problem(r, PROBLEM_BAD_NAME, "", "%s", e.msg);
                return NULL;
        }
        return name;
}

void h_alias_get(struct request *r)
{
        const char *name = alias_arg(r);
        struct h_work *w = name ? h_work_new(r, run_get, NULL) : NULL;
        if (!w)
                return;
        w->arg = arena_strdup(&w->arena, name);
        if (!w->arg) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        h_read(w);
}

/* --- PUT --- */

enum { IF_MATCH_MAX = 32 };

struct move {
        const char *alias;
        struct alias_request to;
        size_t n_epochs;
        uint64_t epochs[IF_MATCH_MAX]; /* If-Match: those of its ETags that could be an alias's */
        bool any_epoch;                /* If-Match: * */
        model_id model;
};

static int run_check(struct h_work *w, struct store *s, struct err *e)
{
        struct move *mv = w->arg;
        struct model m;
        struct version v;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        mv->model = w->publish_model = m.id;
        r = store_version_by_number(s, m.id, mv->to.version, &w->arena, &v, e);
        if (r == STORE_NOT_FOUND)
                return h_refuse(w, e, PROBLEM_UNKNOWN_VERSION, "/version", "model %s has no version %" PRIu64, m.name,
                    mv->to.version);
        if (r != 0)
                return r;
        _free_ float *theta = new_array(float, v.n_params);
        if (!theta)
                return err_oom(e);
        struct err why = ERR_NULL;
        r = store_version_tensor(s, v.id, TENSOR_THETA, theta, v.n_params, &why);
        if (r != 0)
                return h_refuse(
                    w, e, PROBLEM_CONFLICT, "/version", "version %" PRIu64 " does not load: %s", v.number, why.msg);
        return 0;
}

/* The alias as it is, if that is what the client saw; one that is not there has epoch 0. */
static int as_seen(struct h_work *w, struct store *s, const struct move *mv, struct alias *ret, struct err *e)
{
        *ret = (struct alias){0};
        int r = store_alias_get(s, mv->model, mv->alias, ret, e);
        if (r == STORE_NOT_FOUND && mv->any_epoch)
                return h_refuse(w, e, PROBLEM_PRECONDITION, "", "there is no alias %s", mv->alias);
        if (r != 0 && r != STORE_NOT_FOUND)
                return r;
        bool matches = mv->any_epoch;
        for (size_t i = 0; i < mv->n_epochs; i++)
                matches = matches || mv->epochs[i] == ret->epoch;
        if (!matches)
                return h_refuse(w, e, PROBLEM_PRECONDITION, "",
                    "alias %s has moved; read it again and send its new ETag", mv->alias);
        return 0;
}

static int run_move(struct h_work *w, struct store *s, struct err *e)
{
        struct move *mv = w->arg;
        struct alias a;
        int r = as_seen(w, s, mv, &a, e);
        if (r != 0)
                return r;
        uint64_t epoch = a.epoch;
        r = store_alias_set(s, mv->model, mv->alias, mv->to.version, epoch, w->who, mv->to.reason, &a, e);
        if (r == STORE_CONFLICT) /* not the epoch, which was read above on the only thread that writes */
                return h_refuse(w, e, PROBLEM_CONFLICT, "/version", "%s", e->msg);
        if (r == STORE_NOT_FOUND)
                return h_refuse(
                    w, e, PROBLEM_UNKNOWN_VERSION, "/version", "there is no version %" PRIu64, mv->to.version);
        if (r != 0)
                return r;
        set_etag(w, &a);
        json_alias_write(&w->body, &a);
        return 0;
}

static int run_delete(struct h_work *w, struct store *s, struct err *e)
{
        struct move *mv = w->arg;
        struct model m;
        struct alias a;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        mv->model = w->publish_model = m.id;
        if ((r = as_seen(w, s, mv, &a, e)) != 0)
                return r;
        r = store_alias_delete(s, m.id, mv->alias, a.epoch, w->who, mv->to.reason, e);
        if (r == STORE_NOT_FOUND)
                return h_refuse(w, e, PROBLEM_UNKNOWN_ALIAS, "", "model %s has no alias %s", m.name, mv->alias);
        if (r == -EINVAL)
                return h_refuse(w, e, PROBLEM_CONFLICT, "", "%s", e->msg);
        if (r != 0)
                return r;
        json_alias_write(&w->body, &a); /* as it was */
        return 0;
}

static void moved(struct h_work *w, struct request *r)
{
        if (w->work.result == 0)
                h_publish(w);
        else
                h_finish(w, r);
}

static void checked(struct h_work *w, struct request *r)
{
        if (w->work.result != 0 || !r) { /* nothing has happened yet: a client that has left wants nothing */
                h_finish(w, r);
                return;
        }
        w->run = run_move;
        w->done = moved;
        h_write(w, sizeof(struct move));
}

/* One member of the list, at p; ret_end: behind it. A tag that is no number, or weak, is good but matches nothing. */
static bool parse_etag(const char *p, const char *end, struct move *ret, const char **ret_end)
{
        bool weak = end - p >= 2 && p[0] == 'W' && p[1] == '/';
        p += weak ? 2 : 0;
        const char *close = p < end && *p == '"' ? memchr(p + 1, '"', (size_t)(end - p - 1)) : NULL;
        if (!close)
                return false;
        uint64_t epoch;
        if (!weak && ret->n_epochs < IF_MATCH_MAX &&
            slice_u64((struct slice){p + 1, (size_t)(close - p - 1)}, &epoch))
                ret->epochs[ret->n_epochs++] = epoch;
        *ret_end = close + 1;
        return true;
}

/* RFC 9110 13.1.1: *, or a list of entity tags, of which a strong one must be the alias's. False: none can be. */
static bool parse_if_match(struct slice text, struct move *ret)
{
        const char *p = text.p, *end = text.p + text.n;
        ret->any_epoch = slice_eq(text, "*");
        while (p < end && !ret->any_epoch) {
                if (*p == ' ' || *p == '\t' || *p == ',') {
                        p++;
                        continue;
                }
                if (!parse_etag(p, end, ret, &p))
                        return false;
                while (p < end && (*p == ' ' || *p == '\t'))
                        p++;
                if (p < end && *p != ',')
                        return false;
        }
        return ret->any_epoch || ret->n_epochs > 0;
}

/* Several lines of one field are one list (RFC 9110 5.3). */
static struct slice if_match(struct request *r)
{
        const char *all = NULL;
        for (size_t i = 0; i < r->n_headers; i++) {
                if (slice_eq_nocase(r->headers[i].name, "If-Match"))
                        all = arena_printf(r->arena, "%s%s" SLICE_FMT, all ? all : "", all ? "," : "",
                            SLICE_ARG(r->headers[i].value));
        }
        return all ? slice_of(all) : (struct slice){0};
}

/* The change under way, its precondition read; NULL after having replied. */
static struct h_work *change(struct request *r, const char *name,
    int (*run)(struct h_work *, struct store *, struct err *), void (*done)(struct h_work *, struct request *),
    struct err *e)
{
        struct slice match = if_match(r);
        if (match.n == 0) {
                reply_problem(
                    r, PROBLEM_NEED_PRECONDITION, "", "send If-Match with the alias's ETag (\"0\" to create it)");
                return NULL;
        }
        struct h_work *w = h_work_new(r, run, done);
        if (!w)
                return NULL;
        struct move *mv = arena_new(&w->arena, struct move);
        int p = mv && (mv->alias = arena_strdup(&w->arena, name)) ? 0 : err_oom(e);
        if (p == 0 && !parse_if_match(match, mv))
                p = err_set(e, PROBLEM_PRECONDITION, "If-Match does not hold an ETag of this alias");
        if (p != 0) {
                h_work_free(w);
                reply_error(r, p, e);
                return NULL;
        }
        w->arg = mv;
        return w;
}

void h_alias_put(struct request *r)
{
        struct err e = ERR_NULL;
        const char *name = alias_arg(r);
        struct h_work *w = name ? change(r, name, run_check, checked, &e) : NULL;
        if (!w)
                return;
        struct move *mv = w->arg;
        int p = json_alias_request_read(r->body, &w->arena, &mv->to, &e);
        if (p != 0) {
                h_work_free(w);
                reply_error(r, p, &e);
                return;
        }
        h_read(w);
}

void h_alias_delete(struct request *r)
{
        struct err e = ERR_NULL;
        const char *name = alias_arg(r), *reason = NULL;
        struct h_work *w = name && h_reason(r, &reason) ? change(r, name, run_delete, moved, &e) : NULL;
        if (!w)
                return;
        struct move *mv = w->arg;
        if (reason && !(mv->to.reason = arena_strdup(&w->arena, reason))) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        h_write(w, sizeof(struct move));
}

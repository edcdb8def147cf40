/* h_serve.c: the version a request asks for.
 *
 * What a loop holds is looked up in its own table. Any other name costs one question to the reader: it knows whether
 * the thing does not exist (404, with what does exist), and which version an alias means. A version that exists and
 * is not loaded is then loaded into every loop, while the request waits; afterwards its handler begins anew. Only so
 * many may wait, so that asking for many versions at once cannot pile up. */
#include "base/err.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "server/h.h"
#include "server/route.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>

enum { WAITERS_MAX = 128 }; /* per loop, for versions that are being loaded */

struct wanted {
        const char *text; /* {v} of the path; NULL: the champion */
        uint64_t number;  /* what it names */
};

/* --- on the reader's thread --- */

static int run_look(struct h_work *w, struct store *s, struct err *e)
{
        struct wanted *want = w->arg;
        struct model m;
        struct version v;
        struct alias champion;
        int r = h_find_model(w, s, &m, e);
        if (r != 0)
                return r;
        w->publish_model = m.id;
        if (want->text) {
                r = h_find_version(w, s, &m, want->text, &v, e);
                want->number = r == 0 ? v.number : 0;
                return r;
        }
        r = store_alias_get(s, m.id, "champion", &champion, e);
        if (r != 0)
                return r;
        return h_refuse(w, e, PROBLEM_NOT_READY, "",
            "the champion of model %s, version %" PRIu64 ", is not loaded yet", m.name, champion.number);
}

/* --- on the loop --- */

/* The request begins anew, with the number in the alias's place: its body and its arena are still there. */
static void begin_anew(struct h_work *w, struct request *r)
{
        const struct wanted *want = w->arg;
        char *number = arena_printf(r->arena, "%" PRIu64, want->number);
        h_work_free(w);
        if (!number) {
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        r->arg[1] = slice_of(number);
        r->route->handle(r);
}

static void refuse(struct h_work *w, struct request *r, enum problem p, const char *why)
{
        const struct wanted *want = w->arg;
        reply_problem(r, p, "", "version %" PRIu64 " of model %s is not loaded: %s", want->number, w->model, why);
        h_work_free(w);
}

static void loaded(struct h_work *w, struct request *r)
{
        const struct wanted *want = w->arg;
        if (!r)
                h_work_free(w);
        else if (w->work.result == STORE_NOT_FOUND)
                refuse(w, r, PROBLEM_UNKNOWN_VERSION, "it is no longer there");
        else if (w->work.result == -ENOMEM || w->work.result == -ENOBUFS)
                refuse(w, r, PROBLEM_OVERLOADED, w->work.err.msg);
        else if (w->work.result != 0)
                refuse(w, r, PROBLEM_NOT_READY, w->work.err.msg);
        else if (!vtable_find(r->server->versions, r->arg[0], want->number))
                refuse(w, r, PROBLEM_OVERLOADED, "it had to make room for another at once; try again in a second");
        else
                begin_anew(w, r);
}

static void looked(struct h_work *w, struct request *r)
{
        const struct wanted *want = w->arg;
        if (!r || w->work.result != 0) {
                h_finish(w, r);
        } else if (vtable_find(r->server->versions, r->arg[0], want->number)) {
                begin_anew(w, r);
        } else if (h_publishing_versions(r->server) >= WAITERS_MAX) {
                refuse(w, r, PROBLEM_OVERLOADED, "too many requests wait for versions; try again in a second");
        } else {
                w->publish_version = want->number;
                w->published = loaded;
                h_publish(w);
        }
}

static struct served *in_table(const struct vtable *t, struct slice model, struct slice version)
{
        uint64_t number;
        if (version.n == 0 || slice_eq(version, "@champion"))
                return vtable_get(t, model);
        return slice_u64(version, &number) ? vtable_find(t, model, number) : NULL;
}

/* version: of the path, or empty. */
static struct served *serve(struct request *r, struct slice version)
{
        const struct vtable *t = r->server->versions;
        struct served *s = in_table(t, r->arg[0], version);
        if (s) {
                served_used(s, vtable_lane(t));
                return s;
        }
        struct h_work *w = h_work_new(r, run_look, looked);
        struct wanted *want = w ? arena_new(&w->arena, struct wanted) : NULL;
        if (want && version.n > 0)
                want->text = arena_strndup(&w->arena, version.p, version.n);
        if (!w)
                return NULL;
        if (!want || (version.n > 0 && !want->text)) {
                h_work_free(w);
                reply_error(r, -ENOMEM, NULL);
                return NULL;
        }
        w->arg = want;
        h_read(w);
        return NULL;
}

struct served *h_served(struct request *r)
{
        return serve(r, r->n_args > 1 ? r->arg[1] : (struct slice){0});
}

struct served *h_champion(struct request *r)
{
        return serve(r, (struct slice){0});
}

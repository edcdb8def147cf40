/* h_models.c: models: list, create, describe, readiness.
 *
 * Creating is two errands: the reader thread draws the first net, because that may take a while, then the store
 * thread writes it; the answer goes out when every loop serves the new model. */
#include "base/err.h"
#include "domain/head.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "proto/json.h"
#include "proto/json_model.h"
#include "proto/json_oip.h"
#include "server/h.h"
#include "server/handlers.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define JSON_TEXT_MAX ((size_t)4 << 20)
enum { INIT_STREAM = 0x1417 }; /* of the seed; epochs take the small numbers */

/* --- GET --- */

struct name_list {
        struct arena *arena;
        size_t n, cap;
        const char **name;
};

static int add_name(void *arg, const struct model *m)
{
        struct name_list *l = arg;
        if (l->n == l->cap) {
                size_t cap = l->cap ? l->cap * 2 : 16;
                const char **name = arena_new_array(l->arena, const char *, cap);
                if (!name)
                        return -ENOMEM;
                if (l->n > 0)
                        memcpy(name, l->name, l->n * sizeof(*name));
                l->name = name;
                l->cap = cap;
        }
        l->name[l->n] = arena_strdup(l->arena, m->name);
        return l->name[l->n++] ? 0 : -ENOMEM;
}

static int run_list(struct h_work *w, struct store *s, struct err *e)
{
        struct name_list l = {.arena = &w->arena};
        int r = store_model_list(s, add_name, &l, e);
        if (r == 0)
                json_model_list_write(&w->body, l.n, l.name);
        return r;
}

void h_models_list(struct request *r)
{
        struct h_work *w = h_work_new(r, run_list, NULL);
        if (w)
                h_read(w);
}

/* The versions of a model that this loop holds, ascending; NULL when memory is short. */
static uint64_t *loaded(struct request *r, size_t *ret_n)
{
        const struct vrow *row = vtable_row(r->server->versions, r->arg[0]);
        size_t n = row ? row->n + 1 : 0, at = 0;
        uint64_t *number = arena_new_array(r->arena, uint64_t, n);
        if (!number || !row)
                return NULL;
        while (at < row->n && row->others[at]->number < row->champion->number) {
                number[at] = row->others[at]->number;
                at++;
        }
        number[at] = row->champion->number;
        for (; at < row->n; at++)
                number[at + 1] = row->others[at]->number;
        *ret_n = n;
        return number;
}

void h_model_get(struct request *r)
{
        struct served *s = h_served(r);
        size_t n;
        const uint64_t *versions = s ? loaded(r, &n) : NULL;
        if (!s)
                return;
        if (!versions) {
                reply_error(r, -ENOMEM, NULL);
                return;
        }
        struct model_view v = {
            .spec = &s->spec,
            .learning = &s->learning,
            .champion = s->number,
            .n_versions = n,
            .versions = versions,
            .digest = s->digest,
            .n_params = ewc_net_params(s->net),
            .open_task = s->open->name,
        };
        struct buf *b = server_body(r->server);
        json_model_view_write(b, &v);
        reply_json(r, 200, b);
}

void h_model_config(struct request *r)
{
        struct served *s = h_served(r);
        if (!s)
                return;
        struct buf *b = server_body(r->server);
        json_config_write(b, &s->spec, s->number, vtable_get(r->server->versions, r->arg[0])->number);
        reply_json(r, 200, b);
}

void h_version_config(struct request *r)
{
        h_model_config(r);
}

void h_model_ready(struct request *r)
{
        struct served *s = h_served(r);
        if (!s)
                return;
        struct buf *b = server_body(r->server);
        json_model_ready_write(b, s->spec.name, true);
        reply_json(r, 200, b);
}

void h_version_ready(struct request *r)
{
        h_model_ready(r);
}

/* --- POST --- */

struct creation {
        struct model_spec spec;
        struct learning learning;
        struct buf spec_json, learning_json;
        struct ewc_net *net;
        struct model_new row;
};

static void creation_drop(struct h_work *w)
{
        struct creation *c = w->arg;
        buf_deinit(&c->spec_json);
        buf_deinit(&c->learning_json);
        ewc_net_free(c->net);
        c->net = NULL;
}

static int first_outputs(struct h_work *w, struct creation *c, struct err *e)
{
        struct output_row *rows;
        size_t n;
        if (head_initial(c->spec.scenario, c->spec.n_classes, 0, c->spec.n_task_classes, c->spec.task_classes,
                &w->arena, &rows, &n) < 0)
                return err_oom(e);
        c->spec.net.n_outputs = (uint32_t)n; /* at most MODEL_MAX_CLASSES: model_spec_check */
        c->row.n_outputs = n;
        c->row.outputs = rows;
        return 0;
}

static int run_build(struct h_work *w, struct store *s, struct err *e)
{
        struct creation *c = w->arg;
        (void)s;
        int r = first_outputs(w, c, e);
        if (r < 0)
                return r;
        char why[160] = "";
        if (ewc_spec_check(&c->spec.net, why, sizeof(why)) < 0)
                return h_refuse(w, e, PROBLEM_BAD_VALUE, "/layers", "%s", why);
        if (ewc_net_new(&c->net, &c->spec.net, NULL) < 0)
                return err_oom(e);
        struct ewc_rng rng;
        ewc_rng_seed(&rng, c->learning.seed, INIT_STREAM);
        ewc_net_init(c->net, &rng);
        json_spec_write(&c->spec_json, &c->spec);
        json_learning_write(&c->learning_json, &c->learning);
        if (!buf_ok(&c->spec_json) || !buf_ok(&c->learning_json))
                return h_refuse(w, e, PROBLEM_TOO_LARGE, "", "the description is too long to be kept");
        c->row.n_params = ewc_net_params(c->net);
        c->row.theta = ewc_net_theta(c->net);
        c->row.spec_json = c->spec_json.data;
        c->row.learning_json = c->learning_json.data;
        return 0;
}

static int run_create(struct h_work *w, struct store *s, struct err *e)
{
        struct creation *c = w->arg;
        int r = store_model_create(s, &c->row, &w->publish_model, e);
        if (r == STORE_EXISTS)
                return h_refuse(w, e, PROBLEM_IN_USE, "/name", "there is a model named %s already", c->spec.name);
        if (r == 0) { /* the answer is what GET will say once the loops have switched */
                char digest[DIGEST_HEX];
                struct digest d;
                digest_of(c->row.theta, c->row.n_params * sizeof(float), &d);
                digest_hex(&d, digest);
                struct model_view v = {
                    .spec = &c->spec,
                    .learning = &c->learning,
                    .champion = 1,
                    .digest = digest,
                    .n_params = c->row.n_params,
                    .open_task = c->spec.task,
                };
                json_model_view_write(&w->body, &v);
        }
        return r;
}

static void created(struct h_work *w, struct request *r)
{
        if (w->work.result == 0)
                h_publish(w);
        else
                h_finish(w, r);
}

static void built(struct h_work *w, struct request *r)
{
        const struct creation *c = w->arg;
        if (w->work.result != 0 || !r) { /* nothing has happened yet: a client that has left wants nothing */
                h_finish(w, r);
                return;
        }
        w->run = run_create;
        w->done = created;
        h_write(w, c->row.n_params * sizeof(float));
}

void h_models_post(struct request *r)
{
        struct err e = ERR_NULL;
        struct h_work *w = h_work_new(r, run_build, built);
        if (!w)
                return;
        struct creation *c = arena_new(&w->arena, struct creation);
        int p = c ? json_model_read(r->body, &w->arena, &c->spec, &c->learning, &e) : err_oom(&e);
        if (p == 0 && model_spec_check(&c->spec, &e) < 0)
                p = strcmp(e.field, "/name") == 0 ? PROBLEM_BAD_NAME : PROBLEM_BAD_VALUE;
        if (p == 0 && strcmp(c->spec.name, "stats") == 0)
                p = err_field(
                    &e, PROBLEM_BAD_NAME, "/name", "'stats' is no name for a model: /v2/models/stats is taken");
        if (p == 0 && learning_check(&c->learning, &e) < 0)
                p = PROBLEM_BAD_VALUE;
        if (p != 0) {
                h_work_free(w);
                reply_error(r, p, &e);
                return;
        }
        buf_init(&c->spec_json, JSON_TEXT_MAX);
        buf_init(&c->learning_json, JSON_TEXT_MAX);
        c->row = (struct model_new){
            .name = c->spec.name,
            .scenario = c->spec.scenario,
            .n_classes = c->spec.n_classes,
            .classes = c->spec.classes,
            .task = c->spec.task,
            .n_task_classes = c->spec.n_task_classes,
            .task_classes = c->spec.task_classes,
            .seed = c->learning.seed,
            .who = w->who,
        };
        w->arg = c;
        w->drop = creation_drop;
        str_copy(w->model, sizeof(w->model), c->spec.name);
        snprintf(w->location, sizeof(w->location), "/v2/models/%s", c->spec.name);
        w->status = 201;
        h_read(w);
}

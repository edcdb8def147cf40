/* jobs_kit.c: see jobs_kit.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "infer/publish.h"
#include "jobs_kit.h"
#include "lib/tmpdir.h"
#include "loop/loop.h"
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static void on_msg(void *arg, const struct msg *m)
{
        struct house *h = arg;
        if (h->halted) {
                assert_true(h->n_held < ARRAY_LEN(h->held));
                h->held[h->n_held++] = *m;
                return;
        }
        if (store_work_dispatch(m)) {
                if (++h->n_done == h->act_after && h->act)
                        h->act(h);
                return;
        }
        if (!(h->jobs && jobs_dispatch(h->jobs, m)))
                publish_dispatch_control(h->publish, m);
}

static void open_queue(struct house *h, bool read, struct store_queue **ret)
{
        struct store *s;
        const struct store_open how = {.path = h->path, .read_only = read, .no_backup = true, .clock = &clock_system};
        const struct store_queue_conf c = {
            .max_items = h->queue_items, .max_group_items = 16, .max_group_bytes = 1 << 20, .read = read};
        int r = store_open(&s, h->ops, &how, &h->e);
        if (r != 0)
                fail_msg("store_open: %d %s", r, h->e.msg);
        assert_int_equal(store_queue_start(ret, s, &c, &h->e), 0);
}

struct model_request {
        struct model_kit *kit;
        const char *name;
        model_id m;
};

static int create_model(struct store *s, void *arg, struct err *e)
{
        struct model_request *q = arg;
        return kit_model_create(s, q->kit, q->name, &q->m, e);
}

void house_model(struct house *h, const char *name, model_id *ret)
{
        struct model_request q = {&h->kit, name, 0};
        assert_int_equal(house_do(h, create_model, &q), 0);
        *ret = q.m;
}

static uint64_t mono(void *arg)
{
        struct house *h = arg;
        return clock_mono_ns(&clock_system) + h->mono_ahead_ms * 1000000u;
}

static int64_t wall(void *arg)
{
        struct house *h = arg;
        return clock_wall_ms(&clock_system) + h->ahead_ms;
}

void house_open(struct house *h, const struct store_ops *ops)
{
        house_open_narrow(h, ops, 64);
}

void house_open_narrow(struct house *h, const struct store_ops *ops, size_t queue_items)
{
        log_init(LOG_LEVEL_ERROR, false);
        memset(h, 0, sizeof(*h));
        h->ops = ops;
        h->queue_items = queue_items;
        arena_init(&h->a, (size_t)64 << 20);
        h->dir = tmpdir_new();
        tmpdir_path(h->path, sizeof(h->path), h->dir, "store.db");
        tmpdir_path(h->jobs_dir, sizeof(h->jobs_dir), h->dir, "jobs");
        h->clock = (struct clock){.mono_ns = mono, .wall_ms = wall, .arg = h};
        assert_int_equal(loop_new(&h->loop, &h->clock, 256, &h->e), 0);
        assert_int_equal(mailbox_new(&h->answers, 8, &h->e), 0);
        open_queue(h, false, &h->writer);
        if (ops == &store_memory) {
                h->reader = h->writer;
        } else {
                open_queue(h, true, &h->reader);
                open_queue(h, true, &h->exporter);
        }
        assert_int_equal(publish_new(&h->publish, h->loop, h->reader, &h->e), 0);
        loop_on_msg(h->loop, on_msg, h);
        h->fake.loop = h->loop;
        kit_defaults(&h->kit);
        h->conf = (struct jobs_conf){.dir = h->jobs_dir,
            .learner_threads = 1,
            .max_attempts = 3,
            .policy_ms = 60000,
            .max_learners = 2,
            .backoff_ms = 1,
            .program = "ewcd test"};
}

void house_start(struct house *h)
{
        const struct jobs_deps d = {.control = h->loop,
            .writer = h->writer,
            .reader = h->reader,
            .exporter = h->exporter,
            .publish = h->publish,
            .learner = fake_learner_port(&h->fake)};
        assert_int_equal(jobs_start(&h->jobs, &h->conf, &d, &h->e), 0);
}

void house_halt(struct house *h)
{
        h->halted = true;
        loop_stop(h->loop);
}

void house_stop(struct house *h)
{
        h->halted = false;
        for (size_t i = 0; i < h->n_held; i++)
                assert_int_equal(loop_post(h->loop, &h->held[i]), 0);
        h->n_held = 0;
        jobs_stop(h->jobs);
        h->jobs = NULL;
}

void house_close(struct house *h)
{
        house_stop(h);
        if (h->reader != h->writer)
                store_queue_stop(h->reader);
        store_queue_stop(h->exporter);
        store_queue_stop(h->writer);
        struct msg m;
        while (loop_take_msg(h->loop, &m))
                store_work_dispatch(&m); /* a publication may still be on its way */
        publish_free(h->publish);
        mailbox_free(h->answers);
        loop_free(h->loop);
        tmpdir_remove(h->dir);
        arena_deinit(&h->a);
}

struct errand {
        struct store_work w;
        int (*fn)(struct store *s, void *arg, struct err *e);
        void *arg;
};

static int run_errand(struct store *s, struct store_work *w, struct err *e)
{
        struct errand *x = w->arg;
        return x->fn(s, x->arg, e);
}

static void errand_done(struct store_work *w)
{
        (void)w;
}

int house_do(struct house *h, int (*fn)(struct store *s, void *arg, struct err *e), void *arg)
{
        struct errand x = {.fn = fn, .arg = arg};
        x.w = (struct store_work){.run = run_errand, .done = errand_done, .reply_to = h->answers, .arg = &x};
        struct msg m;
        while (store_submit(h->writer, &x.w) != 0)
                poll(NULL, 0, 1); /* full */
        while (!mailbox_get(h->answers, &m)) {
                struct pollfd p = {.fd = mailbox_fd(h->answers), .events = POLLIN};
                poll(&p, 1, 1000);
        }
        if (x.w.result != 0)
                h->e = x.w.err;
        return x.w.result;
}

struct rows_request {
        struct house *h;
        model_id m;
        int from, n;
        int32_t a, b;
};

static int add_rows(struct store *s, void *arg, struct err *e)
{
        struct rows_request *q = arg;
        return kit_rows_add(s, &q->h->kit, q->m, q->from, q->n, q->a, q->b, e);
}

void house_rows(struct house *h, model_id m, int from, int n, int32_t a, int32_t b)
{
        struct rows_request q = {h, m, from, n, a, b};
        if (house_do(h, add_rows, &q) != 0)
                fail_msg("rows: %s", h->e.msg);
}

struct live_request {
        model_id m;
        int from, n;
        const struct kit_row *row;
};

static int add_live(struct store *s, void *arg, struct err *e)
{
        (void)e;
        struct live_request *q = arg;
        for (int i = q->from; i < q->from + q->n; i++)
                kit_row_add(s, q->m, i, q->row);
        return 0;
}

void house_live(struct house *h, model_id m, int from, int n, const struct kit_row *row)
{
        struct live_request q = {m, from, n, row};
        assert_int_equal(house_do(h, add_live, &q), 0);
}

struct job_request {
        struct job_new j;
        job_id id;
};

static int create_job(struct store *s, void *arg, struct err *e)
{
        struct job_request *q = arg;
        return store_job_create(s, &q->j, &q->id, e);
}

job_id house_create(struct house *h, model_id m, const char *next_task)
{
        struct job_request q = {.j = {.model = m,
                                    .kind = next_task ? JOB_ROLLOVER : JOB_CONSOLIDATE,
                                    .trigger = TRIGGER_MANUAL,
                                    .next_task = next_task,
                                    .who = "tester"}};
        if (house_do(h, create_job, &q) != 0)
                fail_msg("job: %s", h->e.msg);
        if (h->jobs)
                assert_int_equal(jobs_post_pump(h->jobs), 0);
        return q.id;
}

struct look {
        struct house *h;
        model_id m;
        uint64_t id;
        const char *name;
        enum tensor_role role;
        void *out;
        size_t P;
};

static int look_job(struct store *s, void *arg, struct err *e)
{
        struct look *q = arg;
        return store_job_get(s, q->id, &q->h->a, q->out, e);
}

static int look_version(struct store *s, void *arg, struct err *e)
{
        struct look *q = arg;
        return store_version_by_number(s, q->m, q->id, &q->h->a, q->out, e);
}

static int look_champion(struct store *s, void *arg, struct err *e)
{
        struct look *q = arg;
        struct alias a;
        int r = store_alias_get(s, q->m, "champion", &a, e);
        return r == 0 ? store_version_get(s, a.version, &q->h->a, q->out, e) : r;
}

static int look_task(struct store *s, void *arg, struct err *e)
{
        struct look *q = arg;
        return store_task_get(s, q->m, q->name, &q->h->a, q->out, e);
}

static int look_tensor(struct store *s, void *arg, struct err *e)
{
        struct look *q = arg;
        return q->m ? store_task_tensor(s, q->id, q->role, q->out, q->P, e)
                    : store_version_tensor(s, q->id, q->role, q->out, q->P, e);
}

static int move_alias(struct store *s, void *arg, struct err *e)
{
        struct look *q = arg;
        struct alias a;
        int r = store_alias_get(s, q->m, "champion", &a, e);
        return r == 0 ? store_alias_set(s, q->m, "champion", q->id, a.epoch, "tester", "by hand", &a, e) : r;
}

static void look(struct house *h, int (*fn)(struct store *s, void *arg, struct err *e), struct look q)
{
        q.h = h;
        if (house_do(h, fn, &q) != 0)
                fail_msg("look: %s", h->e.msg);
}

struct job house_job(struct house *h, job_id id)
{
        struct job j;
        look(h, look_job, (struct look){.id = id, .out = &j});
        return j;
}

struct version house_version(struct house *h, model_id m, uint64_t number)
{
        struct version v;
        look(h, look_version, (struct look){.m = m, .id = number, .out = &v});
        return v;
}

struct version house_champion(struct house *h, model_id m)
{
        struct version v;
        look(h, look_champion, (struct look){.m = m, .out = &v});
        return v;
}

struct task house_task(struct house *h, model_id m, const char *name)
{
        struct task t;
        look(h, look_task, (struct look){.m = m, .name = name, .out = &t});
        return t;
}

void house_tensor(struct house *h, version_id v, enum tensor_role role, float *ret, size_t P)
{
        look(h, look_tensor, (struct look){.id = v, .role = role, .out = ret, .P = P});
}

void house_task_tensor(struct house *h, task_id t, enum tensor_role role, float *ret, size_t P)
{
        look(h, look_tensor, (struct look){.m = 1, .id = t, .role = role, .out = ret, .P = P});
}

bool house_alias(struct house *h, model_id m, uint64_t number)
{
        struct look q = {.h = h, .m = m, .id = number};
        return house_do(h, move_alias, &q) == 0;
}

/* --- stepping --- */

struct waiting {
        struct house *h;
        bool (*so)(struct house *h, void *arg);
        void *arg;
        int left;
};

static void ask(void *arg)
{
        struct waiting *w = arg;
        if (--w->left == 0 || w->so(w->h, w->arg))
                loop_stop(w->h->loop);
}

void house_until(struct house *h, bool (*so)(struct house *h, void *arg), void *arg)
{
        struct waiting w = {h, so, arg, 10000};
        struct loop_source *t = loop_timer(h->loop, 1, true, ask, &w);
        assert_int_equal(loop_run(h->loop, &h->e), 0);
        loop_source_free(t);
        if (w.left == 0)
                fail_msg("waited in vain");
}

static bool has_ended(struct house *h, void *arg)
{
        struct jobs_stats s;
        if (!job_has_ended(house_job(h, *(job_id *)arg).state))
                return false;
        jobs_stats(h->jobs, &s);
        return strcmp(s.status, "idle") == 0 && !house_has_files(h, *(job_id *)arg);
}

struct job house_until_end(struct house *h, job_id id)
{
        house_until(h, has_ended, &id);
        return house_job(h, id);
}

bool house_has_files(struct house *h, job_id id)
{
        char path[512];
        snprintf(path, sizeof(path), "%s/%" PRIu64, h->jobs_dir, id);
        return file_exists(path);
}

static bool some_turns(struct house *h, void *arg)
{
        int *left = arg;
        if (*left % 8 == 0)
                jobs_post_counters(h->jobs, h->m);
        return --*left <= 0;
}

void house_settle(struct house *h)
{
        int left = 40;
        house_until(h, some_turns, &left);
}

/* app.c: the init list, and its reverse.
 *
 * Read app_init to learn the parts and what each needs. The order of the end differs from the exact reverse in one
 * place: loops and the publisher outlive the store's queues, because the last answers of the store go to them. */
#include "daemon/app.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/control.h"
#include "daemon/notify.h"
#include "daemon/serve_thread.h"
#include "daemon/signals.h"
#include "infer/publish.h"
#include "loop/loop.h"
#include "server/event_id.h"
#include "store/queue.h"
#include "store/store.h"
#include "super/jobs.h"
#include "super/learner_proc.h"
#include <errno.h>
#include <ewc/team.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum { CONTROL_MAILBOX = 8192, STATE_MODE = 0700 };

/* The three stores of the one file, until their queues take them. */
struct stores {
        struct store *writer, *reader, *exporter;
        struct store_health health;
};

static int open_one(struct app *a, bool read_only, struct store **ret, struct err *e)
{
        struct store_open how = {.path = a->paths.database, .read_only = read_only, .clock = a->clock};
        int r = store_open(ret, &store_sqlite, &how, e);
        if (r != 0)
                a->exit = APP_STORE;
        return r > 0 ? err_set(e, -EPROTO, "%s", e->msg) : r; /* the text names the file */
}

static int store_start(struct app *a, struct stores *s, struct err *e)
{
        umask(0077);
        int r = file_mkdir(a->paths.state, STATE_MODE, e);
        if (r < 0 || (r = file_mkdir(a->paths.jobs, STATE_MODE, e)) < 0 ||
            (r = open_one(a, false, &s->writer, e)) < 0 || (r = open_one(a, true, &s->reader, e)) < 0 ||
            (r = open_one(a, true, &s->exporter, e)) < 0)
                return r;
        r = store_maintain(s->writer, &s->health, e);
        return r == 0 ? 0 : err_wrap(e, r, "database %s", a->paths.database);
}

static int queue_start(struct app *a, struct store **s, bool read, struct store_queue **ret, struct err *e)
{
        struct store_queue_conf c = {
            .max_items = a->conf->store_queue_items,
            .max_group_items = a->conf->store_group_items,
            .max_group_bytes = a->conf->store_group_bytes,
            .read = read,
            .maintain_ms = read ? 0 : a->conf->store_maintain_ms,
        };
        int r = store_queue_start(ret, *s, &c, e);
        if (r == 0)
                *s = NULL;
        return r;
}

static int publish_start(struct app *a, struct stores *s, struct err *e)
{
        size_t loaded, failed;
        struct publish_limits limits = {
            .max_bytes = a->conf->versions_max_bytes,
            .idle_ms = a->conf->versions_idle_s * 1000,
        };
        int r = publish_new(&a->publish, a->control, a->reader, e);
        if (r == 0)
                r = publish_limit(a->publish, &limits, e);
        for (size_t i = 0; i < a->serve->n && r == 0; i++)
                r = publish_add_loop(
                    a->publish, a->serve->threads[i].server.loop, a->serve->threads[i].server.versions, e);
        if (r == 0)
                r = publish_initial(a->publish, s->writer, &loaded, &failed, e);
        if (r != 0)
                return err_wrap(e, r, "load the champions");
        if (failed > 0)
                log_error("%zu of %zu models are not served: %s", failed, loaded + failed, e->msg);
        else
                log_info("%zu models loaded", loaded);
        return 0;
}

/* Ids of predictions outlive a restart: their key is kept with the store, made by the first start. Where it cannot be
 * stored, predictions go on under one of this run alone. */
static int keys_start(struct app *a, struct stores *s, struct err *e)
{
        uint8_t fresh[EVENT_SEED], key[EVENT_SEED];
        int r = event_seed(fresh, e);
        if (r == 0)
                r = store_secret(s->writer, "prediction", fresh, key, e);
        if (r > 0) {
                log_warning(
                    "the key of prediction ids could not be stored, a restart will not know them: %s", e->msg);
                memcpy(key, fresh, sizeof(key));
                r = 0;
        }
        explicit_bzero(fresh, sizeof(fresh));
        if (r == 0)
                r = serve_keys(a->serve, key, e);
        explicit_bzero(key, sizeof(key));
        return r == 0 ? 0 : err_wrap(e, r, "the key of prediction ids");
}

static int jobs_begin(struct app *a, struct err *e)
{
        const struct conf *c = a->conf;
        struct learner_proc_conf lc = {.path = a->paths.learner,
            .stall_ms = (uint32_t)c->learner_stall_ms,
            .grace_ms = (uint32_t)c->learner_grace_ms,
            .checkpoint_ms = (uint32_t)c->learner_checkpoint_ms};
        int r = learner_proc_new(&a->learner, a->control, &lc, e);
        if (r < 0)
                return r;
        struct jobs_conf jc = {
            .dir = a->paths.jobs,
            .learner_threads = (uint32_t)c->learner_threads,
            .max_attempts = (uint32_t)c->learner_max_attempts,
            .policy_ms = (uint32_t)c->learner_policy_ms,
            .max_learners = (uint32_t)c->learner_max_learners,
            .program = APP_PROGRAM,
            .keep_files = c->learner_keep_files,
        };
        struct jobs_deps d = {
            .control = a->control,
            .writer = a->writer,
            .reader = a->reader,
            .exporter = a->exporter,
            .publish = a->publish,
            .learner = learner_proc_port(a->learner),
        };
        return jobs_start(&a->jobs, &jc, &d, e);
}

static int listen_start(struct app *a, struct err *e)
{
        int r = listen_open(&a->listen, a->conf, &a->paths, e);
        if (r == 0)
                r = serve_listen(a->serve, &a->listen, e);
        if (r < 0)
                a->exit = APP_ADDRESS;
        return r;
}

static int start(struct app *a, struct stores *s, struct err *e)
{
        int r;
        if ((r = listen_check(a->conf, e)) < 0 || (r = paths_find(&a->paths, a->conf, e)) < 0) {
                a->exit = APP_USAGE;
                return r;
        }
        if ((r = loop_new(&a->control, a->clock, CONTROL_MAILBOX, e)) < 0)
                return r;
        control_listen(a);
        if ((r = store_start(a, s, e)) < 0 ||                                /* lock, identity, migrate */
            (r = queue_start(a, &s->reader, true, &a->reader, e)) < 0 ||     /* reader thread runs */
            (r = queue_start(a, &s->exporter, true, &a->exporter, e)) < 0 || /* for what takes long */
            (r = serve_new(&a->serve, a->conf, APP_PROGRAM, a->clock, a->control, e)) <
                0 ||                                                      /* loops, not turning yet */
            (r = keys_start(a, s, e)) < 0 ||                              /* for ids of predictions */
            (r = publish_start(a, s, e)) < 0 ||                           /* champions loaded and warm */
            (r = queue_start(a, &s->writer, false, &a->writer, e)) < 0 || /* store thread runs */
            (r = jobs_begin(a, e)) < 0 ||                                 /* restart rules applied */
            (r = listen_start(a, e)) < 0 ||                               /* sockets exist, nobody answers yet */
            (r = control_new(&a->timers, a, e)) < 0 ||
            (r = signals_new(&a->signals, a, e)) < 0)
                return r;
        a->serve->conf.engine = a->serve->engine;
        str_copy(a->serve->engine, sizeof(a->serve->engine), s->health.engine);
        a->serve->conf.schema = s->health.schema;
        serve_wire(a->serve, a->publish, a->jobs, a->writer, a->reader);
        return serve_run(a->serve, e); /* last: nobody meets half a house */
}

int app_init(struct app *a, const struct conf *c, const char *conf_path, const struct clock *clock, struct err *e)
{
        struct stores s = {0};
        *a = (struct app)APP_NULL;
        a->conf = c;
        a->conf_path = conf_path;
        a->clock = clock;
        a->exit = APP_FAILED;
        ewc_blas_alone(); /* a serving loop computes on its own thread */
        uint64_t start_ns = clock_mono_ns(clock);
        int r = start(a, &s, e);
        store_close(s.reader); /* NULL once their queues have taken them */
        store_close(s.exporter);
        if (r < 0) {
                app_deinit(a);
                store_close(s.writer);
                return r;
        }
        for (size_t i = 0; i < a->listen.n; i++)
                log_info("ready: %s", a->listen.name[i]);
        log_debug("%s on %s, start-up took %" PRIu64 " ms", APP_PROGRAM, s.health.engine,
            (clock_mono_ns(clock) - start_ns) / 1000000);
        atomic_store(&a->serve->ready, true);
        notify_ready("idle");
        a->exit = APP_OK;
        return 0;
}

int app_run(struct app *a, struct err *e)
{
        int r = loop_run(a->control, e);
        if (r < 0)
                a->exit = APP_FAILED;
        return r;
}

void app_stop(struct app *a)
{
        if (a->ending)
                return;
        if (a->stopping) {
                loop_stop(a->control);
                return;
        }
        a->stopping = true;
        notify_stopping();
        log_info("stopping");
        if (!a->serve || atomic_load(&a->serve->running) == 0) {
                loop_stop(a->control);
                return;
        }
        atomic_store(&a->serve->ready, false);
        serve_drain(a->serve); /* SERVE_MSG_ENDED ends the control loop */
}

void app_reload(struct app *a)
{
        struct err e = ERR_NULL;
        enum log_level level;
        struct conf c;
        if (!a->conf_path) {
                log_info("SIGHUP: no configuration file to read again");
                return;
        }
        notify_reloading(clock_mono_ns(a->clock) / 1000);
        conf_defaults(&c);
        if (conf_read(&c, a->conf_path, &e) < 0 || conf_check(&c, &e) < 0) {
                log_error("SIGHUP: nothing changed: %s", e.msg);
        } else if (log_level_parse(c.log_level, &level)) {
                log_init(level, paths_journal());
                log_info("SIGHUP: log level %s; every other key needs a restart", c.log_level);
        }
        notify_ready("idle");
}

void app_deinit(struct app *a)
{
        a->ending = true;
        control_free(a->timers);
        serve_stop(a->serve); /* no new requests; threads joined */
        listen_close(&a->listen);
        jobs_stop(a->jobs); /* SIGTERM to the learner; its checkpoint stays */
        learner_proc_free(a->learner);
        store_queue_stop(a->writer); /* drains, last commit, WAL checkpoint */
        store_queue_stop(a->reader);
        store_queue_stop(a->exporter);
        publish_free(a->publish);
        serve_free(a->serve); /* takes the answers nobody waits for */
        signals_free(a->signals);
        control_drop_messages(a);
        loop_free(a->control);
        enum app_exit keep = a->exit;
        *a = (struct app)APP_NULL;
        a->exit = keep;
}

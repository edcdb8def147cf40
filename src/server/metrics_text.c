/* metrics_text.c: all metrics of the process as Prometheus text, format 0.0.4 (serving reference 8).
 *
 * Counters end in _total, units are base units, labels are bounded: routes, outcomes, models and their tasks. Routes
 * that nobody asked for are left out. */
#include "base/buf.h"
#include "base/clock.h"
#include "infer/publish.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "loop/loop.h"
#include "proto/num.h"
#include "server/metrics.h"
#include "server/route.h"
#include "server/server.h"
#include "store/queue.h"
#include "super/jobs.h"
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <stdio.h>
#include <unistd.h>

static const double ns = 1e-9;

static uint64_t get(_Atomic uint64_t *v)
{
        return atomic_load_explicit(v, memory_order_relaxed);
}

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
        buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct buf *b, double v)
{
        char text[NUM_F64_MAX];
        if (isfinite(v))
                buf_put(b, text, num_print_f64(text, v));
        else
                buf_puts(b, "NaN");
        buf_putc(b, '\n');
}

/* One metric without labels. */
static void single(struct buf *b, const char *name, const char *type, const char *help, double v)
{
        head(b, name, type, help);
        buf_printf(b, "%s ", name);
        number(b, v);
}

/* name{a="…"} or name{a="…",b="…"}; what = NULL leaves the second out. Values are names, which need no escape. */
static void labelled(struct buf *b, const char *name, const char *label, const char *value, const char *label2,
    const char *value2, double v)
{
        buf_printf(b, "%s{%s=\"%s\"", name, label, value);
        if (label2)
                buf_printf(b, ",%s=\"%s\"", label2, value2);
        buf_puts(b, "} ");
        number(b, v);
}

/* --- requests --- */

static uint64_t route_count(struct metrics_route *m)
{
        uint64_t n = 0;
        for (size_t i = 0; i < 6; i++)
                n += get(&m->by_class[i]);
        return n;
}

/* "GET /v2/models", or "unmatched" for what no route took. */
static const char *route_name(size_t i, char *ret, size_t size)
{
        static const char *const methods[] = {"", "GET", "HEAD", "POST", "PUT", "DELETE", "OTHER"};
        if (i < n_routes)
                snprintf(ret, size, "%s %s", methods[routes[i].method], routes[i].pattern);
        else
                snprintf(ret, size, "unmatched");
        return ret;
}

static void route_histogram(struct buf *b, struct metrics_route *m, const char *route)
{
        uint64_t sum = 0;
        double le = 50e-6;
        for (size_t i = 0; i < METRICS_BUCKETS; i++, le *= 2) {
                sum += get(&m->bucket[i]);
                buf_printf(b, "ewcd_request_duration_seconds_bucket{route=\"%s\",le=\"%.6g\"} %" PRIu64 "\n", route,
                    le, sum);
        }
        sum += get(&m->bucket[METRICS_BUCKETS]);
        buf_printf(b, "ewcd_request_duration_seconds_bucket{route=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", route, sum);
        labelled(b, "ewcd_request_duration_seconds_sum", "route", route, NULL, NULL, (double)get(&m->sum_ns) * ns);
        buf_printf(b, "ewcd_request_duration_seconds_count{route=\"%s\"} %" PRIu64 "\n", route, sum);
}

static void write_requests(struct buf *b, struct metrics *m)
{
        static const char *const codes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
        char route[128];
        head(b, "ewcd_requests_total", "counter", "Requests answered, by route and status class.");
        for (size_t i = 0; i < METRICS_ROUTES; i++) {
                for (size_t c = 0; c < 6; c++) {
                        uint64_t n = get(&m->route[i].by_class[c]);
                        if (n > 0)
                                labelled(b, "ewcd_requests_total", "route", route_name(i, route, sizeof(route)),
                                    "code", codes[c], (double)n);
                }
        }
        head(b, "ewcd_request_duration_seconds", "histogram", "From the request's last byte to its answer.");
        for (size_t i = 0; i < METRICS_ROUTES; i++) {
                if (route_count(&m->route[i]) > 0)
                        route_histogram(b, &m->route[i], route_name(i, route, sizeof(route)));
        }
        single(b, "ewcd_in_flight", "gauge", "Requests not answered yet.", (double)get(&m->in_flight));
        single(b, "ewcd_connections", "gauge", "Open connections.", (double)get(&m->connections));
        single(b, "ewcd_held_bytes", "gauge", "Memory held by large requests, answers and work for the store.",
            (double)get(&m->held_bytes));
        head(b, "ewcd_rejected_total", "counter", "Requests answered with 503.");
        labelled(b, "ewcd_rejected_total", "reason", "overloaded", NULL, NULL, (double)get(&m->rejected));
}

/* --- predictions and feedback --- */

static void write_work(struct buf *b, struct metrics *m)
{
        static const char name[] = "ewcd_feedback_events_total", ended[] = "ewcd_inferences_ended_total";
        single(b, "ewcd_inferences_total", "counter", "Prediction requests computed.", (double)get(&m->inferences));
        single(b, "ewcd_inference_rows_total", "counter", "Rows in them.", (double)get(&m->inference_rows));
        single(
            b, "ewcd_compute_seconds_total", "counter", "Time spent in the net.", (double)get(&m->compute_ns) * ns);
        head(b, ended, "counter", "Prediction requests ended without being computed, by why.");
        labelled(b, ended, "reason", "client_left", NULL, NULL, (double)get(&m->ended_gone));
        labelled(b, ended, "reason", "timeout", NULL, NULL, (double)get(&m->ended_late));
        labelled(b, ended, "reason", "queue_full", NULL, NULL, (double)get(&m->ended_full));
        head(b, name, "counter", "Feedback events, by what became of them.");
        labelled(b, name, "result", "accepted", NULL, NULL, (double)get(&m->feedback_accepted));
        labelled(b, name, "result", "duplicate", NULL, NULL, (double)get(&m->feedback_duplicate));
        labelled(b, name, "result", "rejected", NULL, NULL, (double)get(&m->feedback_rejected));
}

static void write_store(struct buf *b, struct server *s)
{
        struct store_queue_stats w;
        store_queue_stats(s->writer, &w);
        single(
            b, "ewcd_feedback_queue_events", "gauge", "Work items waiting for the store thread.", (double)w.waiting);
        single(b, "ewcd_store_items_total", "counter", "Work items run by the store thread.", (double)w.items);
        single(b, "ewcd_store_groups_total", "counter", "Transactions they were grouped into.", (double)w.groups);
        single(b, "ewcd_feedback_commit_seconds", "gauge", "Duration of the last commit.",
            (double)w.commit_ns_last * ns);
        single(b, "ewcd_wal_bytes", "gauge", "Size of the write-ahead log.", (double)w.wal_bytes);
        single(b, "ewcd_db_bytes", "gauge", "Size of the database file.", (double)w.db_bytes);
        single(b, "ewcd_store_read_only", "gauge", "1 after a failed write: nothing can be stored.",
            w.read_only ? 1 : 0);
        single(b, "ewcd_store_full", "gauge", "1 after a write that found the disk full: nothing can be stored.",
            w.full ? 1 : 0);
}

/* --- learning and versions --- */

static void write_jobs(struct buf *b, struct server *s)
{
        static const char name[] = "ewcd_consolidations_total";
        struct jobs_stats j;
        jobs_stats(s->jobs, &j);
        head(b, name, "counter", "Jobs that ended, by outcome.");
        labelled(b, name, "outcome", "promoted", NULL, NULL, (double)j.promoted);
        labelled(b, name, "outcome", "rejected", NULL, NULL, (double)j.rejected);
        labelled(b, name, "outcome", "failed", NULL, NULL, (double)j.failed);
        labelled(b, name, "outcome", "cancelled", NULL, NULL, (double)j.cancelled);
        single(b, "ewcd_consolidation_duration_seconds", "gauge", "Duration of the last job.", j.last_seconds);
        single(b, "ewcd_learners", "gauge", "Learners running.", (double)j.running);
}

static void write_tasks(struct buf *b, const struct server *s, const char *name, bool forgetting)
{
        for (size_t i = 0; i < vtable_size(s->versions); i++) {
                const struct served *v = vtable_at(s->versions, i);
                if (v->spec.net.loss == EWC_LOSS_SQUARED) /* numbers are near or far, not right or wrong */
                        continue;
                for (size_t k = 0; k < v->n_tasks; k++) {
                        const struct served_task *t = &v->tasks[k];
                        if (t->now.n == 0 || (forgetting && (t->state != TASK_CLOSED || t->n_at_close == 0)))
                                continue;
                        double value = forgetting ? t->accuracy_at_close - t->now.accuracy : t->now.accuracy;
                        labelled(b, name, "model", v->spec.name, "task", t->name, value);
                }
        }
}

static void write_versions(struct buf *b, struct server *s)
{
        struct publish_stats p;
        publish_stats(s->publish, &p);
        head(b, "ewcd_champion_version", "gauge", "Version served, by model.");
        for (size_t i = 0; i < vtable_size(s->versions); i++) {
                const struct served *v = vtable_at(s->versions, i);
                labelled(b, "ewcd_champion_version", "model", v->spec.name, NULL, NULL, (double)v->number);
        }
        head(b, "ewcd_ewc_lambda", "gauge", "Lambda the served version was trained with.");
        for (size_t i = 0; i < vtable_size(s->versions); i++) {
                const struct served *v = vtable_at(s->versions, i);
                labelled(b, "ewcd_ewc_lambda", "model", v->spec.name, NULL, NULL, v->lambda);
        }
        head(b, "ewcd_task_accuracy_ratio", "gauge", "Holdout accuracy of each task under the served version.");
        write_tasks(b, s, "ewcd_task_accuracy_ratio", false);
        head(b, "ewcd_task_forgetting_ratio", "gauge",
            "Accuracy a closed task had at its close, less what it has now.");
        write_tasks(b, s, "ewcd_task_forgetting_ratio", true);
        single(b, "ewcd_model_swaps_total", "counter", "Champions handed to the serving loops since the start.",
            (double)p.swaps);
        single(b, "ewcd_model_swap_seconds", "gauge", "Duration of the last hand-over, to the last loop.",
            (double)p.last_swap_ns * ns);
        single(b, "ewcd_loaded_versions", "gauge", "Versions in memory, champions included.", (double)p.versions);
        single(b, "ewcd_loaded_bytes", "gauge", "Bytes of the versions in memory.", (double)p.bytes);
        single(b, "ewcd_version_loads_total", "counter", "Versions loaded that are no champion.", (double)p.loads);
        single(b, "ewcd_version_drops_total", "counter", "Versions dropped when idle or over the memory bound.",
            (double)p.drops);
}

/* --- the process --- */

/* Counted at most once a second: it takes as long as there are connections, and anybody may ask. */
static double open_files(const struct server *s)
{
        struct metrics *m = s->metrics;
        uint64_t now = clock_mono_ns(loop_clock(s->loop)), then = atomic_load(&m->files_counted_ns);
        if (then > 0 && now - then < 1000000000)
                return (double)atomic_load(&m->open_files);
        DIR *d = opendir("/proc/self/fd");
        double n = 0;
        if (!d)
                return (double)NAN;
        while (readdir(d))
                n++;
        closedir(d);
        n -= 3; /* ".", ".." and the directory itself */
        atomic_store(&m->open_files, (uint64_t)n);
        atomic_store(&m->files_counted_ns, now);
        return n;
}

static double resident_bytes(void)
{
        unsigned long size, resident;
        FILE *f = fopen("/proc/self/statm", "re");
        int got = f ? fscanf(f, "%lu %lu", &size, &resident) : 0;
        if (f)
                fclose(f);
        return got == 2 ? (double)resident * (double)sysconf(_SC_PAGESIZE) : (double)NAN;
}

static double seconds_of(struct timeval t)
{
        return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static void write_process(struct buf *b, const struct server *s)
{
        struct rusage u = {0};
        uint64_t up = clock_mono_ns(loop_clock(s->loop)) - s->conf->start_ns;
        getrusage(RUSAGE_SELF, &u);
        single(b, "process_cpu_seconds_total", "counter", "User and system time.",
            seconds_of(u.ru_utime) + seconds_of(u.ru_stime));
        single(b, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
        single(b, "process_open_fds", "gauge", "Open file descriptors.", open_files(s));
        single(b, "process_start_time_seconds", "gauge", "When the process started, since the epoch.",
            (double)clock_wall_ms(loop_clock(s->loop)) * 1e-3 - (double)up * ns);
}

void metrics_write(struct buf *b, struct server *s)
{
        const char *version = strchr(s->conf->program, ' ');
        head(b, "ewcd_build_info", "gauge", "Always 1; the version of the program.");
        labelled(b, "ewcd_build_info", "version", version ? version + 1 : "", NULL, NULL, 1);
        write_requests(b, s->metrics);
        write_work(b, s->metrics);
        write_store(b, s);
        write_jobs(b, s);
        write_versions(b, s);
        write_process(b, s);
}

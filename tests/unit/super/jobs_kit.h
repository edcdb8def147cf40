/* jobs_kit.h: jobs over a real store, real queues and the control loop, with a learner in process.
 *
 * The memory engine has one queue for all roles, SQLite a writer, a reader and an exporter. A test steps the loop
 * until something is so; what it reads of the store it reads through the writer's queue. */
#pragma once
#include "base/arena.h"
#include "base/clock.h"
#include "job_kit.h"
#include "lib/fake_learner.h"
#include "store/queue.h"
#include "super/jobs.h"
#include <setjmp.h>

struct house {
        const struct store_ops *ops;
        struct arena a;
        struct err e;
        char *dir, path[256], jobs_dir[256];
        struct clock clock; /* the loop's: the system's, its wall ahead by ahead_ms */
        int64_t ahead_ms;
        uint64_t mono_ahead_ms; /* the same for its monotonic time */
        struct loop *loop;
        struct mailbox *answers;
        size_t queue_items; /* room of the queues */
        struct store_queue *writer, *reader;
        struct store_queue *exporter; /* SQLite; NULL: the reader */
        struct publish *publish;
        struct fake_learner fake;
        struct jobs_conf conf;
        struct jobs *jobs;
        struct model_kit kit;
        model_id m;
        uint64_t n_done;    /* answers of queues the control loop has seen */
        uint64_t act_after; /* not 0: calls act after that many */
        void (*act)(struct house *h);
        job_id act_job;
        bool halted; /* messages are kept for house_stop */
        struct msg held[256];
        size_t n_held;
};

void house_open_narrow(struct house *h, const struct store_ops *ops, size_t queue_items);
void house_open(struct house *h, const struct store_ops *ops); /* store and loop; model "m" of h->kit's defaults */
void house_model(struct house *h, const char *name, model_id *ret);
void house_start(struct house *h); /* jobs */
void house_stop(struct house *h);
/* Stops the loop here: what it has not dispatched yet, in this turn too, waits for house_stop. How many answers come
 * in one turn is the machine's doing; what is done after this call is not. */
void house_halt(struct house *h);
void house_close(struct house *h);

/* On the writer's thread, waited for. */
int house_do(struct house *h, int (*fn)(struct store *s, void *arg, struct err *e), void *arg);
void house_rows(struct house *h, model_id m, int from, int n, int32_t a, int32_t b);
job_id house_create(struct house *h, model_id m, const char *next_task); /* and pumps if jobs are there */
struct job house_job(struct house *h, job_id id);
struct version house_champion(struct house *h, model_id m);
struct version house_version(struct house *h, model_id m, uint64_t number);
struct task house_task(struct house *h, model_id m, const char *name); /* NULL: the open one */
void house_tensor(struct house *h, version_id v, enum tensor_role role, float *ret, size_t P);
void house_task_tensor(struct house *h, task_id t, enum tensor_role role, float *ret, size_t P);
bool house_alias(struct house *h, model_id m, uint64_t number); /* moves the champion */

void house_live(struct house *h, model_id m, int from, int n, const struct kit_row *row); /* rows from.. of traffic */

/* Lets the loop answer a few questions about h->m, so that a job that must not come would have come. */
void house_settle(struct house *h);

/* Runs the loop until the condition holds; fails after ten seconds of trying. */
void house_until(struct house *h, bool (*so)(struct house *h, void *arg), void *arg);
struct job house_until_end(struct house *h, job_id id);
bool house_has_files(struct house *h, job_id id);

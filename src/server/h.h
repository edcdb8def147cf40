/* h.h: what the handlers of the API share: work on the store's threads, and the choice of model, version and task.
 *
 * A handler that needs the store takes an h_work, which owns everything the work reads and yields (never the
 * request's arena: the request may be gone), and submits it. run() writes the answer's JSON into body, or refuses;
 * back on the loop, the answer goes out if the client is still there. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "domain/types.h"
#include "infer/batch.h"
#include "server/request.h"
#include "server/server.h"
#include "server/stats.h"
#include "store/queue.h"

struct msg;
struct served;
struct served_task;
struct queue_age;

struct h_work {
        struct store_work work;
        struct server *server;
        struct req_ref ref;
        struct arena arena;
        struct buf body;                             /* the answer, written by run */
        int status;                                  /* of a good answer; 200 */
        char model[NAME_SIZE];                       /* {m} of the path; "" when it is no name */
        char who[REQUEST_WHO];                       /* asked for it, for the audit; "" of a GET */
        bool local;                                  /* it came over the UNIX socket; false of a GET */
        char location[2 * NAME_SIZE + 64], etag[32]; /* headers of a good answer; "" leaves them out */
        /* On the queue's thread: 0, H_REFUSED (by h_refuse), a store outcome nobody handled, or negative. */
        int (*run)(struct h_work *w, struct store *s, struct err *e);
        /* On the loop; r is NULL when the client has gone. Must hand w on, or end with h_finish or h_work_free.
         * NULL: h_finish. */
        void (*done)(struct h_work *w, struct request *r);
        void *arg;                      /* the handler's own, in the arena */
        void (*drop)(struct h_work *w); /* what arg owns outside the arena; NULL: nothing */
        enum problem problem;           /* of a refusal; its text is in work.err */
        struct queue_age *age;          /* of the queue it was given to */
        uint64_t submitted_ns;
        size_t held;      /* of arena and body, while it is with the queue; server/held.h */
        atomic_bool left; /* the client has gone: what has not begun is not worth doing */
        /* publishing */
        model_id publish_model;
        uint64_t publish_version; /* number; 0: what the model's aliases name */
        uint64_t publish_id;
        /* On the loop, when every loop has switched, or work.result says why not; as done. NULL: h_finish. */
        void (*published)(struct h_work *w, struct request *r);
        struct loop_source *retry;
        struct h_work *next;
};

enum { H_REFUSED = 1000, H_LIST_DEFAULT = 100, H_LIST_MAX = 1000 };

/* A work item for r, or NULL after having replied. */
struct h_work *h_work_new(struct request *r, int (*run)(struct h_work *, struct store *, struct err *),
    void (*done)(struct h_work *, struct request *));
void h_work_free(struct h_work *w);          /* accepts NULL */
void h_read(struct h_work *w);               /* to the reader; replies when the queue is full */
void h_write(struct h_work *w, size_t cost); /* to the store thread; cost: bytes it writes */
int h_refuse(struct h_work *w, struct err *e, enum problem p, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));          /* H_REFUSED */
void h_finish(struct h_work *w, struct request *r); /* replies as the result says, frees w */
/* Has every loop serve w->publish_model's champion and what its other aliases name, or hold w->publish_version too;
 * then published. */
void h_publish(struct h_work *w);
size_t h_publishing_versions(const struct server *s); /* how many wait for a version */
void h_work_published(struct server *s, const struct msg *m);
void h_work_drop_publishing(struct server *s);

/* --- on the queue's thread --- */
int h_find_model(struct h_work *w, struct store *s, struct model *ret,
    struct err *e); /* H_REFUSED: unknown, with the known names */
/* Whether the model's answers can be right or wrong: of one that learns numbers, accuracy says nothing. 0, or
 * negative. */
int h_has_accuracy(struct h_work *w, const struct model *m, bool *ret, struct err *e);
/* {v} of the path: a number, or @alias. H_REFUSED: unknown. */
int h_find_version(
    struct h_work *w, struct store *s, const struct model *m, const char *text, struct version *ret, struct err *e);

/* What erasing and unlearning say: `said` (NULL or "": nothing), and with backups of what they do not reach. In the
 * arena, or NULL for nothing. */
const char *h_with_backups(struct arena *a, const char *said, bool backups);

/* --- on the loop --- */
const char *h_arg(struct request *r, size_t i); /* NUL-terminated copy, or NULL after having replied */
/* ?reason=TEXT, since a DELETE has no body; NULL: none. False after having replied. */
bool h_reason(struct request *r, const char **ret);
/* The served version the path names, or NULL when an answer is on its way: a version that is not loaded yet is, and
 * the handler is then called again from its beginning, the request as it was but for an alias, in whose place stands
 * the number. */
struct served *h_served(struct request *r);
struct served *h_champion(struct request *r); /* the same of the model alone, whatever else the path names */
/* A task by its name, trained or not; field as below. NULL after having replied. */
const struct served_task *h_task(struct request *r, const struct served *s, const char *task, const char *field);
/* The head that task (NULL: not given) chooses; field is where the request says it. NULL after having replied. */
const struct served_task *h_head(struct request *r, const struct served *s, const char *task, const char *field);
/* A prediction: what a handler hands over, and what it gets back when it is computed (infer/batch.h). Zeroed, in the
 * request's arena. */
struct h_run {
        struct batch_job job;
        /* Writes the answer's body; *ret_json: length of its JSON if something binary follows, else left 0. False: it
         * has replied with a refusal. */
        bool (*write)(struct h_run *run, struct request *r, struct buf *b, size_t *ret_json);
        struct request *r;
        uint64_t mark_ns; /* when the last stage ended */
        struct stats_times t;
};
struct h_ask {
        const struct served_task *task; /* NULL: inferred */
        size_t rows;
        const float *raw;              /* (rows, I), in the arena or the body */
        size_t row_bytes;              /* a row's part of the answer has at least */
        bool uncertainty;              /* wanted */
        uint64_t priority, timeout_us; /* as in batch.h */
};
void h_run_begin(struct h_run *run, struct request *r); /* before the request is read */
/* Takes room for the answer and queues it; write is called from the end of the loop's turn on. False: refused. */
bool h_run(struct h_run *run, struct request *r, struct served *s, const struct h_ask *ask);
/* Counts a refused prediction by s; s is still the loop's. */
void h_run_refused(struct server *server, const struct served *s, uint64_t start_ns);
/* The queue of predictions of a loop, and its place in the loop's turns; server_deinit frees it. */
int h_run_init(struct server *s, struct err *e);
/* ?limit= and ?cursor= (0: from the newest). */
bool h_paging(struct request *r, size_t *ret_limit, uint64_t *ret_cursor); /* false: refused, r has been answered */
/* "a, b, c" in the arena; "" when memory is short. */
const char *h_join(struct arena *a, size_t n, const char *const *names);

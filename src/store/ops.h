/* ops.h: what an engine implements: one member per verb of store.h, plus open, close, begin, commit, abort.
 *
 * store.c has checked the arguments, the order of begin and commit, and that a mutating verb may write at all; an
 * engine sees only calls that make sense. An engine's store begins with a struct store. */
#pragma once
#include "store/store.h"

enum { STORE_KEY_MAX = KEY_SIZE - 1, STORE_TEXT_MAX = 1 << 20, STORE_WHY_MAX = 200 };

struct store {
        const struct store_ops *ops;
        const struct clock *clock;
        bool read_only; /* opened so */
        bool failed;    /* a write or fsync failed: nothing is written until reopened */
        bool in_group;
};

struct store_ops {
        int (*open)(struct store **ret, const struct store_open *how, struct err *e); /* fills its own part */
        void (*close)(struct store *s);
        int (*begin)(struct store *s, struct err *e);
        int (*commit)(struct store *s, struct err *e); /* whatever it returns, the group is over */
        void (*abort)(struct store *s);

        int (*model_create)(struct store *s, const struct model_new *m, model_id *ret, struct err *e);
        int (*model_get)(struct store *s, const char *name, struct arena *a, struct model *ret, struct err *e);
        int (*model_by_id)(struct store *s, model_id id, struct arena *a, struct model *ret, struct err *e);
        int (*model_list)(struct store *s, store_model_fn each, void *arg, struct err *e);

        int (*task_get)(
            struct store *s, model_id m, const char *name, struct arena *a, struct task *ret, struct err *e);
        int (*task_list)(
            struct store *s, model_id m, struct arena *a, struct task **ret, size_t *ret_n, struct err *e);

        int (*feedback_add)(struct store *s, model_id m, const struct feedback *rows, size_t n,
            const struct feedback_rules *rules, enum feedback_verdict *verdicts, struct receipt *ret, struct err *e);
        int (*feedback_get)(struct store *s, model_id m, const char *event_id, struct arena *a,
            struct feedback_fate *ret, struct err *e);
        int (*feedback_count)(struct store *s, model_id m, struct counters *ret, struct err *e);
        int (*feedback_scan)(struct store *s, model_id m, const struct feedback_filter *f, store_feedback_fn each,
            void *arg, struct err *e);
        int (*feedback_newest)(struct store *s, model_id m, uint64_t after_seq, size_t limit, store_feedback_fn each,
            void *arg, struct err *e);
        int (*feedback_erase)(struct store *s, model_id m, const struct feedback_selection *sel, const char *who,
            const char *reason, struct erased *ret, struct err *e);
        int (*feedback_release)(struct store *s, model_id m, const char *event_id, bool accept, const char *who,
            const char *reason, uint64_t *ret_n, struct err *e);
        int (*feedback_expire)(
            struct store *s, model_id m, const struct retention *how, size_t limit, uint64_t *ret_n, struct err *e);
        int (*source_list)(struct store *s, model_id m, store_source_fn each, void *arg, struct err *e);
        int (*source_unlearn)(struct store *s, model_id m, const char *source, const char *who, const char *reason,
            struct unlearned *ret, struct err *e);
        /* fresh NULL: NOT_FOUND when there is none; else there is none, and it is stored */
        int (*secret)(struct store *s, const char *name, const uint8_t fresh[32], uint8_t ret[32], struct err *e);

        int (*job_create)(struct store *s, const struct job_new *j, job_id *ret, struct err *e);
        int (*job_claim)(struct store *s, job_id j, uint64_t seed, struct err *e);
        int (*job_move)(
            struct store *s, job_id j, enum job_state from, enum job_state to, const char *why, struct err *e);
        int (*job_attempt)(struct store *s, job_id j, uint32_t *ret_attempts, struct err *e);
        int (*job_get)(struct store *s, job_id j, struct arena *a, struct job *ret, struct err *e);
        int (*job_list)(struct store *s, const struct job_filter *f, store_job_fn each, void *arg, struct err *e);

        int (*blob_chunk)(struct store *s, const struct digest *d, size_t size, uint32_t number, const void *data,
            size_t n, bool *ret_complete, struct err *e);

        int (*consolidation_commit)(struct store *s, const struct outcome *o, version_id *ret, struct err *e);
        int (*rollover_commit)(
            struct store *s, const struct outcome *o, const struct task_close *close, version_id *ret, struct err *e);

        int (*rebuild_commit)(struct store *s, job_id j, bool same, const char *reason, struct err *e);

        int (*version_prune)(struct store *s, model_id m, uint64_t keep, const char *who, const char *reason,
            uint64_t *ret_n, struct err *e);
        int (*version_get)(struct store *s, version_id v, struct arena *a, struct version *ret, struct err *e);
        int (*version_by_number)(
            struct store *s, model_id m, uint64_t number, struct arena *a, struct version *ret, struct err *e);
        int (*version_list)(struct store *s, model_id m, uint64_t before_number, size_t limit, store_version_fn each,
            void *arg, struct err *e);
        int (*version_tensor)(
            struct store *s, version_id v, enum tensor_role role, float *ret, size_t P, struct err *e);
        int (*task_record)(struct store *s, task_id t, struct arena *a, struct ewc_fisher_info *ret_info,
            size_t *ret_n_outputs, size_t *ret_n_params, struct err *e);
        int (*task_tensor)(struct store *s, task_id t, enum tensor_role role, float *ret, size_t P, struct err *e);
        int (*task_packed)(struct store *s, task_id t, void *ret, size_t size, struct err *e);
        int (*task_weight)(struct store *s, task_id t, version_id v, job_id j, double *ret, struct err *e);

        int (*alias_get)(struct store *s, model_id m, const char *alias, struct alias *ret, struct err *e);
        int (*alias_list)(struct store *s, model_id m, store_alias_fn each, void *arg, struct err *e);
        int (*alias_delete)(struct store *s, model_id m, const char *alias, uint64_t epoch, const char *who,
            const char *reason, struct err *e);
        int (*alias_set)(struct store *s, model_id m, const char *alias, uint64_t version_number, uint64_t epoch,
            const char *who, const char *reason, struct alias *ret, struct err *e);
        int (*audit_list)(struct store *s, model_id m, store_audit_fn each, void *arg, struct err *e);

        void (*sizes)(struct store *s, struct store_health *ret); /* NULL: it has no files */
        int (*maintain)(struct store *s, struct store_health *ret, struct err *e);
        int (*check)(struct store *s, bool full, struct store_health *ret, struct err *e);
        int (*backup)(struct store *s, const char *path, struct err *e);
};

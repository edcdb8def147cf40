/* scorer.h: a stored version as it answers labelled rows: rightly or not. Any thread that owns a store.
 *
 * A version answers a row of a task under the head it has for that task. The heads follow from what the version was
 * trained on, not from what has come in since, so that the same rows give the same score whenever they are looked at.
 * */
#pragma once
#include "domain/model.h"
#include <ewc/net.h>

struct arena;
struct err;
struct store;

struct scorer { /* all-zero: none */
        struct version version;
        const struct model_spec *spec;
        enum ewc_loss loss;
        size_t n_tasks;
        const struct task *tasks;
        struct ewc_head *heads; /* (n_tasks) */
        struct ewc_net *net;    /* loaded when it is first asked */
};

struct score_row { /* of a tile; inputs stand in the tile */
        uint64_t seq;
        task_id task;
        int32_t class;        /* softmax */
        const float *targets; /* (n_classes) otherwise, in the tile */
        bool served, served_right;
};

struct tile { /* rows on their way through a net, scaled */
        size_t cap, n, n_inputs, n_classes;
        float *x;       /* (cap, n_inputs) */
        float *targets; /* (cap, n_classes), or NULL under softmax */
        struct score_row *row;
};
int tile_init(struct tile *t, const struct model_spec *s, struct err *e);
void tile_deinit(struct tile *t); /* accepts an all-zero one */
/* Copies a row's inputs, scaled, and its label. false: it cannot be used. */
bool tile_take(struct tile *t, const struct model_spec *s, const struct feedback *row);

enum answer { ANSWER_WRONG = 0, ANSWER_RIGHT = 1, ANSWER_NONE = 2 }; /* NONE: wrong, no output for its class */

struct score {
        enum answer answer;
        double error; /* squared loss: half the squared distance, and answer is WRONG; else 0 */
};

/* Reads version v and its heads; all but the net lives in the arena. spec and tasks (n) are the model's, and stay. */
int scorer_open(struct store *s, version_id v, const struct model_spec *spec, size_t n_tasks,
    const struct task *tasks, struct arena *a, struct scorer *ret, struct err *e);
void scorer_close(struct scorer *c);
/* ret (t->n) */
int scorer_run(struct store *s, struct scorer *c, const struct tile *t, struct score *ret, struct err *e);

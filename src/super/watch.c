/* watch.c: see watch.h.
 *
 * One walk serves all: champion and challenger run over the same tiles of rows. Inputs are compared at every row
 * whose count since the start is a multiple of a tenth of trigger.inputs_rows, on the newest rows up to it: a grid
 * that lies in the rows and not in the moments of asking. The reference and the nets stay in memory while they are
 * small. */
#include "super/watch.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "domain/gate.h"
#include "proto/json_model.h"
#include "store/store.h"
#include "super/scorer.h"
#include "super/watch_inputs.h"
#include <errno.h>
#include <inttypes.h>

enum { WALK_FULL = 100, PAGE_HINKLEY_MIN_ROWS = 30, GRID = 10 };
#define ARENA_MAX ((size_t)64 << 20)
#define KEEP_BYTES ((size_t)16 << 20) /* of a net that stays in memory between two looks */

struct key { /* what the numbers are about: another one, and the walk begins anew */
        version_id champion, challenger;
        uint64_t n_closed; /* tasks */
        uint64_t used_seq; /* newest row consumed */
};

struct watcher {
        model_id model;
        bool begun;
        struct key key;
        struct arena arena; /* of what follows, down to the scorers */
        struct model_spec spec;
        struct task *tasks;
        size_t n_tasks;
        struct scorer champion, challenger; /* challenger.heads NULL: nothing is compared */
        uint64_t fresh_seq;                 /* Page-Hinkley and newest inputs: rows above it */
        uint64_t shadow_seq;                /* comparison: rows above it */
        uint64_t seen_seq;                  /* walked up to here */
        uint64_t n_fresh;                   /* rows walked above fresh_seq */
        uint64_t grid_seq, n_tail;          /* row at which inputs are compared, and rows walked behind it */
        uint64_t compared_seq;              /* row up to which they were */
        struct watch_inputs inputs;
        struct watch now;
};

bool watch_wanted(const struct learning *l)
{
        return l->trigger_accuracy > 0 || l->trigger_inputs > 0 || l->promotion == PROMOTION_SHADOW ||
               l->task_boundary != BOUNDARY_OFF;
}

int watcher_new(struct watcher **ret, model_id m, struct err *e)
{
        struct watcher *w = new_zero(struct watcher);
        if (!w)
                return err_oom(e);
        w->model = m;
        arena_init(&w->arena, ARENA_MAX);
        *ret = w;
        return 0;
}

static void forget(struct watcher *w)
{
        const model_id m = w->model;
        struct arena a;
        scorer_close(&w->champion);
        scorer_close(&w->challenger);
        watch_inputs_free(&w->inputs);
        arena_reset(&w->arena);
        a = w->arena;
        *w = (struct watcher){.model = m, .arena = a};
}

void watcher_free(struct watcher *w)
{
        if (!w)
                return;
        forget(w);
        arena_deinit(&w->arena);
        free(w);
}

/* --- the beginning --- */

static int read_key(
    struct store *s, model_id m, const struct learning *l, const struct counters *c, struct key *ret, struct err *e)
{
        struct alias champion, challenger;
        int r = store_alias_get(s, m, "champion", &champion, e);
        if (r != 0)
                return err_wrap(e, r, "champion");
        struct key k = {.champion = champion.version, .n_closed = c->n_closed, .used_seq = c->used_seq};
        if (l->promotion == PROMOTION_SHADOW) {
                r = store_alias_get(s, m, "challenger", &challenger, e);
                if (r != 0 && r != STORE_NOT_FOUND)
                        return err_wrap(e, r, "challenger");
                if (r == 0 && challenger.version != champion.version)
                        k.challenger = challenger.version;
        }
        *ret = k;
        return 0;
}

static bool same_key(const struct key *a, const struct key *b)
{
        return a->champion == b->champion && a->challenger == b->challenger && a->n_closed == b->n_closed &&
               a->used_seq == b->used_seq;
}

static int load_model(struct store *s, struct watcher *w, struct err *e)
{
        struct model m;
        int r = store_model_by_id(s, w->model, &w->arena, &m, e);
        if (r == 0)
                r = json_spec_read(m.spec_json, &w->arena, &w->spec, e);
        if (r != 0)
                return err_wrap(e, r, "description");
        str_copy(w->spec.name, sizeof(w->spec.name), m.name);
        w->spec.scenario = m.scenario;
        w->spec.n_classes = m.n_classes;
        w->spec.classes = m.classes;
        r = store_task_list(s, w->model, &w->arena, &w->tasks, &w->n_tasks, e);
        return r == 0 ? 0 : err_wrap(e, r, "tasks");
}

static uint64_t later(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

static int load_challenger(struct store *s, struct watcher *w, struct err *e)
{
        struct scorer *c = &w->challenger;
        if (w->key.challenger == 0)
                return 0;
        int r = scorer_open(s, w->key.challenger, &w->spec, w->n_tasks, w->tasks, &w->arena, c, e);
        const struct version *v = &c->version;
        bool waits = r == 0 && v->state == VERSION_CANDIDATE; /* not somebody's alias */
        if (r == 0 && (!waits || gate_left_open(v->reason)))
                scorer_close(c);
        return r;
}

static int begin(struct store *s, struct watcher *w, const struct key *k, struct err *e)
{
        forget(w);
        w->key = *k;
        int r = load_model(s, w, e);
        if (r == 0)
                r = scorer_open(s, k->champion, &w->spec, w->n_tasks, w->tasks, &w->arena, &w->champion, e);
        if (r == 0)
                r = load_challenger(s, w, e);
        if (r < 0)
                return r;
        const struct version *v = &w->champion.version;
        w->now = (struct watch){.champion = v->number, .used_seq = v->range.last};
        w->seen_seq = v->range.last;
        w->fresh_seq = later(v->range.last, k->used_seq);
        if (w->challenger.heads) {
                const struct version *challenger = &w->challenger.version;
                w->now.shadow = (struct shadow_score){
                    .champion = v->number, .challenger = challenger->number, .parent = challenger->parent_number};
                w->shadow_seq = later(v->range.last, w->challenger.version.range.last);
        }
        w->begun = true;
        return 0;
}

/* --- the walk --- */

struct walk {
        struct watcher *w;
        struct store *store;
        const struct learning *l;
        struct tile tile;
        struct score *score, *rival; /* (tile.cap) */
        size_t n_walked;
        struct err *e;
};

static void count_one(struct walk *k, const struct score_row *row, enum answer a)
{
        struct watch *now = &k->w->now;
        const struct page_hinkley_conf conf = {
            k->l->trigger_accuracy_delta, k->l->trigger_accuracy, PAGE_HINKLEY_MIN_ROWS};
        bool right = row->served ? row->served_right : a == ANSWER_RIGHT;
        now->n_scored++;
        now->n_right += right;
        now->n_unknown_classes += a == ANSWER_NONE;
        if (row->seq > k->w->fresh_seq)
                page_hinkley_add(&now->accuracy, &conf, row->seq, !right);
}

static void compare_one(struct walk *k, const struct score_row *row, const struct score *a, const struct score *b)
{
        struct shadow_score *s = &k->w->now.shadow;
        if (row->seq <= k->w->shadow_seq)
                return;
        bool squared = k->w->spec.net.loss == EWC_LOSS_SQUARED; /* no right or wrong: the nearer one wins the row */
        bool here = a->answer == ANSWER_RIGHT, there = b->answer == ANSWER_RIGHT;
        s->n++;
        s->n_right_champion += here;
        s->n_right_challenger += there;
        s->won += squared ? b->error < a->error : there && !here;
        s->lost += squared ? a->error < b->error : here && !there;
}

/* Runs the rows that wait in the tile, and counts them. */
static int flush(struct walk *k)
{
        struct watcher *w = k->w;
        struct tile *t = &k->tile;
        const bool shadow = w->challenger.heads != NULL;
        int r = t->n > 0 ? scorer_run(k->store, &w->champion, t, k->score, k->e) : 0;
        if (r == 0 && t->n > 0 && shadow)
                r = scorer_run(k->store, &w->challenger, t, k->rival, k->e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < t->n; i++) {
                if (w->spec.net.loss != EWC_LOSS_SQUARED)
                        count_one(k, &t->row[i], k->score[i].answer);
                if (shadow)
                        compare_one(k, &t->row[i], &k->score[i], &k->rival[i]);
                w->now.last_seq = t->row[i].seq;
        }
        t->n = 0;
        return 0;
}

static uint64_t grid_step(const struct learning *l)
{
        return l->trigger_inputs_rows > GRID ? l->trigger_inputs_rows / GRID : 1;
}

static int see_row(void *arg, const struct feedback *row)
{
        struct walk *k = arg;
        struct watcher *w = k->w;
        if (k->n_walked == WATCH_ROWS)
                return WALK_FULL;
        k->n_walked++;
        w->seen_seq = row->seq;
        if (row->seq > w->fresh_seq) {
                w->n_tail++;
                if (++w->n_fresh % grid_step(k->l) == 0) {
                        w->grid_seq = row->seq;
                        w->n_tail = 0;
                }
        }
        if (row->trusted || !tile_take(&k->tile, &w->spec, row))
                return 0;
        struct score_row *taken = &k->tile.row[k->tile.n - 1];
        taken->served = row->served_version == w->now.champion && row->served_class >= 0 && row->class >= 0;
        taken->served_right = taken->served && row->served_class == row->class;
        return k->tile.n == k->tile.cap ? flush(k) : 0;
}

static int walk(struct store *s, struct watcher *w, const struct learning *l, bool *ret_behind, struct err *e)
{
        struct walk k = {.w = w, .store = s, .l = l, .e = e};
        const struct feedback_filter rows = {.range = {w->seen_seq + 1, UINT64_MAX}, .split = SPLIT_BOTH};
        int r = tile_init(&k.tile, &w->spec, e);
        if (r < 0)
                return r;
        k.score = new_array(struct score, k.tile.cap);
        k.rival = new_array(struct score, k.tile.cap);
        r = k.score && k.rival ? store_feedback_scan(s, w->model, &rows, see_row, &k, e) : err_oom(e);
        bool full = r == WALK_FULL;
        if (r == 0 || full)
                r = flush(&k);
        free(k.score);
        free(k.rival);
        tile_deinit(&k.tile);
        if (r == 0)
                *ret_behind = full;
        return r == 0 ? 0 : err_wrap(e, r, "rows");
}

/* --- a look --- */

static int compare_inputs(struct store *s, struct watcher *w, const struct learning *l, struct err *e)
{
        if (l->trigger_inputs <= 0 || w->grid_seq == w->compared_seq)
                return 0;
        const struct watch_inputs_ask ask = {.model = w->model,
            .champion = &w->champion.version,
            .n_inputs = w->spec.n_inputs,
            .significance = l->trigger_inputs,
            .n_rows = l->trigger_inputs_rows,
            .after_seq = w->fresh_seq,
            .upto_seq = w->grid_seq,
            .n_tail = w->n_tail};
        int r = watch_inputs_compare(&w->inputs, s, &ask, &w->now.inputs, e);
        if (r == 0)
                w->compared_seq = w->grid_seq;
        return r;
}

static void rest(struct scorer *c)
{
        if (c->net && ewc_net_params(c->net) > KEEP_BYTES / sizeof(float)) {
                ewc_net_free(c->net);
                c->net = NULL;
        }
}

static int look(struct watcher *w, struct store *s, const struct learning *l, const struct counters *c, bool *behind,
    struct err *e)
{
        struct key k;
        int r = read_key(s, w->model, l, c, &k, e);
        if (r == 0 && !(w->begun && same_key(&k, &w->key)))
                r = begin(s, w, &k, e);
        if (r != 0 || c->last_seq <= w->seen_seq)
                return r;
        if ((r = walk(s, w, l, behind, e)) < 0 || *behind)
                return r;
        w->seen_seq = later(w->seen_seq, c->last_seq);
        return compare_inputs(s, w, l, e);
}

int watcher_look(struct watcher *w, struct store *s, const struct learning *l, const struct counters *c,
    struct watch *ret, bool *ret_behind, struct err *e)
{
        bool behind = false;
        int r = look(w, s, l, c, &behind, e);
        rest(&w->champion);
        rest(&w->challenger);
        if (r != 0) {
                forget(w);
                return err_wrap(e, r, "watch");
        }
        *ret = w->now;
        *ret_behind = behind;
        return 0;
}

/* jobs_board.c: what any thread may know of jobs under way, without asking the control thread.
 *
 * One mutex, held for a copy. Entries live inside the runs, which the control thread adds and removes. Progress
 * never falls: a learner that starts again from its checkpoint repeats a part, and is shown where it was until it
 * is past. */
#include "base/mem.h"
#include "proto/progress.h"
#include "super/jobs_in.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void board_init(struct board *b)
{
        pthread_mutex_init(&b->lock, NULL);
}

void board_deinit(struct board *b)
{
        while (b->told) {
                struct told *t = b->told;
                b->told = t->next;
                free(t);
        }
        pthread_mutex_destroy(&b->lock);
}

void board_add(struct board *b, struct live *l)
{
        pthread_mutex_lock(&b->lock);
        l->next = b->live;
        b->live = l;
        pthread_mutex_unlock(&b->lock);
}

void board_remove(struct board *b, struct live *l)
{
        pthread_mutex_lock(&b->lock);
        for (struct live **at = &b->live; *at; at = &(*at)->next) {
                if (*at == l) {
                        *at = l->next;
                        break;
                }
        }
        pthread_mutex_unlock(&b->lock);
}

void board_names(struct board *b, struct live *l, const char *model, const char *task)
{
        pthread_mutex_lock(&b->lock);
        snprintf(l->model, sizeof(l->model), "%s", model);
        snprintf(l->task, sizeof(l->task), "%s", task);
        pthread_mutex_unlock(&b->lock);
}

void board_step(struct board *b, struct live *l, enum step step)
{
        pthread_mutex_lock(&b->lock);
        l->step = step;
        pthread_mutex_unlock(&b->lock);
}

void board_learning(struct board *b, struct live *l, bool learning)
{
        pthread_mutex_lock(&b->lock);
        l->learning = learning;
        if (!learning)
                l->stuck = false;
        pthread_mutex_unlock(&b->lock);
}

void board_stuck(struct board *b, struct live *l)
{
        pthread_mutex_lock(&b->lock);
        l->stuck = true;
        pthread_mutex_unlock(&b->lock);
}

static const char *phase_of(enum progress_event e)
{
        switch (e) {
        case PROGRESS_START:
                return "starting";
        case PROGRESS_EPOCH:
        case PROGRESS_TRY:
                return "training";
        case PROGRESS_FISHER:
                return "fisher";
        case PROGRESS_EVAL:
                return "evaluating";
        case PROGRESS_DONE:
        case PROGRESS_ERROR:
                break;
        }
        return "done";
}

void board_line(struct board *b, struct live *l, const struct progress_line *p)
{
        pthread_mutex_lock(&b->lock);
        struct job_live *now = &l->now;
        if (p->fraction > now->progress)
                now->progress = p->fraction;
        snprintf(now->phase, sizeof(now->phase), "%s", phase_of(p->event));
        if (p->event == PROGRESS_EPOCH) {
                now->epoch = p->epoch;
                now->epochs = p->epochs;
                now->loss = p->loss;
                now->penalty = p->penalty;
                now->penalty_ratio = p->penalty_ratio;
        }
        if (p->event == PROGRESS_EPOCH || p->event == PROGRESS_TRY) {
                now->try = p->try;
                now->lambda = p->lambda;
        }
        pthread_mutex_unlock(&b->lock);
}

void board_count(struct board *b, enum job_state end, double seconds)
{
        pthread_mutex_lock(&b->lock);
        struct jobs_stats *s = &b->stats;
        s->promoted += end == JOB_PROMOTED;
        s->rejected += end == JOB_REJECTED;
        s->failed += end == JOB_FAILED;
        s->cancelled += end == JOB_CANCELLED;
        s->candidates += end == JOB_CANDIDATE;
        s->verified += end == JOB_VERIFIED;
        s->last_seconds = seconds;
        pthread_mutex_unlock(&b->lock);
}

bool jobs_live(struct jobs *j, job_id id, struct job_live *ret)
{
        bool found = false;
        pthread_mutex_lock(&j->board.lock);
        for (const struct live *l = j->board.live; l && !found; l = l->next) {
                found = l->now.id == id && (l->learning || l->step == STEP_COMMIT);
                if (!found)
                        continue;
                *ret = l->now;
                ret->switching = l->step == STEP_COMMIT;
        }
        pthread_mutex_unlock(&j->board.lock);
        return found;
}

static struct told *find_told(const struct board *b, model_id m)
{
        struct told *t = b->told;
        while (t && t->model != m)
                t = t->next;
        return t;
}

void board_asked(struct board *b, model_id m, const struct jobs_asked *asked)
{
        pthread_mutex_lock(&b->lock);
        struct told *t = find_told(b, m);
        if (!t && (t = new_zero(struct told))) {
                t->model = m;
                t->next = b->told;
                b->told = t;
        }
        if (t)
                t->asked = *asked;
        pthread_mutex_unlock(&b->lock);
}

bool jobs_asked(struct jobs *j, model_id m, struct jobs_asked *ret)
{
        pthread_mutex_lock(&j->board.lock);
        const struct told *t = find_told(&j->board, m);
        if (t)
                *ret = t->asked;
        pthread_mutex_unlock(&j->board.lock);
        return t != NULL;
}

bool jobs_watch(struct jobs *j, model_id m, struct watch *ret)
{
        struct jobs_asked asked;
        if (!jobs_asked(j, m, &asked) || asked.watch.champion == 0)
                return false;
        *ret = asked.watch;
        return true;
}

static const char *doing(const struct live *l)
{
        if (l->learning)
                return "consolidating";
        return l->step <= STEP_EXPORT ? "exporting" : l->step <= STEP_LEARN ? "waiting to learn" : "judging";
}

void jobs_stats(struct jobs *j, struct jobs_stats *ret)
{
        struct board *b = &j->board;
        pthread_mutex_lock(&b->lock);
        *ret = b->stats;
        const struct live *shown = NULL;
        for (const struct live *l = b->live; l; l = l->next) {
                ret->running += l->learning;
                ret->stuck |= l->stuck;
                if (l->step != STEP_CLEAN && l->model[0] && (!shown || (l->learning && !shown->learning)))
                        shown = l;
        }
        if (!shown)
                snprintf(ret->status, sizeof(ret->status), "idle");
        else if (shown->learning && shown->now.epochs > 0)
                snprintf(ret->status, sizeof(ret->status), "model %.48s: %s task %.48s, epoch %" PRIu32 "/%" PRIu32,
                    shown->model, doing(shown), shown->task, shown->now.epoch, shown->now.epochs);
        else
                snprintf(ret->status, sizeof(ret->status), "model %.48s: %s task %.48s", shown->model, doing(shown),
                    shown->task);
        pthread_mutex_unlock(&b->lock);
}

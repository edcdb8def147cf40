/* gate.c: the checks of a candidate and the verdict on it; gate_words.c explains both.
 *
 * Every measured task becomes one number, its loss: for classifiers the accuracy given up, for squared loss the
 * relative increase of the mean loss; against the champion, or since the task's close where that is more, with what
 * was lost on rows that others have replaced. A closed task's loss is held against the budget, the open task's gain
 * (minus its loss) against min_gain, both with a tolerance of 1e-9. Noise is held against gains only: a gain inside
 * it is none, a loss counts as it stands. A number that is not finite never passes.
 *
 * The deciding task is the one that blocks by the greatest excess of these two; a closed task that has rows to be
 * judged by and was not measured blocks before all others. When neither blocks, the first other check that failed
 * decides; then a task whose rows are gone, which leaves the verdict open; when nothing does, the closed task
 * nearest to its budget, or the open one when no closed task could be judged. */
#include "domain/gate.h"
#include "base/mem.h"
#include "domain/gate_in.h"
#include "domain/model.h"
#include <math.h>
#include <string.h>

enum { CHECKS_OF_TASK = 3 }; /* beside those of its classes: one of what it lost, floor, calibration */

static const char *const kind_names[] = {
    [GATE_FORGETTING] = "forgetting",
    [GATE_GAIN] = "gain",
    [GATE_FLOOR] = "floor",
    [GATE_CLASS_FLOOR] = "class_floor",
    [GATE_CALIBRATION] = "calibration",
    [GATE_PREDICTED] = "predicted",
    [GATE_UNMEASURED] = "unmeasured",
};

const char *gate_kind_name(enum gate_kind k)
{
        return (size_t)k < ARRAY_LEN(kind_names) ? kind_names[k] : NULL;
}

struct gate_conf gate_conf_of(const struct learning *l)
{
        return (struct gate_conf){
            .max_forgetting = l->gate_max_forgetting,
            .min_gain = l->gate_min_gain,
            .floor = l->gate_floor,
            .class_floor = l->gate_class_floor,
            .max_ece_rise = l->gate_max_ece_rise,
            .confidence = l->gate_confidence,
            .max_predicted = l->gate_max_predicted,
            .holdout = l->holdout,
        };
}

bool gate_left_open(const char *reason)
{
        return strncmp(reason, GATE_LEFT_OPEN, strlen(GATE_LEFT_OPEN)) == 0;
}

/* --- one task's numbers --- */

bool gate_judged(const struct gate_task *t)
{
        return t->before.n > 0 && t->after.n > 0;
}

bool gate_lost(const struct gate_task *t)
{
        return !gate_judged(t) && !t->open && !t->given_up && t->n_holdout > 0;
}

bool gate_guarded(const struct gate_task *t)
{
        return !gate_judged(t) && !t->open && !t->given_up && t->n_holdout == 0 && !isnan(t->after.predicted);
}

/* Rows are missing that it was judged by once: what it would have lost on them is not known. */
static bool unseen(const struct gate_task *t, const struct gate_conf *c)
{
        bool asked = c->holdout > 0 && !c->unmoved;
        return asked && !gate_judged(t) && !t->open && !t->given_up && t->n_holdout == 0 && t->n_at_close > 0;
}

static double loss_from(const struct evaluation *base, const struct evaluation *after, enum ewc_loss loss)
{
        if (loss != EWC_LOSS_SQUARED)
                return base->accuracy - after->accuracy;
        return (after->loss - base->loss) / (base->loss > 1e-12 ? base->loss : 1e-12);
}

static bool comparable_rows(const struct gate_task *t)
{
        return t->at_close.n > 0 && t->at_close.n == t->before.n;
}

bool gate_rows_changed(const struct gate_task *t)
{
        return t->rows_changed || (t->at_close.n > 0 && !comparable_rows(t));
}

struct gate_carry gate_carry(struct gate_carry before, const struct gate_run *r, enum ewc_loss loss)
{
        double step = loss_from(&r->first, &r->last, loss), within = loss_from(&r->best, &r->last, loss);
        bool fewer = r->first.n < before.n_rows;
        if (step < 0 && fewer)
                step *= (double)r->first.n / (double)before.n_rows;
        double lost = isfinite(step) ? before.lost + step : before.lost;
        if (isfinite(within) && within > lost)
                lost = within;
        return (struct gate_carry){lost > 0 ? lost : 0, fewer ? before.n_rows : r->first.n};
}

/* What the candidate is held against: the best since the close on these rows, or the champion. */
static const struct evaluation *base_of(const struct gate_task *t, enum ewc_loss loss)
{
        bool better =
            comparable_rows(t) && loss_from(&t->at_close, &t->after, loss) > loss_from(&t->before, &t->after, loss);
        return better ? &t->at_close : &t->before;
}

/* All that was lost, with what other rows had shown before. */
static double lost_in_all(const struct gate_task *t, enum ewc_loss loss)
{
        const struct gate_run r = {
            .first = t->at_change.n > 0 ? t->at_change : t->before, .best = *base_of(t, loss), .last = t->after};
        return gate_carry(t->carry, &r, loss).lost;
}

/* It got worse now, and it was better then. */
bool gate_since_close(const struct gate_task *t, enum ewc_loss loss)
{
        double now = loss_from(&t->before, &t->after, loss);
        return !t->open && now > GATE_TOLERANCE && lost_in_all(t, loss) > now;
}

double gate_loss(const struct gate_task *t, enum ewc_loss loss)
{
        return gate_since_close(t, loss) ? lost_in_all(t, loss) : loss_from(&t->before, &t->after, loss);
}

double gate_carried(const struct gate_task *t, enum ewc_loss loss)
{
        if (!gate_since_close(t, loss))
                return 0;
        double carried = gate_loss(t, loss) - loss_from(base_of(t, loss), &t->after, loss);
        return carried > GATE_TOLERANCE ? carried : 0;
}

/* A task that cannot be compared is worse than any that can. */
static double comparable(double loss)
{
        return isfinite(loss) ? loss : INFINITY;
}

/* z with P(|Z| <= z) = confidence, to the last bits: halving finds where erfc passes it. */
static double two_sided(double confidence)
{
        double lo = 0, hi = 40;
        for (int i = 0; i < 100; i++) {
                double mid = (lo + hi) / 2;
                if (erfc(mid / sqrt(2)) > 1 - confidence)
                        lo = mid;
                else
                        hi = mid;
        }
        return hi;
}

double gate_noise(uint64_t n, uint64_t n_won, uint64_t n_lost, double confidence)
{
        if (n == 0 || !(confidence > 0))
                return 0;
        double rows = (double)n, won = (double)n_won, lost = (double)n_lost;
        double spread = won + lost - (won - lost) * (won - lost) / rows;
        return (two_sided(confidence) * sqrt(spread > 0 ? spread : 0) + 1) / rows;
}

/* The rows of its close are not paired with these. */
double gate_task_noise(const struct gate_task *t, const struct gate_conf *c, enum ewc_loss loss)
{
        if (loss == EWC_LOSS_SQUARED || gate_since_close(t, loss))
                return 0;
        return gate_noise(t->after.n, t->after.n_won, t->after.n_lost, c->confidence);
}

/* What the open task lost, as it counts. */
static double open_loss(const struct gate_task *t, const struct gate_conf *c, enum ewc_loss loss)
{
        double l = comparable(gate_loss(t, loss));
        return l < 0 && -l <= gate_task_noise(t, c, loss) ? 0 : l;
}

/* --- the checks --- */

struct list {
        struct gate_view view;
        struct gate_check *to;
};

static void add(struct list *l, enum gate_kind kind, size_t task, int64_t output, double value, double limit)
{
        bool least = kind == GATE_GAIN || kind == GATE_FLOOR || kind == GATE_CLASS_FLOOR;
        bool noisy = kind == GATE_FORGETTING || kind == GATE_GAIN;
        const struct gate_view *v = &l->view;
        struct gate_check *c = &l->to[l->view.n_checks];
        *c = (struct gate_check){.kind = kind,
            .task = task,
            .output = output,
            .passed = (least ? limit - value : value - limit) <= GATE_TOLERANCE && isfinite(value),
            .value = value,
            .limit = limit,
            .noise = noisy ? gate_task_noise(&v->tasks[task], v->conf, v->loss) : 0};
        gate_check_words(v, c);
        l->view.n_checks++;
}

static void check_classes(struct list *l, size_t i, double floor)
{
        const struct evaluation *a = &l->view.tasks[i].after;
        for (size_t k = 0; k < a->n_outputs; k++) {
                const struct output_score *o = &a->outputs[k];
                if (o->n > 0)
                        add(l, GATE_CLASS_FLOOR, i, o->output, (double)o->n_right / (double)o->n, floor);
        }
}

static void check_measured(struct list *l, size_t i)
{
        const struct gate_task *t = &l->view.tasks[i];
        const struct gate_conf *c = l->view.conf;
        enum ewc_loss loss = l->view.loss;
        if (t->open)
                add(l, GATE_GAIN, i, -1, 0 - open_loss(t, c, loss), c->min_gain);
        else
                add(l, GATE_FORGETTING, i, -1, comparable(gate_loss(t, loss)), c->max_forgetting);
        if (c->floor > 0 && loss != EWC_LOSS_SQUARED)
                add(l, GATE_FLOOR, i, -1, t->after.accuracy, c->floor);
        if (loss != EWC_LOSS_SOFTMAX)
                return;
        if (c->max_ece_rise < 1)
                add(l, GATE_CALIBRATION, i, -1, t->after.ece - t->before.ece, c->max_ece_rise);
        if (c->class_floor > 0)
                check_classes(l, i, c->class_floor);
}

static void check_task(struct list *l, size_t i)
{
        const struct gate_task *t = &l->view.tasks[i];
        if (t->given_up && !t->open)
                return;
        if (gate_judged(t))
                check_measured(l, i);
        else if (gate_lost(t))
                add(l, GATE_UNMEASURED, i, -1, (double)NAN, l->view.conf->max_forgetting);
        else if (gate_guarded(t))
                add(l, GATE_PREDICTED, i, -1, t->after.predicted, l->view.conf->max_predicted);
}

size_t gate_checks_max(const struct gate_task *tasks, size_t n, const struct gate_conf *conf)
{
        size_t most = CHECKS_OF_TASK * n;
        for (size_t i = 0; conf->class_floor > 0 && i < n; i++)
                most += tasks[i].after.n_outputs;
        return most;
}

/* --- the verdict --- */

static void scan_measured(struct gate_scan *s, const struct gate_view *v, size_t i)
{
        const struct gate_task *t = &v->tasks[i];
        if (t->open) {
                s->open_loss = open_loss(t, v->conf, v->loss);
                return;
        }
        double l = comparable(gate_loss(t, v->loss));
        if (s->worst == SIZE_MAX || l > s->worst_loss)
                s->worst = i, s->worst_loss = l;
        s->n_closed++;
}

static struct gate_scan scan_tasks(const struct gate_view *v)
{
        struct gate_scan s = {.worst = SIZE_MAX, .open = SIZE_MAX, .lost = SIZE_MAX, .unseen = SIZE_MAX};
        for (size_t i = 0; i < v->n; i++) {
                const struct gate_task *t = &v->tasks[i];
                if (t->open)
                        s.open = i;
                if (unseen(t, v->conf))
                        s.unseen = s.n_unseen++ == 0 ? i : s.unseen;
                if (t->given_up && !t->open)
                        s.n_given_up++;
                else if (gate_judged(t))
                        scan_measured(&s, v, i);
                else if (gate_lost(t))
                        s.lost = s.n_lost++ == 0 ? i : s.lost;
                else if (gate_guarded(t))
                        s.n_guarded++;
                else
                        s.n_blind++;
        }
        s.nothing = v->n_checks == 0 && v->conf->holdout > 0 && !v->conf->first && !v->conf->unmoved;
        return s;
}

static const struct gate_check *first_failed(const struct gate_view *v)
{
        for (size_t i = 0; i < v->n_checks; i++)
                if (!v->checks[i].passed)
                        return &v->checks[i];
        return NULL;
}

static void decided_by(struct verdict *v, size_t task, double value, double limit)
{
        v->deciding = task;
        v->value = value;
        v->limit = limit;
}

struct verdict gate_judge(const struct gate_task *tasks, size_t n, const struct gate_conf *conf, enum ewc_loss loss,
    struct gate_check *ret_checks)
{
        struct list l = {{tasks, n, conf, loss, ret_checks, 0}, ret_checks};
        for (size_t i = 0; i < n; i++)
                check_task(&l, i);
        struct gate_scan s = scan_tasks(&l.view);
        const struct gate_check *failed = first_failed(&l.view);
        bool open_seen = s.open != SIZE_MAX && gate_judged(&tasks[s.open]);
        double over = s.worst != SIZE_MAX ? s.worst_loss - conf->max_forgetting : -INFINITY;
        double under = open_seen ? s.open_loss + conf->min_gain : -INFINITY;
        bool closed_blocks = !(over <= GATE_TOLERANCE);
        s.open_blocks = !(under <= GATE_TOLERANCE);

        struct verdict v = {.n_checks = l.view.n_checks};
        v.undecided = !failed && (s.n_unseen > 0 || s.nothing);
        v.promote = !failed && !v.undecided;
        if (s.n_lost > 0)
                decided_by(&v, s.lost, (double)NAN, conf->max_forgetting);
        else if (s.open_blocks && (!closed_blocks || under > over))
                decided_by(&v, s.open, 0 - s.open_loss, conf->min_gain);
        else if (closed_blocks)
                decided_by(&v, s.worst, s.worst_loss, conf->max_forgetting);
        else if (failed)
                decided_by(&v, failed->task, failed->value, failed->limit);
        else if (s.n_unseen > 0)
                decided_by(&v, s.unseen, tasks[s.unseen].after.predicted, conf->max_predicted);
        else if (s.worst != SIZE_MAX)
                decided_by(&v, s.worst, s.worst_loss, conf->max_forgetting);
        else
                decided_by(
                    &v, s.open != SIZE_MAX ? s.open : 0, open_seen ? 0 - s.open_loss : (double)NAN, conf->min_gain);
        gate_reason(&l.view, &s, &v);
        return v;
}

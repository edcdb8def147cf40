/* check.c: what must be so, whatever the settings; see README.md for the list and the formulas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "one_thread.h"
#include "sim.h"
#include "store/store.h"
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NEWEST_JOBS = 4, SAMPLE = 4 };
#define ERRORS 3.0 /* standard errors that chance is allowed */

void sim_fail(const struct sim *s, const char *what, const char *fmt, ...)
{
        char text[1024];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        print_error(
            "sim %s, seed %" PRIu64 ", day %.3f: not so: %s: %s\n", s->script->name, s->seed, sim_day(s), what, text);
        print_error("again: test_sim --seed %" PRIu64 " %s\n", s->seed, s->script->name);
        fail();
}

/* --- jobs --- */

struct newest {
        struct sim *s;
        struct job v[NEWEST_JOBS];
        size_t n;
};

static int take_job(void *arg, const struct job *j)
{
        struct newest *n = arg;
        if (n->n < NEWEST_JOBS)
                n->v[n->n++] = *j;
        return 0;
}

size_t check_active(struct sim *s, struct job *ret)
{
        struct newest n = {.s = s};
        const struct job_filter f = {.model = s->m, .active_only = true};
        sim_require(s, store_job_list(s->s, &f, take_job, &n, &s->e) == 0, "%s", s->e.msg);
        if (ret && n.n > 0)
                *ret = n.v[0];
        return n.n;
}

static void check_version(struct sim *s, const struct job *j)
{
        struct version v;
        struct task *tasks;
        size_t n_tasks, want = 0;
        sim_require(
            s, store_version_by_number(s->s, s->m, j->version_number, &s->a, &v, &s->e) == 0, "job %" PRIu64, j->id);
        sim_require(
            s, v.job == j->id, "version %" PRIu64 " is of job %" PRIu64 ", not %" PRIu64, v.number, v.job, j->id);
        sim_require(s, (v.state == VERSION_PROMOTED) == (j->state == JOB_PROMOTED), "version %" PRIu64, v.number);
        sim_require(s, store_task_list(s->s, s->m, &s->a, &tasks, &n_tasks, &s->e) == 0, "%s", s->e.msg);
        for (size_t i = 0, before = 1; i < n_tasks; i++) {
                want += before;
                before = before && tasks[i].id != j->task;
        }
        sim_require(s, v.n_evaluations == want, "version %" PRIu64 " has %zu evaluations of %zu tasks", v.number,
            v.n_evaluations, want);
}

static void check_used(struct sim *s)
{
        for (size_t i = 0; i < SAMPLE && s->n_sent > 0; i++) {
                const struct row *r = &s->rows[ewc_rng_below(&s->tests, (uint32_t)s->n_sent)];
                struct feedback_fate f;
                struct job j;
                char id[24];
                snprintf(id, sizeof(id), "e%" PRIu64, r->number);
                sim_require(s, store_feedback_get(s->s, s->m, id, &s->a, &f, &s->e) == 0, "event %s is lost", id);
                sim_require(s, f.row.seq == r->seq, "event %s has moved", id);
                sim_require(s, r->erased == (f.state == FEEDBACK_FEATURES_ERASED), "event %s is in state %d", id,
                    (int)f.state);
                sim_require(s, f.state != FEEDBACK_USED || f.job > 0, "event %s is used by nobody", id);
                if (f.job == 0)
                        continue;
                sim_require(s, store_job_get(s->s, f.job, &s->a, &j, &s->e) == 0, "job %" PRIu64, f.job);
                sim_require(
                    s, j.range.first <= r->seq && r->seq <= j.range.last, "event %s, job %" PRIu64, id, f.job);
        }
}

static bool by_itself(const struct job *j)
{
        return j->trigger != TRIGGER_MANUAL && j->trigger != TRIGGER_STRATEGY && j->trigger != TRIGGER_UNLEARN;
}

/* --- closed tasks --- */

static void draw_tests(struct sim *s, struct past *p, uint64_t last)
{
        size_t from = 0, to;
        while (from < s->n_sent && s->rows[from].seq <= s->past_seq)
                from++;
        for (to = from; to < s->n_sent && s->rows[to].seq <= last; to++)
                ;
        sim_require(s, to > from, "task %" PRIu64 " was closed without rows", p->id);
        const struct net *n = sim_net(s, p->closed_by);
        size_t right = 0;
        for (size_t i = 0; i < SIM_TEST; i++) {
                const struct row *like = &s->rows[from + ewc_rng_below(&s->tests, (uint32_t)(to - from))];
                world_draw(&s->world, &like->d.sky, &s->tests, &p->test[i]);
                p->right[i] = net_answer(s, n, p->id, p->test[i].x, NULL) == p->test[i].truth;
                right += p->right[i];
        }
        p->accuracy = (double)right / SIM_TEST;
        s->past_seq = last;
}

static void close_task(struct sim *s, const struct job *j)
{
        struct task *tasks;
        size_t n;
        sim_require(s, s->n_past < SIM_MAX_TASKS, "too many tasks for a scenario");
        struct past *p = &s->past[s->n_past++];
        *p = (struct past){.id = j->task, .closed_by = j->version_number};
        sim_require(s, store_task_list(s->s, s->m, &s->a, &tasks, &n, &s->e) == 0, "%s", s->e.msg);
        for (size_t i = 0; i < n; i++)
                if (tasks[i].id == j->task)
                        p->n_holdout = tasks[i].n_at_close;
        sim_require(s, p->n_holdout > 0, "task %" PRIu64 " was closed without a holdout", p->id);
        draw_tests(s, p, j->range.last);
}

/* Chance: three standard errors of a paired difference, of which a share d of rows tells something, on the holdout
 * the gate saw and on ours; and one row of the holdout, where the gate compares whole rows. */
static double chance(double d, uint64_t n_holdout)
{
        return ERRORS * sqrt(d * (1.0 / (double)n_holdout + 1.0 / SIM_TEST)) + 1.0 / (double)n_holdout;
}

static void check_past(struct sim *s, struct past *p)
{
        size_t lost = 0, won = 0;
        const struct net *n = sim_net(s, s->champion);
        p->excused = p->excused || s->champion < p->closed_by;
        for (size_t i = 0; i < SIM_TEST; i++) {
                bool right = net_answer(s, n, p->id, p->test[i].x, NULL) == p->test[i].truth;
                lost += p->right[i] && !right;
                won += right && !p->right[i];
        }
        double loss = ((double)lost - (double)won) / SIM_TEST, d = (double)(lost + won) / SIM_TEST;
        if (p->excused)
                return;
        p->worst = loss > p->worst ? loss : p->worst;
        sim_require(s, loss <= s->learning.gate_max_forgetting + chance(d, p->n_holdout),
            "task %" PRIu64 " had %.4f at its close by version %" PRIu64 " and lost %.4f with version %" PRIu64
            ": budget %.4f, chance %.4f (%" PRIu64 " holdout rows, %d test rows)",
            p->id, p->accuracy, p->closed_by, loss, s->champion, s->learning.gate_max_forgetting,
            chance(d, p->n_holdout), p->n_holdout, SIM_TEST);
}

/* --- after each step --- */

bool sim_tells;

static void tell(const struct sim *s, const struct job *j)
{
        print_message("day %.2f: job %" PRIu64 " %s by %s, %s, rows %" PRIu64 "..%" PRIu64 " version %" PRIu64
                      ": %s; %s\n",
            sim_day(s), j->id, job_kind_name(j->kind), trigger_kind_name(j->trigger), strategy_name(j->strategy),
            j->range.first, j->range.last, j->version_number, j->reason, j->trigger_text);
}

static void job_ended(struct sim *s, const struct job *j)
{
        if (sim_tells)
                tell(s, j);
        const struct job *before = s->n_ended > 0 ? &s->ended[s->n_ended - 1] : NULL;
        int64_t cool = (int64_t)s->learning.trigger_cool_down_s * 1000;
        sim_require(s, !before || !by_itself(j) || j->created_ms - before->ended_ms >= cool,
            "job %" PRIu64 " came %" PRId64 " ms after job %" PRIu64 " ended", j->id,
            j->created_ms - before->ended_ms, before->id);
        sim_require(s, j->state != JOB_PROMOTED || j->version_number > 0, "job %" PRIu64 " has no version", j->id);
        if (j->version_number > 0)
                check_version(s, j);
        if (j->state == JOB_PROMOTED && j->kind == JOB_ROLLOVER)
                close_task(s, j);
        void *v = s->ended;
        assert_true(mem_grow(&v, &s->cap_ended, s->n_ended + 1, sizeof(*s->ended)));
        s->ended = v;
        s->ended[s->n_ended++] = *j;
        check_used(s);
}

static bool known(const struct sim *s, job_id id)
{
        for (size_t i = s->n_ended; i-- > 0;)
                if (s->ended[i].id == id)
                        return true;
        return false;
}

static void check_jobs(struct sim *s)
{
        struct newest n = {.s = s};
        const struct job_filter f = {.model = s->m, .limit = NEWEST_JOBS};
        size_t active = check_active(s, NULL);
        sim_require(s, active <= 1, "%zu jobs are active", active);
        sim_require(s, store_job_list(s->s, &f, take_job, &n, &s->e) == 0, "%s", s->e.msg);
        for (size_t i = n.n; i-- > 0;)
                if (job_has_ended(n.v[i].state) && !known(s, n.v[i].id))
                        job_ended(s, &n.v[i]);
}

static void check_rows(struct sim *s)
{
        struct counters c;
        sim_require(s, store_feedback_count(s->s, s->m, &c, &s->e) == 0, "%s", s->e.msg);
        uint64_t sum = c.n_live + c.n_quarantined + c.n_late + c.n_superseded + c.n_erased + c.n_expired;
        sim_require(
            s, sum == s->n_sent + s->n_trusted, "%" PRIu64 " rows are there, %zu were acknowledged", sum, s->n_sent);
        sim_require(
            s, c.n_erased == s->n_erased, "%" PRIu64 " rows are erased, not %" PRIu64, c.n_erased, s->n_erased);
        sim_require(s, c.used_seq <= c.last_seq, "used beyond the newest row");
}

void check_step(struct sim *s)
{
        struct alias a;
        if (one_thread_written() == s->written)
                return;
        s->written = one_thread_written();
        arena_reset(&s->a);
        check_rows(s);
        check_jobs(s);
        sim_require(s, store_alias_get(s->s, s->m, "champion", &a, &s->e) == 0, "%s", s->e.msg);
        if (a.number == s->champion)
                return;
        s->champion = a.number;
        if (s->frozen == 0 && a.number > 1)
                s->frozen = a.number;
        for (size_t i = 0; i < s->n_past; i++)
                check_past(s, &s->past[i]);
}

void check_idle(struct sim *s)
{
        arena_reset(&s->a);
        const struct served *v = vtable_get(s->table, slice_of("m"));
        sim_require(s, v && v->number == s->champion && v->stands_in_for == 0,
            "version %" PRIu64 " is served, and the champion is %" PRIu64, v ? v->number : 0, s->champion);
        sim_net(s, v->number);
}

/* --- at the end --- */

struct looking {
        struct sim *s;
        bool *seen;
        uint64_t last, n_trusted;
};

static int look(void *arg, const struct feedback *f)
{
        struct looking *l = arg;
        struct sim *s = l->s;
        uint64_t number = 0;
        l->n_trusted += f->trusted;
        if (f->trusted)
                return 0;
        sim_require(s, sscanf(f->event_id, "e%" SCNu64, &number) == 1 && number < s->n_sent, "%s", f->event_id);
        const struct row *r = &s->rows[number];
        sim_require(s, f->seq > l->last && !l->seen[number], "event %s is there twice", f->event_id);
        sim_require(s, f->seq == r->seq && f->class == r->d.label && !r->erased, "event %s is another", f->event_id);
        sim_require(s, f->n_inputs == WORLD_INPUTS && memcmp(f->inputs, r->d.x, sizeof(r->d.x)) == 0,
            "inputs of event %s are others", f->event_id);
        l->seen[number] = true;
        l->last = f->seq;
        return 0;
}

static void look_at_rows(struct sim *s)
{
        const struct feedback_filter all = {0, {0, UINT64_MAX}, SPLIT_BOTH};
        struct looking l = {.s = s, .seen = new_array(bool, s->n_sent + 1)};
        assert_non_null(l.seen);
        sim_require(s, store_feedback_scan(s->s, s->m, &all, look, &l, &s->e) == 0, "%s", s->e.msg);
        sim_require(
            s, l.n_trusted == s->n_trusted, "%" PRIu64 " trusted rows of %" PRIu64, l.n_trusted, s->n_trusted);
        for (size_t i = 0; i < s->n_sent; i++) {
                struct feedback_fate f;
                char id[24];
                if (l.seen[i])
                        continue;
                snprintf(id, sizeof(id), "e%zu", i);
                arena_reset(&s->a);
                sim_require(s, store_feedback_get(s->s, s->m, id, &s->a, &f, &s->e) == 0, "event %s is lost", id);
                sim_require(
                    s, f.state >= FEEDBACK_QUARANTINED, "event %s is in state %d and not found", id, (int)f.state);
        }
        free(l.seen);
}

static void check_files(struct sim *s)
{
        DIR *d = opendir(s->jobs_dir);
        size_t n = 0;
        for (const struct dirent *e; d && (e = readdir(d));)
                n += e->d_name[0] != '.';
        if (d)
                closedir(d);
        sim_require(s, n <= check_active(s, NULL), "%zu directories of jobs are left", n);
}

static void print_figures(const struct sim *s)
{
        size_t n[16] = {0};
        double worst = 0;
        for (size_t i = 0; i < s->n_ended; i++)
                n[s->ended[i].state & 15]++;
        for (size_t i = 0; i < s->n_past; i++)
                worst = s->past[i].worst > worst ? s->past[i].worst : worst;
        const struct tally *t = &s->all;
        double all = t->n > 0 ? (double)t->n : 1;
        print_message(
            "%s on %s: %.0f days, %zu rows, %zu jobs (%zu promoted, %zu candidates, %zu rejected, %zu failed, "
            "%zu cancelled), prequential %.3f adaptive and %.3f frozen, %zu closed tasks, forgetting %.3f\n",
            s->script->name, s->ops == &store_memory ? "memory" : "sqlite", s->days, s->n_sent, s->n_ended,
            n[JOB_PROMOTED], n[JOB_CANDIDATE], n[JOB_REJECTED], n[JOB_FAILED], n[JOB_CANCELLED],
            (double)t->adaptive / all, (double)t->frozen / all, s->n_past, worst);
}

void check_end(struct sim *s)
{
        const struct tally *t = &s->known;
        arena_reset(&s->a);
        print_figures(s);
        look_at_rows(s);
        check_files(s);
        if (t->n == 0)
                return;
        double budget = fmax(s->learning.gate_max_forgetting, -s->learning.gate_min_gain);
        double n = (double)t->n, lost = ((double)t->lost - (double)t->won) / n;
        double slack = ERRORS * sqrt((double)(t->lost + t->won)) / n;
        sim_require(s, lost <= budget + slack,
            "of %" PRIu64 " predictions the house lost %.4f against the frozen version %" PRIu64
            ": budget %.4f, chance %.4f",
            t->n, lost, s->frozen, budget, slack);
}

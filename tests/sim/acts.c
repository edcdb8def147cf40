/* acts.c: what an operator does, and what goes wrong. What the house refuses because a job is active stays undone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/holdout.h"
#include "infer/publish.h"
#include "lib/vfs_shim.h"
#include "sim.h"
#include "store/store.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void create(struct sim *s, struct job_new j)
{
        job_id id;
        j.model = s->m;
        j.who = "operator";
        int r = store_job_create(s->s, &j, &id, &s->e);
        sim_require(s, r == 0 || r == STORE_CONFLICT, "job: %d %s", r, s->e.msg);
        jobs_post_pump(s->jobs);
}

void act_job(struct sim *s, double ignored)
{
        (void)ignored;
        create(s, (struct job_new){.kind = JOB_CONSOLIDATE, .trigger = TRIGGER_MANUAL});
}

void act_rollover(struct sim *s, double n)
{
        char name[NAME_SIZE];
        snprintf(name, sizeof(name), "task-%.0f", n);
        sim_require(s, check_active(s, NULL) == 0, "choose another day for this rollover");
        create(s, (struct job_new){.kind = JOB_ROLLOVER, .trigger = TRIGGER_MANUAL, .next_task = name});
}

struct back {
        uint64_t champion, number;
        size_t left;
};

static int go_back(void *arg, const struct version *v)
{
        struct back *b = arg;
        if (v->number >= b->champion || v->state == VERSION_REJECTED || b->left == 0)
                return 0;
        b->left--;
        b->number = v->number;
        return 0;
}

void act_rollback(struct sim *s, double n)
{
        struct alias a;
        sim_require(s, store_alias_get(s->s, s->m, "champion", &a, &s->e) == 0, "%s", s->e.msg);
        struct back b = {.champion = a.number, .left = (size_t)n};
        sim_require(s, store_version_list(s->s, s->m, 0, 0, go_back, &b, &s->e) == 0, "%s", s->e.msg);
        if (b.number == 0)
                return; /* the first serves already */
        int r = store_alias_set(s->s, s->m, "champion", b.number, a.epoch, "operator", "by hand", &a, &s->e);
        sim_require(s, r == 0, "alias: %d %s", r, s->e.msg);
        sim_require(s, publish_model(s->publish, s->m, NULL, NULL) == 0, "publish");
}

void act_restart(struct sim *s, double ignored)
{
        (void)ignored;
        house_jobs_stop(s);
        house_jobs_start(s);
}

void act_die(struct sim *s, double epoch)
{
        s->fake.die_at_epoch = (unsigned)epoch;
        s->fake.n_deaths = 1;
}

void act_trusted(struct sim *s, double n)
{
        const struct task open = sim_open_task(s);
        struct sky sky = phase_sky(stream_at(&s->script->stream, sim_day(s)), sim_day(s));
        for (int i = 0; i < (int)n; i++) {
                struct drawn d;
                struct receipt got;
                char id[24];
                world_draw(&s->world, &sky, &s->tests, &d);
                snprintf(id, sizeof(id), "t%" PRIu64, s->n_trusted++);
                struct feedback f = {.event_id = id,
                    .source = "operator",
                    .task = open.id,
                    .task_named = true,
                    .holdout = true,
                    .trusted = true,
                    .n_inputs = WORLD_INPUTS,
                    .inputs = d.x,
                    .class = d.truth,
                    .weight = 1,
                    .served_class = -1};
                digest_of(id, strlen(id), &f.payload);
                int r = store_feedback_add(s->s, s->m, &f, 1, NULL, NULL, &got, &s->e);
                sim_require(s, r == 0 && got.n_accepted == 1, "trusted row %s: %d %s", id, r, s->e.msg);
        }
}

static void erase(struct sim *s, struct row *r)
{
        struct erased got;
        char id[24];
        snprintf(id, sizeof(id), "e%" PRIu64, r->number);
        const struct feedback_selection sel = {.event_id = id};
        int res = store_feedback_erase(s->s, s->m, &sel, "operator", NULL, &got, &s->e);
        sim_require(s, (res == 0 && got.n == 1) || (res == STORE_CONFLICT && check_active(s, NULL) == 1),
            "erase %s: %d %s", id, res, s->e.msg);
        r->erased = res == 0;
        s->n_erased += res == 0;
}

void act_erase(struct sim *s, double n)
{
        for (int i = 0; i < (int)n; i++) {
                struct row *r = &s->rows[ewc_rng_below(&s->tests, (uint32_t)s->n_sent)];
                if (!r->erased)
                        erase(s, r);
        }
}

void erase_step(struct sim *s)
{
        if (!s->script->erases || s->n_past == 0 || s->n_paid == s->n_ended || check_active(s, NULL) > 0)
                return;
        for (size_t i = s->n_sent; i-- > 0;) {
                struct row *r = &s->rows[i];
                char id[24];
                snprintf(id, sizeof(id), "e%" PRIu64, r->number);
                if (r->erased || r->seq > s->past_seq || !holdout_split(id, s->learning.holdout))
                        continue;
                erase(s, r);
                s->written--; /* look */
                break;
        }
        s->n_paid = s->n_ended;
}

void act_unlearn(struct sim *s, double ignored)
{
        (void)ignored;
        struct unlearned got;
        uint64_t n = 0;
        int r = store_source_unlearn(s->s, s->m, "bad", "operator", NULL, &got, &s->e);
        sim_require(s, r == 0, "unlearn: %d %s", r, s->e.msg);
        for (size_t i = 0; i < s->n_sent; i++) {
                if (!s->rows[i].d.bad || s->rows[i].erased)
                        continue;
                s->rows[i].erased = true;
                n++;
        }
        s->n_erased += n;
        sim_require(s, got.n_erased == n && n > 0, "%" PRIu64 " rows erased, not %" PRIu64, got.n_erased, n);
        sim_require(s, got.back_to_number < got.from_number, "version %" PRIu64 " still serves", got.from_number);
        sim_require(s, publish_model(s->publish, s->m, NULL, NULL) == 0, "publish");
        create(s, (struct job_new){.kind = JOB_CONSOLIDATE, .trigger = TRIGGER_UNLEARN});
}

void act_disk(struct sim *s, double full)
{
        s->writes_fail = full > 0;
        if (s->writes_fail)
                shim_arm(SHIM_FULL, 1);
        else
                shim_disarm();
}

/* A meddling is with one job that has come to a state; the next one is with a later job. */
void meddle_step(struct sim *s)
{
        const struct meddling *m = s->script->meddle ? &s->script->meddle[s->next_meddle] : NULL;
        struct job j;
        struct job_live live;
        if (!m || m->at == 0 || check_active(s, &j) == 0 || j.id == s->meddled || j.state != m->at)
                return;
        if (m->learning && !jobs_live(s->jobs, j.id, &live))
                return;
        s->meddled = j.id;
        s->next_meddle++;
        if (m->what == MEDDLE_RESTART)
                act_restart(s, 0);
        else
                assert_int_equal(jobs_post_cancel(s->jobs, j.id), 0);
}

size_t sim_count(const struct sim *s, enum job_state state, enum trigger_kind trigger, double from, double to)
{
        size_t n = 0;
        for (size_t i = 0; i < s->n_ended; i++) {
                const struct job *j = &s->ended[i];
                double day = sim_job_day(s, j);
                n += (state == 0 || j->state == state) && (trigger == 0 || j->trigger == trigger) && day >= from &&
                     day < to;
        }
        return n;
}

double sim_job_day(const struct sim *s, const struct job *j)
{
        return (double)(j->created_ms - s->start_ms) / (double)SIM_DAY_MS;
}

/* scenarios.c: the table of scenarios, and what must have been seen in each.
 *
 * What holds in all of them is check.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sim.h"
#include "store/store.h"
#include <inttypes.h>

static size_t ended(const struct sim *s, enum job_state state)
{
        return sim_count(s, state, 0, 0, 1e9);
}

static size_t triggered(const struct sim *s, enum trigger_kind trigger, double from, double to)
{
        return sim_count(s, 0, trigger, from, to);
}

/* --- steady --- */

static void steady_seen(struct sim *s)
{
        sim_require(s, ended(s, JOB_PROMOTED) >= 2, "%zu promoted", ended(s, JOB_PROMOTED));
        sim_require(s, s->n_ended <= s->n_sent * 4 / 5 / 300 + 1, "%zu jobs", s->n_ended);
        sim_require(s, ended(s, JOB_FAILED) == 0, "%zu failed", ended(s, JOB_FAILED));
}

/* --- drift --- */

static void drift_keys(struct learning *l)
{
        l->trigger_min_feedback = 0;
        l->trigger_interval_s = 20 * 86400;
        l->trigger_accuracy = 12;
        l->trigger_inputs = 1e-4;
        l->trigger_inputs_rows = 60;
}

/* A job within so many rows after the drift, and accuracy back where it was. */
static void drift_seen(struct sim *s)
{
        size_t n = triggered(s, TRIGGER_ACCURACY, 100, 106) + triggered(s, TRIGGER_INPUTS, 100, 106);
        double before = sim_share(s, 60, 100, false), at = sim_share(s, 100, 102, false),
               after = sim_share(s, 130, 180, false);
        sim_require(s, n > 0, "no job answered the drift of day 100 within 6 days");
        sim_require(s, at < before - 0.1, "%.3f before, %.3f at the drift: there was none", before, at);
        sim_require(s, after > before - 0.04, "%.3f before the drift, %.3f after it", before, after);
}

static void swap_keys(struct learning *l)
{
        drift_keys(l);
        l->task_boundary = BOUNDARY_AUTO;
}

static void swap_seen(struct sim *s)
{
        double before = sim_share(s, 60, 100, false), after = sim_share(s, 140, 180, false);
        sim_require(s, s->n_past >= 1, "no task was closed");
        sim_require(s, after > before - 0.05, "%.3f before the drift, %.3f after it", before, after);
}

static void slow_seen(struct sim *s)
{
        double lost = (double)s->all.frozen / (double)s->all.n, held = (double)s->all.adaptive / (double)s->all.n;
        sim_require(s, held > lost + 0.05, "%.3f adaptive, %.3f frozen", held, lost);
}

/* --- noise --- */

static void noise_keys(struct learning *l)
{
        l->trigger_min_feedback = 150;
        l->gate_confidence = 0.9;
}

static void noise_seen(struct sim *s)
{
        double held = sim_share(s, 100, 180, false), frozen = sim_share(s, 100, 180, true);
        sim_require(s, held > frozen - 0.02, "after the burst %.3f, and %.3f without any learning", held, frozen);
}

static void quarantine_keys(struct learning *l)
{
        l->trigger_min_feedback = 150;
        l->feedback_quarantine_confidence = 0.9;
        l->feedback_window_s = 86400;
}

static void quarantine_seen(struct sim *s)
{
        struct counters c;
        sim_require(s, store_feedback_count(s->s, s->m, &c, &s->e) == 0, "%s", s->e.msg);
        sim_require(s, c.n_quarantined > 30, "%" PRIu64 " rows are in quarantine", c.n_quarantined);
        sim_require(s, c.n_late > 100, "%" PRIu64 " rows were late", c.n_late);
        noise_seen(s);
}

/* --- silence --- */

static void calendar_keys(struct learning *l)
{
        l->trigger_min_feedback = 0;
        l->trigger_daily_min = 180;
        l->trigger_cool_down_s = 5 * 86400;
}

static void calendar_seen(struct sim *s)
{
        sim_require(s, s->n_ended == triggered(s, TRIGGER_DAILY, 0, 1e9), "jobs by something else");
        sim_require(s, triggered(s, TRIGGER_DAILY, 46, 70) == 0, "jobs without new rows");
        sim_require(s, triggered(s, TRIGGER_DAILY, 70, 72) == 1, "no job after the silence");
}

/* --- strategy --- */

static void ladder_keys(struct learning *l)
{
        l->trigger_min_feedback = 200;
        l->strategy = STRATEGY_MODE_AUTO;
        l->lambda = 0;
        l->optimizer_rate = 0.03;
        l->epochs = 12;
}

static void ladder_seen(struct sim *s)
{
        sim_require(s, ended(s, JOB_REJECTED) > 0, "nothing was rejected");
        sim_require(s, triggered(s, TRIGGER_STRATEGY, 0, 1e9) > 0, "no stronger strategy");
        for (size_t i = 0; i < s->n_ended; i++) {
                const struct job *j = &s->ended[i];
                sim_require(s, j->trigger != TRIGGER_STRATEGY || (i > 0 && j->strategy > s->ended[i - 1].strategy),
                    "job %" PRIu64 " did not climb", j->id);
        }
}

/* --- operators --- */

static void operator_keys(struct learning *l)
{
        l->trigger_min_feedback = 100;
}

static void operator_seen(struct sim *s)
{
        size_t lost = 0;
        for (size_t i = 0; i < s->n_ended; i++)
                lost += s->ended[i].state != JOB_PROMOTED && s->ended[i].state != JOB_REJECTED;
        sim_require(s, ended(s, JOB_PROMOTED) > 3, "%zu promoted, %zu others", ended(s, JOB_PROMOTED), lost);
}

/* --- tasks --- */

static void boundary_keys(struct learning *l)
{
        drift_keys(l);
        l->task_boundary = BOUNDARY_AUTO;
        l->strategy = STRATEGY_MODE_AUTO;
        l->replay_per_class = 0;
}

static void boundary_seen(struct sim *s)
{
        sim_require(s, s->n_past >= 1, "no task was closed by itself");
        sim_require(s, sim_share(s, 160, 200, false) > 0.8, "%.3f on the new task", sim_share(s, 160, 200, false));
}

/* --- shadow --- */

static void shadow_keys(struct learning *l)
{
        l->trigger_min_feedback = 150;
        l->promotion = PROMOTION_SHADOW;
        l->shadow_min_rows = 60;
        l->shadow_max_rows = 400;
}

static void shadow_seen(struct sim *s)
{
        sim_require(s, ended(s, JOB_CANDIDATE) >= 2, "%zu candidates", ended(s, JOB_CANDIDATE));
        sim_require(s, s->champion > 1, "no challenger was promoted");
}

/* --- erasure --- */

static void poison_keys(struct learning *l)
{
        l->trigger_min_feedback = 150;
        l->gate_min_gain = -1; /* whatever is learned serves: the poison gets in */
}

static void poison_seen(struct sim *s)
{
        double poisoned = sim_share(s, 95, 110, false), after = sim_share(s, 112, 160, false);
        sim_require(s, triggered(s, TRIGGER_UNLEARN, 0, 1e9) == 1, "no job after unlearning");
        sim_require(s, after > poisoned, "%.3f with the poison, %.3f without it", poisoned, after);
}

static void trusted_keys(struct learning *l)
{
        l->trigger_min_feedback = 150;
}

/* Poison and noise in plenty; what an operator trusts is what judges, and the gate lets nothing worse serve. */
static void trusted_seen(struct sim *s)
{
        double held = sim_share(s, 50, 120, false), frozen = sim_share(s, 50, 120, true);
        sim_require(s, ended(s, JOB_REJECTED) > 10, "%zu rejected", ended(s, JOB_REJECTED));
        sim_require(s, held > frozen - 0.03, "%.3f with poison, and %.3f without any learning", held, frozen);
}

/* Small losses, one a version, and a row of the holdout erased after each: the budget holds all the same. */
static void creep_keys(struct learning *l)
{
        l->trigger_min_feedback = 40;
        l->gate_min_gain = -1;
        l->lambda = 0;
        l->optimizer_rate = 0.001;
        l->steps = 10;
}

static void creep_seen(struct sim *s)
{
        sim_require(s, s->n_past == 1 && s->n_erased > 60, "%" PRIu64 " rows were erased", s->n_erased);
        sim_require(s, sim_count(s, JOB_PROMOTED, 0, 61, 1e9) >= 3, "no version after the close");
        sim_require(
            s, sim_count(s, JOB_REJECTED, 0, 61, 1e9) > 30, "nothing was rejected: the losses were too small");
}

/* --- one class --- */

static void one_class_keys(struct learning *l)
{
        l->trigger_min_feedback = 100;
}

/* A model that has seen one class, a task that has: no job by itself, until rows of another come. */
static void one_class_seen(struct sim *s)
{
        size_t first = triggered(s, TRIGGER_MIN_FEEDBACK, 0, 20), then = triggered(s, TRIGGER_MIN_FEEDBACK, 60.1, 80);
        sim_require(s, first == 0 && then == 0, "%zu and %zu jobs of one class", first, then);
        sim_require(s, triggered(s, TRIGGER_MIN_FEEDBACK, 20, 60) > 3, "no job of all classes");
        sim_require(s, triggered(s, TRIGGER_MIN_FEEDBACK, 80, 1e9) > 3, "no job of all classes after the rollover");
        sim_require(s, s->n_past == 1 && sim_share(s, 100, 120, false) > 0.8, "%.3f at the end",
            sim_share(s, 100, 120, false));
}

/* --- retention --- */

static void used_keys(struct learning *l)
{
        l->trigger_min_feedback = 150;
        l->retention_features = RETAIN_USED;
        l->retention_holdout_per_class = 60;
        l->retention_replay_per_class = 40;
        l->retention_versions = 3;
}

static void rollover_keys(struct learning *l)
{
        l->trigger_min_feedback = 150;
        l->retention_features = RETAIN_ROLLOVER;
        l->retention_holdout_per_class = 80;
        l->retention_replay_per_class = 20;
        l->replay_per_class = 20;
}

static void days_keys(struct learning *l)
{
        l->trigger_min_feedback = 150;
        l->retention_features = RETAIN_DAYS;
        l->retention_days = 15;
        l->retention_holdout_per_class = 100;
}

static void retention_seen(struct sim *s)
{
        struct counters c;
        sim_require(s, store_feedback_count(s->s, s->m, &c, &s->e) == 0, "%s", s->e.msg);
        sim_require(s, c.n_expired > s->n_sent / 5, "%" PRIu64 " of %zu rows have expired", c.n_expired, s->n_sent);
        sim_require(s, ended(s, JOB_PROMOTED) > 1, "%zu promoted", ended(s, JOB_PROMOTED));
}

/* --- trouble --- */

static void trouble_keys(struct learning *l)
{
        l->trigger_min_feedback = 40;
}

static const struct meddling meddlings[] = {
    {JOB_QUEUED, MEDDLE_CANCEL, false},
    {JOB_EXPORTING, MEDDLE_CANCEL, false},
    {JOB_RUNNING, MEDDLE_CANCEL, false},
    {JOB_RUNNING, MEDDLE_CANCEL, true},
    {JOB_JUDGING, MEDDLE_CANCEL, false},
    {JOB_QUEUED, MEDDLE_RESTART, false},
    {JOB_EXPORTING, MEDDLE_RESTART, false},
    {JOB_RUNNING, MEDDLE_RESTART, false},
    {JOB_RUNNING, MEDDLE_RESTART, true},
    {JOB_JUDGING, MEDDLE_RESTART, false},
    {0, MEDDLE_NONE, false},
};

static void trouble_seen(struct sim *s)
{
        sim_require(
            s, s->next_meddle == ARRAY_LEN(meddlings) - 1, "only %zu of the meddlings took place", s->next_meddle);
        sim_require(s, ended(s, JOB_CANCELLED) == 5, "%zu cancelled", ended(s, JOB_CANCELLED));
        sim_require(s, ended(s, JOB_FAILED) == 0, "%zu failed", ended(s, JOB_FAILED));
        sim_require(s, s->fake.resumes >= 3, "%u learners went on from a checkpoint", s->fake.resumes);
}

static void disk_seen(struct sim *s)
{
        sim_require(
            s, sim_count(s, JOB_PROMOTED, 0, 31, 60) > 0, "nothing was promoted after the disk had room again");
}

const struct script scenarios[] = {
    {.name = "steady",
        .kind = SCENARIO_DOMAIN,
        .days = 365,
        .sqlite_days = 30,
        .stream = {{{.rows = 24}}},
        .expect = steady_seen},
    {.name = "abrupt",
        .kind = SCENARIO_DOMAIN,
        .days = 180,
        .keys = drift_keys,
        .stream = {{{.rows = 24}, {.day = 100, .rows = 24, .concept = 1}}},
        .expect = drift_seen},
    {.name = "swapped",
        .kind = SCENARIO_TASK,
        .days = 180,
        .keys = swap_keys,
        .stream = {{{.rows = 24}, {.day = 100, .rows = 24, .swapped = true}}},
        .expect = swap_seen},
    {.name = "slow",
        .kind = SCENARIO_DOMAIN,
        .days = 240,
        .keys = drift_keys,
        .stream = {{{.rows = 24}, {.day = 60, .rows = 24, .turn = 0.01}}},
        .expect = slow_seen},
    {.name = "noise",
        .kind = SCENARIO_DOMAIN,
        .days = 180,
        .keys = noise_keys,
        .stream = {{{.rows = 24}, {.day = 90, .rows = 24, .noise = 0.3}, {.day = 104, .rows = 24}}},
        .expect = noise_seen},
    {.name = "quarantine",
        .kind = SCENARIO_DOMAIN,
        .days = 180,
        .keys = quarantine_keys,
        .stream = {{{.rows = 24, .delay = 0.5}, {.day = 90, .rows = 24, .noise = 0.3, .delay = 0.5},
            {.day = 104, .rows = 24, .delay = 2}, {.day = 110, .rows = 24, .delay = 0.1}}},
        .expect = quarantine_seen},
    {.name = "silence",
        .kind = SCENARIO_DOMAIN,
        .days = 120,
        .sqlite_days = 50,
        .keys = calendar_keys,
        .stream = {{{.rows = 24}, {.day = 40}, {.day = 70, .rows = 120}, {.day = 73, .rows = 24}}},
        .expect = calendar_seen},
    {.name = "ladder",
        .kind = SCENARIO_DOMAIN,
        .days = 150,
        .keys = ladder_keys,
        .stream = {{{.rows = 24}, {.day = 60, .rows = 24, .concept = 1}, {.day = 110, .rows = 24, .concept = 2}}},
        .acts = {{60, act_rollover, 2}, {110, act_rollover, 3}},
        .expect = ladder_seen},
    {.name = "operator",
        .kind = SCENARIO_DOMAIN,
        .days = 180,
        .sqlite_days = 60,
        .keys = operator_keys,
        .stream = {{{.rows = 36}, {.day = 80, .rows = 36, .concept = 1}}},
        .learner_hours = 3,
        .acts = {{20.01, act_job, 0}, {20.02, act_rollback, 1}, {40, act_rollback, 2}, {50.01, act_job, 0},
            {50.02, act_rollback, 1}, {100.01, act_job, 0}, {100.02, act_rollback, 3}, {140, act_rollback, 1}},
        .expect = operator_seen},
    {.name = "boundary",
        .kind = SCENARIO_DOMAIN,
        .days = 200,
        .keys = boundary_keys,
        .stream = {{{.rows = 24}, {.day = 100, .rows = 24, .concept = 1}}},
        .expect = boundary_seen},
    {.name = "shadow",
        .kind = SCENARIO_DOMAIN,
        .days = 240,
        .sqlite_days = 60,
        .keys = shadow_keys,
        .stream = {{{.rows = 24, .delay = 3}, {.day = 100, .rows = 24, .concept = 1, .delay = 5}}},
        .expect = shadow_seen},
    {.name = "poison",
        .kind = SCENARIO_DOMAIN,
        .days = 160,
        .keys = poison_keys,
        .stream = {{{.rows = 24}, {.day = 70, .rows = 96, .poison = 0.75}, {.day = 110, .rows = 24}}},
        .acts = {{50.01, act_erase, 20}, {111, act_unlearn, 0}, {130.01, act_erase, 20}},
        .expect = poison_seen},
    {.name = "trusted",
        .kind = SCENARIO_DOMAIN,
        .days = 120,
        .keys = trusted_keys,
        .stream = {{{.rows = 24}, {.day = 50, .rows = 96, .poison = 0.75}, {.day = 90, .rows = 24, .noise = 0.3}}},
        .acts = {{45.01, act_trusted, 400}},
        .expect = trusted_seen},
    {.name = "creep",
        .kind = SCENARIO_DOMAIN,
        .days = 365,
        .keys = creep_keys,
        .stream = {{{.rows = 24}, {.day = 60, .rows = 24, .concept = 1}}},
        .acts = {{60, act_rollover, 2}},
        .erases = true,
        .expect = creep_seen},
    {.name = "one-class",
        .kind = SCENARIO_DOMAIN,
        .days = 120,
        .sqlite_days = 30,
        .keys = one_class_keys,
        .stream = {{{.rows = 24, .only = 1}, {.day = 20, .rows = 24}, {.day = 60, .rows = 24, .only = 2},
            {.day = 80, .rows = 24}}},
        .acts = {{60, act_rollover, 2}},
        .expect = one_class_seen},
    {.name = "retain-used",
        .kind = SCENARIO_DOMAIN,
        .days = 50,
        .sqlite_days = 50,
        .keys = used_keys,
        .stream = {{{.rows = 24}}},
        .expect = retention_seen},
    {.name = "retain-rollover",
        .kind = SCENARIO_DOMAIN,
        .days = 60,
        .keys = rollover_keys,
        .stream = {{{.rows = 24}, {.day = 20, .rows = 24, .concept = 1}, {.day = 40, .rows = 24, .concept = 2}}},
        .acts = {{20, act_rollover, 2}, {40, act_rollover, 3}},
        .expect = retention_seen},
    {.name = "retain-days",
        .kind = SCENARIO_DOMAIN,
        .days = 50,
        .sqlite_days = 50,
        .keys = days_keys,
        .stream = {{{.rows = 24}, {.day = 40, .rows = 24, .concept = 1}}},
        .expect = retention_seen},
    {.name = "trouble",
        .kind = SCENARIO_DOMAIN,
        .days = 90,
        .sqlite_days = 40,
        .keys = trouble_keys,
        .stream = {{{.rows = 24}}},
        .learner_hours = 1,
        .acts = {{60, act_die, 1}, {63, act_die, 2}, {66, act_die, 3}, {69, act_die, 4}, {72, act_die, 5},
            {75, act_die, 6}},
        .meddle = meddlings,
        .expect = trouble_seen},
    {.name = "disk",
        .kind = SCENARIO_DOMAIN,
        .days = 60,
        .sqlite_only = true,
        .keys = trouble_keys,
        .stream = {{{.rows = 24}}},
        .acts = {{30.01, act_disk, 1}, {31.01, act_disk, 0}},
        .expect = disk_seen},
};
const size_t n_scenarios = ARRAY_LEN(scenarios);

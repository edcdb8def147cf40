/* traffic.c: predictions by what is served, and the labels that follow them.
 * The simulator answers by its own arithmetic from the parameters it read of the store, once for each version, so
 * that what is counted does not rest on the code that is tested; that the serving loop says the same is looked at
 * with the first row of every batch. One batch in 64 is sent twice, as a client does that has not heard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "domain/holdout.h"
#include "domain/label.h"
#include "infer/served.h"
#include "infer/vtable.h"
#include "sim.h"
#include "store/store.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SEND_MAX = 64, LEARNED = 48, AGAIN_ONE_IN = 64, PARAMS_HIDDEN = SIM_HIDDEN * (WORLD_INPUTS + 1) };

double sim_day(const struct sim *s)
{
        return (double)(clock_wall_ms(&s->clock.clock) - s->start_ms) / (double)SIM_DAY_MS;
}

struct task sim_open_task(struct sim *s)
{
        struct task t;
        sim_require(s, store_task_get(s->s, s->m, NULL, &s->a, &t, &s->e) == 0, "%s", s->e.msg);
        return t;
}

/* --- answering --- */

/* A sky counts as learned when some rows of it were there. */
static struct sky sky_of(const struct sim *s, const struct version *v)
{
        size_t i = s->n_sent;
        while (i > 0 && s->rows[i - 1].seq > v->range.last)
                i--;
        return v->job > 0 && i > LEARNED ? s->rows[i - LEARNED].d.sky : (struct sky){.concept = -1};
}

/* Little of a turn is no other sky. */
static bool same_sky(const struct sky *a, const struct sky *b)
{
        return a->concept == b->concept && a->swapped == b->swapped && fabs(a->angle - b->angle) < 0.3;
}

static void read_net(struct sim *s, uint64_t number, struct net *n)
{
        struct version v;
        struct digest d;
        sim_require(s, store_version_by_number(s->s, s->m, number, &s->a, &v, &s->e) == 0, "%s", s->e.msg);
        *n = (struct net){.number = number, .sky = sky_of(s, &v), .n_outputs = v.n_outputs, .P = v.n_params};
        sim_require(s, v.n_outputs <= ARRAY_LEN(n->outputs) && n->P == PARAMS_HIDDEN + v.n_outputs * (SIM_HIDDEN + 1),
            "version %" PRIu64 " has %zu parameters and %zu outputs", number, n->P, v.n_outputs);
        memcpy(n->outputs, v.outputs, v.n_outputs * sizeof(*v.outputs));
        n->theta = new_array(float, n->P);
        assert_non_null(n->theta);
        sim_require(s, store_version_tensor(s->s, v.id, TENSOR_THETA, n->theta, n->P, &s->e) == 0,
            "version %" PRIu64 ": %s", number, s->e.msg);
        digest_of(n->theta, n->P * sizeof(float), &d);
        sim_require(s, memcmp(&d, &v.theta, sizeof(d)) == 0, "version %" PRIu64 " is not what was written", number);
}

const struct net *sim_net(struct sim *s, uint64_t number)
{
        for (size_t i = s->n_nets; i-- > 0;)
                if (s->nets[i].number == number)
                        return &s->nets[i];
        void *v = s->nets;
        assert_true(mem_grow(&v, &s->cap_nets, s->n_nets + 1, sizeof(*s->nets)));
        s->nets = v;
        read_net(s, number, &s->nets[s->n_nets]);
        return &s->nets[s->n_nets++];
}

static bool active(const struct sim *s, const struct output_row *o, task_id task)
{
        return s->script->kind != SCENARIO_TASK || o->task == task || (o->task == 0 && task == 1);
}

int32_t net_answer(const struct sim *s, const struct net *n, task_id task, const float *x, float *ret_probability)
{
        double h[SIM_HIDDEN], best = -INFINITY, sum = 0, z[ARRAY_LEN(n->outputs)];
        const float *w = n->theta, *b = w + SIM_HIDDEN * WORLD_INPUTS, *wo = b + SIM_HIDDEN;
        const float *bo = wo + n->n_outputs * SIM_HIDDEN;
        int32_t said = -1;
        for (size_t u = 0; u < SIM_HIDDEN; u++) {
                double a = (double)b[u];
                for (size_t i = 0; i < WORLD_INPUTS; i++)
                        a += (double)w[u * WORLD_INPUTS + i] * 0.5 * (double)x[i];
                h[u] = tanh(a);
        }
        for (size_t o = 0; o < n->n_outputs; o++) {
                z[o] = (double)bo[o];
                for (size_t u = 0; u < SIM_HIDDEN; u++)
                        z[o] += (double)wo[o * SIM_HIDDEN + u] * h[u];
                if (active(s, &n->outputs[o], task) && z[o] > best) {
                        best = z[o];
                        said = (int32_t)n->outputs[o].class;
                }
        }
        for (size_t o = 0; o < n->n_outputs; o++)
                sum += active(s, &n->outputs[o], task) ? exp(z[o] - best) : 0;
        if (ret_probability)
                *ret_probability = said >= 0 ? (float)(1 / sum) : 0;
        return said;
}

/* --- predictions --- */

static void compare_served(struct sim *s, const struct served *v, const struct row *r)
{
        static _Alignas(64) char ws[1 << 16];
        float probs[WORLD_CLASSES] = {0};
        const struct served_task *t = v->open;
        size_t best = 0;
        if (r->said < 0 || t->head.n == 0)
                return;
        assert_true(served_workspace(v, 1) <= sizeof(ws) && t->head.n <= WORLD_CLASSES);
        sim_require(s, served_predict(v, t, 1, r->d.x, probs, ws) == 0, "version %" PRIu64, v->number);
        for (size_t o = 1; o < t->head.n; o++)
                best = probs[o] > probs[best] ? o : best;
        sim_require(s, fabs((double)probs[best] - (double)r->probability) < 1e-3,
            "version %" PRIu64 " is served with probability %g, and it should be %g", v->number, (double)probs[best],
            (double)r->probability);
}

static void count(struct tally *t, bool adaptive, bool frozen)
{
        t->n++;
        t->adaptive += adaptive;
        t->frozen += frozen;
        t->won += adaptive && !frozen;
        t->lost += frozen && !adaptive;
}

static void predict_row(struct sim *s, const struct phase *p, task_id open)
{
        const struct served *v = vtable_get(s->table, slice_of("m"));
        sim_require(s, v != NULL, "nothing is served");
        void *rows = s->rows;
        assert_true(mem_grow(&rows, &s->cap_rows, s->n_rows + 1, sizeof(*s->rows)));
        s->rows = rows;
        struct row *r = &s->rows[s->n_rows];
        struct sky sky = phase_sky(p, sim_day(s));
        *r = (struct row){.number = s->n_rows};
        s->n_rows++;
        world_draw(&s->world, &sky, &s->traffic, &r->d);
        world_label(p, &s->labels, &r->d);
        r->predicted_ms = clock_wall_ms(&s->clock.clock);
        r->due_ms = r->predicted_ms + (int64_t)(p->delay * (double)SIM_DAY_MS);
        if (s->n_rows > 1 && r->due_ms < r[-1].due_ms)
                r->due_ms = r[-1].due_ms;
        r->served = v->number;
        r->said = net_answer(s, sim_net(s, v->number), open, r->d.x, &r->probability);
        if (s->n_rows % 4 == 0)
                compare_served(s, v, r);
        r->frozen_said = s->frozen > 0 ? net_answer(s, sim_net(s, s->frozen), open, r->d.x, NULL) : -1;
        if (s->frozen == 0)
                return;
        count(&s->all, r->said == r->d.truth, r->frozen_said == r->d.truth);
        if (same_sky(&sim_net(s, v->number)->sky, &sky))
                count(&s->known, r->said == r->d.truth, r->frozen_said == r->d.truth);
}

void traffic_predict(struct sim *s)
{
        const struct phase *p = stream_at(&s->script->stream, sim_day(s));
        task_id open = sim_open_task(s).id;
        for (s->owed += p->rows * SIM_BATCH_MS / (double)SIM_DAY_MS; s->owed >= 1; s->owed -= 1)
                predict_row(s, p, open);
        s->traffic_ms += SIM_BATCH_MS;
}

double sim_share(const struct sim *s, double from, double to, bool frozen)
{
        size_t n = 0, right = 0;
        for (size_t i = 0; i < s->n_rows; i++) {
                double day = (double)(s->rows[i].predicted_ms - s->start_ms) / (double)SIM_DAY_MS;
                if (day < from || day >= to)
                        continue;
                n++;
                right += (frozen ? s->rows[i].frozen_said : s->rows[i].said) == s->rows[i].d.truth;
        }
        return n > 0 ? (double)right / (double)n : NAN;
}

/* --- labels --- */

struct batch {
        struct feedback row[SEND_MAX];
        enum feedback_verdict verdict[SEND_MAX];
        char id[SEND_MAX][24];
};

static void event_of(const struct sim *s, const struct row *r, task_id open, char id[24], struct feedback *ret)
{
        snprintf(id, 24, "e%" PRIu64, r->number);
        *ret = (struct feedback){.event_id = id,
            .source = r->d.bad ? "bad" : "good",
            .task = open,
            .n_inputs = WORLD_INPUTS,
            .inputs = r->d.x,
            .class = r->d.label,
            .weight = 1,
            .observed_ms = r->predicted_ms,
            .served_version = r->said >= 0 ? r->served : 0,
            .served_class = r->said,
            .served_probability = r->probability};
        ret->holdout = holdout_split(id, s->learning.holdout);
        if (label_late(r->predicted_ms, r->due_ms, s->learning.feedback_window_s)) {
                ret->state = ROW_LATE;
                ret->why = "late";
        } else if (r->said >= 0 && r->said != r->d.label && s->learning.feedback_quarantine_confidence < 1 &&
                   (double)r->probability >= s->learning.feedback_quarantine_confidence) {
                ret->state = ROW_QUARANTINED;
                ret->why = "contradicts";
        }
        digest_of(id, strlen(id), &ret->payload);
}

/* Rows first.. of the book; false: the disk is full, and nothing was written. */
static bool send(struct sim *s, size_t first, size_t n, bool again)
{
        static struct batch b;
        const struct feedback_rules rules = {s->learning.feedback_on_conflict};
        struct receipt got;
        task_id open = sim_open_task(s).id;
        for (size_t i = 0; i < n; i++)
                event_of(s, &s->rows[first + i], open, b.id[i], &b.row[i]);
        int r = store_feedback_add(s->s, s->m, b.row, n, &rules, b.verdict, &got, &s->e);
        if (r != 0) {
                sim_require(s, s->writes_fail && r == STORE_FULL, "feedback: %d %s", r, s->e.msg);
                return false;
        }
        for (size_t i = 0; i < n; i++) {
                struct row *row = &s->rows[first + i];
                enum feedback_verdict want = !again        ? FEEDBACK_ACCEPTED
                                             : row->erased ? FEEDBACK_ERASED
                                                           : FEEDBACK_DUPLICATE;
                sim_require(
                    s, b.verdict[i] == want, "event %s: verdict %d, not %d", b.id[i], (int)b.verdict[i], (int)want);
                row->seq = again ? row->seq : got.first_seq + i;
        }
        sim_require(s, again || (got.n_accepted == n && got.last_seq - got.first_seq + 1 == n),
            "%" PRIu64 " of %zu rows accepted", got.n_accepted, n);
        s->n_again += again ? n : 0;
        return true;
}

int64_t traffic_label_ms(const struct sim *s)
{
        return s->n_sent < s->n_rows ? s->rows[s->n_sent].due_ms : INT64_MAX;
}

void traffic_label(struct sim *s)
{
        size_t n = 0;
        while (s->n_sent + n < s->n_rows && n < SEND_MAX &&
               s->rows[s->n_sent + n].due_ms <= clock_wall_ms(&s->clock.clock))
                n++;
        if (!send(s, s->n_sent, n, false)) { /* the client comes again in an hour */
                for (size_t i = s->n_sent; i < s->n_rows; i++)
                        if (s->rows[i].due_ms < clock_wall_ms(&s->clock.clock) + 3600000)
                                s->rows[i].due_ms = clock_wall_ms(&s->clock.clock) + 3600000;
                return;
        }
        if (ewc_rng_below(&s->labels, AGAIN_ONE_IN) == 0)
                send(s, s->n_sent, n, true);
        s->n_sent += n;
        s->written--; /* look */
        jobs_post_counters(s->jobs, s->m);
}

/* jobs_hold.c: automatic jobs that must wait.
 *
 * A job that failed or was cancelled has consumed nothing, so the policy would want it again at once. A hold keeps
 * it back: after a failure for a time that doubles, after a cancel until newer feedback has come. Whatever was judged
 * lifts it. Control thread. */
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "super/backoff.h"
#include "super/jobs_in.h"

enum { HOLD_MS = 60000, HOLD_MAX_MS = 3600000 };

static struct hold *find_hold(struct policy *p, model_id m)
{
        struct hold *h = p->holds;
        while (h && h->model != m)
                h = h->next;
        return h;
}

static void drop_hold(struct policy *p, model_id m)
{
        for (struct hold **at = &p->holds; *at; at = &(*at)->next) {
                if ((*at)->model == m) {
                        struct hold *h = *at;
                        *at = h->next;
                        free(h);
                        return;
                }
        }
}

static struct hold *get_hold(struct policy *p, model_id m)
{
        struct hold *h = find_hold(p, m);
        if (h || !(h = new_zero(struct hold)))
                return h;
        h->model = m;
        h->next = p->holds;
        p->holds = h;
        return h;
}

void hold_after(struct jobs *j, model_id m, enum job_state end)
{
        if (end != JOB_FAILED && end != JOB_CANCELLED) {
                drop_hold(&j->policy, m);
                return;
        }
        struct hold *h = get_hold(&j->policy, m);
        if (!h)
                return;
        if (end == JOB_CANCELLED) {
                h->for_feedback = true;
                h->seq_known = false;
        } else {
                uint64_t ms = backoff_next(++h->failures, HOLD_MS, HOLD_MAX_MS);
                h->until_ns = clock_mono_ns(loop_clock(j->deps.control)) + ms * 1000000u;
        }
}

bool hold_on(struct jobs *j, model_id m, uint64_t last_seq)
{
        struct hold *h = find_hold(&j->policy, m);
        if (!h)
                return false;
        if (h->for_feedback && !h->seq_known) {
                h->seq = last_seq;
                h->seq_known = true;
        }
        if (h->for_feedback && last_seq <= h->seq)
                return true;
        h->for_feedback = false;
        return clock_mono_ns(loop_clock(j->deps.control)) < h->until_ns;
}

void holds_free(struct policy *p)
{
        while (p->holds)
                drop_hold(p, p->holds->model);
}

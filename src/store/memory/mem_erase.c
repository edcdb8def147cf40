/* mem_erase.c: rows that somebody takes out, and quarantined ones that somebody decides about. */
#include "base/err.h"
#include "store/memory/mem_fate.h"
#include "store/memory/verbs.h"
#include "store/words.h"
#include <inttypes.h>
#include <string.h>

bool mem_row_selected(const struct mem_row *row, model_id model, const struct feedback_selection *sel)
{
        if (row->f.trusted && !sel->trusted)
                return false;
        return row->model == model && (sel->event_id ? strcmp(row->f.event_id, sel->event_id) == 0
                                                     : strcmp(row->f.source, sel->source) == 0);
}

/* Whether there would be some if trusted rows were meant too. */
static bool spared(struct mem *m, model_id model, const struct feedback_selection *sel)
{
        struct feedback_selection wider = *sel;

        wider.trusted = true;
        MEM_EACH(m, MEM_ROW, struct mem_row, row)
        if (mem_row_selected(row, model, &wider))
                return true;
        return false;
}

static int not_frozen(struct mem *m, const struct mem_row *row, struct err *e)
{
        struct seq_range frozen;
        job_id job = mem_frozen(m, row->model, &frozen);

        if (job == 0 || row->f.seq < frozen.first || row->f.seq > frozen.last)
                return 0;
        return err_set(e, STORE_CONFLICT,
            "feedback row %" PRIu64 " is in the range of job %" PRIu64 ": try again when it has ended, or cancel it",
            row->f.seq, job);
}

static int erase_one(struct mem *m, const struct mem_row *from, const char *why, bool whole, struct erased *done,
    job_id *first, struct err *e)
{
        struct mem_row row = *from;
        job_id j = mem_first_job(m, &row);
        int r = not_frozen(m, &row, e);

        if (r != 0)
                return r;
        done->n++;
        done->n_used += j != 0;
        if (j != 0 && (*first == 0 || j < *first))
                *first = j;
        return mem_row_overwrite(m, &row, ROW_ERASED, why, whole, e);
}

int mem_rows_erase(struct mem *m, model_id model, const struct feedback_selection *sel, const char *why,
    struct erased *ret, struct err *e)
{
        struct erased done = {0};
        job_id first = 0;
        bool any = false, *voted = arena_new_array(&m->a, bool, m->t[MEM_ROW].n);
        int r = voted ? 0 : err_oom(e);

        MEM_EACH(m, MEM_ROW, struct mem_row, row)
        {
                if (r != 0 || !mem_row_selected(row, model, sel))
                        continue;
                any = true;
                voted[row_i] = row->f.state == ROW_LIVE || row->f.state == ROW_SUPERSEDED;
                if (row->f.state != ROW_ERASED)
                        r = erase_one(m, row, why, sel->event_id != NULL, &done, &first, e);
        }
        if (r == 0 && !any)
                return err_set(e, STORE_NOT_FOUND, spared(m, model, sel) ? WORDS_TRUSTED : "no feedback of this %s",
                    sel->event_id ? "id" : "source");
        MEM_EACH(m, MEM_ROW, struct mem_row, row)
        if (r == 0 && sel->source && voted[row_i])
                r = mem_vote_again(m, row, e);
        if (r == 0 && first != 0)
                done.first_version_number = ((struct mem_job *)mem_get(m, MEM_JOB, first))->j.version_number;
        if (r == 0)
                *ret = done;
        return r;
}

int mem_feedback_erase(struct store *s, model_id model, const struct feedback_selection *sel, const char *who,
    const char *reason, struct erased *ret, struct err *e)
{
        struct mem *m = mem_of(s);
        struct mem_mark k = mem_mark(m);
        struct erased done = {0};
        int r = mem_rows_erase(m, model, sel, words_erased(who, reason).text, &done, e);

        if (r == 0)
                r = mem_audit(m, model, who, "feedback.erase", words_erase(sel, &done, reason).text, e);
        r = mem_settle(m, &k, r);
        if (r == 0)
                *ret = done;
        return r;
}

static int decide(
    struct mem *m, const struct mem_row *x, bool accept, const char *who, const char *reason, struct err *e)
{
        struct mem_row row = *x;
        int r = not_frozen(m, &row, e);

        if (r != 0)
                return r;
        return accept ? mem_row_move(m, &row, ROW_LIVE, "", false, e)
                      : mem_row_overwrite(m, &row, ROW_ERASED, words_refused(who, reason).text, false, e);
}

static int release(struct mem *m, model_id model, const char *event_id, bool accept, const char *who,
    const char *reason, uint64_t *ret_n, struct err *e)
{
        enum conflict_policy p = CONFLICT_EARLIEST;
        const struct mem_row *x = NULL;
        uint64_t n = 0;
        int r = 0;

        while (r == 0 && (x = mem_index_next(m, model, event_id, x)) != NULL) {
                if (x->f.state != ROW_QUARANTINED)
                        continue;
                n++;
                p = x->policy;
                r = decide(m, x, accept, who, reason, e);
        }
        if (r == 0 && n == 0)
                r = err_set(e, STORE_NOT_FOUND, "no quarantined feedback of this id");
        if (r == 0 && accept)
                r = mem_vote_settle(m, model, event_id, p, NULL, e);
        *ret_n = n;
        return r != 0 ? r
                      : mem_audit(m, model, who, accept ? "feedback.accept" : "feedback.refuse",
                            words_release(event_id, accept, n, reason).text, e);
}

int mem_feedback_release(struct store *s, model_id model, const char *event_id, bool accept, const char *who,
    const char *reason, uint64_t *ret_n, struct err *e)
{
        struct mem_mark k = mem_mark(mem_of(s));
        uint64_t n = 0;
        int r = mem_settle(mem_of(s), &k, release(mem_of(s), model, event_id, accept, who, reason, &n, e));

        if (r == 0)
                *ret_n = n;
        return r;
}

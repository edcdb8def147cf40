/* head.c: which outputs belong to which task, and how a net grows.
 *
 * A net grows by rows at its end, so along one line of versions an output keeps its index. A model's versions are a
 * tree, though: whoever returns to an older version and learns on gets other rows at the same indices. So rows of
 * different versions are compared by task and class. In scenario task a row with task 0 was made before the first
 * task had an id, and is the first task's. */
#include "domain/head.h"
#include "base/arena.h"
#include "base/mem.h"
#include <errno.h>
#include <string.h>

static bool row_of_task(const struct output_row *r, const struct task *t)
{
        return r->task == t->id || (r->task == 0 && t->ordinal == 0);
}

int head_initial(enum scenario s, size_t n_classes, task_id first_task, size_t n_task_classes,
    const uint32_t *task_classes, struct arena *a, struct output_row **ret, size_t *ret_n)
{
        bool own = s == SCENARIO_TASK && n_task_classes > 0;
        size_t n = own ? n_task_classes : n_classes;
        struct output_row *rows = arena_new_array(a, struct output_row, n);
        if (!rows)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                rows[i] =
                    (struct output_row){s == SCENARIO_TASK ? first_task : 0, own ? task_classes[i] : (uint32_t)i};
        *ret = rows;
        *ret_n = n;
        return 0;
}

static bool same_row(enum scenario s, task_id first, const struct output_row *a, const struct output_row *b)
{
        task_id of_a = a->task ? a->task : first, of_b = b->task ? b->task : first;
        return a->class == b->class && (s != SCENARIO_TASK || of_a == of_b);
}

/* Index of a row, or n. Rows stand mostly in the order they are asked for, so the walk begins at *next. */
static size_t find_row(enum scenario s, task_id first, const struct output_row *rows, size_t n,
    const struct output_row *wanted, size_t *next)
{
        for (size_t i = 0; i < n; i++) {
                size_t at = *next + i < n ? *next + i : *next + i - n;
                if (!same_row(s, first, &rows[at], wanted))
                        continue;
                *next = at + 1 < n ? at + 1 : 0;
                return at;
        }
        return n;
}

static task_id first_of(const struct task *tasks, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (tasks[i].ordinal == 0)
                        return tasks[i].id;
        return 0;
}

int head_extend(enum scenario s, const struct output_row *old, size_t n_old, size_t n_classes,
    const struct task *tasks, size_t n_tasks, struct arena *a, struct output_row **ret, size_t *ret_n)
{
        const struct task shared = {.n_classes = n_classes};
        bool own = s == SCENARIO_TASK;
        task_id first = first_of(tasks, n_tasks);
        size_t n = n_old, most = n_old, next = 0;
        n_tasks = own ? n_tasks : 1;
        for (size_t t = 0; t < n_tasks; t++)
                if (!mem_add(most, own ? tasks[t].n_classes : n_classes, &most))
                        return -ENOMEM;
        struct output_row *rows = arena_new_array(a, struct output_row, most);
        if (!rows)
                return -ENOMEM;
        if (n_old > 0)
                memcpy(rows, old, n_old * sizeof(*rows));
        for (size_t t = 0; t < n_tasks; t++) {
                const struct task *of = own ? &tasks[t] : &shared;
                for (size_t i = 0; i < of->n_classes; i++) {
                        struct output_row row = {of->id, own ? of->classes[i] : (uint32_t)i};
                        if (find_row(s, first, old, n_old, &row, &next) == n_old)
                                rows[n++] = row;
                }
        }
        *ret = rows;
        *ret_n = n;
        return 0;
}

void head_map(enum scenario s, task_id first, const struct output_row *from, size_t n_from,
    const struct output_row *to, size_t n_to, uint32_t *ret)
{
        size_t next = 0;
        for (size_t i = 0; i < n_to; i++)
                ret[i] = EWC_OUTPUT_NEW;
        for (size_t i = 0; i < n_from; i++) {
                size_t at = find_row(s, first, to, n_to, &from[i], &next);
                if (at < n_to)
                        ret[at] = (uint32_t)i;
        }
}

static bool known_class(const struct task *all, size_t n_all, uint32_t class)
{
        for (size_t t = 0; t < n_all; t++)
                for (size_t i = 0; i < all[t].n_classes; i++)
                        if (all[t].classes[i] == class)
                                return true;
        return false;
}

static bool any_class(const struct task *all, size_t n_all)
{
        for (size_t t = 0; t < n_all; t++)
                if (all[t].n_classes > 0)
                        return true;
        return false;
}

int head_of_task(enum scenario s, const struct output_row *rows, size_t n, const struct task *task,
    const struct task *all, size_t n_all, struct arena *a, struct ewc_head *ret)
{
        uint32_t *out = arena_new_array(a, uint32_t, n);
        if (!out)
                return -ENOMEM;
        bool restricted = s == SCENARIO_CLASS && any_class(all, n_all);
        uint32_t h = 0;
        for (size_t i = 0; i < n; i++) {
                if (s == SCENARIO_TASK && !row_of_task(&rows[i], task))
                        continue;
                if (restricted && !known_class(all, n_all, rows[i].class))
                        continue;
                out[h++] = (uint32_t)i;
        }
        *ret = (struct ewc_head){.n = h, .out = out};
        return 0;
}

int head_output(const struct output_row *rows, const struct ewc_head *head, uint32_t class)
{
        for (uint32_t i = 0; i < head->n; i++)
                if (rows[head->out[i]].class == class)
                        return (int)head->out[i];
        return -1;
}

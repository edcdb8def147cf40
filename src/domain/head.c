/* head.c: which outputs belong to which task, and how a net grows.
 *
 * Rows are only ever appended: an output keeps its index and its meaning for the life of a model, which is what
 * lets old parameters, Fishers and anchors be padded rather than moved. In scenario task a row with task 0 was made
 * before the first task had an id, and is the first task's. */
#include "domain/head.h"
#include "base/arena.h"
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

static bool has_row(enum scenario s, const struct output_row *rows, size_t n, const struct task *t, uint32_t class)
{
        for (size_t i = 0; i < n; i++)
                if (rows[i].class == class && (s != SCENARIO_TASK || row_of_task(&rows[i], t)))
                        return true;
        return false;
}

int head_extend(enum scenario s, const struct output_row *old, size_t n_old, size_t n_classes,
    const struct task *task, struct arena *a, struct output_row **ret, size_t *ret_n)
{
        size_t n_wanted = s == SCENARIO_TASK ? task->n_classes : n_classes;
        struct output_row *rows = arena_new_array(a, struct output_row, n_old + n_wanted);
        if (!rows)
                return -ENOMEM;
        if (n_old > 0)
                memcpy(rows, old, n_old * sizeof(*rows));
        size_t n = n_old;
        for (size_t i = 0; i < n_wanted; i++) {
                uint32_t class = s == SCENARIO_TASK ? task->classes[i] : (uint32_t)i;
                if (!has_row(s, old, n_old, task, class))
                        rows[n++] = (struct output_row){s == SCENARIO_TASK ? task->id : 0, class};
        }
        *ret = rows;
        *ret_n = n;
        return 0;
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

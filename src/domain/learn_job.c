/* learn_job.c: names of the learning methods, and the release of a result.
 *
 * A job only borrows; a result owns its arrays, since it outlives the run that made it. */
#include "domain/learn_job.h"
#include "base/mem.h"
#include <string.h>

static const char *const method_names[] = {
    [LEARN_EWC] = "ewc",
    [LEARN_PLAIN] = "plain",
    [LEARN_JOINT] = "joint",
};

const char *learn_method_name(enum learn_method m)
{
        return (size_t)m < ARRAY_LEN(method_names) ? method_names[m] : NULL;
}

bool learn_method_parse(const char *name, enum learn_method *ret)
{
        for (size_t i = 0; i < ARRAY_LEN(method_names); i++)
                if (method_names[i] && strcmp(name, method_names[i]) == 0) {
                        *ret = (enum learn_method)i;
                        return true;
                }
        return false;
}

void learn_result_free(struct learn_result *r)
{
        free(r->theta);
        free(r->fisher);
        free(r->before);
        free(r->after);
        *r = (struct learn_result){0};
}

/* learn_job.c: the release of a result. A job only borrows; a result owns its arrays, since it outlives the run that
 * made it. */
#include "domain/learn_job.h"
#include <stdlib.h>

void learn_result_free(struct learn_result *r)
{
        free(r->theta);
        free(r->fisher);
        free(r->optim);
        free(r->before);
        free(r->after);
        free(r->outputs);
        *r = (struct learn_result){0};
}

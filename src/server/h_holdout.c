/* h_holdout.c: a task's trusted holdout: rows that an operator vouches for, which judge versions and are never
 * trained on. Feedback can be sent by whoever may label; these rows decide what is served, so they come over the
 * UNIX socket alone, whose file mode says who may. */
#include "base/err.h"
#include "server/h.h"
#include "server/h_feedback.h"
#include "server/handlers.h"

void h_holdout_post(struct request *r)
{
        if (!request_local(r)) {
                reply_problem(r, PROBLEM_FORBIDDEN, "",
                    "trusted holdout rows are taken over the UNIX socket only, by the one who may open it");
                return;
        }
        const char *task = h_arg(r, 1);
        if (task)
                h_feedback_take(r, task);
}

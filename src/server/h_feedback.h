/* h_feedback.h: labelled events from a request's body to the store and back. */
#pragma once
struct request;

/* task NULL: feedback. Else the rows are the trusted holdout of that task, the request's own. */
void h_feedback_take(struct request *r, const char *task);

/* control.h: what the control thread does beside jobs: its messages, the status line, the watchdog. */
#pragma once

struct app;
struct control;
struct err;

void control_listen(struct app *a); /* the control loop's message handler, before anyone posts */
int control_new(struct control **ret, struct app *a, struct err *e); /* timers */
void control_free(struct control *c);                                /* accepts NULL */
void control_drop_messages(
    struct app *a); /* at the end: what is left in the control loop's mailbox; a->control may be NULL */

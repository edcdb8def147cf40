/* h_named.h: what h_judge.c and h_named.c share: one event under judgement. On the loop. */
#pragma once
#include "server/h_judge.h"

struct one { /* an event */
        struct h_judge *judge;
        const struct served *served;
        struct arena *arena;
        struct h_events *batch;
        size_t index;
        bool remembered;
        struct recalled served_as; /* what was predicted, if remembered */
        int64_t happened_ms;       /* as the client or the prediction says, whichever is earlier; 0: neither does */
};

/* The event is refused with p, a PROBLEM_*, which is returned. field is relative to the event ("/label"). */
int h_reject(const struct one *o, int p, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* When it happened. 0 or a PROBLEM_*. */
int h_named_time(struct one *o, const struct event *ev);
/* What is remembered of its prediction, to o and row. 0, a PROBLEM_*, -ENOMEM. */
int h_named(struct one *o, const struct event *ev, struct feedback *row);
/* The prediction is of this event from now on. Last, when nothing else speaks against it. 0 or a PROBLEM_*. */
int h_named_claim(struct one *o, const struct event *ev, const struct feedback *row);

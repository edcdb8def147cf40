/* loop_in.h: what loop.c and source.c share; nobody else includes it. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>

struct clock;
struct event;
struct event_base;
struct mailbox;
struct msg;

struct loop {
        struct event_base *base;
        const struct clock *clock;
        struct mailbox *mailbox;
        struct event *mail; /* pending only while there is a handler */
        void (*on_msg)(void *arg, const struct msg *m);
        void *on_msg_arg;
        bool (*on_turn)(void *arg);
        void *on_turn_arg;
        atomic_ullong turns;
        bool stop;
};

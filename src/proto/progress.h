/* progress.h: the learner's lines on stdout, one JSON object each, at most 4 KiB; a closed list of events. */
#pragma once
#include "base/str.h"
#include "domain/learn_job.h"

struct buf;
struct err;

enum progress_event {
        PROGRESS_START = 1,
        PROGRESS_EPOCH,
        PROGRESS_TRY,
        PROGRESS_FISHER,
        PROGRESS_EVAL,
        PROGRESS_DONE,
        PROGRESS_ERROR
};
enum { PROGRESS_LINE_MAX = 4096 };

struct progress_line {
        enum progress_event event;
        double fraction; /* 0..1 */
        uint32_t try, epoch, epochs;
        uint64_t step;
        double lambda, loss, penalty, penalty_ratio;
        char message[512]; /* ERROR: what went wrong; DONE: outcome name */
};

const char *progress_event_name(enum progress_event e);
void progress_write(struct buf *b, const struct progress_line *l); /* with the newline */
int progress_parse(
    struct slice line, struct progress_line *ret, struct err *e); /* -EBADMSG: unknown event, key or size */

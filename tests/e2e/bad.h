/* bad.h: a daemon that is asked wrong things, and how its answers are checked; shared by the test_bad_*.c.
 *
 * The model "digits" has a closed task "low" and an open one "high" with feedback. After every table the champion
 * must still give the same answers and no row may have been gained or lost. */
#pragma once
#include "e2e.h"

enum { INFER_MAX = 8 << 20, ADMIN_MAX = 64 << 10, FEEDBACK_MAX = 4 << 20 }; /* the daemon's limits of bodies */

/* PIX: the pixels of a blank digit */
#define PIX8 "0,0,0,0,0,0,0,0"
#define PIX63 PIX8 "," PIX8 "," PIX8 "," PIX8 "," PIX8 "," PIX8 "," PIX8 ",0,0,0,0,0,0,0"
#define PIX PIX63 ",0"

struct bad {
        struct daemon d;
        struct digits low, high;
        char *champion; /* what it predicts */
        double n_feedback;
};

extern struct bad bad;

int bad_setup(void **state);
int bad_teardown(void **state);
void check_unharmed(void);

struct row {
        int status;
        const char *slug, *pointer; /* pointer NULL: any; "": none */
        const char *method, *path, *body;
        size_t n; /* of the body when it holds NUL; 0: strlen */
};

void check_rows(const struct row *rows, size_t n); /* says all that differs before it fails */

#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

/* bundle_fixture.h: a job with everything in it, and files whose structure or tensors are changed one at a time;
 * shared by the test_bundle*.c. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "proto/bundle.h"
#include "proto/safetensors.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

enum { I = 3, O = 4, N = 5, P_MAX = 64 };

struct fixture {
        char *dir;
        char path[256], other[256];
        float theta[P_MAX], fisher[P_MAX], anchor[P_MAX], x[N * I], weight[N], target[N * O];
        int32_t label_a[N], label_b[N];
        struct learn_past past[2];
        struct learn_rows replay[1], holdout[2];
        struct learn_job job;
        struct digest digest;
        struct arena arena;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
void ok(int r, const struct err *e); /* fails with e's words unless r is 0 */

/* The file as parts that a test may change before it is written again. */
struct doctor {
        struct buf bytes;
        void *aligned;
        struct st_file st;
        struct st_part parts[64];
        struct st_meta meta[4];
};

void doctor_open(struct fixture *f, struct doctor *d); /* reads f->path */
struct st_part *doctor_part(struct doctor *d, const char *name);
void doctor_json(struct fixture *f, struct doctor *d, const char *key, const char *from, const char *to);
void doctor_float(struct doctor *d, const char *name, float v); /* the tensor's first number */
void doctor_write(struct fixture *f, struct doctor *d);         /* writes f->other, and frees */

#define TEST(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

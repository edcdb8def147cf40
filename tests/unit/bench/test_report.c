/* test_report.c: the object that other programs read, and the drawing. */
#include "bench/report.h"
#include "base/buf.h"
#include "base/err.h"
#include "proto/json.h"
#include "unit/bench/made.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
        struct settings s[3];
        struct report v[3];
};

static void make(struct fixture *f)
{
        static const enum bench_method methods[] = {METHOD_EWC, METHOD_NONE, METHOD_JOINT};
        for (size_t k = 0; k < 3; k++) {
                struct unit_result u[2] = {{.tasks = 2, .test_rows = 20, .seconds = 3}, {.tasks = 2, .seconds = 4}};
                f->s[k] = made_settings(&made_protocol, methods[k], 1);
                for (size_t i = 0; i < 2; i++) {
                        for (size_t j = 0; j < 4; j++)
                                u[i].R[j / 2][j % 2] = 0.5 + 0.1 * (double)i;
                        u[i].R[0][1] = (double)NAN;
                        u[i].lambda = 0; /* what the units say last is lambda_used */
                        u[i].factor = u[i].trace = u[i].anytime_mean = (double)NAN;
                }
                summary_of(u, NULL, 2, &f->v[k].sum);
                f->v[k].s = &f->s[k];
                f->v[k].n_units = 0;
        }
}

static double number(const struct json_doc *d, const char *pointer)
{
        double v;
        if (json_number(d, pointer, &v) != 0)
                fail_msg("no number at %s", pointer);
        return v;
}

static void test_object(void **state)
{
        (void)state;
        struct fixture f;
        struct buf b;
        struct json_doc *d;
        struct err e = ERR_NULL;
        make(&f);
        buf_init(&b, 1 << 20);
        report_json(f.v, 3, &b);
        assert_true(buf_ok(&b));
        assert_ptr_equal(strchr(b.data, '\n'), b.data + b.len - 1); /* one line */
        if (json_parse((struct slice){b.data, b.len - 1}, &d, &e) != 0)
                fail_msg("%s", e.msg);
        assert_string_equal(json_text(d, "/protocol"), "made");
        assert_string_equal(json_text(d, "/scenario"), "task");
        assert_string_equal(json_text(d, "/method"), "ewc");
        assert_string_equal(json_text(d, "/fisher"), "exact");
        assert_true(number(d, "/lambda") == 10);
        assert_true(number(d, "/seeds") == 2);
        assert_true(fabs(number(d, "/accuracy_mean") - 0.55) < 1e-12);
        assert_true(fabs(number(d, "/accuracy_sem") - 0.05 / sqrt(2)) < 1e-9);
        assert_true(number(d, "/accuracy_n") == 2);
        assert_true(number(d, "/forgetting_mean") == 0);
        assert_true(fabs(number(d, "/seconds") - 7) < 1e-12);
        assert_int_equal(json_length(d, "/R"), 2);
        assert_true(fabs(number(d, "/none/accuracy_mean") - 0.55) < 1e-12);
        assert_string_equal(json_text(d, "/joint/method"), "joint");
        json_free(d);
        buf_deinit(&b);
}

static void test_drawing(void **state)
{
        (void)state;
        struct fixture f;
        struct buf b;
        make(&f);
        buf_init(&b, 1 << 20);
        report_svg(f.v, 3, &b);
        assert_true(buf_ok(&b));
        assert_true(strncmp(b.data, "<svg ", 5) == 0 && strstr(b.data, "</svg>"));
        assert_non_null(strstr(b.data, ">joint<"));
        assert_null(strstr(b.data, "nan"));
        buf_deinit(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_object),
            cmocka_unit_test(test_drawing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_dataset.c: a csv file becomes classes, training and test rows; a stream keeps its order and drops text. */
#include "bench/dataset.h"
#include "base/err.h"
#include "base/file.h"
#include "bench/stream.h"
#include "lib/tmpdir.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void put(const char *path, const char *text)
{
        struct err e = ERR_NULL;
        assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
}

static void test_file(void **state)
{
        (void)state;
        char *dir = tmpdir_new(), path[256], text[4096] = "a,b,label\n";
        struct dataset d, again;
        struct err e = ERR_NULL;
        for (int i = 0; i < 60; i++) { /* classes 10, 9, 2: as numbers 2 < 9 < 10 */
                static const char *const labels[] = {"10", "9", "2"};
                snprintf(
                    text + strlen(text), sizeof(text) - strlen(text), "%d,%d,%s\n", i, 100 + i % 3, labels[i % 3]);
        }
        put(tmpdir_path(path, sizeof(path), dir, "rows.csv"), text);
        if (dataset_open_file(path, NULL, &d, &e) != 0)
                fail_msg("%s", e.msg);
        assert_int_equal(d.n_inputs, 2);
        assert_int_equal(d.n_classes, 3);
        assert_int_equal(d.train.n, 48);
        assert_int_equal(d.test.n, 12); /* every fifth of each class */
        int count[3] = {0};
        double mean = 0;
        for (size_t i = 0; i < d.test.n; i++)
                count[d.test.label[i]]++;
        assert_true(count[0] == 4 && count[1] == 4 && count[2] == 4);
        for (size_t i = 0; i < d.train.n; i++) {
                mean += (double)d.train.x[2 * i];
                if (d.train.label[i] == 0) /* class 2 stands at i % 3 == 2: b is the largest */
                        assert_true(d.train.x[2 * i + 1] > 1);
        }
        assert_true(fabs(mean) < 1e-3);
        assert_int_equal(dataset_open_file(path, NULL, &again, &e), 0);
        assert_memory_equal(d.train.x, again.train.x, d.train.n * 2 * sizeof(float));
        assert_true(dataset_id(&d) == dataset_id(&again));
        again.train.label[0] ^= 1;
        assert_true(dataset_id(&d) != dataset_id(&again));
        dataset_close(&d);
        dataset_close(&again);
        tmpdir_remove(dir);
}

/* Each label stands on rows of its own value of a, n times. */
static int open_labels(const char *const *labels, const int *times, struct dataset *d, struct err *e)
{
        char *dir = tmpdir_new(), path[256], text[4096] = "a,b,label\n";
        for (int i = 0; labels[i]; i++)
                for (int k = 0; k < times[i]; k++)
                        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d,%d,%s\n", i, k, labels[i]);
        put(tmpdir_path(path, sizeof(path), dir, "rows.csv"), text);
        int r = dataset_open_file(path, NULL, d, e);
        tmpdir_remove(dir);
        return r;
}

/* Any text is a class of its own, and the order has no circle: numbers as numbers, then texts. */
static void test_labels_of_all_kinds(void **state)
{
        (void)state;
        static const char *const labels[] = {"nan", "10", "1a", "9", "-3", "99999999999999999999", NULL};
        static const int times[] = {10, 10, 10, 10, 10, 10}, number[] = {5, 2, 4, 1, 0, 3};
        struct dataset d;
        struct err e = ERR_NULL;
        if (open_labels(labels, times, &d, &e) != 0)
                fail_msg("%s", e.msg);
        assert_int_equal(d.n_classes, 6);
        float value[6] = {0};
        for (size_t i = 0; i < d.train.n; i++)
                value[d.train.label[i]] = d.train.x[2 * i];
        for (size_t i = 0; i < 6; i++) /* column a rises with the place in the list */
                for (size_t k = 0; k < 6; k++)
                        assert_true((value[number[i]] < value[number[k]]) == (i < k));
        dataset_close(&d);
}

static void test_a_class_too_small_is_named(void **state)
{
        (void)state;
        static const char *const labels[] = {"red", "-7", "blue", NULL};
        struct dataset d;
        struct err e = ERR_NULL;
        assert_int_equal(open_labels(labels, (const int[]){10, 4, 10}, &d, &e), -EINVAL);
        assert_string_equal(e.field, "--data");
        assert_non_null(strstr(e.msg, "class '-7'"));
        assert_int_equal(open_labels(labels, (const int[]){10, 5, 10}, &d, &e), 0);
        dataset_close(&d);
}

static void test_missing_data(void **state)
{
        (void)state;
        struct dataset d;
        struct err e = ERR_NULL;
        char *dir = tmpdir_new();
        assert_int_equal(dataset_open(protocol_find("split-mnist-task")->data, dir, &d, &e), -ENOENT);
        assert_string_equal(e.field, "--data");
        tmpdir_remove(dir);
}

static void test_stream(void **state)
{
        (void)state;
        char *dir = tmpdir_new(), path[256];
        struct stream s;
        struct err e = ERR_NULL;
        tmpdir_path(path, sizeof(path), dir, "stream.csv");
        put(path, "time,a,label,b\n2015-02-02,1.5,0,2\n2015-02-03,3,1,4\n");
        if (stream_open(path, &s, &e) != 0)
                fail_msg("%s", e.msg);
        assert_true(s.n_inputs == 2 && s.n == 2 && s.n_classes == 2);
        assert_true(s.x[0] == 1.5f && s.x[1] == 2 && s.x[2] == 3 && s.x[3] == 4);
        assert_true(s.label[0] == 0 && s.label[1] == 1);
        stream_close(&s);
        put(path, "a,label\n1,0\nx,1\n");
        assert_int_equal(stream_open(path, &s, &e), -EBADMSG);
        put(path, "a,b\n1,0\n");
        assert_int_equal(stream_open(path, &s, &e), -EBADMSG);
        tmpdir_remove(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_file),
            cmocka_unit_test(test_labels_of_all_kinds),
            cmocka_unit_test(test_a_class_too_small_is_named),
            cmocka_unit_test(test_missing_data),
            cmocka_unit_test(test_stream),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

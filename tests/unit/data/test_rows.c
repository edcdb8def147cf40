/* test_rows.c: rows from csv, idx and ndjson files, plain and gzip'ed; every way such a file can be broken. */
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/rows.h"
#include "lib/tmpdir.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

static char *dir;

static int setup(void **state)
{
        (void)state;
        dir = tmpdir_new();
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        tmpdir_remove(dir);
        return 0;
}

static char *path_of(char *out, const char *name)
{
        return tmpdir_path(out, 256, dir, name);
}

static void put(const char *name, const void *data, size_t n)
{
        char path[256];
        assert_int_equal(file_replace(path_of(path, name), data, n, NULL), 0);
}

static size_t put_gz(const char *name, const void *data, size_t n)
{
        char path[256];
        struct file_map m;
        gzFile f = gzopen(path_of(path, name), "wb");
        assert_non_null(f);
        assert_int_equal(gzwrite(f, data, (unsigned)n), n);
        assert_int_equal(gzclose(f), Z_OK);
        assert_int_equal(file_map(path, 1 << 30, &m, NULL), 0);
        size_t size = m.size;
        file_unmap(&m);
        return size;
}

/* Leaves the first n bytes of a file; n SIZE_MAX: all, with the byte at flip changed. */
static void damage(const char *name, size_t n, size_t flip)
{
        char path[256];
        struct file_map m;
        assert_int_equal(file_map(path_of(path, name), 1 << 30, &m, NULL), 0);
        size_t size = n < m.size ? n : m.size;
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, m.data, size);
        if (flip < size)
                copy[flip] ^= 0x55;
        file_unmap(&m);
        put(name, copy, size);
        free(copy);
}

static int open_rows(struct rows **ret, const char *name, const char *labels, const char *column, struct err *e)
{
        char path[256], labels_path[256];
        return rows_open(ret,
            &(struct rows_open){.path = path_of(path, name),
                .labels_path = labels ? path_of(labels_path, labels) : NULL,
                .label_column = column},
            e);
}

/* Opens and reads to the end; the first error, or 0, with the count of rows. */
static int read_all(const char *name, const char *labels, const char *column, uint64_t *ret_n, struct err *e)
{
        struct rows *r = NULL;
        struct row row;
        int c = open_rows(&r, name, labels, column, e);
        *ret_n = 0;
        while (c == 0 && (c = rows_next(r, &row, e)) == 1) {
                assert_int_equal(row.index, *ret_n);
                ++*ret_n;
                c = 0;
        }
        rows_close(r);
        return c;
}

/* --- csv --- */

static void expect_row(struct rows *r, size_t n, const float *inputs, const char *label)
{
        struct row row;
        struct err e = ERR_NULL;
        if (rows_next(r, &row, &e) != 1)
                fail_msg("%s", e.msg);
        assert_int_equal(row.n, n);
        assert_memory_equal(row.inputs, inputs, n * sizeof(float));
        if (label)
                assert_string_equal(row.label, label);
        else
                assert_null(row.label);
}

static void csv_reads(void **state)
{
        (void)state;
        static const char text[] = "\xef\xbb\xbf"
                                   "a,\"b \"\"q\"\", c\",label,d\r\n"
                                   "1,-2.5,cat,1e3\r\n"
                                   "\r\n"
                                   " +4 , .5 ,\"big, \"\"dog\"\"\",5.\n"
                                   "0.1,16777217,7,-0.0"; /* no line end */
        struct row row;
        struct err e = ERR_NULL;
        for (int packed = 0; packed < 2; packed++) {
                struct rows *r;
                if (packed)
                        put_gz("t.csv", text, sizeof(text) - 1);
                else
                        put("t.csv", text, sizeof(text) - 1);
                if (open_rows(&r, "t.csv", NULL, NULL, &e) != 0)
                        fail_msg("%s", e.msg);
                assert_int_equal(rows_format(r), ROWS_CSV);
                assert_int_equal(rows_total(r), 0);
                expect_row(r, 3, (float[]){1, -2.5f, 1000}, "cat");
                expect_row(r, 3, (float[]){4, 0.5f, 5}, "big, \"dog\"");
                expect_row(r, 3, (float[]){0.1f, 16777217.0f, -0.0f}, "7");
                assert_int_equal(rows_next(r, &row, &e), 0);
                assert_int_equal(rows_next(r, &row, &e), 0);
                assert_true(rows_fraction(r) == 1);
                rows_close(r);
        }
}

static void csv_label_column(void **state)
{
        (void)state;
        static const char text[] = "x,y\n1,2\n";
        struct rows *r;
        struct err e = ERR_NULL;
        put("t.csv", text, sizeof(text) - 1);
        assert_int_equal(open_rows(&r, "t.csv", NULL, NULL, &e), 0);
        expect_row(r, 2, (float[]){1, 2}, NULL);
        rows_close(r);
        assert_int_equal(open_rows(&r, "t.csv", NULL, "x", &e), 0);
        expect_row(r, 1, (float[]){2}, "1");
        rows_close(r);
}

/* A first line of numbers and a label is a row; the columns are then named by position, and the last is the label. */
static void csv_without_header(void **state)
{
        (void)state;
        static const struct {
                const char *text, *column;
                size_t n;
                float first[2];
                const char *label;
        } cases[] = {
            {"1,2,cat\n3,4,dog\n", NULL, 2, {1, 2}, "cat"},
            {"1,2,cat", NULL, 2, {1, 2}, "cat"}, /* one row, no line end */
            {" 1 ,2e0,\"big, cat\"\n3,4,dog\n", NULL, 2, {1, 2}, "big, cat"},
            {"\xef\xbb\xbf"
             "1,2,7\n3,4,8\n",
                NULL, 2, {1, 2}, "7"}, /* the label may be a number as well */
            {"cat,1,2\ndog,3,4\n", "1", 2, {1, 2}, "cat"},
            {"1,cat,2\n3,dog,4\n", "2", 2, {1, 2}, "cat"},
            {"5,6,7\n5,6,8\n", "1", 2, {6, 7}, "5"},
            {"0,1,label\n1,2,cat\n", NULL, 2, {1, 2}, "cat"}, /* numbers as names of a header line */
            {"0,1,kind\n1,2,cat\n", "kind", 2, {1, 2}, "cat"},
            {"1,label\n2,cat\n", NULL, 1, {2}, "cat"},
            {"x\n1\n", NULL, 1, {1}, NULL},
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct rows *r;
                struct err e = ERR_NULL;
                put("t.csv", cases[i].text, strlen(cases[i].text));
                if (open_rows(&r, "t.csv", NULL, cases[i].column, &e) != 0)
                        fail_msg("%s: %s", cases[i].text, e.msg);
                expect_row(r, cases[i].n, cases[i].first, cases[i].label);
                rows_close(r);
        }
        uint64_t n = 0;
        struct err e = ERR_NULL;
        put("t.csv", cases[0].text, strlen(cases[0].text));
        assert_int_equal(read_all("t.csv", NULL, NULL, &n, &e), 0);
        assert_int_equal(n, 2);
}

static void csv_refusals(void **state)
{
        (void)state;
        static const struct {
                const char *text, *column, *in_message;
        } cases[] = {
            {"\n1,2\n", NULL, "no header line"},
            {"1\n2\n", NULL, "label column only"},
            {"1,2,cat\n", "kind", "no header line, so its columns are named 1 to 3: there is no 'kind'"},
            {"1,2,cat\n", "4", "there is no '4'"},
            {"1,2,cat\n", "0", "there is no '0'"},
            {"1,2,cat\n3,x,dog\n", NULL, "line 2, column 2: not a number"},
            {"1,2,cat\n3,dog\n", NULL, "line 2 has 2 fields, the first line has 3"},
            {"1,1e39,cat\n", NULL, "line 1, column 2: outside the range"},
            {"1,2,\n", NULL, "line 1, column 3: the label is empty"},
            {"1,,cat\n1,,cat\n", NULL, "line 2, column '': the field is empty"},
            {"a,b\n1,2\n", "c", "no column 'c'"},
            {"label,a,label\n1,2,3\n", NULL, "twice"},
            {"label\n1\n", NULL, "label column only"},
            {"a,b\n1,2\n1\n", NULL, "line 3 has 1 fields, the header has 2"},
            {"a,b\n1,2,3\n", NULL, "line 2 has 3 fields, the header has 2"},
            {"a,b\n1,x\n", NULL, "line 2, column 'b': not a number"},
            {"a,b\n\n\n1,\n", NULL, "line 4, column 'b': the field is empty"},
            {"a,b\n1,nan\n", NULL, "column 'b': not a number"},
            {"a,b\n1,inf\n", NULL, "column 'b': not a number"},
            {"a,b\n1,0x10\n", NULL, "column 'b': not a number"},
            {"a,b\n1,1e\n", NULL, "column 'b': not a number"},
            {"a,b\n1,.\n", NULL, "column 'b': not a number"},
            {"a,b\n1,--1\n", NULL, "column 'b': not a number"},
            {"a,b\n1,1 2\n", NULL, "column 'b': not a number"},
            {"a,b\n1,1e39\n", NULL, "column 'b': outside the range"},
            {"a,b\n1,-1e400\n", NULL, "column 'b': outside the range"},
            {"a,label\n1,\n", NULL, "line 2, column 'label': the label is empty"},
            {"a,b\n1,\"2\n", NULL, "line 2, column 'b': quotes"},
            {"a,b\n1,\"2\"3\n", NULL, "line 2, column 'b': quotes"},
            {"a;b\n1;2\n", NULL, "not a number"},
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                struct err e = ERR_NULL;
                uint64_t n;
                put("t.csv", cases[i].text, strlen(cases[i].text));
                int r = read_all("t.csv", NULL, cases[i].column, &n, &e);
                if (r >= 0 || !strstr(e.msg, cases[i].in_message) || !strstr(e.msg, "t.csv"))
                        fail_msg("%s: %d '%s'", cases[i].text, r, e.msg);
        }
        struct err e = ERR_NULL;
        uint64_t n;
        put("t.csv", "a,b\n1,2\0\n", 9);
        assert_int_equal(read_all("t.csv", NULL, NULL, &n, &e), -EBADMSG);
        assert_non_null(strstr(e.msg, "line 2: a NUL byte"));
        put("t.csv", "", 0);
        assert_int_equal(read_all("t.csv", NULL, NULL, &n, &e), -EBADMSG);
        assert_non_null(strstr(e.msg, "empty"));
        assert_int_equal(read_all("not-there.csv", NULL, NULL, &n, &e), -ENOENT);
        assert_int_equal(read_all(".", NULL, NULL, &n, &e), -EISDIR);
        put("l", "x", 1);
        assert_int_equal(read_all("t.csv", "l", NULL, &n, &e), -EBADMSG);
}

/* --- ndjson --- */

static void ndjson_reads(void **state)
{
        (void)state;
        static const char text[] = "{\"a\":1}\n\n  \r\n{\"b\":2}\r\nnot json";
        struct rows *r;
        struct row row;
        struct err e = ERR_NULL;
        put("t.ndjson", text, sizeof(text) - 1);
        assert_int_equal(open_rows(&r, "t.ndjson", NULL, NULL, &e), 0);
        assert_int_equal(rows_format(r), ROWS_NDJSON);
        static const char *const want[] = {"{\"a\":1}", "{\"b\":2}", "not json"};
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(rows_next(r, &row, &e), 1);
                assert_string_equal(row.line, want[i]);
                assert_int_equal(row.line_len, strlen(want[i]));
                assert_null(row.inputs);
                assert_int_equal(row.index, i);
        }
        assert_int_equal(rows_next(r, &row, &e), 0);
        rows_close(r);
        uint64_t n;
        assert_int_equal(read_all("t.ndjson", NULL, "label", &n, &e), -EINVAL);
}

/* Lines longer than every buffer on the way. */
static void long_lines(void **state)
{
        (void)state;
        enum { N = 300000 };
        char *text = malloc(3 * (N + 1));
        struct rows *r;
        struct row row;
        struct err e = ERR_NULL;
        for (int i = 0; i < 3; i++) {
                memset(text + i * (N + 1), 'a' + i, N);
                text[i * (N + 1)] = '{';
                text[i * (N + 1) + N] = '\n';
        }
        put_gz("t.ndjson", text, 3 * (N + 1));
        assert_int_equal(open_rows(&r, "t.ndjson", NULL, NULL, &e), 0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(rows_next(r, &row, &e), 1);
                assert_int_equal(row.line_len, N);
                assert_int_equal(row.line[N - 1], 'a' + i);
                assert_int_equal(row.line[N], 0);
        }
        assert_int_equal(rows_next(r, &row, &e), 0);
        rows_close(r);
        free(text);
}

/* --- idx --- */

enum { ROWS = 5, COLS = 6 };
static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, ROWS, 0, 0, 0, 2, 0, 0, 0, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8,
    9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 255};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, ROWS, 9, 8, 7, 200, 0};

static void idx_reads(void **state)
{
        (void)state;
        static const char *const names[] = {"9", "8", "7", "200", "0"};
        struct row row;
        struct err e = ERR_NULL;
        for (int packed = 0; packed < 2; packed++) {
                struct rows *r;
                if (packed) {
                        put_gz("i", images, sizeof(images));
                        put_gz("l", labels, sizeof(labels));
                } else {
                        put("i", images, sizeof(images));
                        put("l", labels, sizeof(labels));
                }
                if (open_rows(&r, "i", "l", NULL, &e) != 0)
                        fail_msg("%s", e.msg);
                assert_int_equal(rows_format(r), ROWS_IDX);
                assert_int_equal(rows_total(r), ROWS);
                for (size_t i = 0; i < ROWS; i++) {
                        float want[COLS];
                        for (size_t k = 0; k < COLS; k++)
                                want[k] = images[16 + i * COLS + k];
                        expect_row(r, COLS, want, names[i]);
                }
                assert_int_equal(rows_next(r, &row, &e), 0);
                rows_close(r);
                assert_int_equal(open_rows(&r, "i", NULL, NULL, &e), 0);
                expect_row(r, COLS, (float[]){0, 1, 2, 3, 4, 5}, NULL);
                rows_close(r);
        }
}

static void idx_floats(void **state)
{
        (void)state;
        static const unsigned char file[] = {
            0, 0, 13, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0, 0x3e, 0x80, 0, 0, 0, 0, 0, 1};
        struct rows *r;
        struct err e = ERR_NULL;
        put("i", file, sizeof(file));
        assert_int_equal(open_rows(&r, "i", NULL, NULL, &e), 0);
        expect_row(r, 2, (float[]){1, -2.5f}, NULL);
        expect_row(r, 2, (float[]){0.25f, 0x1p-149f}, NULL);
        rows_close(r);
}

static void idx_cut(void **state)
{
        (void)state;
        struct err e = ERR_NULL;
        uint64_t n;
        put("l", labels, sizeof(labels));
        for (size_t size = 4; size < sizeof(images); size++) {
                put("i", images, size);
                assert_int_equal(read_all("i", "l", NULL, &n, &e), -EBADMSG);
                assert_true(n == (size < 16 ? 0 : (size - 16) / COLS));
                assert_non_null(strstr(e.msg, "ends at byte"));
        }
        put("i", images, sizeof(images));
        for (size_t size = 0; size < sizeof(labels); size++) {
                put("l", labels, size);
                assert_int_equal(read_all("i", "l", NULL, &n, &e), -EBADMSG);
        }
}

static void idx_refusals(void **state)
{
        (void)state;
        static const struct {
                unsigned char head[20];
                size_t n;
                const char *in_message;
        } cases[] = {
            {{0, 0, 9, 3}, 20, "no idx file"},
            {{0, 0, 8, 0}, 20, "no idx file"},
            {{0, 0, 8, 5}, 20, "no idx file"},
            {{0, 1, 8, 3, 0, 0, 0, 1}, 20,
                "line 1"}, /* one zero byte is no idx: taken for csv, which says what it met */
            {{0, 0, 8, 1, 0, 0, 0, 1, 5}, 9, "one dimension"},
            {{0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}, 20, "dimension 1 is 0"},
            {{0, 0, 8, 3, 0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255}, 20, "dimension 1 is 4294967295"},
            {{0, 0, 8, 4, 0, 0, 0, 1, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0, 16, 0}, 20, "dimension 3 is 4096"},
            {{0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5}, 17, "follows the last row"},
        };
        struct err e = ERR_NULL;
        uint64_t n;
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                put("i", cases[i].head, cases[i].n);
                int r = read_all("i", NULL, NULL, &n, &e);
                if (r != -EBADMSG || !strstr(e.msg, cases[i].in_message))
                        fail_msg("%zu: %d '%s'", i, r, e.msg);
        }
        unsigned char wrong[sizeof(labels) + 1] = {0};
        memcpy(wrong, labels, sizeof(labels));
        put("i", images, sizeof(images));
        wrong[7] = ROWS + 1;
        put("l", wrong, sizeof(wrong));
        assert_int_equal(read_all("i", "l", NULL, &n, &e), -EBADMSG);
        assert_non_null(strstr(e.msg, "6 labels"));
        wrong[7] = ROWS;
        put("l", wrong, sizeof(wrong)); /* one label too many behind the count */
        assert_int_equal(read_all("i", "l", NULL, &n, &e), -EBADMSG);
        assert_int_equal(n, ROWS);
        put("l", images, sizeof(images));
        assert_int_equal(read_all("i", "l", NULL, &n, &e), -EBADMSG);
        assert_non_null(strstr(e.msg, "labels are"));
}

/* --- gzip --- */

static void gzip_cut_or_broken(void **state)
{
        (void)state;
        enum { N = 200000 };
        unsigned char *file = malloc(16 + N);
        struct err e = ERR_NULL;
        uint64_t n;
        memcpy(file,
            (unsigned char[]){0, 0, 8, 2, 0, 0, N / 1000 / 256, N / 1000 % 256, 0, 0, 1000 / 256, 1000 % 256}, 12);
        for (size_t i = 0; i < N; i++)
                file[12 + i] = (unsigned char)(i * i * 31 >> 5);
        size_t size = put_gz("i", file, 12 + N);
        assert_int_equal(read_all("i", NULL, NULL, &n, &e), 0);
        assert_int_equal(n, N / 1000);
        for (size_t k = 12; k < size; k += size / 20) {
                put_gz("i", file, 12 + N);
                damage("i", k, SIZE_MAX);
                if (read_all("i", NULL, NULL, &n, &e) != -EBADMSG)
                        fail_msg("cut at %zu of %zu: %s", k, size, e.msg);
        }
        for (size_t k = size - 8; k < size; k++) { /* checksum and length */
                put_gz("i", file, 12 + N);
                damage("i", SIZE_MAX, k);
                if (read_all("i", NULL, NULL, &n, &e) != -EBADMSG)
                        fail_msg("flip at %zu of %zu: %s", k, size, e.msg);
                put_gz("i", file, 12 + N);
                damage("i", k, SIZE_MAX);
                assert_int_equal(read_all("i", NULL, NULL, &n, &e), -EBADMSG);
        }
        free(file);
}

static void fraction_grows(void **state)
{
        (void)state;
        enum { N = 100000 };
        char *text = malloc(N * 12);
        size_t len = (size_t)sprintf(text, "a,label\n");
        for (int i = 0; i < N; i++)
                len += (size_t)sprintf(text + len, "%d,%d\n", (int)(i * 7919LL % 100003), i % 10);
        put_gz("t.csv", text, len);
        struct rows *r;
        struct row row;
        struct err e = ERR_NULL;
        assert_int_equal(open_rows(&r, "t.csv", NULL, NULL, &e), 0);
        double last = 0;
        bool between = false;
        for (int i = 0; i < N; i++) {
                assert_int_equal(rows_next(r, &row, &e), 1);
                assert_true(row.inputs[0] == (float)((int)(i * 7919LL % 100003)) && row.label[0] == '0' + i % 10);
                double f = rows_fraction(r);
                assert_true(f >= last && f <= 1);
                between = between || (f > 0.2 && f < 0.8);
                last = f;
        }
        assert_true(between);
        assert_int_equal(rows_next(r, &row, &e), 0);
        rows_close(r);
        free(text);
        rows_close(NULL);
}

/* Memory runs short at every point in turn: an error, never a wrong row; a sanitizer sees what leaks. */
static void short_of_memory(void **state)
{
        (void)state;
        static const char csv[] = "a,label\n1,x\n";
        struct err e = ERR_NULL;
        uint64_t count;
        put("t.csv", csv, sizeof(csv) - 1);
        put("t.ndjson", "{}\n", 3);
        put("i", images, sizeof(images));
        put("l", labels, sizeof(labels));
        static const char *const files[][2] = {{"t.csv", NULL}, {"t.ndjson", NULL}, {"i", "l"}};
        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
                for (int n = 0;; n++) {
                        fault_arm(n, 1);
                        int r = read_all(files[i][0], files[i][1], NULL, &count, &e);
                        bool fired = fault_fired();
                        fault_disarm();
                        if (!fired) {
                                assert_int_equal(r, 0);
                                assert_int_equal(count, i == 2 ? ROWS : 1);
                                assert_true(n > 1);
                                break;
                        }
                        assert_int_equal(r, -ENOMEM);
                }
        }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
            TEST(csv_reads),
            TEST(csv_label_column),
            TEST(csv_without_header),
            TEST(csv_refusals),
            TEST(ndjson_reads),
            TEST(long_lines),
            TEST(idx_reads),
            TEST(idx_floats),
            TEST(idx_cut),
            TEST(idx_refusals),
            TEST(gzip_cut_or_broken),
            TEST(fraction_grows),
            TEST(short_of_memory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

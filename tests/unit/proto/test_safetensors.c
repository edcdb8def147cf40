/* test_safetensors.c: every rule of the format kept by the writer and broken once for the reader. */
#include "proto/safetensors.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "lib/tmpdir.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file of a header, padded to pad bytes in all, and n bytes of data in memory of exactly that size. */
static uint8_t *file_of(const char *header, size_t pad, size_t n, size_t *ret_size)
{
        size_t len = strlen(header) > pad ? strlen(header) : pad;
        uint64_t le = len;
        uint8_t *p = malloc(8 + len + n);
        assert_non_null(p);
        memcpy(p, &le, 8);
        memset(p + 8, ' ', len);
        memcpy(p + 8, header, strlen(header));
        for (size_t i = 0; i < n; i++)
                p[8 + len + i] = (uint8_t)i;
        *ret_size = 8 + len + n;
        return p;
}

/* Reads it; on failure the error must contain `why`. why NULL: must be accepted. */
static void check(const char *header, size_t data, const char *why)
{
        size_t size;
        uint8_t *p = file_of(header, 0, data, &size);
        struct arena a;
        struct st_file f;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        int r = st_read(p, size, &a, &f, &e);
        if (!why && r != 0)
                fail_msg("%s: %s", header, e.msg);
        if (why && (r != -EBADMSG || !strstr(e.msg, why)))
                fail_msg("%s: %d \"%s\", wanted \"%s\"", header, r, e.msg, why);
        arena_deinit(&a);
        free(p);
}

#define T(name, dtype, shape, begin, end)                                                                            \
        "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void test_accepted(void **state)
{
        (void)state;
        check("{}", 0, NULL);
        check("{}   ", 0, NULL);
        check("{" T("a", "F32", "[2,3]", 0, 24) "}", 24, NULL);
        check("{" T("b", "U8", "[3]", 4, 7) "," T("a", "I32", "[]", 0, 4) "}", 7, NULL);     /* order is free */
        check("{" T("a", "F32", "[0,5]", 0, 0) "," T("b", "F64", "[1]", 0, 8) "}", 8, NULL); /* empty tensors */
        check("{" T("a", "F64", "[1]", 0, 8) "," T("b", "F32", "[7,0]", 8, 8) "}", 8, NULL);
        check("{" T("h", "F16", "[1]", 0, 2) "," T("g", "BF16", "[1]", 2, 4) "," T("i", "I64", "[1]", 4, 12) "}", 12,
            NULL);
        check("{\"__metadata__\":{\"k\":\"v\"}," T("a", "U8", "[1]", 0, 1) "}", 1, NULL);
        check("{" T("a", "U8", "[1,1,1,1,1,1,1,1]", 0, 1) "}", 1, NULL);
}

static void test_layout_rules(void **state)
{
        (void)state;
        check("{" T("a", "U8", "[1]", 1, 2) "}", 2, "follows a hole");
        check("{" T("a", "U8", "[1]", 0, 1) "," T("b", "U8", "[1]", 2, 3) "}", 3, "follows a hole");
        check("{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 1, 3) "}", 3, "overlaps");
        check("{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 0, 2) "}", 2, "overlaps");
        check("{" T("a", "U8", "[1]", 0, 1) "}", 2, "1 bytes behind");
        check("{}", 1, "1 bytes behind");
        check("{" T("a", "U8", "[2]", 0, 2) "}", 1, "not inside the file");
        check("{" T("a", "U8", "[1]", 2, 1) "}", 2, "not inside the file");
        check("{" T("a", "F32", "[2]", 0, 4) "}", 4, "need 8 bytes");
        check("{" T("a", "F32", "[1]", 0, 8) "}", 8, "need 4 bytes");
}

static void test_shapes_and_types(void **state)
{
        (void)state;
        check("{" T("a", "F32", "[4611686018427387904]", 0, 0) "}", 0, "overflows");
        check("{" T("a", "U8", "[4294967296,4294967296]", 0, 0) "}", 0, "overflows");
        check("{" T("a", "U8", "[4294967296,4294967296,0]", 0, 0) "}", 0, "overflows");
        check("{" T("a", "U8", "[-1]", 0, 0) "}", 0, "not a size");
        check("{" T("a", "U8", "[1.0]", 0, 1) "}", 1, "not a size");
        check("{" T("a", "U8", "[\"1\"]", 0, 1) "}", 1, "not a size");
        check("{" T("a", "U8", "[99999999999999999999]", 0, 1) "}", 1, "header:");
        check("{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", 0, 1) "}", 1, "rank 9");
        check("{" T("a", "U8", "1", 0, 1) "}", 1, "not exactly");
        check("{" T("a", "F8_E4M3", "[1]", 0, 1) "}", 1, "F8_E4M3 is not supported");
        check("{" T("a", "f32", "[1]", 0, 4) "}", 4, "f32 is not supported");
        check("{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "dtype is not a string");
        check("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 0, "not exactly");
        check("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1, "not exactly");
        check("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, "not inside");
        check("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1, "not inside");
        check("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1.5]}}", 2, "not inside");
        check("{\"a\":[]}", 0, "not exactly");
}

static void test_header_rules(void **state)
{
        (void)state;
        check("{" T("a", "U8", "[1]", 0, 1) "," T("a", "U8", "[1]", 0, 1) "}", 1, "duplicate");
        check("{\"__metadata__\":{\"k\":\"v\",\"k\":\"w\"}}", 0, "duplicate");
        check("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "duplicate");
        check("{\"__metadata__\":{\"k\":1}}", 0, "not a string");
        check("{\"__metadata__\":[]}", 0, "not an object");
        check(" {}", 0, "not an object padded");
        check("{}\n", 0, "not an object padded");
        check("[]", 0, "not an object padded");
        check("{", 0, "not an object padded");
        check("", 0, "not an object padded");
        check("{}{}", 0, "header:");
        check("{\"\xff\":1}", 0, "header:");
        check("{\"a\\u0000b\":{}}", 0, "header:");
}

static void test_lengths(void **state)
{
        (void)state;
        uint8_t p[16] = {0};
        struct arena a;
        struct st_file f;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        static const uint64_t lengths[] = {9, ST_MAX_HEADER + 1, 100000001, INT64_MAX, UINT64_MAX, UINT64_MAX - 7};
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
                memcpy(p, &lengths[i], 8);
                assert_int_equal(st_read(p, sizeof(p), &a, &f, &e), -EBADMSG);
        }
        for (size_t n = 0; n < 8; n++)
                assert_int_equal(st_read(p, n, &a, &f, &e), -EBADMSG);
        for (size_t pad = ST_MAX_HEADER; pad <= ST_MAX_HEADER + 1; pad++) { /* a valid header, but for its length */
                size_t size;
                uint8_t *big = file_of("{}", pad, 0, &size);
                assert_int_equal(st_read(big, size, &a, &f, &e), pad > ST_MAX_HEADER ? -EBADMSG : 0);
                free(big);
        }
        arena_deinit(&a);
}

static void test_too_many_tensors(void **state)
{
        (void)state;
        for (int n = ST_MAX_TENSORS; n <= ST_MAX_TENSORS + 1; n++) {
                struct buf b;
                buf_init(&b, 1 << 20);
                buf_putc(&b, '{');
                for (int i = 0; i < n; i++)
                        buf_printf(&b, "%s\"%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                            i ? "," : "", i, i, i + 1);
                buf_putc(&b, '}');
                assert_true(buf_ok(&b));
                check(b.data, (size_t)n, n > ST_MAX_TENSORS ? "at most 4096" : NULL);
                buf_deinit(&b);
        }
}

static const float floats[6] = {1.5f, -2.0f, 0.0f, -0.0f, 3e-45f, 1e38f};

static void write_sample(const char *path)
{
        static const double d[1] = {0.1};
        static const int32_t i[3] = {1, -2, 3};
        static const uint8_t u[3] = {7, 8, 9};
        const struct st_part parts[] = {
            {"d", ST_F64, 1, {1}, d},
            {"f/0.w", ST_F32, 2, {2, 3}, floats},
            {"empty", ST_F32, 2, {0, 9}, NULL},
            {"i", ST_I32, 1, {3}, i},
            {"u", ST_U8, 0, {0}, u},
        };
        const struct st_meta meta[] = {{"ewcd.format", "x/1"}, {"quote", "\"\\\n\xc3\xa9"}};
        struct err e = ERR_NULL;
        if (st_write(path, parts, ARRAY_LEN(parts), meta, ARRAY_LEN(meta), &e) != 0)
                fail_msg("%s", e.msg);
}

static void test_round_trip(void **state)
{
        (void)state;
        char *dir = tmpdir_new(), path[256];
        struct arena a;
        struct file_map m;
        struct st_file f;
        const struct st_tensor *t;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        write_sample(tmpdir_path(path, sizeof(path), dir, "a"));
        assert_int_equal(file_map(path, 1 << 20, &m, &e), 0);
        assert_int_equal(st_read(m.data, m.size, &a, &f, &e), 0);
        assert_int_equal(f.n_tensors, 5);
        assert_int_equal((size_t)((const uint8_t *)f.tensors[0].data - m.data) % 64, 0);
        assert_string_equal(st_meta(&f, "quote"), "\"\\\n\xc3\xa9");
        assert_null(st_meta(&f, "absent"));
        assert_int_equal(st_find(&f, "f/0.w", ST_F32, 6, &t, &e), 0);
        assert_memory_equal(t->data, floats, sizeof(floats));
        assert_int_equal(t->rank, 2);
        assert_int_equal(t->shape[1], 3);
        assert_int_equal(st_find(&f, "empty", ST_F32, 0, &t, &e), 0);
        assert_int_equal(st_find(&f, "u", ST_U8, SIZE_MAX, &t, &e), 0);
        assert_int_equal(t->n, 1);
        assert_int_equal(st_find(&f, "f/0.w", ST_F32, 5, &t, &e), -EBADMSG);
        assert_non_null(strstr(e.msg, "f/0.w"));
        assert_int_equal(st_find(&f, "f/0.w", ST_I32, 6, &t, &e), -EBADMSG);
        assert_int_equal(st_find(&f, "nope", ST_F32, 6, &t, &e), -EBADMSG);
        file_unmap(&m);
        arena_deinit(&a);
        tmpdir_remove(dir);
}

static void test_unaligned_tensor(void **state)
{
        (void)state;
        size_t size;
        uint8_t *p = file_of("{" T("u", "U8", "[1]", 0, 1) "," T("f", "F32", "[1]", 1, 5) "}", 120, 5, &size);
        struct arena a;
        struct st_file f;
        const struct st_tensor *t;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        assert_int_equal(st_read(p, size, &a, &f, &e), 0);
        assert_int_equal(st_find(&f, "f", ST_F32, 1, &t, &e), -EBADMSG);
        assert_non_null(strstr(e.msg, "aligned"));
        arena_deinit(&a);
        free(p);
}

/* Every prefix is refused, and every single changed byte is either refused or read without harm. */
static void test_truncated_and_changed(void **state)
{
        (void)state;
        char *dir = tmpdir_new(), path[256];
        struct buf b;
        struct arena a;
        struct st_file f;
        struct err e = ERR_NULL;
        write_sample(tmpdir_path(path, sizeof(path), dir, "a"));
        buf_init(&b, 1 << 20);
        arena_init(&a, 1 << 24);
        assert_int_equal(file_read(path, 1 << 20, &b, &e), 0);
        for (size_t n = 0; n < b.len; n++) {
                uint8_t *copy = malloc(n ? n : 1); /* exact size: a read behind it is seen */
                memcpy(copy, b.data, n);
                assert_int_equal(st_read(copy, n, &a, &f, &e), -EBADMSG);
                free(copy);
                arena_reset(&a);
        }
        for (size_t i = 0; i < b.len; i++) {
                uint8_t *copy = malloc(b.len);
                memcpy(copy, b.data, b.len);
                copy[i] ^= (uint8_t)(1u << i % 8);
                int r = st_read(copy, b.len, &a, &f, &e);
                assert_true(r == 0 || r == -EBADMSG);
                free(copy);
                arena_reset(&a);
        }
        arena_deinit(&a);
        buf_deinit(&b);
        tmpdir_remove(dir);
}

static void test_writer_refuses(void **state)
{
        (void)state;
        char *dir = tmpdir_new(), path[256];
        struct err e = ERR_NULL;
        const struct st_part twice[] = {{"a", ST_F32, 1, {6}, floats}, {"a", ST_F32, 1, {6}, floats}};
        const struct st_part big = {"a", ST_F32, 2, {SIZE_MAX, 2}, floats},
                             meta = {"__metadata__", ST_F32, 1, {6}, floats};
        tmpdir_path(path, sizeof(path), dir, "a");
        assert_int_equal(st_write(path, twice, 2, NULL, 0, &e), -EINVAL);
        assert_int_equal(st_write(path, &big, 1, NULL, 0, &e), -EINVAL);
        assert_int_equal(st_write(path, &meta, 1, NULL, 0, &e), -EINVAL);
        assert_false(file_exists(path));
        tmpdir_remove(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_accepted),
            cmocka_unit_test(test_layout_rules),
            cmocka_unit_test(test_shapes_and_types),
            cmocka_unit_test(test_header_rules),
            cmocka_unit_test(test_lengths),
            cmocka_unit_test(test_too_many_tensors),
            cmocka_unit_test(test_round_trip),
            cmocka_unit_test(test_unaligned_tensor),
            cmocka_unit_test(test_truncated_and_changed),
            cmocka_unit_test(test_writer_refuses),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

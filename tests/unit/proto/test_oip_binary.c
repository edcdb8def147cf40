/* test_oip_binary.c: tensors as bytes: every datatype against arithmetic of its own, every way a body can come out
 * uneven, the raw form, answers with binary parts and with classes, and that nothing is allocated once warm. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/oip.h"
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct arena arena;
static struct oip_request q;
static struct err e;

/* json and tail in memory of just their size. */
static int read_body(const char *json, const void *tail, size_t n)
{
        size_t head = strlen(json);
        char *exact = malloc(head + n);
        assert_non_null(exact);
        memcpy(exact, json, head);
        if (n > 0)
                memcpy(exact + head, tail, n);
        e = (struct err)ERR_NULL;
        int r = oip_request_read_binary((struct slice){exact, head + n}, head, &arena, &q, &e);
        free(exact); /* nothing may point into the body */
        return r;
}

static int read_one(const char *datatype, size_t n, const void *data, size_t bytes)
{
        char json[300];
        snprintf(json, sizeof(json),
            "{\"inputs\":[{\"name\":\"t\",\"shape\":[%zu],\"datatype\":\"%s\",\"parameters\":{\"binary_data_size\":%"
            "zu}}]}",
            n, datatype, bytes);
        return read_body(json, data, bytes);
}

static void refused(int problem, const char *field, const char *message)
{
        if (e.code != problem || strcmp(e.field, field) != 0 || !strstr(e.msg, message))
                fail_msg("%d '%s' '%s', want %d '%s' '%s'", e.code, e.field, e.msg, problem, field, message);
}

static int setup(void **state)
{
        (void)state;
        arena_init(&arena, 1 << 24);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_deinit(&arena);
        return 0;
}

/* All 65536 values of each 16-bit float, by the definition. */
static void halves(void **state)
{
        (void)state;
        static const struct {
                const char *name;
                int fraction_bits, bias, top;
        } formats[] = {{"FP16", 10, 15, 31}, {"BF16", 7, 127, 255}};
        for (size_t f = 0; f < 2; f++)
                for (unsigned bits = 0; bits < 65536; bits++) {
                        uint16_t h = (uint16_t)bits;
                        int exponent = (int)(bits >> formats[f].fraction_bits) & formats[f].top;
                        double fraction = (double)(bits & ((1u << formats[f].fraction_bits) - 1)) /
                                          (double)(1u << formats[f].fraction_bits);
                        double want = exponent == 0 ? ldexp(fraction, 1 - formats[f].bias)
                                                    : ldexp(1 + fraction, exponent - formats[f].bias);
                        int r = read_one(formats[f].name, 1, &h, 2);
                        assert_int_equal(r, exponent == formats[f].top ? PROBLEM_NON_FINITE : 0);
                        if (r == 0 && ((double)q.inputs[0].data[0] != (bits >> 15 ? -want : want) ||
                                          !signbit(q.inputs[0].data[0]) != !(bits >> 15)))
                                fail_msg("%s %x: %a, want %a", formats[f].name, bits, q.inputs[0].data[0], want);
                        arena_reset(&arena);
                }
}

/* v of the C type given, as datatype: becomes want, or is refused if want is NaN. */
#define BECOMES(datatype, type, v, want)                                                                             \
        do {                                                                                                         \
                type value[2] = {0, (type)(v)};                                                                      \
                int r = read_one(datatype, 2, value, sizeof(value));                                                 \
                assert_int_equal(r != 0, isnan((double)(want)));                                                     \
                if (r == 0)                                                                                          \
                        assert_true(q.inputs[0].data[0] == 0 && q.inputs[0].data[1] == (float)(want));               \
                else                                                                                                 \
                        assert_non_null(strstr(e.msg, "tensor 't': element 1"));                                     \
        } while (0)

static void types(void **state)
{
        (void)state;
        for (int v = -128; v < 128; v++)
                BECOMES("INT8", int8_t, v, v);
        for (int v = 0; v < 256; v++)
                BECOMES("UINT8", uint8_t, v, v);
        for (int v = -32768; v < 32768; v += 37)
                BECOMES("INT16", int16_t, v, v);
        BECOMES("UINT16", uint16_t, 65535, 65535);
        BECOMES("INT32", int32_t, INT32_MIN, -2147483648.0);
        BECOMES("INT32", int32_t, -16777217, NAN);
        BECOMES("INT32", int32_t, INT32_MAX, NAN);
        BECOMES("INT32", int32_t, 16777218, 16777218);
        BECOMES("UINT32", uint32_t, 0xffffff00u, 4294967040.0);
        BECOMES("UINT32", uint32_t, 0xffffff01u, NAN);
        BECOMES("INT64", int64_t, INT64_MIN, -0x1p63);
        BECOMES("INT64", int64_t, -5, -5);
        BECOMES("INT64", int64_t, INT64_MAX, NAN);
        BECOMES("UINT64", uint64_t, (uint64_t)1 << 63, 0x1p63);
        BECOMES("UINT64", uint64_t, UINT64_MAX, NAN);
        BECOMES("BOOL", uint8_t, 1, 1);
        BECOMES("BOOL", uint8_t, 2, NAN);
        BECOMES("FP32", float, 0.1f, 0.1f);
        BECOMES("FP32", float, -0x1p-149f, -0x1p-149f);
        BECOMES("FP32", float, INFINITY, NAN);
        BECOMES("FP32", float, -NAN, NAN);
        BECOMES("FP64", double, 0.1, 0.1f);
        BECOMES("FP64", double, 0x1.fffffeffffffep127, 0x1.fffffep127);
        BECOMES("FP64", double, 0x1.ffffffp127, NAN);
        BECOMES("FP64", double, 1e-300, 0);
        BECOMES("FP64", double, NAN, NAN);
}

/* Two binary tensors around one of JSON, then the body one byte short and one long. */
static void order(void **state)
{
        (void)state;
        static const char json[] =
            "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"UINT8\",\"parameters\":{"
            "\"binary_data_size\":2}},{\"name\":\"b\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":["
            "7.5]},{\"parameters\":{\"binary_data_size\":4},\"datatype\":\"INT16\",\"shape\":[2,1],"
            "\"name\":\"c\"}],\"outputs\":[{\"name\":\"p\"}]}";
        static const unsigned char tail[] = {1, 2, 0xff, 0xff, 0, 1, 9};
        assert_int_equal(read_body(json, tail, 6), 0);
        assert_int_equal(q.n_inputs, 3);
        assert_true(q.inputs[0].data[0] == 1 && q.inputs[0].data[1] == 2);
        assert_true(q.inputs[1].data[0] == 7.5f);
        assert_true(q.inputs[2].data[0] == -1 && q.inputs[2].data[1] == 256);
        assert_false(q.outputs[0].binary);
        read_body(json, tail, 5);
        refused(PROBLEM_MALFORMED, "/inputs/2", "tensor 'c' has 4 bytes by its binary_data_size, the body has 3");
        read_body(json, tail, 7);
        refused(PROBLEM_MALFORMED, "", "unexpected additional input data: 1 byte");
        read_body(json, tail, 0);
        refused(PROBLEM_MALFORMED, "/inputs/0", "has 0 left");
}

#define TENSOR(rest) "{\"inputs\":[{\"name\":\"t\",\"shape\":[2],\"datatype\":\"FP32\"," rest "}]}"

static void uneven(void **state)
{
        (void)state;
        static const char zeros[16] = {0};
        static const struct {
                const char *json;
                size_t n;
                int problem;
                const char *field, *message;
        } cases[] = {
            {TENSOR("\"parameters\":{\"binary_data_size\":7}"), 7, PROBLEM_BAD_SHAPE,
                "/inputs/0/parameters/binary_data_size", "is 7; 2 elements of FP32"},
            {TENSOR("\"parameters\":{\"binary_data_size\":18446744073709551615}"), 8, PROBLEM_BAD_SHAPE,
                "/inputs/0/parameters/binary_data_size", "tensor 't'"},
            {TENSOR("\"parameters\":{\"binary_data_size\":18446744073709551616}"), 8, PROBLEM_BAD_VALUE,
                "/inputs/0/parameters/binary_data_size", "integer"},
            {TENSOR("\"parameters\":{\"binary_data_size\":-8}"), 8, PROBLEM_BAD_VALUE,
                "/inputs/0/parameters/binary_data_size", "integer"},
            {TENSOR("\"data\":[1,2],\"parameters\":{\"binary_data_size\":8}"), 8, PROBLEM_BAD_VALUE, "/inputs/0/data",
                "both"},
            {TENSOR("\"data\":[1,2]"), 1, PROBLEM_MALFORMED, "", "additional"},
            {TENSOR("\"parameters\":{}"), 8, PROBLEM_BAD_VALUE, "/inputs/0/data", "no data"},
            {"{\"inputs\":[{\"name\":\"t\",\"shape\":[4611686018427387904,4],\"datatype\":\"FP32\",\"parameters\":{"
             "\"binary_data_size\":0}}]}",
                0, PROBLEM_BAD_SHAPE, "/inputs/0/shape", "too large"},
            {"{\"inputs\":[{\"name\":\"t\",\"shape\":[4611686018427387904],\"datatype\":\"FP32\",\"parameters\":{"
             "\"binary_data_size\":0}}]}",
                0, PROBLEM_BAD_SHAPE, "/inputs/0/parameters/binary_data_size", "tensor 't'"},
            {"{\"inputs\":[{\"name\":\"t\",\"shape\":[1],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":"
             "5}}]}",
                5, PROBLEM_BAD_VALUE, "/inputs/0/datatype", "tensor 't': datatype 'BYTES'"},
            {"{\"inputs\":[{\"name\":\"t\",\"shape\":[1],\"datatype\":\"FP16\",\"data\":[1]}]}", 0, PROBLEM_BAD_VALUE,
                "/inputs/0/datatype", "binary"},
            {"{\"inputs\":[]}", 0, PROBLEM_BAD_VALUE, "/inputs", "no input"},
            {"", 8, PROBLEM_BAD_VALUE, "", "nothing"},
        };
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                read_body(cases[i].json, zeros, cases[i].n);
                if (i + 1 < ARRAY_LEN(cases))
                        refused(cases[i].problem, cases[i].field, cases[i].message);
                else
                        assert_true(e.code > 0);
        }
        e = (struct err)ERR_NULL;
        assert_int_equal(oip_request_read_binary((struct slice){"{}", 2}, 3, &arena, &q, &e), PROBLEM_MALFORMED);
        refused(PROBLEM_MALFORMED, "", "Inference-Header-Content-Length is 3, the body has 2");
        /* a length that ends inside the JSON */
        assert_int_equal(
            oip_request_read_binary(slice_of(TENSOR("\"data\":[1,2]")), 20, &arena, &q, &e), PROBLEM_MALFORMED);
}

static void raw(void **state)
{
        (void)state;
        static const uint32_t shape[3] = {2, 3, 1}, huge[2] = {0xffffffffu, 0xffffffffu}, deep[8] = {1};
        const float v[6] = {1, -2, 0.5f, 3e38f, -0.0f, 0x1p-149f};
        struct slice body = {(const char *)v, sizeof(v)};
        e = (struct err)ERR_NULL;
        assert_int_equal(oip_request_read_raw(body, "x", 3, shape, &arena, &q, &e), 0);
        assert_string_equal(q.inputs[0].name, "x");
        assert_int_equal(q.inputs[0].rank, 4);
        assert_true(q.inputs[0].shape[0] == 1 && q.inputs[0].shape[2] == 3 && q.inputs[0].n == 6);
        assert_memory_equal(q.inputs[0].data, v, sizeof(v));
        assert_true(q.binary_output && q.n_outputs == 0 && !q.id);
        for (size_t n = 0; n < sizeof(v); n += 5)
                assert_int_equal(oip_request_read_raw((struct slice){body.p, n}, "x", 3, shape, &arena, &q, &e),
                    PROBLEM_BAD_SHAPE);
        refused(PROBLEM_BAD_SHAPE, "", "tensor 'x': 6 elements");
        assert_int_equal(oip_request_read_raw(body, "x", 2, huge, &arena, &q, &e), PROBLEM_BAD_SHAPE);
        assert_int_equal(oip_request_read_raw(body, "x", 8, deep, &arena, &q, &e), PROBLEM_BAD_SHAPE);
        const float nan[6] = {0, NAN};
        assert_int_equal(
            oip_request_read_raw((struct slice){(const char *)nan, sizeof(nan)}, "x", 3, shape, &arena, &q, &e),
            PROBLEM_NON_FINITE);
}

static void classes(void **state)
{
        (void)state;
        static const char *const labels[] = {"zero", "one", "t\"wo", "three"};
        const float v[] = {0.25f, 0.5f, 0.125f, 0.5f, 1e9f, -1.5f, 0, 0.0000004f};
        struct oip_output o[2] = {{.name = "p", .binary = true}, {.name = "j"}};
        struct buf b;
        size_t n_json;
        buf_init(&b, 1 << 16);
        assert_int_equal(oip_classify(&arena, 2, 4, v, labels, 2, &o[0]), 0);
        assert_int_equal(oip_classify(&arena, 2, 4, v, NULL, 9, &o[1]), 0);
        oip_response_write(&b,
            &(struct oip_response){.model_name = "m", .model_version = "1", .n_outputs = 2, .outputs = o}, &n_json);
        assert_true(buf_ok(&b));
        static const char json[] = "{\"model_name\":\"m\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"p\","
                                   "\"datatype\":\"BYTES\",\"shape\":[2,2],"
                                   "\"parameters\":{\"binary_data_size\":86}},{\"name\":\"j\",\"datatype\":\"BYTES\","
                                   "\"shape\":[2,4],\"data\":["
                                   "\"0.500000:1\",\"0.500000:3\",\"0.250000:0\",\"0.125000:2\","
                                   "\"1000000000.000000:0\",\"0.000000:3\",\"0.000000:2\",\"-1.500000:1\"]}]}";
        static const char bytes[] = "\16\0\0\0"
                                    "0.500000:1:one"
                                    "\20\0\0\0"
                                    "0.500000:3:three"
                                    "\30\0\0\0"
                                    "1000000000.000000:0:zero"
                                    "\20\0\0\0"
                                    "0.000000:3:three";
        assert_int_equal(n_json, sizeof(json) - 1);
        assert_memory_equal(b.data, json, sizeof(json) - 1);
        assert_int_equal(b.len - n_json, 86);
        assert_int_equal(sizeof(bytes) - 1, 86);
        assert_memory_equal(b.data + n_json, bytes, 86);
        buf_deinit(&b);
}

/* Against a sort by the definition. */
static void many_classes(void **state)
{
        (void)state;
        enum { N = 57 };
        float v[N];
        uint64_t s = 5;
        for (int round = 0; round < 200; round++) {
                struct oip_output o = {0};
                char want[N * 40];
                size_t at = 0;
                bool used[N] = {false};
                for (int i = 0; i < N; i++) {
                        s = s * 6364136223846793005u + 1442695040888963407u;
                        v[i] = (float)(s >> 60) / 8;
                }
                assert_int_equal(oip_classify(&arena, 1, N, v, NULL, N, &o), 0);
                for (int k = 0; k < N; k++) {
                        int best = -1;
                        for (int i = 0; i < N; i++)
                                if (!used[i] && (best < 0 || v[i] > v[best]))
                                        best = i;
                        used[best] = true;
                        int n = snprintf(want + at + 4, sizeof(want) - at - 4, "%.6f:%d", (double)v[best], best);
                        memcpy(want + at, (char[4]){(char)n}, 4);
                        at += 4 + (size_t)n;
                }
                assert_int_equal(o.bytes.n, at);
                assert_memory_equal(o.bytes.p, want, at);
                arena_reset(&arena);
        }
}

static void mixed_answer(void **state)
{
        (void)state;
        const float p[] = {0.5f, 0.25f, 1, 0};
        const struct oip_output o[2] = {{.name = "a", .binary = true, .rank = 2, .shape = {1, 2}, .data = p},
            {.name = "b", .rank = 1, .shape = {2}, .data = p + 2}};
        struct oip_response r = {.model_name = "m", .model_version = "1", .id = "i", .n_outputs = 2, .outputs = o};
        struct buf b;
        size_t n_json;
        buf_init(&b, 1 << 16);
        oip_response_write(&b, &r, &n_json);
        static const char json[] = "{\"model_name\":\"m\",\"model_version\":\"1\",\"id\":\"i\",\"outputs\":[{"
                                   "\"name\":\"a\",\"datatype\":\"FP32\","
                                   "\"shape\":[1,2],\"parameters\":{\"binary_data_size\":8}},{\"name\":\"b\","
                                   "\"datatype\":\"FP32\",\"shape\":[2],"
                                   "\"data\":[1,0]}]}";
        assert_int_equal(n_json, sizeof(json) - 1);
        assert_memory_equal(b.data, json, n_json);
        assert_int_equal(b.len, n_json + 8);
        assert_memory_equal(b.data + n_json, "\0\0\0\77\0\0\200\76", 8);
        buf_deinit(&b);
}

/* A request and its answer with warm memory leave the heap as it was at every moment. */
static void no_allocation(void **state)
{
        (void)state;
        enum { N = 784 };
        char *text = malloc(32 * N);
        size_t n =
            (size_t)sprintf(text, "{\"id\":\"x\",\"inputs\":[{\"name\":\"t\",\"shape\":[1,784],\"datatype\":\"FP32\","
                                  "\"data\":[");
        for (int i = 0; i < N; i++)
                n += (size_t)sprintf(text + n, "%s%.17g", i > 0 ? "," : "", (double)((float)i / 7));
        n += (size_t)sprintf(text + n, "]}]}");
        struct buf b;
        struct mallinfo2 before = {0};
        buf_init(&b, 1 << 20);
        for (int round = 0; round < 5; round++) {
                size_t n_json;
                arena_reset(&arena);
                buf_reset(&b);
                if (round == 2)
                        before = mallinfo2();
                assert_int_equal(oip_request_read((struct slice){text, n}, &arena, &q, &e), 0);
                const struct oip_output o = {.name = "p", .rank = 2, .shape = {1, 10}, .data = q.inputs[0].data};
                oip_response_write(&b,
                    &(struct oip_response){
                        .model_name = "m", .model_version = "1", .id = q.id, .n_outputs = 1, .outputs = &o},
                    &n_json);
                if (round >= 2) {
                        struct mallinfo2 now = mallinfo2();
                        assert_int_equal(now.uordblks, before.uordblks);
                        assert_int_equal(now.hblkhd, before.hblkhd);
                }
        }
        buf_deinit(&b);
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(halves, setup, teardown),
            cmocka_unit_test_setup_teardown(types, setup, teardown),
            cmocka_unit_test_setup_teardown(order, setup, teardown),
            cmocka_unit_test_setup_teardown(uneven, setup, teardown),
            cmocka_unit_test_setup_teardown(raw, setup, teardown),
            cmocka_unit_test_setup_teardown(classes, setup, teardown),
            cmocka_unit_test_setup_teardown(many_classes, setup, teardown),
            cmocka_unit_test_setup_teardown(mixed_answer, setup, teardown),
            cmocka_unit_test_setup_teardown(no_allocation, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_oip.c: requests as real clients send them, a corpus of broken ones each with its problem and place, answers to
 * the byte. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/oip.h"
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int read_text(struct arena *a, const char *text, struct oip_request *ret, struct err *e)
{
        size_t n = strlen(text);
        char *exact = malloc(n ? n : 1); /* a sanitizer sees a byte too far */
        assert_non_null(exact);
        memcpy(exact, text, n);
        int r = oip_request_read((struct slice){exact, n}, a, ret, e);
        free(exact); /* nothing may point into the body */
        return r;
}

static void golden(void **state)
{
        (void)state;
        static const char *const texts[] = {
            "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[0.10000000149011612,0."
            "5,1.0]}],"
            "\"outputs\":[{\"name\":\"probabilities\",\"parameters\":{\"binary_data\":false}}]}",
            "{\"id\":\"0b3e7f5e-7d2a-4c63-9d3a-0f4f5a1c2b3d\",\"model_name\":\"mnist\",\"inputs\":[{\"name\":"
            "\"input\","
            "\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[0.10000000149011612,0.5,1.0]}]}",
        };
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
                struct arena a;
                struct oip_request q;
                struct err e = ERR_NULL;
                arena_init(&a, 1 << 20);
                assert_int_equal(read_text(&a, texts[i], &q, &e), 0);
                assert_int_equal(q.n_inputs, 1);
                assert_string_equal(q.inputs[0].name, "input");
                assert_string_equal(q.inputs[0].datatype, "FP32");
                assert_int_equal(q.inputs[0].rank, 2);
                assert_int_equal(q.inputs[0].shape[1], 3);
                assert_int_equal(q.inputs[0].n, 3);
                assert_true(
                    q.inputs[0].data[0] == 0.1f && q.inputs[0].data[1] == 0.5f && q.inputs[0].data[2] == 1.0f);
                assert_int_equal(q.n_outputs, i == 0);
                if (i == 0)
                        assert_string_equal(q.outputs[0].name, "probabilities");
                else
                        assert_string_equal(q.id, "0b3e7f5e-7d2a-4c63-9d3a-0f4f5a1c2b3d");
                arena_deinit(&a);
        }
}

/* All of these mean the tensor 1..6 of shape 2 x 3. */
static void same_tensor(void **state)
{
        (void)state;
        static const char *const tensors[] = {
            "{\"name\":\"x\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[1,2,3,4,5,6]}",
            "{\"name\":\"x\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[[1,2,3],[4,5,6]]}",
            "{\"name\":\"x\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[[[[[[[[1,2,3],[4,5,6]]]]]]]]}",
            "{\"data\":[[1,2,3],[4,5,6]],\"name\":\"x\",\"shape\":[2,3],\"datatype\":\"FP32\"}",
            "{\"datatype\":\"FP32\",\"data\":[1e0,0.2e1,30e-1,4.0,5.00,6],\"shape\":[2,3],\"name\":\"x\"}",
            "\n{ \"name\" :\t\"x\" , \"shape\" : [ 2 , 3 ] ,\"datatype\":\"INT64\",\r\n\"data\" : [ [ 1 , 2 , 3 ] , "
            "[ 4 , 5 , 6 ] ] }\n",
            "{\"name\":\"\\u0078\",\"shape\":[2,3],\"datatype\":\"UINT8\",\"data\":[1,2,3,4,5,6],\"parameters\":{"
            "\"a\":{\"b\":[1,null]}}}",
            "{\"na\\u006de\":\"x\",\"shape\":[2,3],\"datatype\":\"FP64\",\"data\":[1,2,3,4,5,6],\"extra\":[\"]}"
            "\\\"\",{}]}",
        };
        for (size_t i = 0; i < ARRAY_LEN(tensors); i++) {
                char text[400];
                struct arena a;
                struct oip_request q;
                struct err e = ERR_NULL;
                arena_init(&a, 1 << 20);
                snprintf(text, sizeof(text), "{\"inputs\":[%s],\"parameters\":{\"ewcd_task\":\"low\",\"timeout\":5}}",
                    tensors[i]);
                if (read_text(&a, text, &q, &e) != 0)
                        fail_msg("%s: %s %s", tensors[i], e.field, e.msg);
                assert_string_equal(q.inputs[0].name, "x");
                assert_string_equal(q.ewcd_task, "low");
                assert_null(q.id);
                assert_int_equal(q.inputs[0].n, 6);
                for (int k = 0; k < 6; k++)
                        assert_true(q.inputs[0].data[k] == (float)(k + 1));
                arena_deinit(&a);
        }
}

static void integer_ranges(void **state)
{
        (void)state;
        static const struct {
                const char *type, *fits, *misses;
        } cases[] = {{"INT8", "[-128,127]", "[0,128]"}, {"INT8", "[-0,0]", "[-129,0]"},
            {"INT16", "[-32768,32767]", "[0,32768]"}, {"INT32", "[-2147483648,2147483520]", "[0,2147483648]"},
            {"INT32", "[1,2]", "[-2147483649,0]"},
            {"INT64", "[-9223372036854775808,9223371487098961920]", "[0,9223372036854775808]"},
            {"INT64", "[0,16777216]", "[0,9223372036854775807]"}, {"INT64", "[0,-16777218]", "[0,-16777217]"},
            {"INT64", "[0,0]", "[0,-9223372036854775809]"}, {"UINT8", "[0,255]", "[0,256]"},
            {"UINT8", "[0,1]", "[-1,1]"}, {"UINT16", "[0,65535]", "[0,65536]"},
            {"UINT32", "[0,4294967040]", "[0,4294967296]"},
            {"UINT64", "[0,18446742974197923840]", "[0,18446744073709551616]"},
            {"UINT64", "[0,33554430]", "[0,18446744073709551615]"}, {"BOOL", "[0,1]", "[0,2]"},
            {"BOOL", "[0,1]", "[0,-1]"}, {"BOOL", "[0,1]", "[0,0.5]"},
            {"UINT64", "[0,1]", "[0,99999999999999999999999]"}, {"INT32", "[3,4]", "[1,1.5]"},
            {"INT32", "[3,4]", "[1,1e3]"}, {"INT32", "[3,4]", "[1.0,1]"}};
        for (size_t i = 0; i < ARRAY_LEN(cases); i++)
                for (int bad = 0; bad < 2; bad++) {
                        char text[300];
                        struct arena a;
                        struct oip_request q;
                        struct err e = ERR_NULL;
                        arena_init(&a, 1 << 20);
                        const char *data = bad ? cases[i].misses : cases[i].fits;
                        snprintf(text, sizeof(text),
                            "{\"inputs\":[{\"name\":\"t\",\"shape\":[2],\"datatype\":\"%s\",\"data\":%s}]}",
                            cases[i].type, data);
                        int r = read_text(&a, text, &q, &e);
                        if (r != (bad ? PROBLEM_BAD_VALUE : 0))
                                fail_msg("%s %s: %d %s", cases[i].type, data, r, e.msg);
                        if (!bad)
                                assert_true(q.inputs[0].data[1] == strtof(strchr(data, ',') + 1, NULL));
                        arena_deinit(&a);
                }
}

/* T: the tensor with this data and shape [2]. */
#define T(data) "{\"inputs\":[{\"name\":\"t\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":" data "}]}"
#define S(shape) "{\"inputs\":[{\"name\":\"t\",\"shape\":" shape ",\"datatype\":\"FP32\",\"data\":[1,2]}]}"
#define D "/inputs/0/data"

static const struct broken {
        const char *text;
        int problem;
        const char *field, *in_message;
} corpus[] = {
    {"", PROBLEM_MALFORMED, "", "byte 0"},
    {" ", PROBLEM_MALFORMED, "", "byte 1"},
    {"[]", PROBLEM_BAD_VALUE, "", "an object, not an array"},
    {"null", PROBLEM_BAD_VALUE, "", "not null"},
    {"tru", PROBLEM_MALFORMED, "", "byte 0"},
    {"{", PROBLEM_MALFORMED, "", "byte 1"},
    {"{\"inputs\"", PROBLEM_MALFORMED, "", "':'"},
    {"{\"inputs\":", PROBLEM_MALFORMED, "/inputs", "early"},
    {"{inputs:[]}", PROBLEM_MALFORMED, "", "quotes"},
    {"{'inputs':[]}", PROBLEM_MALFORMED, "", "quotes"},
    {"{}", PROBLEM_BAD_VALUE, "/inputs", "no input"},
    {"{\"inputs\":[]}", PROBLEM_BAD_VALUE, "/inputs", "no input"},
    {"{\"inputs\":{}}", PROBLEM_BAD_VALUE, "/inputs", "an array"},
    {"{\"inputs\":[1]}", PROBLEM_BAD_VALUE, "/inputs/0", "an object"},
    {"{\"inputs\":[{}]}", PROBLEM_BAD_VALUE, "/inputs/0/name", "name"},
    {"{\"inputs\":[{\"name\":\"t\",\"datatype\":\"FP32\",\"data\":[1]}]}", PROBLEM_BAD_VALUE, "/inputs/0/shape",
        "shape"},
    {"{\"inputs\":[{\"name\":\"t\",\"shape\":[1],\"data\":[1]}]}", PROBLEM_BAD_VALUE, "/inputs/0/datatype",
        "datatype"},
    {"{\"inputs\":[{\"name\":\"t\",\"shape\":[1],\"datatype\":\"FP32\"}]}", PROBLEM_BAD_VALUE, D, "data"},
    {"{\"inputs\":[{\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}]}", PROBLEM_BAD_VALUE, "/inputs/0/name",
        "name"},
    {"{\"inputs\":[{\"name\":7,\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}]}", PROBLEM_BAD_VALUE,
        "/inputs/0/name", "a string"},
    {"{\"inputs\":[{\"name\":\"t\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"a\"]}]}", PROBLEM_BAD_VALUE,
        "/inputs/0/datatype", "BYTES"},
    {"{\"inputs\":[{\"name\":\"t\",\"shape\":[1],\"datatype\":\"BOOL\",\"data\":[null]}]}", PROBLEM_BAD_VALUE,
        "/inputs/0/data", "null"},
    {"{\"inputs\":[{\"name\":\"t\",\"shape\":[1],\"datatype\":\"BOOL\",\"data\":[truth]}]}", PROBLEM_MALFORMED,
        "/inputs/0/data", "word"},
    {"{\"inputs\":[{\"name\":\"t\",\"shape\":[1],\"datatype\":\"UINT8\",\"data\":[true]}]}", PROBLEM_BAD_VALUE,
        "/inputs/0/data", "true or false"},
    {"{\"inputs\":[{\"datatype\":\"BYTES\",\"data\":[\"a\"],\"shape\":[1],\"name\":\"late\"}]}", PROBLEM_BAD_VALUE,
        "/inputs/0/datatype", "tensor 'late'"},
    {"{\"inputs\":[{\"name\":\"t\",\"shape\":[1],\"datatype\":\"FP16\",\"data\":[1]}]}", PROBLEM_BAD_VALUE,
        "/inputs/0/datatype", "FP16"},
    {"{\"inputs\":[{\"name\":\"t\",\"shape\":[1],\"datatype\":\"fp32\",\"data\":[1]}]}", PROBLEM_BAD_VALUE,
        "/inputs/0/datatype", "fp32"},
    {"{\"inputs\":[{\"name\":\"t\",\"shape\":[1],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":4}}]}",
        PROBLEM_BAD_VALUE, "/inputs/0/parameters/binary_data_size", "binary"},
    {"{\"inputs\":[{\"name\":\"t\",\"name\":\"u\"}]}", PROBLEM_MALFORMED, "/inputs/0", "twice"},
    {"{\"id\":\"a\",\"id\":\"b\"}", PROBLEM_MALFORMED, "", "twice"},
    {"{\"x\":1,\"y\":2,\"x\":3}", PROBLEM_MALFORMED, "", "twice"},
    {"{\"id\":5}", PROBLEM_BAD_VALUE, "/id", "a string"},
    {"{\"id\":\"a", PROBLEM_MALFORMED, "/id", "end"},
    {"{\"id\":\"\\q\"}", PROBLEM_MALFORMED, "/id", "escape"},
    {"{\"id\":\"\\u12g4\"}", PROBLEM_MALFORMED, "/id", "hex"},
    {"{\"id\":\"\\ud800\"}", PROBLEM_MALFORMED, "/id", "surrogate"},
    {"{\"id\":\"\\ud800\\u0041\"}", PROBLEM_MALFORMED, "/id", "surrogate"},
    {"{\"id\":\"\\udc00\"}", PROBLEM_MALFORMED, "/id", "surrogate"},
    {"{\"id\":\"\\ud800\\ud800\"}", PROBLEM_MALFORMED, "/id", "surrogate"},
    {"{\"id\":\"\\u0000\"}", PROBLEM_MALFORMED, "/id", "NUL"},
    {"{\"id\":\"a\nb\"}", PROBLEM_MALFORMED, "/id", "control"},
    {"{\"id\":\"\xff\"}", PROBLEM_MALFORMED, "/id", "UTF-8"},
    {"{\"id\":\"\xc0\xaf\"}", PROBLEM_MALFORMED, "/id", "UTF-8"},
    {"{\"zz\":\"\xed\xa0\x80\"}", PROBLEM_MALFORMED, "", "UTF-8"},
    {"{\"zz\":\"\\x\"}", PROBLEM_MALFORMED, "", "escape"},
    {"{\"zz\":01}", PROBLEM_MALFORMED, "", "byte"},
    {"{\"zz\":1.}", PROBLEM_MALFORMED, "", "point"},
    {"{\"zz\":1e}", PROBLEM_MALFORMED, "", "exponent"},
    {"{\"zz\":-}", PROBLEM_MALFORMED, "", "no value"},
    {"{\"zz\":+1}", PROBLEM_MALFORMED, "", "word"},
    {"{\"zz\":[1,]}", PROBLEM_MALFORMED, "", "byte"},
    {"{\"zz\":{\"a\":1,}}", PROBLEM_MALFORMED, "", "key"},
    {"{\"zz\":[1 2]}", PROBLEM_MALFORMED, "", "','"},
    {"{\"zz\":[1}}", PROBLEM_MALFORMED, "", "','"},
    {"{\"zz\":{\"a\"}}", PROBLEM_MALFORMED, "", "':'"},
    {"{\"zz\":1,}", PROBLEM_MALFORMED, "", "','"},
    {"{\"zz\":1 \"y\":2}", PROBLEM_MALFORMED, "", "','"},
    {"{\"zz\":nul}", PROBLEM_MALFORMED, "", "word"},
    {"{\"zz\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", PROBLEM_MALFORMED, "", "deep"},
    {"{\"parameters\":[]}", PROBLEM_BAD_VALUE, "/parameters", "an object"},
    {"{\"parameters\":{\"ewcd_task\":1}}", PROBLEM_BAD_VALUE, "/parameters/ewcd_task", "a string"},
    {"{\"parameters\":{\"ewcd_prediction_id\":1}}", PROBLEM_BAD_VALUE, "/parameters/ewcd_prediction_id",
        "true or false"},
    {"{\"outputs\":[{}]}", PROBLEM_BAD_VALUE, "/outputs/0/name", "name"},
    {"{\"outputs\":[{\"name\":\"p\",\"parameters\":{\"classification\":-3}}]}", PROBLEM_BAD_VALUE,
        "/outputs/0/parameters/classification", "integer"},
    {"{\"outputs\":[{\"name\":\"p\",\"parameters\":{\"binary_data\":1}}]}", PROBLEM_BAD_VALUE,
        "/outputs/0/parameters/binary_data", "true or false"},
    {"{\"outputs\":[{\"name\":\"p\"},{\"name\":\"p\"}]}", PROBLEM_BAD_VALUE, "/outputs/1", "twice"},
    {"{\"parameters\":{\"binary_data_output\":\"yes\"}}", PROBLEM_BAD_VALUE, "/parameters/binary_data_output",
        "true or false"},
    {"{\"parameters\":{\"priority\":1.5}}", PROBLEM_BAD_VALUE, "/parameters/priority", "integer"},
    {"{\"parameters\":{\"timeout\":-1}}", PROBLEM_BAD_VALUE, "/parameters/timeout", "integer"},
    {T("[1,2]") "x", PROBLEM_MALFORMED, "", "follows"},
    {T("[1,2]") "{}", PROBLEM_MALFORMED, "", "follows"},
    {T("[1]"), PROBLEM_BAD_SHAPE, D, "2 elements, data has 1"},
    {T("[1,2,3]"), PROBLEM_BAD_SHAPE, D, "2 elements, data has 3"},
    {T("[]"), PROBLEM_BAD_SHAPE, D, "data has 0"},
    {T("[[]]"), PROBLEM_BAD_SHAPE, D, "empty"},
    {T("1"), PROBLEM_BAD_VALUE, D, "an array"},
    {T("[1,NaN]"), PROBLEM_NON_FINITE, D, "'t': element 1"},
    {T("[Infinity,1]"), PROBLEM_NON_FINITE, D, "'t': element 0"},
    {T("[1,-Infinity]"), PROBLEM_NON_FINITE, D, "'t': element 1"},
    {T("[1,1e39]"), PROBLEM_NON_FINITE, D, "'t': element 1"},
    {T("[-1e400,1]"), PROBLEM_NON_FINITE, D, "'t': element 0"},
    {T("[1,3.5e38]"), PROBLEM_NON_FINITE, D, "float32"},
    {T("[1,null]"), PROBLEM_BAD_VALUE, D, "element 1 must be a number, not null"},
    {T("[1,\"2\"]"), PROBLEM_BAD_VALUE, D, "a string"},
    {T("[true,1]"), PROBLEM_BAD_VALUE, D, "true or false"},
    {T("[1,{}]"), PROBLEM_BAD_VALUE, D, "an object"},
    {T("[1,]"), PROBLEM_MALFORMED, D, "byte"},
    {T("[,1]"), PROBLEM_MALFORMED, D, "byte"},
    {T("[1,,2]"), PROBLEM_MALFORMED, D, "byte"},
    {T("[1 2]"), PROBLEM_MALFORMED, D, "','"},
    {T("[01,2]"), PROBLEM_MALFORMED, D, "','"},
    {T("[1.,2]"), PROBLEM_MALFORMED, D, "point"},
    {T("[.5,2]"), PROBLEM_MALFORMED, D, "byte"},
    {T("[+5,2]"), PROBLEM_MALFORMED, D, "byte"},
    {T("[0x10,2]"), PROBLEM_MALFORMED, D, "','"},
    {T("[1,2"), PROBLEM_MALFORMED, D, "byte"},
    {T("[1,[2]]"), PROBLEM_BAD_SHAPE, D, "mixed"},
    {T("[[],[],1,2]"), PROBLEM_BAD_SHAPE, D, "empty"},
    {T("[[1,2],[]]"), PROBLEM_BAD_SHAPE, D, "empty"},
    {T("[[[],[]],[[1],[2]]]"), PROBLEM_BAD_SHAPE, D, "empty"},
    {T("[[1],2]"), PROBLEM_BAD_SHAPE, D, "mixed"},
    {T("[[1],[2,3]]"), PROBLEM_BAD_SHAPE, D, "differ"},
    {T("[[],[1,2]]"), PROBLEM_BAD_SHAPE, D, "empty"},
    {T("[[1],[[2]]]"), PROBLEM_BAD_SHAPE, D, "mixed"},
    {T("[[1],]"), PROBLEM_MALFORMED, D, "byte"},
    {T("[[[[[[[[[1,2]]]]]]]]]"), PROBLEM_BAD_SHAPE, D, "deep"},
    {S("[]"), PROBLEM_BAD_SHAPE, "/inputs/0/shape", "dimension"},
    {S("[0]"), PROBLEM_BAD_SHAPE, "/inputs/0/shape", "at least 1"},
    {S("[-1,2]"), PROBLEM_BAD_SHAPE, "/inputs/0/shape", "at least 1"},
    {S("[2.0]"), PROBLEM_BAD_VALUE, "/inputs/0/shape", "integer"},
    {S("[\"2\"]"), PROBLEM_BAD_VALUE, "/inputs/0/shape", "integer"},
    {S("2"), PROBLEM_BAD_VALUE, "/inputs/0/shape", "an array"},
    {S("[1,1,1,1,1,1,1,1,2]"), PROBLEM_BAD_SHAPE, "/inputs/0/shape", "8"},
    {S("[4294967296,4294967296]"), PROBLEM_BAD_SHAPE, "/inputs/0/shape", "too large"},
    {S("[18446744073709551616]"), PROBLEM_BAD_VALUE, "/inputs/0/shape", "integer"},
    {S("[1000000000000]"), PROBLEM_BAD_SHAPE, D, "data has 2"},
};

static void malformed(void **state)
{
        (void)state;
        assert_true(ARRAY_LEN(corpus) >= 60);
        for (size_t i = 0; i < ARRAY_LEN(corpus); i++) {
                const struct broken *c = &corpus[i];
                struct arena a;
                struct oip_request q = {.n_inputs = 77};
                struct err e = ERR_NULL;
                arena_init(&a, 1 << 20);
                int r = read_text(&a, c->text, &q, &e);
                if (r != c->problem || strcmp(e.field, c->field) != 0 || !strstr(e.msg, c->in_message) || e.code != r)
                        fail_msg("%s: got %d '%s' '%s', want %d '%s' '%s'", c->text, r, e.field, e.msg, c->problem,
                            c->field, c->in_message);
                assert_int_equal(q.n_inputs, 77); /* untouched */
                assert_int_equal(oip_request_read(slice_of(c->text), &a, &q, NULL), r);
                arena_deinit(&a);
        }
}

static void every_prefix_is_refused(void **state)
{
        (void)state;
        static const char text[] = T("[[0.25,-1e-3]]");
        for (size_t n = 0; n + 1 < sizeof(text); n++) {
                char part[sizeof(text)];
                struct arena a;
                struct oip_request q;
                struct err e = ERR_NULL;
                snprintf(part, sizeof(part), "%.*s", (int)n, text);
                arena_init(&a, 1 << 20);
                assert_true(read_text(&a, part, &q, &e) > 0);
                arena_deinit(&a);
        }
}

static void too_many(void **state)
{
        (void)state;
        char text[4000] = "{\"inputs\":[";
        for (int i = 0; i <= OIP_MAX_TENSORS; i++) {
                size_t n = strlen(text);
                snprintf(text + n, sizeof(text) - n,
                    "%s{\"name\":\"t%d\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}", i ? "," : "", i);
        }
        strcat(text, "]}");
        struct arena a;
        struct oip_request q;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        assert_int_equal(read_text(&a, text, &q, &e), PROBLEM_BAD_VALUE);
        assert_string_equal(e.field, "/inputs");
        assert_int_equal(read_text(&a,
                             "{\"inputs\":[{\"name\":\"a\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]},"
                             "{\"name\":\"a\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}]}",
                             &q, &e),
            PROBLEM_BAD_VALUE);
        assert_non_null(strstr(e.msg, "twice"));
        arena_deinit(&a);
}

static void memory_is_bounded(void **state)
{
        (void)state;
        struct arena a;
        struct oip_request q;
        struct err e = ERR_NULL;
        arena_init(&a, 6000); /* a huge shape must not be believed */
        assert_int_equal(read_text(&a, S("[1000000000000]"), &q, &e), PROBLEM_BAD_SHAPE);
        arena_deinit(&a);
        arena_init(&a, 100);
        assert_int_equal(read_text(&a, S("[2]"), &q, &e), -ENOMEM);
        arena_deinit(&a);
}

static void strings(void **state)
{
        (void)state;
        struct arena a;
        struct oip_request q;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        assert_int_equal(read_text(&a,
                             "{\"id\":\"\\\"\\\\\\/"
                             "\\b\\f\\n\\r\\t\\u00e4\\u20ac\\ud83d\\ude00\xc3\xa4\",\"inputs\":[{\"name\":\"a\","
                             "\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}]}",
                             &q, &e),
            0);
        assert_string_equal(q.id, "\"\\/\b\f\n\r\t\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa4");
        arena_deinit(&a);
}

static void response(void **state)
{
        (void)state;
        const float p[] = {0.0004f, 0.981f, 0, 1, 1e-9f, 0.25f};
        const struct oip_output out = {.name = "probabilities", .rank = 2, .shape = {2, 3}, .data = p};
        struct oip_response r = {
            .model_name = "mnist", .model_version = "7", .id = "42\"", .n_outputs = 1, .outputs = &out};
        struct buf b;
        size_t n_json = 77;
        buf_init(&b, 1 << 16);
        oip_response_write(&b, &r, &n_json);
        assert_int_equal(n_json, 0);
        assert_true(buf_ok(&b));
        assert_string_equal(b.data, "{\"model_name\":\"mnist\",\"model_version\":\"7\",\"id\":\"42\\\"\",\"outputs\":"
                                    "[{\"name\":\"probabilities\","
                                    "\"datatype\":\"FP32\",\"shape\":[2,3],\"data\":[0.0004,0.981,0,1,1e-9,0.25]}]}");
        buf_reset(&b);
        r.model_digest = "sha256:00";
        r.task = "low";
        r.prediction_id = "a-1,b-2";
        r.id = NULL;
        oip_response_write(&b, &r, &n_json);
        json_t *v = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(v);
        assert_string_equal(json_string_value(json_object_get(json_object_get(v, "parameters"), "ewcd_task")), "low");
        assert_string_equal(
            json_string_value(json_object_get(json_object_get(v, "parameters"), "ewcd_model_digest")), "sha256:00");
        assert_string_equal(
            json_string_value(json_object_get(json_object_get(v, "parameters"), "ewcd_prediction_id")), "a-1,b-2");
        const json_t *data = json_object_get(json_array_get(json_object_get(v, "outputs"), 0), "data");
        for (size_t i = 0; i < 6; i++)
                assert_true((float)json_number_value(json_array_get(data, i)) == p[i]);
        json_decref(v);
        buf_deinit(&b);
}

static void parameters(void **state)
{
        (void)state;
        static const char head[] = "{\"inputs\":[{\"name\":\"a\",\"shape\":[3],\"datatype\":\"BOOL\","
                                   "\"data\":[true,false,1]}],";
        char text[400];
        struct arena a;
        struct oip_request q;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        snprintf(text, sizeof(text),
            "%s\"outputs\":[{\"name\":\"p\"},{\"parameters\":{\"classification\":3,\"binary_data\":false},\"name\":"
            "\"q\"}],\"parameters\":{\"priority\":2,\"timeout\":50000,\"binary_data_output\":true,\"triton_x\":1,"
            "\"ewcd_prediction_id\":true}}",
            head);
        assert_int_equal(read_text(&a, text, &q, &e), 0);
        assert_true(q.inputs[0].data[0] == 1 && q.inputs[0].data[1] == 0 && q.inputs[0].data[2] == 1);
        assert_int_equal(q.priority, 2);
        assert_int_equal(q.timeout_us, 50000);
        assert_true(q.binary_output && q.outputs[0].binary && !q.outputs[1].binary && q.prediction_id);
        assert_int_equal(q.outputs[0].classification, 0);
        assert_int_equal(q.outputs[1].classification, 3);
        snprintf(text, sizeof(text), "%s\"outputs\":[{\"name\":\"p\",\"parameters\":{\"binary_data\":true}}]}", head);
        assert_int_equal(read_text(&a, text, &q, &e), 0);
        assert_true(!q.binary_output && q.outputs[0].binary && q.priority == 0 && q.timeout_us == 0);
        assert_false(q.prediction_id);
        arena_deinit(&a);
}

static uint32_t next(uint64_t *s)
{
        *s = *s * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t)(*s >> 33);
}

/* Replaces, deletes, inserts or doubles a few bytes. */
static size_t mutate(char *text, size_t n, size_t cap, uint64_t *s)
{
        static const char alphabet[] = "{}[],:\"\\ 0123456789.-+eEuntfaNIx\n\t\x01\x80\xc3";
        for (unsigned rounds = 1 + next(s) % 3; rounds > 0 && n > 0; rounds--) {
                size_t at = next(s) % n;
                char c = alphabet[next(s) % (sizeof(alphabet) - 1)];
                unsigned how = next(s) % 4;
                if (how == 0) {
                        text[at] = c;
                } else if (how == 1) {
                        memmove(text + at, text + at + 1, --n - at);
                } else if (n < cap) {
                        memmove(text + at + 1, text + at, n++ - at);
                        if (how == 2)
                                text[at] = c;
                }
        }
        return n;
}

/* What is accepted is JSON, what is called malformed is not, says another parser. */
static void mutations(void **state)
{
        (void)state;
        static const char seed[] = "{\"id\":\"4\\u00e42\",\"x\":{\"a\":[1,{\"b\":null}],\"c\":-1.5e+3},\"inputs\":[{"
                                   "\"name\":\"t\",\"shape\":[2,2],"
                                   "\"datatype\":\"FP32\",\"data\":[[0.1,-2],[3e2,4]]}],\"outputs\":[{\"name\":\"p\","
                                   "\"parameters\":{\"k\":true}}]}";
        uint64_t s = 11;
        unsigned accepted = 0, malformed_bodies = 0;
        for (int i = 0; i < 30000; i++) {
                char text[sizeof(seed) + 8];
                struct arena a;
                struct oip_request q;
                struct err e = ERR_NULL;
                memcpy(text, seed, sizeof(seed) - 1);
                size_t n = mutate(text, sizeof(seed) - 1, sizeof(text), &s);
                char *exact = malloc(n + 1);
                memcpy(exact, text, n);
                exact[n] = '\0';
                arena_init(&a, 1 << 20);
                int r = oip_request_read((struct slice){exact, n}, &a, &q, &e);
                json_t *v = json_loadb(exact, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
                json_error_t why;
                json_t *loose = json_loadb(exact, n, JSON_DECODE_ANY, &why);
                bool json = loose || json_error_code(&why) == json_error_numeric_overflow; /* the other's own limit */
                if (r < 0 || (r == 0 && !json) || (r == PROBLEM_MALFORMED && v))
                        fail_msg("%d '%s' for %s", r, e.msg, exact);
                accepted += r == 0;
                malformed_bodies += r == PROBLEM_MALFORMED;
                json_decref(v);
                json_decref(loose);
                arena_deinit(&a);
                free(exact);
        }
        assert_true(accepted > 1000 && malformed_bodies > 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(golden),
            cmocka_unit_test(same_tensor),
            cmocka_unit_test(integer_ranges),
            cmocka_unit_test(malformed),
            cmocka_unit_test(every_prefix_is_refused),
            cmocka_unit_test(mutations),
            cmocka_unit_test(too_many),
            cmocka_unit_test(memory_is_bounded),
            cmocka_unit_test(strings),
            cmocka_unit_test(parameters),
            cmocka_unit_test(response),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

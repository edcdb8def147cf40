/* test_json_model.c: models from JSON and back: every key of "learning", every refusal with its field. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "proto/json_model.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char whole[] =
    "{\"name\":\"mnist\",\"input\":{\"name\":\"image\",\"shape\":[2,3],\"scale\":0.0039,\"offset\":[0,1,2,3,4,-0.1]},"
    "\"classes\":[\"0\",1,\"zwei\",\"3\"],\"scenario\":\"task\",\"layers\":[{\"type\":\"dense\",\"units\":400,"
    "\"activation\":\"relu\"},{\"type\":\"dense\",\"units\":7,\"activation\":\"tanh\"}],\"loss\":\"sigmoid\","
    "\"task\":\"low\","
    "\"task_classes\":[\"zwei\",\"0\"],\"learning\":{\"lambda\":\"auto\",\"optimizer\":{\"type\":\"sgd\",\"rate\":0."
    "1}}}";

static void whole_body(void **state)
{
        (void)state;
        struct arena a;
        struct model_spec s;
        struct learning l;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        if (json_model_read(slice_of(whole), &a, &s, &l, &e) != 0)
                fail_msg("%s %s", e.field, e.msg);
        assert_string_equal(s.name, "mnist");
        assert_string_equal(s.input_name, "image");
        assert_int_equal(s.rank, 2);
        assert_int_equal(s.shape[1], 3);
        assert_int_equal(s.n_inputs, 6);
        assert_int_equal(s.net.n_inputs, 6);
        assert_int_equal(s.n_scale, 1);
        assert_true(s.scale[0] == 0.0039f);
        assert_int_equal(s.n_offset, 6);
        assert_true(s.offset[5] == -0.1f && s.offset[4] == 4.0f);
        assert_int_equal(s.scenario, SCENARIO_TASK);
        assert_int_equal(s.n_classes, 4);
        assert_string_equal(s.classes[1], "1");
        assert_int_equal(s.net.n_layers, 2);
        assert_int_equal(s.net.layers[0].units, 400);
        assert_int_equal(s.net.layers[1].activation, EWC_ACT_TANH);
        assert_int_equal(s.net.loss, EWC_LOSS_SIGMOID);
        assert_string_equal(s.task, "low");
        assert_int_equal(s.n_task_classes, 2);
        assert_int_equal(s.task_classes[0], 0); /* ascending */
        assert_int_equal(s.task_classes[1], 2);
        assert_true(l.lambda_auto);
        assert_int_equal(l.optimizer_type, EWC_OPTIM_SGD);
        assert_true(l.optimizer_rate == 0.1);
        arena_deinit(&a);
}

#define LAYERS "\"layers\":[{\"type\":\"dense\",\"units\":4,\"activation\":\"relu\"}]"
#define REST "\"input\":{\"shape\":[4]},\"classes\":[\"a\",\"b\"],\"scenario\":\"domain\",\"task\":\"t\","
#define INPUT(x)                                                                                                     \
        "{\"name\":\"m\",\"classes\":[\"a\",\"b\"],\"scenario\":\"domain\",\"task\":\"t\"," LAYERS ",\"input\":" x "}"
#define LAYER(x) "{\"name\":\"m\"," REST "\"layers\":[" x "]}"
#define LEARN(x) "{\"name\":\"m\"," REST LAYERS ",\"learning\":" x "}"
#define CLASSES(x)                                                                                                   \
        "{\"name\":\"m\",\"input\":{\"shape\":[4]},\"scenario\":\"domain\",\"task\":\"t\"," LAYERS ",\"classes\":" x \
        "}"

static void defaults(void **state)
{
        (void)state;
        struct arena a;
        struct model_spec s;
        struct learning l, want;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        if (json_model_read(slice_of(LEARN("{}")), &a, &s, &l, &e) != 0)
                fail_msg("%s %s", e.field, e.msg);
        assert_string_equal(s.input_name, "input");
        assert_true(s.n_scale == 1 && s.scale[0] == 1.0f && s.n_offset == 1 && s.offset[0] == 0.0f);
        assert_int_equal(s.net.loss, EWC_LOSS_SOFTMAX);
        assert_int_equal(s.n_task_classes, 0);
        learning_defaults(&want);
        assert_memory_equal(&l, &want, sizeof(l));
        arena_deinit(&a);
}

static const struct refusal {
        const char *text;
        int problem;
        const char *field, *in_message;
} refusals[] = {
    {"", PROBLEM_MALFORMED, "", "not JSON"},
    {"{\"name\":\"m\"", PROBLEM_MALFORMED, "", "byte"},
    {"{\"name\":\"m\",\"name\":\"n\"}", PROBLEM_MALFORMED, "", "duplicate"},
    {"[1]", PROBLEM_BAD_VALUE, "", "an object"},
    {"{\"nam\":\"m\"}", PROBLEM_UNKNOWN_KEY, "/nam",
        "'nam'; known: name, input, classes, scenario, layers, loss, task"},
    {"{}", PROBLEM_BAD_VALUE, "/name", "missing"},
    {"{\"name\":\"../etc\"}", PROBLEM_BAD_NAME, "/name", "'../etc'"},
    {"{\"name\":5}", PROBLEM_BAD_VALUE, "/name", "a string"},
    {"{\"name\":\"m\"}", PROBLEM_BAD_VALUE, "/input", "an object"},
    {INPUT("{\"shape\":[4],\"size\":1}"), PROBLEM_UNKNOWN_KEY, "/input/size", "known: name, shape, scale, offset"},
    {INPUT("{}"), PROBLEM_BAD_VALUE, "/input/shape", "missing"},
    {INPUT("{\"shape\":[]}"), PROBLEM_BAD_VALUE, "/input/shape", "rank"},
    {INPUT("{\"shape\":[0]}"), PROBLEM_BAD_VALUE, "/input/shape/0", "from 1"},
    {INPUT("{\"shape\":[4.5]}"), PROBLEM_BAD_VALUE, "/input/shape/0", "integer"},
    {INPUT("{\"shape\":[65536,65536]}"), PROBLEM_BAD_VALUE, "/input/shape", "65536"},
    {INPUT("{\"shape\":[4],\"scale\":[1,2]}"), PROBLEM_BAD_SHAPE, "/input/scale", "2 numbers"},
    {INPUT("{\"shape\":[4],\"scale\":\"1\"}"), PROBLEM_BAD_VALUE, "/input/scale", "a number"},
    {INPUT("{\"shape\":[4],\"offset\":[1,2,null,4]}"), PROBLEM_BAD_VALUE, "/input/offset/2", "a number"},
    {INPUT("{\"shape\":[4],\"offset\":1e39}"), PROBLEM_NON_FINITE, "/input/offset", "float32"},
    {INPUT("{\"shape\":[4],\"name\":\"a/b\"}"), PROBLEM_BAD_NAME, "/input/name", "'a/b'"},
    {LAYER("5"), PROBLEM_BAD_VALUE, "/layers/0", "an object"},
    {LAYER("{\"type\":\"lstm\",\"units\":4,\"activation\":\"relu\"}"), PROBLEM_BAD_VALUE, "/layers/0/type",
        "'lstm'; known: dense, conv, max_pool, avg_pool, global_avg_pool, flatten, group_norm, layer_norm, dropout, "
        "embedding"},
    {LAYER("{\"type\":\"conv\",\"units\":4,\"activation\":\"relu\"}"), PROBLEM_BAD_VALUE, "/layers/0/kernel",
        "missing"},
    {LAYER("{\"type\":\"max_pool\",\"kernel\":2}"), PROBLEM_BAD_VALUE, "/layers/0/stride", "missing"},
    {LAYER("{\"type\":\"max_pool\",\"kernel\":2,\"stride\":2,\"padding\":0}"), PROBLEM_UNKNOWN_KEY,
        "/layers/0/padding", "'padding'; known: type, kernel, stride"},
    {LAYER("{\"type\":\"flatten\",\"units\":4}"), PROBLEM_UNKNOWN_KEY, "/layers/0/units", "'units'; known: type"},
    {LAYER("{\"type\":\"dropout\",\"rate\":1}"), PROBLEM_BAD_VALUE, "/layers/0/rate", "from 0 to below 1"},
    {LAYER("{\"type\":\"dropout\",\"rate\":\"x\"}"), PROBLEM_BAD_VALUE, "/layers/0/rate", "a number"},
    {LAYER("{\"type\":\"dropout\"}"), PROBLEM_BAD_VALUE, "/layers/0/rate", "missing"},
    {LAYER("{\"type\":\"embedding\",\"units\":4,\"count\":0}"), PROBLEM_BAD_VALUE, "/layers/0/count", "from 1"},
    {LAYER("{\"type\":\"flatten\"},{\"type\":\"embedding\",\"units\":4,\"count\":3}"), PROBLEM_BAD_VALUE, "/layers",
        "layer 1 (embedding): an embedding comes first"},
    {LAYER("{\"type\":\"group_norm\",\"groups\":3}"), PROBLEM_BAD_VALUE, "/layers",
        "layer 0 (group_norm): groups 3 do not divide the 4 channels"},
    {LAYER("{\"type\":\"conv\",\"units\":4,\"kernel\":3,\"stride\":1,\"padding\":0,\"activation\":\"relu\"}"),
        PROBLEM_BAD_VALUE, "/layers", "layer 0 (conv): kernel 3 does not fit its input 1x1x4"},
    {LAYER("{\"type\":\"dense\",\"units\":0,\"activation\":\"relu\"}"), PROBLEM_BAD_VALUE, "/layers/0/units",
        "from 1"},
    {LAYER("{\"type\":\"dense\",\"units\":4,\"activation\":\"elu\"}"), PROBLEM_BAD_VALUE, "/layers/0/activation",
        "'elu'; known: none, relu"},
    {LAYER("{\"type\":\"dense\",\"units\":4}"), PROBLEM_BAD_VALUE, "/layers/0/activation", "missing"},
    {LAYER("{\"type\":\"dense\",\"units\":4,\"activation\":\"relu\",\"bias\":true}"), PROBLEM_UNKNOWN_KEY,
        "/layers/0/bias", "'bias'"},
    {"{\"name\":\"m\"," REST "\"loss\":\"hinge\"," LAYERS "}", PROBLEM_BAD_VALUE, "/loss",
        "known: softmax, sigmoid, squared"},
    {"{\"name\":\"m\"," REST "\"layers\":7}", PROBLEM_BAD_VALUE, "/layers", "an array"},
    {"{\"name\":\"m\",\"input\":{\"shape\":[4]},\"classes\":[\"a\",\"b\"],\"scenario\":\"x\",\"task\":\"t\"," LAYERS
     "}",
        PROBLEM_BAD_VALUE, "/scenario", "known: task, domain, class"},
    {"{\"name\":\"m\",\"input\":{\"shape\":[4]},\"classes\":[\"a\",\"b\"],\"scenario\":\"domain\"," LAYERS "}",
        PROBLEM_BAD_VALUE, "/task", "missing"},
    {"{\"name\":\"m\"," REST LAYERS ",\"task_classes\":[\"z\"]}", PROBLEM_UNKNOWN_LABEL, "/task_classes/0", "'z'"},
    {"{\"name\":\"m\"," REST LAYERS ",\"task_classes\":[\"b\",\"a\",\"b\"]}", PROBLEM_BAD_VALUE, "/task_classes/2",
        "twice"},
    {CLASSES("[]"), PROBLEM_BAD_VALUE, "/classes", "0 entries"},
    {CLASSES("[\"a\",null]"), PROBLEM_BAD_VALUE, "/classes/1", "a string or an integer"},
    {CLASSES("[\"a\",1.5]"), PROBLEM_BAD_VALUE, "/classes/1", "a string or an integer"},
    {CLASSES("[\"1\",\"2\",1]"), PROBLEM_BAD_VALUE, "/classes/2", "\"1\""},
    {CLASSES("[\"a\",\"\"]"), PROBLEM_BAD_VALUE, "/classes/1", "bytes"},
    {LEARN("5"), PROBLEM_BAD_VALUE, "/learning", "an object"},
    {LEARN("{\"lamda\":1}"), PROBLEM_UNKNOWN_KEY, "/learning/lamda",
        "'lamda'; known: method, lambda, lambda_start, fisher, importance, merge, penalty, optimizer, rates"},
    {LEARN("{\"optimizer\":{\"lr\":1}}"), PROBLEM_UNKNOWN_KEY, "/learning/optimizer/lr",
        "'lr'; known: type, rate, momentum"},
    {LEARN("{\"optimizer.rate\":1}"), PROBLEM_UNKNOWN_KEY, "/learning/optimizer.rate", "'optimizer.rate'"},
    {LEARN("{\"optimizer\":\"sgd\"}"), PROBLEM_BAD_VALUE, "/learning/optimizer", "an object"},
    {LEARN("{\"lambda\":\"big\"}"), PROBLEM_BAD_VALUE, "/learning/lambda", "\"auto\""},
    {LEARN("{\"lambda\":-1}"), PROBLEM_BAD_VALUE, "/learning/lambda", "from 0"},
    {LEARN("{\"epochs\":1.5}"), PROBLEM_BAD_VALUE, "/learning/epochs", "an integer"},
    {LEARN("{\"epochs\":-1}"), PROBLEM_BAD_VALUE, "/learning/epochs", "from 0"},
    {LEARN("{\"epochs\":0,\"steps\":0}"), PROBLEM_BAD_VALUE, "/learning/epochs", "both 0"},
    {LEARN("{\"method\":\"si\"}"), PROBLEM_BAD_VALUE, "/learning/method", "known: ewc, plain, joint"},
    {LEARN("{\"fisher\":{\"variant\":\"x\"}}"), PROBLEM_BAD_VALUE, "/learning/fisher/variant", "known: exact"},
};

static void refused(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
                const struct refusal *c = &refusals[i];
                struct arena a;
                struct model_spec s = {.rank = 99};
                struct learning l;
                struct err e = ERR_NULL;
                arena_init(&a, 1 << 20);
                int r = json_model_read(slice_of(c->text), &a, &s, &l, &e);
                if (r != c->problem || strcmp(e.field, c->field) != 0 || !strstr(e.msg, c->in_message))
                        fail_msg("%s: got %d '%s' '%s'", c->text, r, e.field, e.msg);
                assert_int_equal(s.rank, 99);
                assert_int_equal(json_model_read(slice_of(c->text), &a, &s, &l, NULL), r);
                arena_deinit(&a);
        }
}

static void depth_is_limited(void **state)
{
        (void)state;
        char text[2048];
        struct arena a;
        struct model_spec s;
        struct learning l;
        struct err e = ERR_NULL;
        memset(text, '[', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        arena_init(&a, 1 << 20);
        assert_int_equal(json_model_read(slice_of(text), &a, &s, &l, &e), PROBLEM_MALFORMED);
        assert_non_null(strstr(e.msg, "deeper"));
        arena_deinit(&a);
}

/* {"optimizer":{"rate":value}} from "optimizer.rate". */
static void nest(char *out, size_t size, const char *path, const char *value)
{
        const char *dot = strchr(path, '.');
        if (dot)
                snprintf(out, size, "{\"%.*s\":{\"%s\":%s}}", (int)(dot - path), path, dot + 1, value);
        else
                snprintf(out, size, "{\"%s\":%s}", path, value);
}

static int read_learning(const char *learning, struct learning *ret, struct err *e)
{
        char text[1024];
        struct arena a;
        struct model_spec s;
        arena_init(&a, 1 << 20);
        snprintf(text, sizeof(text), "{\"name\":\"m\"," REST LAYERS ",\"learning\":%s}", learning);
        int r = json_model_read(slice_of(text), &a, &s, ret, e);
        arena_deinit(&a);
        return r;
}

static bool is_number(const struct learning_key *k)
{
        return k->type == LEARNING_REAL || k->type == LEARNING_UINT || k->type == LEARNING_LAMBDA;
}

static double value_of(const struct learning *l, const struct learning_key *k)
{
        const void *at = (const char *)l + k->offset;
        if (k->type != LEARNING_UINT)
                return *(const double *)at;
        return k->size == 8 ? (double)*(const uint64_t *)at : (double)*(const uint32_t *)at;
}

/* Keys that mean something beside others only, and what those are. */
static const char *company(const char *path, bool high)
{
        static const struct {
                const char *path, *with;
        } rows[] = {
            {"fisher.keep", "\"fisher\":{\"encoding\":\"bitmap16\",\"keep\":%s}"},
            {"merge.decay", "\"merge\":{\"rule\":\"online\",\"decay\":%s}"},
            {"replay.derpp", "\"replay\":{\"per_class\":5,\"derpp\":%s}"},
            {"epochs", "\"steps\":1,\"epochs\":%s"},
            {"shadow.min_rows", "\"shadow\":{\"max_rows\":0,\"min_rows\":%s}"},
            {"shadow.max_rows", "\"shadow\":{\"min_rows\":1,\"max_rows\":%s}"},
        };
        if (strcmp(path, "merge.decay") == 0 && !high)
                return "\"merge\":{\"decay\":%s}";
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (strcmp(rows[i].path, path) == 0)
                        return rows[i].with;
        return NULL;
}

static void nest_edge(char *out, size_t size, const char *path, bool high, const char *value)
{
        const char *with = company(path, high), *at = with ? strstr(with, "%s") : NULL;
        if (with)
                snprintf(out, size, "{%.*s%s%s}", (int)(at - with), with, value, at + 2);
        else
                nest(out, size, path, value);
}

/* Both ends of every range are taken, what lies just outside is refused by name. */
static void every_key(void **state)
{
        (void)state;
        for (size_t i = 0; i < n_learning_keys; i++) {
                const struct learning_key *k = &learning_keys[i];
                char text[256], number[64], pointer[96];
                struct learning l, want;
                struct err e = ERR_NULL;
                nest(text, sizeof(text), k->path, k->fallback);
                if (read_learning(text, &l, &e) != 0)
                        fail_msg("default of %s: %s", k->path, e.msg);
                learning_defaults(&want);
                assert_memory_equal(&l, &want, sizeof(l));
                if (!is_number(k))
                        continue;
                snprintf(pointer, sizeof(pointer), "/learning/%s", k->path);
                for (char *p = pointer; *p; p++)
                        *p = *p == '.' ? '/' : *p;
                for (int high = 0; high < 2; high++) {
                        double edge = high ? k->hi : k->lo;
                        double past = k->type == LEARNING_UINT ? edge + (high ? 1 : -1)
                                                               : nextafter(edge, high ? INFINITY : -INFINITY);
                        const char *format = k->type == LEARNING_UINT ? "%.0f" : "%.17g";
                        snprintf(number, sizeof(number), format, edge);
                        nest_edge(text, sizeof(text), k->path, high, number);
                        if (read_learning(text, &l, &e) != 0)
                                fail_msg("%s %s: %s", k->path, number, e.msg);
                        assert_true(value_of(&l, k) == edge);
                        snprintf(number, sizeof(number), format, past);
                        nest(text, sizeof(text), k->path, number);
                        assert_int_equal(read_learning(text, &l, &e), PROBLEM_BAD_VALUE);
                        assert_string_equal(e.field, pointer);
                }
                nest(text, sizeof(text), k->path, "true");
                assert_int_equal(read_learning(text, &l, &e), PROBLEM_BAD_VALUE);
                assert_string_equal(e.field, pointer);
        }
}

static void learning_round_trip(void **state)
{
        (void)state;
        struct learning l, back;
        struct err e = ERR_NULL;
        struct buf b;
        buf_init(&b, 1 << 16);
        learning_defaults(&l);
        json_learning_write(&b, &l);
        assert_string_equal(b.data,
            "{\"method\":\"ewc\",\"lambda\":0.01,\"lambda_start\":\"similarity\","
            "\"fisher\":{\"variant\":\"exact\",\"samples\":0,\"fraction\":0,\"encoding\":\"dense32\",\"keep\":1,"
            "\"damping\":0,\"floor\":true},\"importance\":{\"type\":\"fisher\",\"damping\":0.1},"
            "\"merge\":{\"rule\":\"separate\",\"decay\":0},\"penalty\":{\"form\":\"prox\",\"scale\":\"unit\","
            "\"huber\":0},\"optimizer\":{\"type\":\"adam\",\"rate\":0.001,\"momentum\":0,\"beta1\":0.9,"
            "\"beta2\":0.999,\"eps\":1e-8},\"rates\":{\"new_task\":1,\"floor\":0,\"layers\":[]},\"epochs\":10,"
            "\"steps\":0,\"batch\":64,\"seed\":1,\"holdout\":0.1,\"gate\":{\"max_forgetting\":0.02,"
            "\"min_gain\":0,\"floor\":0,\"class_floor\":0,\"max_ece_rise\":1,\"confidence\":0,"
            "\"max_predicted\":0.1},\"trigger\":{\"min_feedback\":500,\"interval_s\":0,\"daily_min\":1440,"
            "\"cool_down_s\":0,\"accuracy\":0,\"accuracy_delta\":0.005,\"inputs\":0,\"inputs_rows\":500},"
            "\"task\":{\"boundary\":\"off\"},\"strategy\":\"fixed\",\"promotion\":\"gate\","
            "\"shadow\":{\"min_rows\":200,\"max_rows\":5000,\"confidence\":0.95},\"replay\":{\"per_class\":0,"
            "\"derpp\":0},\"distill\":{\"weight\":0,\"temperature\":2},"
            "\"feedback\":{\"on_conflict\":\"earliest\",\"window_s\":0,\"quarantine_confidence\":1},"
            "\"predict\":{\"retain_rows\":1000,\"retain_s\":86400},\"retention\":{\"features\":\"forever\","
            "\"days\":30,\"holdout_per_class\":0,\"replay_per_class\":0,\"versions\":0}}");
        for (size_t i = 0; i < n_learning_keys; i++) /* values that are not the defaults */
                if (learning_keys[i].type == LEARNING_REAL)
                        *(double *)(void *)((char *)&l + learning_keys[i].offset) =
                            learning_keys[i].lo + (learning_keys[i].hi - learning_keys[i].lo) / 3;
        l.rates_floor = l.fisher_damping = 0;
        l.rates_layers = (struct learning_list){3, {0.1f, 1.0f / 3, 1000}};
        l.fisher_variant = EWC_FISHER_SAMPLE;
        l.fisher_encoding = EWC_PACK_CSR16;
        l.fisher_floor = false;
        l.merge_rule = LEARN_MERGE_EMA;
        l.penalty_form = LEARN_FORM_GRAD;
        l.importance_type = LEARN_IMPORTANCE_MAS;
        l.lambda_start = LEARN_START_TASKS;
        l.replay_per_class = 4;
        l.task_boundary = BOUNDARY_PROPOSE;
        l.strategy = STRATEGY_MODE_AUTO;
        l.promotion = PROMOTION_MANUAL;
        l.feedback_on_conflict = CONFLICT_LATEST;
        l.retention_features = RETAIN_DAYS;
        l.trigger_daily_min = 180;
        l.optimizer_type = EWC_OPTIM_SGD;
        l.seed = 9007199254740991u;
        l.lambda = 310.7;
        for (int i = 0; i < 2; i++) {
                buf_reset(&b);
                l.lambda_auto = i;
                l.lambda_start = i ? LEARN_START_TASKS : LEARN_START_SIMILARITY;
                json_learning_write(&b, &l);
                assert_int_equal(json_learning_read(b.data, &back, &e), 0);
                if (i)
                        back.lambda = l.lambda; /* not kept when it is searched */
                assert_memory_equal(&l, &back, sizeof(l));
        }
        assert_int_equal(json_learning_read("{\"x\":1}", &back, &e), -EBADMSG);
        assert_int_equal(json_learning_read("{", &back, &e), -EBADMSG);
        buf_deinit(&b);
}

static void kinds_of_values(void **state)
{
        (void)state;
        static const struct {
                const char *text, *field, *in_message;
        } bad[] = {
            {"{\"fisher\":{\"floor\":1}}", "/learning/fisher/floor", "true or false"},
            {"{\"rates\":{\"layers\":1}}", "/learning/rates/layers", "list of numbers"},
            {"{\"rates\":{\"layers\":[1,\"x\"]}}", "/learning/rates/layers/1", "a number"},
            {"{\"rates\":{\"layers\":[1,-1]}}", "/learning/rates/layers/1", "from 0 to 1000"},
            {"{\"merge\":{\"rule\":\"average\"}}", "/learning/merge/rule", "known: separate, sum, online, ema"},
            {"{\"fisher\":{\"encoding\":\"zip\"}}", "/learning/fisher/encoding",
                "known: dense32, bitmap16, log8, csr16"},
            {"{\"penalty\":{\"scale\":\"none\"}}", "/learning/penalty/scale", "known: unit, raw, l2, minmax"},
            {"{\"merge\":{\"decay\":0.5}}", "/learning/merge/decay", "goes with no other merge.rule"},
            {"{\"distil\":{}}", "/learning/distil", "distill"},
        };
        struct learning l;
        struct err e = ERR_NULL;
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                assert_true(read_learning(bad[i].text, &l, &e) > 0);
                if (strcmp(e.field, bad[i].field) != 0 || !strstr(e.msg, bad[i].in_message))
                        fail_msg("%s: '%s' '%s'", bad[i].text, e.field, e.msg);
        }
        assert_int_equal(read_learning("{\"rates\":{\"layers\":[0.25,1]},\"fisher\":{\"encoding\":\"bitmap16\","
                                       "\"keep\":0.2,\"floor\":false}}",
                             &l, &e),
            0);
        assert_int_equal(l.rates_layers.n, 2);
        assert_true(l.rates_layers.v[0] == 0.25f && !l.fisher_floor && l.fisher_keep == 0.2);
}

/* The model of these tests has one layer before its output layer. */
static void what_the_net_decides(void **state)
{
        (void)state;
        struct learning l;
        struct err e = ERR_NULL;
        assert_int_equal(read_learning("{\"rates\":{\"layers\":[1,1,1]}}", &l, &e), PROBLEM_BAD_VALUE);
        assert_string_equal(e.field, "/learning/rates/layers");
        assert_non_null(strstr(e.msg, "give 2"));
}

static void spec_round_trip(void **state)
{
        (void)state;
        struct arena a;
        struct model_spec s, back;
        struct learning l;
        struct err e = ERR_NULL;
        struct buf b, again;
        arena_init(&a, 1 << 20);
        buf_init(&b, 1 << 16);
        buf_init(&again, 1 << 16);
        assert_int_equal(json_model_read(slice_of(whole), &a, &s, &l, &e), 0);
        json_spec_write(&b, &s);
        if (json_spec_read(b.data, &a, &back, &e) != 0)
                fail_msg("%s", e.msg);
        assert_string_equal(back.name, "mnist");
        assert_string_equal(back.input_name, "image");
        assert_int_equal(back.n_inputs, 6);
        assert_int_equal(back.n_classes, 0);
        assert_null(back.classes);
        assert_memory_equal(back.scale, s.scale, sizeof(float));
        assert_memory_equal(back.offset, s.offset, 6 * sizeof(float));
        assert_memory_equal(&back.net, &s.net, sizeof(s.net));
        json_spec_write(&again, &back);
        assert_string_equal(again.data, b.data);
        assert_int_equal(json_spec_read("{\"name\":\"m\"}", &a, &back, &e), -EBADMSG);
        buf_deinit(&b);
        buf_deinit(&again);
        arena_deinit(&a);
}

/* Every type of layer: read, its shape, written and read again. */
static void layers_round_trip(void **state)
{
        (void)state;
        static const char *const bodies[] = {
            "[8,8,3]\0{\"type\":\"conv\",\"units\":16,\"kernel\":3,\"stride\":1,\"padding\":1,\"activation\":"
            "\"relu\"},"
            "{\"type\":\"max_pool\",\"kernel\":2,\"stride\":2},{\"type\":\"group_norm\",\"groups\":8,\"activation\":"
            "\"gelu\"},{\"type\":\"avg_pool\",\"kernel\":2,\"stride\":1},{\"type\":\"dropout\",\"rate\":0.2},"
            "{\"type\":\"global_avg_pool\"},{\"type\":\"flatten\"}",
            "[8,9]\0{\"type\":\"conv\",\"units\":2,\"kernel\":8,\"stride\":1,\"padding\":0,\"activation\":\"tanh\"},"
            "{\"type\":\"layer_norm\",\"activation\":\"none\"}",
            "[5]\0{\"type\":\"embedding\",\"units\":16,\"count\":1000}",
        };
        static const struct ewc_shape first[] = {{8, 8, 16}, {1, 2, 2}, {1, 5, 16}};
        for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
                const char *layers = bodies[i] + strlen(bodies[i]) + 1;
                char text[1024], rest[512];
                struct arena a;
                struct model_spec s, back;
                struct learning l;
                struct err e = ERR_NULL;
                struct buf b;
                snprintf(text, sizeof(text),
                    "{\"name\":\"m\",\"input\":{\"shape\":%s},\"classes\":[\"a\",\"b\"],\"scenario\":\"domain\","
                    "\"task\":\"t\",\"layers\":[%s]}",
                    bodies[i], layers);
                arena_init(&a, 1 << 20);
                buf_init(&b, 1 << 16);
                if (json_model_read(slice_of(text), &a, &s, &l, &e) != 0)
                        fail_msg("%s: %s %s", text, e.field, e.msg);
                const struct ewc_shape got = ewc_spec_shape(&s.net, 0);
                assert_memory_equal(&got, &first[i], sizeof(got));
                json_spec_write(&b, &s);
                assert_int_equal(json_spec_read(b.data, &a, &back, &e), 0);
                assert_memory_equal(&back.net, &s.net, sizeof(s.net));
                buf_reset(&b);
                json_model_view_write(&b, &(struct model_view){.spec = &s, .learning = &l, .digest = ""});
                snprintf(rest, sizeof(rest), "\"layers\":[%s]", layers);
                if (!strstr(b.data, rest))
                        fail_msg("%s is not in %s", rest, b.data);
                buf_deinit(&b);
                arena_deinit(&a);
        }
        /* a norm without the key has no activation */
        struct arena a;
        struct model_spec s;
        struct learning l;
        struct err e = ERR_NULL;
        arena_init(&a, 1 << 20);
        assert_int_equal(json_model_read(slice_of(LAYER("{\"type\":\"layer_norm\"}")), &a, &s, &l, &e), 0);
        assert_int_equal(s.net.layers[0].activation, EWC_ACT_NONE);
        arena_deinit(&a);
}

static void short_of_memory(void **state)
{
        (void)state;
        for (size_t max = 0;; max += 16) {
                struct arena a;
                struct model_spec s;
                struct learning l;
                struct err e = ERR_NULL;
                arena_init(&a, max);
                int r = json_model_read(slice_of(whole), &a, &s, &l, &e);
                arena_deinit(&a);
                if (r == 0)
                        break;
                assert_int_equal(r, -ENOMEM);
        }
        for (int n = 0;; n++) {
                struct arena a;
                struct model_spec s;
                struct learning l;
                struct err e = ERR_NULL;
                arena_init(&a, 1 << 20);
                fault_arm(n, 1);
                int r = json_model_read(slice_of(whole), &a, &s, &l, &e);
                bool fired = fault_fired();
                fault_disarm();
                arena_deinit(&a);
                assert_int_equal(r, fired ? -ENOMEM : 0);
                if (!fired)
                        break;
        }
}

static void view(void **state)
{
        (void)state;
        struct arena a;
        struct model_spec s;
        struct learning l;
        struct err e = ERR_NULL;
        struct buf b;
        arena_init(&a, 1 << 20);
        buf_init(&b, 1 << 16);
        assert_int_equal(json_model_read(slice_of(LEARN("{}")), &a, &s, &l, &e), 0);
        json_model_view_write(
            &b, &(struct model_view){
                    .spec = &s, .learning = &l, .champion = 7, .digest = "ab", .n_params = 30, .open_task = "t"});
        static const char head[] =
            "{\"name\":\"m\",\"versions\":[\"7\"],\"platform\":\"ewcd_v1\",\"inputs\":[{\"name\":\"input\","
            "\"datatype\":\"FP32\","
            "\"shape\":[-1,4]}],\"outputs\":[{\"name\":\"probabilities\",\"datatype\":\"FP32\",\"shape\":[-1,2]}],"
            "\"input\":{\"name\":\"input\",\"shape\":[4],\"scale\":1,\"offset\":0},\"classes\":[\"a\",\"b\"],"
            "\"scenario\":\"domain\","
            "\"loss\":\"softmax\",\"layers\":[{\"type\":\"dense\",\"units\":4,\"activation\":\"relu\"}],\"learning\":"
            "{";
        static const char tail[] =
            "},\"ewcd_champion\":\"7\",\"ewcd_model_digest\":\"sha256:ab\",\"parameters\":30,\"open_task\":\"t\"}";
        assert_memory_equal(b.data, head, sizeof(head) - 1);
        assert_string_equal(b.data + b.len - (sizeof(tail) - 1), tail);
        json_t *v = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(v);
        json_decref(v);
        buf_reset(&b);
        const char *const names[] = {"a", "b"};
        json_model_list_write(&b, 2, names);
        assert_string_equal(b.data, "{\"models\":[\"a\",\"b\"]}");
        buf_reset(&b);
        json_model_list_write(&b, 0, NULL);
        assert_string_equal(b.data, "{\"models\":[]}");
        buf_deinit(&b);
        arena_deinit(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(whole_body),
            cmocka_unit_test(defaults),
            cmocka_unit_test(refused),
            cmocka_unit_test(depth_is_limited),
            cmocka_unit_test(every_key),
            cmocka_unit_test(learning_round_trip),
            cmocka_unit_test(kinds_of_values),
            cmocka_unit_test(what_the_net_decides),
            cmocka_unit_test(spec_round_trip),
            cmocka_unit_test(layers_round_trip),
            cmocka_unit_test(short_of_memory),
            cmocka_unit_test(view),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

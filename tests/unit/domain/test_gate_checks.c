/* The gate, check by check: each at its boundary, the noise of a gain, the prediction that stands in for rows, and
 * that a verdict is the sum of its checks. */
#include "gate_kit.h"

static const struct gate_check *only(enum gate_kind kind, const struct verdict *v)
{
        const struct gate_check *found = NULL;
        for (size_t i = 0; i < v->n_checks; i++)
                if (checks[i].kind == kind) {
                        assert_null(found);
                        found = &checks[i];
                }
        assert_non_null(found);
        return found;
}

/* Half width against the formula in other words: SE of the mean of n values +1, -1 and 0, at quantiles from
 * tables. */
static void test_noise(void **state)
{
        (void)state;
        static const struct {
                double confidence, z;
        } tables[] = {{0.5, 0.674489750196}, {0.9, 1.644853626951}, {0.95, 1.959963984540}, {0.99, 2.575829303549},
            {0.999999, 4.891638475699}};
        static const uint64_t rows[][3] = {
            {1, 0, 0}, {1, 1, 0}, {200, 13, 4}, {200, 4, 13}, {1000, 0, 0}, {9, 9, 0}, {100000, 31, 17}};
        for (size_t i = 0; i < ARRAY_LEN(tables); i++)
                for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
                        double n = (double)rows[k][0], mean = ((double)rows[k][1] - (double)rows[k][2]) / n, var = 0;
                        for (uint64_t r = 0; r < rows[k][0]; r++) {
                                double d = r < rows[k][1] ? 1 : r < rows[k][1] + rows[k][2] ? -1 : 0;
                                var += (d - mean) * (d - mean) / n;
                        }
                        double want = tables[i].z * sqrt(var / n) + 1 / n;
                        double got = gate_noise(rows[k][0], rows[k][1], rows[k][2], tables[i].confidence);
                        assert_true(fabs(got - want) < 1e-9 * (1 + want));
                }
        assert_true(gate_noise(0, 0, 0, 0.95) == 0 && gate_noise(9, 3, 1, 0) == 0);
}

static struct gate_task paired(const char *name, bool open, uint64_t n, uint64_t won, uint64_t lost)
{
        double before = 0.5, after = before + ((double)won - (double)lost) / (double)n;
        struct gate_task t = task(name, open, n, before, after);
        t.after.n_won = won;
        t.after.n_lost = lost;
        return t;
}

/* A gain inside the noise is none; outside it counts whole; a loss counts whole wherever it is. */
static void test_gain_inside_the_noise(void **state)
{
        (void)state;
        struct gate_conf c = conf;
        struct gate_task t[] = {paired("low", false, 400, 3, 5), paired("high", true, 400, 12, 8)};
        c.min_gain = 0.005;
        assert_true(judge(t, 2, &c, EWC_LOSS_SOFTMAX).promote);
        assert_true(only(GATE_GAIN, &(struct verdict){.n_checks = 2})->noise == 0);
        c.confidence = 0.95;
        struct verdict v = judge(t, 2, &c, EWC_LOSS_SOFTMAX);
        assert_false(v.promote);
        assert_true(v.deciding == 1 && v.value == 0 && v.limit == 0.005);
        assert_string_equal(v.reason,
            "rejected: task low lost 0.5 ±1.6 pt (budget 2.0), task high gained 1.0 ±2.4 pt, "
            "inside the noise: no gain (must gain at least 0.5)");
        const struct gate_check *gain = only(GATE_GAIN, &v);
        assert_true(!gain->passed && gain->value == 0 && fabs(gain->noise - gate_noise(400, 12, 8, 0.95)) < 1e-15);
        c.min_gain = 0; /* no gain is enough */
        v = judge(t, 2, &c, EWC_LOSS_SOFTMAX);
        assert_true(v.promote);
        assert_string_equal(v.reason,
            "promoted: task low lost 0.5 ±1.6 pt (budget 2.0), task high gained 1.0 ±2.4 pt, "
            "inside the noise: no gain");
        c.min_gain = 0.005;
        t[1] = paired("high", true, 400, 22, 4); /* 4.5 points against 2.7 */
        v = judge(t, 2, &c, EWC_LOSS_SOFTMAX);
        assert_true(v.promote && fabs(only(GATE_GAIN, &v)->value - 0.045) < 1e-12);
        assert_null(strstr(v.reason, "inside the noise"));
        c.min_gain = 0;
        t[1] = paired("high", true, 400, 8, 9);
        v = judge(t, 2, &c, EWC_LOSS_SOFTMAX);
        assert_false(v.promote); /* a loss inside the noise is a loss */
        t[1] = paired("high", true, 400, 22, 4);
        t[0] = paired("low", false, 400, 5, 14);
        v = judge(t, 2, &c, EWC_LOSS_SOFTMAX);
        assert_true(!v.promote && v.deciding == 0); /* 2.25 points lost, the noise is 2.3 */
        t[0].at_close = (struct evaluation){.n = 400, .accuracy = 0.6};
        v = judge(t, 2, &c, EWC_LOSS_SOFTMAX);
        assert_true(only(GATE_FORGETTING, &v)->noise == 0); /* other rows of another day: not paired */
        assert_null(strstr(v.reason, "task low lost 12.2 ±"));
        t[0] = task("low", false, 9, 0.5, 0.5);
        assert_true(judge(t, 1, &c, EWC_LOSS_SQUARED).promote && checks[0].noise == 0);
}

static void test_each_check_at_its_boundary(void **state)
{
        (void)state;
        static const struct {
                enum gate_kind kind;
                double value, limit;
                bool passed;
        } rows[] = {
            {GATE_FLOOR, 0.6, 0.6, true},
            {GATE_FLOOR, 0.6 - 0.9e-9, 0.6, true},
            {GATE_FLOOR, 0.6 - 1.5e-9, 0.6, false},
            {GATE_FLOOR, NAN, 0.6, false},
            {GATE_CALIBRATION, 0.03, 0.03, true},
            {GATE_CALIBRATION, 0.03 + 0.9e-9, 0.03, true},
            {GATE_CALIBRATION, 0.03 + 1.5e-9, 0.03, false},
            {GATE_CALIBRATION, -0.2, 0, true},
            {GATE_CALIBRATION, NAN, 0.03, false},
            {GATE_CLASS_FLOOR, 0.75, 0.75, true},
            {GATE_CLASS_FLOOR, 0.75, 0.75 + 0.9e-9, true},
            {GATE_CLASS_FLOOR, 0.75, 0.75 + 1.5e-9, false},
            {GATE_PREDICTED, 0.1, 0.1, true},
            {GATE_PREDICTED, 0.1 + 0.9e-9, 0.1, true},
            {GATE_PREDICTED, 0.1 + 1.5e-9, 0.1, false},
            {GATE_PREDICTED, -3, 0, true},
            {GATE_PREDICTED, INFINITY, 0.1, false},
            {GATE_PREDICTED, -INFINITY, 0.1, false},
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                const struct output_score score = {0, 4, 3};
                struct gate_task t = task("a", true, 9, 0, 1); /* gains whatever is asked */
                struct gate_conf c = conf;
                t.before.ece = 0.25;
                t.after.ece = 0.25;
                switch (rows[i].kind) {
                case GATE_FLOOR:
                        c.floor = rows[i].limit;
                        t.after.accuracy = rows[i].value;
                        t.before.accuracy = rows[i].value;
                        break;
                case GATE_CALIBRATION:
                        c.max_ece_rise = rows[i].limit;
                        t.before.ece = 0.25;
                        t.after.ece = 0.25 + rows[i].value;
                        break;
                case GATE_CLASS_FLOOR:
                        c.class_floor = rows[i].limit;
                        t.after.n_outputs = 1;
                        t.after.outputs = &score;
                        break;
                default:
                        t = task("a", false, 0, NAN, NAN);
                        c.max_predicted = rows[i].limit;
                        t.after.predicted = rows[i].value;
                        break;
                }
                struct verdict v = judge(&t, 1, &c, EWC_LOSS_SOFTMAX);
                const struct gate_check *k = only(rows[i].kind, &v);
                if (k->passed != rows[i].passed)
                        fail_msg("row %zu: %s", i, k->words);
                bool same = isnan(rows[i].value) ? isnan(k->value) : !(fabs(k->value - rows[i].value) > 1e-12);
                assert_true(same && k->limit == rows[i].limit && k->task == 0);
                assert_int_equal(k->output, rows[i].kind == GATE_CLASS_FLOOR ? 0 : -1);
                if (!isnan(rows[i].value)) {
                        assert_int_equal(v.promote, rows[i].passed);
                        assert_memory_equal(v.reason, rows[i].passed ? "promoted" : "rejected", 8);
                }
        }
}

static size_t count(
    const struct gate_task *t, size_t n, const struct gate_conf *c, enum ewc_loss loss, enum gate_kind k)
{
        struct verdict v = judge(t, n, c, loss);
        size_t found = 0;
        for (size_t i = 0; i < v.n_checks; i++)
                found += checks[i].kind == k;
        return found;
}

/* Checks that are off, or ask for what a loss does not have, are not made; nor those of tasks without rows. */
static void test_where_a_check_is_made(void **state)
{
        (void)state;
        static const struct output_score scores[] = {{0, 4, 3}, {1, 0, 0}, {2, 5, 5}};
        struct gate_task t[] = {task("a", false, 9, 0.9, 0.9), task("b", true, 9, 0.5, 0.6),
            task("c", true, 0, NAN, NAN), task("d", false, 0, NAN, NAN)};
        t[0].after.n_outputs = 3;
        t[0].after.outputs = scores;
        t[3].n_holdout = 1;
        struct gate_conf all = {.floor = 0.1, .class_floor = 0.1, .max_ece_rise = 0.5, .max_predicted = 0.1};
        static const struct {
                enum gate_kind kind;
                size_t softmax, sigmoid, squared;
        } rows[] = {{GATE_FORGETTING, 1, 1, 1}, {GATE_GAIN, 1, 1, 1}, {GATE_FLOOR, 2, 2, 0},
            {GATE_CLASS_FLOOR, 2, 0, 0}, {GATE_CALIBRATION, 2, 0, 0}, {GATE_PREDICTED, 0, 0, 0},
            {GATE_UNMEASURED, 1, 1, 1}};
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                assert_int_equal(count(t, 4, &all, EWC_LOSS_SOFTMAX, rows[i].kind), rows[i].softmax);
                assert_int_equal(count(t, 4, &all, EWC_LOSS_SIGMOID, rows[i].kind), rows[i].sigmoid);
                assert_int_equal(count(t, 4, &all, EWC_LOSS_SQUARED, rows[i].kind), rows[i].squared);
                bool always =
                    rows[i].kind == GATE_FORGETTING || rows[i].kind == GATE_GAIN || rows[i].kind == GATE_UNMEASURED;
                assert_int_equal(count(t, 4, &conf, EWC_LOSS_SOFTMAX, rows[i].kind), always);
                assert_non_null(gate_kind_name(rows[i].kind));
        }
        assert_null(gate_kind_name(0));
        assert_null(gate_kind_name(GATE_UNMEASURED + 1));
        t[3].after.predicted = 0.01; /* rows that were not measured are not excused by a prediction */
        assert_int_equal(count(t, 4, &conf, EWC_LOSS_SOFTMAX, GATE_PREDICTED), 0);
        assert_int_equal(count(t, 4, &conf, EWC_LOSS_SOFTMAX, GATE_UNMEASURED), 1);
        t[3].n_holdout = 0;
        assert_int_equal(count(t, 4, &conf, EWC_LOSS_SQUARED, GATE_PREDICTED), 1);
        t[2].after.predicted = 7; /* open: it has no anchor */
        assert_int_equal(count(t, 4, &conf, EWC_LOSS_SOFTMAX, GATE_PREDICTED), 1);
}

static void test_prediction_alone(void **state)
{
        (void)state;
        struct gate_task t[] = {task("a", false, 0, NAN, NAN), task("b", true, 9, 0.5, 0.6)};
        t[0].after.predicted = 0.02;
        struct verdict v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(v.promote);
        assert_string_equal(v.reason, "promoted: task b gained 10.0 pt; task a without holdout rows: judged by the "
                                      "Fisher's prediction alone");
        t[0].after.predicted = 0.25;
        v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(!v.promote && v.deciding == 0 && v.value == 0.25 && v.limit == 0.1);
        const char *words = "the Fisher's prediction is the only guard of task a: its rows were erased or never held "
                            "out; it expects the loss to change by 0.25 nats a row (at most 0.10)";
        assert_string_equal(only(GATE_PREDICTED, &v)->words, words);
        assert_non_null(strstr(v.reason, words));
        struct gate_task u[] = {task("lost", false, 0, NAN, NAN), t[0]};
        u[0].n_holdout = 5;
        u[0].after.predicted = 0.01;
        v = judge(u, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_int_equal(v.deciding, 0);
        assert_non_null(strstr(v.reason, "; task a without holdout rows: judged by the Fisher"));
        t[0].after.predicted = NAN; /* an importance that is no Fisher predicts nothing */
        v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_true(v.promote);
        assert_string_equal(v.reason, "promoted: task b gained 10.0 pt; task a without holdout rows: not judged");
}

/* Where rows say what the Fisher only predicts, the prediction is held against them: ten times and 0.05 nats. */
static void test_quadratic_model_refuted(void **state)
{
        (void)state;
        static const struct {
                double rose, predicted;
                bool refuted;
        } rows[] = {{0.06, 0.005, true}, {0.06, 0.007, false}, {0.049, 0.0001, false}, {0.06, -1, true},
            {0.06, NAN, false}, {-1, 0.001, false}};
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct gate_task t[] = {task("low", false, 9, 0.5, 0.5), task("high", true, 9, 0.5, 0.5)};
                t[0].before.loss = 1;
                t[0].after.loss = 1 + rows[i].rose;
                t[0].after.predicted = rows[i].predicted;
                struct verdict v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
                assert_true(v.promote); /* told, not judged */
                bool told = strstr(v.reason, "the quadratic model does not hold here");
                assert_int_equal(told, rows[i].refuted);
                assert_int_equal(strstr(checks[0].words, "does not hold") != NULL, rows[i].refuted);
        }
        struct gate_task t[] = {task("low", false, 9, 0.5, 0.5)};
        t[0].after.loss = 0.8;
        t[0].after.predicted = 0.002;
        assert_string_equal(judge(t, 1, &conf, EWC_LOSS_SOFTMAX).reason,
            "promoted: task low gained 0.0 pt (budget 2.0); the loss of task low rose 0.3 nats a row where the "
            "Fisher "
            "predicted 0.002: the quadratic model does not hold here");
}

static void test_failed_checks_in_words(void **state)
{
        (void)state;
        static const char *const names[] = {"cat", "d\xc3\xb6g"};
        static const struct output_score scores[] = {{0, 40, 36}, {1, 8, 3}, {2, 10, 1}};
        struct gate_task t[] = {task("low", false, 58, 0.7, 0.69), task("high", true, 20, 0.1, 0.4)};
        t[0].after.n_outputs = 3;
        t[0].after.outputs = scores;
        t[0].n_classes = 2;
        t[0].classes = names;
        t[0].before.ece = 0.05;
        t[0].after.ece = 0.0812;
        t[1].before.ece = t[1].after.ece = 0;
        struct gate_conf c = conf;
        c.floor = 0.5;
        struct verdict v = judge(t, 2, &c, EWC_LOSS_SOFTMAX);
        assert_true(!v.promote && v.deciding == 1 && v.value == 0.4 && v.limit == 0.5);
        assert_string_equal(v.reason,
            "rejected: task low lost 1.0 pt (budget 2.0), task high gained 30.0 pt; task high "
            "is right on 40.0 % (floor 50.0)");
        c.class_floor = 0.6;
        c.max_ece_rise = 0.03;
        v = judge(t, 2, &c, EWC_LOSS_SOFTMAX);
        assert_string_equal(v.reason,
            "rejected: task low lost 1.0 pt (budget 2.0), task high gained 30.0 pt; the calibration error of task "
            "low "
            "rose 3.1 pt (at most 3.0); class d\xc3\xb6g of task low is right on 37.5 % of 8 rows (floor 60.0); "
            "output 2 "
            "of task low is right on 10.0 % of 10 rows (floor 60.0); and 1 more checks failed");
        static const char *const words[] = {"task low lost 1.0 pt (budget 2.0)",
            "task low is right on 69.0 % (floor 50.0)", "the calibration error of task low rose 3.1 pt (at most 3.0)",
            "class cat of task low is right on 90.0 % of 40 rows (floor 60.0)",
            "class d\xc3\xb6g of task low is right on 37.5 % of 8 rows (floor 60.0)",
            "output 2 of task low is right on 10.0 % of 10 rows (floor 60.0)", "task high gained 30.0 pt",
            "task high is right on 40.0 % (floor 50.0)",
            "the calibration error of task high fell 0.0 pt (at most 3.0)"};
        assert_int_equal(v.n_checks, ARRAY_LEN(words));
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                assert_string_equal(checks[i].words, words[i]);
        t[0].after.accuracy = 0.5; /* the budget decides before all else, whatever stands earlier */
        v = judge(t, 2, &c, EWC_LOSS_SOFTMAX);
        assert_true(v.deciding == 0 && fabs(v.value - 0.2) < 1e-12 && v.limit == 0.02);
        t[1] = task("high", true, 0, NAN, NAN); /* nothing before it: no comma, no semicolon */
        t[0] = task("low", false, 0, NAN, NAN);
        t[0].after.predicted = 1;
        v = judge(t, 2, &conf, EWC_LOSS_SOFTMAX);
        assert_ptr_equal(strstr(v.reason, "rejected: the Fisher's prediction is"), v.reason);
}

/* The longest names there are fit, and where a reason is cut no character is. */
static void test_long_names(void **state)
{
        (void)state;
        char task_name[NAME_SIZE], class_name[CLASS_NAME_SIZE];
        memset(task_name, 't', NAME_SIZE - 1);
        task_name[NAME_SIZE - 1] = '\0';
        for (size_t i = 0; i < CLASS_NAME_SIZE - 1; i++)
                class_name[i] = "\xe2\x82\xac"[i % 3];
        class_name[(CLASS_NAME_SIZE - 1) / 3 * 3] = '\0';
        const char *names[] = {NULL, class_name, class_name, class_name};
        static struct output_score scores[] = {{0, 1u << 30, 0}, {1, 1, 0}, {2, 1, 0}, {3, 1, 0}};
        struct gate_conf c = conf;
        c.class_floor = 0.5;
        for (size_t cut = 0; cut < NAME_SIZE - 1; cut++) {
                struct gate_task t = task(task_name + cut, false, 9, 0.5, 0.5);
                t.after.n_outputs = t.n_classes = 4;
                t.after.outputs = scores;
                t.classes = names;
                names[0] = &"xxx"[cut % 4];
                struct verdict v = judge(&t, 1, &c, EWC_LOSS_SOFTMAX);
                assert_true(str_is_utf8(v.reason, strlen(v.reason)));
                for (size_t i = 0; i < v.n_checks; i++)
                        assert_true(strlen(checks[i].words) < GATE_WORDS - 8 &&
                                    str_is_utf8(checks[i].words, strlen(checks[i].words)));
        }
        struct gate_task t = task(task_name, false, 0, NAN, NAN);
        t.after.predicted = 1e300;
        judge(&t, 1, &conf, EWC_LOSS_SOFTMAX);
        assert_in_range(strlen(checks[0].words), 100, GATE_WORDS - 1);
}

static double any(struct ewc_rng *r)
{
        return ewc_rng_below(r, 12) == 0 ? (double)NAN : (double)ewc_rng_unit(r);
}

static struct gate_task random_task(struct ewc_rng *r, struct output_score *scores, size_t n_scores)
{
        uint64_t n = ewc_rng_below(r, 4) == 0 ? 0 : 50;
        struct gate_task t = task("x", ewc_rng_below(r, 3) == 0, n, any(r), any(r));
        t.before.loss = any(r);
        t.after.loss = any(r);
        t.before.ece = any(r);
        t.after.ece = any(r);
        t.after.predicted = any(r);
        t.after.n_won = ewc_rng_below(r, 25);
        t.after.n_lost = ewc_rng_below(r, 25);
        t.n_holdout = ewc_rng_below(r, 2) * 50;
        t.n_at_close = ewc_rng_below(r, 2);
        t.given_up = ewc_rng_below(r, 8) == 0;
        t.at_close = (struct evaluation){.n = ewc_rng_below(r, 2) * t.before.n, .accuracy = any(r), .loss = any(r)};
        for (size_t i = 0; i < n_scores; i++)
                scores[i] = (struct output_score){(uint32_t)i, ewc_rng_below(r, 3), 0};
        for (size_t i = 0; i < n_scores; i++)
                scores[i].n_right = ewc_rng_below(r, (uint32_t)scores[i].n + 1);
        t.after.n_outputs = n_scores;
        t.after.outputs = scores;
        return t;
}

/* Random tasks under random settings: promoted exactly when every check passed, and what decided fails exactly when
 * nothing may be promoted. With every setting at its default the verdict is that of the two comparisons alone. */
static void test_promoted_iff_every_check_passed(void **state)
{
        (void)state;
        enum { ROUNDS = 20000, TASKS = 4, SCORES = 3 };
        struct ewc_rng r;
        size_t n_promoted = 0;
        ewc_rng_seed(&r, 7, 0);
        for (int round = 0; round < ROUNDS; round++) {
                struct output_score scores[TASKS][SCORES];
                struct gate_task t[TASKS];
                size_t n = 1 + ewc_rng_below(&r, TASKS);
                enum ewc_loss loss = (enum ewc_loss)(EWC_LOSS_SOFTMAX + (int)ewc_rng_below(&r, 3));
                struct gate_conf c = {.max_forgetting = ewc_rng_below(&r, 2) ? 0.9 : (double)ewc_rng_unit(&r),
                    .min_gain = -(double)ewc_rng_unit(&r),
                    .floor = ewc_rng_below(&r, 2) ? 0 : 0.3,
                    .class_floor = ewc_rng_below(&r, 2) ? 0 : 0.4,
                    .max_ece_rise = ewc_rng_below(&r, 2) ? 1 : 0.3,
                    .confidence = ewc_rng_below(&r, 2) ? 0 : 0.95,
                    .max_predicted = 0.8,
                    .holdout = ewc_rng_below(&r, 2) ? 0 : 0.1,
                    .first = ewc_rng_below(&r, 2) == 0};
                for (size_t i = 0; i < n; i++)
                        t[i] = random_task(&r, scores[i], SCORES);
                struct verdict v = judge(t, n, &c, loss);
                bool all = true;
                for (size_t i = 0; i < v.n_checks; i++) {
                        all = all && checks[i].passed;
                        assert_true(checks[i].task < n && strlen(checks[i].words) > 0);
                }
                assert_int_equal(v.promote || v.undecided, all);
                assert_false(v.promote && v.undecided);
                assert_false(v.undecided && c.holdout <= 0);
                assert_true(v.deciding < n);
                n_promoted += v.promote;
                assert_memory_equal(v.reason, v.promote ? "promoted:" : v.undecided ? "undecided" : "rejected:", 9);
        }
        assert_in_range(n_promoted, ROUNDS / 20, ROUNDS / 2);
}

static void test_conf(void **state)
{
        (void)state;
        struct learning l;
        learning_defaults(&l);
        struct gate_conf c = gate_conf_of(&l);
        assert_true(c.max_forgetting == 0.02 && c.min_gain == 0 && c.floor == 0 && c.class_floor == 0);
        assert_true(c.max_ece_rise == 1 && c.confidence == 0 && c.max_predicted == 0.1);
        assert_true(c.holdout == 0.1 && !c.first && !c.unmoved);
        l.gate_floor = 0.1;
        l.gate_class_floor = 0.2;
        l.gate_max_ece_rise = 0.3;
        l.gate_confidence = 0.4;
        l.gate_max_predicted = 0.5;
        l.gate_max_forgetting = 0.6;
        l.gate_min_gain = 0.7;
        c = gate_conf_of(&l);
        assert_true(c.max_forgetting == 0.6 && c.min_gain == 0.7 && c.floor == 0.1 && c.class_floor == 0.2);
        assert_true(c.max_ece_rise == 0.3 && c.confidence == 0.4 && c.max_predicted == 0.5);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_noise),
            cmocka_unit_test(test_gain_inside_the_noise),
            cmocka_unit_test(test_each_check_at_its_boundary),
            cmocka_unit_test(test_where_a_check_is_made),
            cmocka_unit_test(test_prediction_alone),
            cmocka_unit_test(test_quadratic_model_refuted),
            cmocka_unit_test(test_failed_checks_in_words),
            cmocka_unit_test(test_long_names),
            cmocka_unit_test(test_promoted_iff_every_check_passed),
            cmocka_unit_test(test_conf),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

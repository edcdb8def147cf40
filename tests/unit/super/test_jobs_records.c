/* Records of closed tasks in every form and of every importance, from the rollover that makes them to the
 * consolidation that trains under them. */
#include "base/mem.h"
#include "domain/pack.h"
#include "jobs_kit.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { HIDDEN = 18, ROW = 7, P2 = HIDDEN + 2 * ROW, P4 = HIDDEN + 4 * ROW };

static const struct store_ops *const engines[] = {&store_memory, &store_sqlite};

static const struct ewc_spec net2 = {.n_inputs = KIT_INPUTS,
    .n_outputs = 2,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 1,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_TANH, .units = 6}}};

struct bytes {
        task_id task;
        unsigned char v[1024];
        size_t n;
};

static int read_packed(struct store *s, void *arg, struct err *e)
{
        struct bytes *b = arg;
        return store_task_packed(s, b->task, b->v, b->n, e);
}

static void promote(struct house *h, const char *next)
{
        struct job j = house_until_end(h, house_create(h, h->m, next));
        if (j.state != JOB_PROMOTED)
                fail_msg("%s", j.reason);
}

/* Two tasks: the first closed, the second trained under its record. */
static void run(struct house *h)
{
        house_model(h, "m", &h->m);
        house_rows(h, h->m, 0, 64, 0, 1);
        house_start(h);
        promote(h, "high");
        house_rows(h, h->m, 100, 64, 2, 3);
        promote(h, NULL);
}

static void packed(struct house *h)
{
        run(h);
        struct task low = house_task(h, h->m, "low");
        struct version v2 = house_version(h, h->m, 2), v3 = house_champion(h, h->m);
        struct bytes b = {.task = low.id, .n = (size_t)low.stored.n_bytes};
        float f[P2], theta[P2], anchor[P2], U[P2], U4[P4];
        assert_int_equal(low.stored.encoding, h->kit.learning.fisher_encoding);
        assert_int_equal(low.stored.n, P2);
        assert_true(low.stored.n_kept < P2 && low.stored.n_kept > 0);
        assert_true(b.n <= sizeof(b.v));
        assert_int_equal(house_do(h, read_packed, &b), 0);
        assert_int_equal(fisher_unpack(&net2, b.v, b.n, f, NULL), 0);
        house_tensor(h, v2.id, TENSOR_THETA, theta, P2);
        house_task_tensor(h, low.id, TENSOR_ANCHOR, anchor, P2);
        assert_memory_equal(anchor, theta, sizeof(theta)); /* exact */
        house_tensor(h, v2.id, TENSOR_FISHER, U, P2);
        assert_memory_equal(U, f, sizeof(f)); /* the version is protected by what the store has */
        house_tensor(h, v3.id, TENSOR_FISHER, U4, P4);
        assert_memory_equal(U4, f, (HIDDEN + 2 * 6) * sizeof(float)); /* and so was the training */
        size_t zeros = 0;
        for (int i = 0; i < P2; i++)
                zeros += f[i] == 0;
        if (h->kit.learning.fisher_floor)
                assert_true(zeros < P2 - low.stored.n_kept);
        else
                assert_true(zeros == P2 - low.stored.n_kept);
}

static void test_packed(void **state)
{
        static const struct {
                enum ewc_pack_encoding encoding;
                double keep;
                bool with_floor;
        } rows[] = {{EWC_PACK_BITMAP16, 0.25, true}, {EWC_PACK_CSR16, 0.25, true}, {EWC_PACK_BITMAP16, 0.5, false}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
                static struct house h;
                house_open(&h, engines[i % 2]);
                h.kit.learning.fisher_encoding = rows[i / 2].encoding;
                h.kit.learning.fisher_keep = rows[i / 2].keep;
                h.kit.learning.fisher_floor = rows[i / 2].with_floor;
                packed(&h);
                house_close(&h);
        }
}

/* What was measured is told by the task and by the versions it protects. */
static void test_importances(void **state)
{
        (void)state;
        for (int k = LEARN_IMPORTANCE_FISHER; k <= LEARN_IMPORTANCE_MAS; k++) {
                static struct house h;
                float f[P2];
                double sum = 0;
                house_open(&h, &store_memory);
                h.kit.learning.importance_type = (enum learn_importance)k;
                run(&h);
                struct task low = house_task(&h, h.m, "low");
                assert_int_equal(low.importance, k);
                assert_int_equal(house_version(&h, h.m, 2).importance, k);
                assert_int_equal(house_champion(&h, h.m).importance, k);
                house_task_tensor(&h, low.id, TENSOR_FISHER, f, P2);
                for (int i = 0; i < P2; i++)
                        sum += (double)f[i];
                assert_true(fabs(sum / P2 - 1) < 1e-3);
                house_close(&h);
        }
}

/* The protection of a version follows the rule its learner trained by: here the sum decays before each new record. */
static void online(struct house *h)
{
        h->kit.learning.merge_rule = LEARN_MERGE_ONLINE;
        h->kit.learning.merge_decay = 0.5;
        run(h);
        promote(h, "third");
        struct task high = house_task(h, h->m, "high");
        struct version v3 = house_version(h, h->m, 3), v4 = house_champion(h, h->m);
        float before[P4], f[P4], U[P4], theta[P4], centre[P4];
        house_tensor(h, v3.id, TENSOR_FISHER, before, P4);
        house_task_tensor(h, high.id, TENSOR_FISHER, f, P4);
        house_tensor(h, v4.id, TENSOR_FISHER, U, P4);
        house_tensor(h, v4.id, TENSOR_ANCHOR, centre, P4);
        house_tensor(h, v4.id, TENSOR_THETA, theta, P4);
        assert_true(v3.fisher_scale == 1 && v4.fisher_scale == 1.5);
        for (int i = 0; i < P4; i++) {
                assert_true(fabsf(U[i] - (0.5f * before[i] + f[i])) <= 1e-5f * (1 + U[i]));
                assert_true(centre[i] == theta[i]); /* the last anchor */
        }
}

static void test_online(void **state)
{
        static struct house h;
        (void)state;
        house_open(&h, &store_memory);
        online(&h);
        house_close(&h);
}

/* Every other way of the learning section, taken from the first job to the last. */
static void test_the_other_ways(void **state)
{
        (void)state;
        for (int k = 0; k < 9; k++) {
                static struct house h;
                house_open(&h, &store_memory);
                struct learning *l = &h.kit.learning;
                l->penalty_scale = k < 3 ? (enum learn_scale)(LEARN_SCALE_RAW + k) : LEARN_SCALE_UNIT;
                l->penalty_form = k == 3 ? LEARN_FORM_GRAD : LEARN_FORM_PROX;
                l->penalty_huber = k == 4 ? 0.05 : 0;
                l->rates_new_task = k == 5 ? 0.5 : 1;
                l->rates_floor = k == 5 ? 0.1 : 0;
                if (k == 6)
                        l->rates_layers = (struct learning_list){2, {0.5f, 1}};
                l->distill_weight = k == 7 ? 0.5 : 0; /* without a row of the closed task */
                l->replay_per_class = k == 8 ? 4 : 0;
                l->replay_derpp = k == 8 ? 0.5 : 0;
                l->fisher_fraction = k == 8 ? 0.5 : 0;
                run(&h);
                assert_int_equal(house_task(&h, h.m, "low").fisher.n_samples, k == 8 ? 24 : 48);
                house_close(&h);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_packed), cmocka_unit_test(test_importances),
            cmocka_unit_test(test_online), cmocka_unit_test(test_the_other_ways)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A Fisher on its way into the store and back: what is kept, what it costs, and bytes that cannot be trusted. */
#include "base/err.h"
#include "domain/pack.h"
#include <errno.h>
#include <ewc/rng.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { I = 64, H = 64, O = 5, P = I * H + H + H * H + H + H * O + O };

static const struct ewc_spec net = {.n_inputs = I,
    .n_outputs = O,
    .loss = EWC_LOSS_SOFTMAX,
    .n_layers = 2,
    .layers = {{.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = H},
        {.type = EWC_LAYER_DENSE, .activation = EWC_ACT_RELU, .units = H}}};

static float exact[P], stored[P], back[P];

/* Heavy-tailed, as Fishers are: exp of a normal, and every seventh entry nothing at all. */
static void setup_fisher(void)
{
        struct ewc_rng rng;
        ewc_rng_seed(&rng, 5, 0);
        for (int i = 0; i < P; i++)
                exact[i] = i % 7 == 0 ? 0 : (float)exp(2 * ewc_rng_normal(&rng));
        memcpy(stored, exact, sizeof(stored));
}

static struct learning how(enum ewc_pack_encoding encoding, double keep, bool with_floor)
{
        struct learning l;
        learning_defaults(&l);
        l.fisher_encoding = encoding;
        l.fisher_keep = keep;
        l.fisher_floor = with_floor;
        assert_int_equal(learning_check(&l, NULL), 0);
        return l;
}

static void test_plain_stays(void **state)
{
        const struct learning l = how(EWC_PACK_DENSE32, 1, true);
        struct packed p;
        (void)state;
        setup_fisher();
        assert_int_equal(fisher_pack(&net, &l, stored, &p, NULL), 0);
        assert_null(p.bytes);
        assert_int_equal(p.stored.encoding, FISHER_PLAIN);
        assert_int_equal(p.stored.n_bytes, P * sizeof(float));
        assert_int_equal(p.stored.n_kept, P);
        assert_memory_equal(stored, exact, sizeof(exact));
}

static void test_what_is_stored_is_what_counts(void **state)
{
        static const struct {
                enum ewc_pack_encoding encoding;
                double keep, error; /* of a kept entry */
        } rows[] = {
            {EWC_PACK_BITMAP16, 0.2, 0x1p-11},
            {EWC_PACK_CSR16, 0.2, 0x1p-11},
            {EWC_PACK_BITMAP16, 1, 0x1p-11},
            {EWC_PACK_LOG8, 1, 0.05},
        };
        (void)state;
        for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
                const struct learning l = how(rows[k].encoding, rows[k].keep, true);
                struct packed p;
                struct err e = ERR_NULL;
                setup_fisher();
                if (fisher_pack(&net, &l, stored, &p, &e) != 0)
                        fail_msg("%s", e.msg);
                assert_int_equal(p.stored.encoding, rows[k].encoding);
                assert_int_equal(p.stored.n_bytes, p.size);
                assert_int_equal(p.stored.n, P);
                if (rows[k].keep < 1) {
                        double share = (double)p.stored.n_kept / P;
                        assert_true(share >= rows[k].keep && share < rows[k].keep + 0.001);
                        assert_true(p.size <= P * sizeof(float) / 4);
                }
                if (rows[k].encoding == EWC_PACK_LOG8) /* a byte each, and the table of six tensors */
                        assert_true(p.size <= P * sizeof(float) / 4 + 16 + 6 * 16);
                double sum = 0, want = 0;
                size_t close = 0;
                for (int i = 0; i < P; i++) {
                        close += fabsf(stored[i] - exact[i]) <= (float)rows[k].error * exact[i];
                        sum += (double)stored[i];
                        want += (double)exact[i];
                }
                assert_true(close >= p.stored.n_kept);
                assert_true(fabs(sum / want - 1) < 0.02); /* the floor keeps the trace */
                assert_int_equal(fisher_unpack(&net, p.bytes, p.size, back, &e), 0);
                assert_memory_equal(back, stored, sizeof(back));
                struct packed again;
                assert_int_equal(fisher_pack(&net, &l, stored, &again, &e), 0);
                assert_int_equal(again.size, p.size);
                assert_int_equal(again.stored.n_kept, p.stored.n_kept);
                size_t same = 0;
                for (int i = 0; i < P; i++)
                        same += stored[i] == back[i];
                assert_true(same >= p.stored.n_kept);
                if (rows[k].encoding == EWC_PACK_LOG8)
                        assert_memory_equal(again.bytes, p.bytes, p.size);
                free(again.bytes);
                free(p.bytes);
        }
}

static void test_without_a_floor_the_rest_is_nothing(void **state)
{
        static const enum ewc_pack_encoding encodings[] = {EWC_PACK_BITMAP16, EWC_PACK_CSR16};
        (void)state;
        for (size_t k = 0; k < 2; k++) {
                const struct learning l = how(encodings[k], 0.1, false);
                struct packed p;
                size_t kept = 0;
                float least = INFINITY, most_lost = 0;
                setup_fisher();
                assert_int_equal(fisher_pack(&net, &l, stored, &p, NULL), 0);
                for (int i = 0; i < I * H; i++) { /* of one tensor the largest are kept */
                        least = stored[i] > 0 ? fminf(least, exact[i]) : least;
                        most_lost = stored[i] > 0 ? most_lost : fmaxf(most_lost, exact[i]);
                }
                assert_true(least >= most_lost);
                for (int i = 0; i < P; i++)
                        kept += stored[i] > 0;
                assert_int_equal(kept, p.stored.n_kept);
                assert_int_equal(fisher_unpack(&net, p.bytes, p.size, back, NULL), 0);
                assert_memory_equal(back, stored, sizeof(back));
                free(p.bytes);
        }
}

static void test_a_fisher_of_zeros(void **state)
{
        const struct learning l = how(EWC_PACK_BITMAP16, 0.2, true);
        struct packed p;
        (void)state;
        memset(stored, 0, sizeof(stored));
        memset(exact, 0, sizeof(exact));
        assert_int_equal(fisher_pack(&net, &l, stored, &p, NULL), 0);
        assert_memory_equal(stored, exact, sizeof(exact));
        free(p.bytes);
}

static void test_bytes_nobody_vouches_for(void **state)
{
        const struct learning l = how(EWC_PACK_BITMAP16, 0.2, true);
        struct ewc_spec other = net;
        struct packed p;
        struct err e = ERR_NULL;
        (void)state;
        setup_fisher();
        assert_int_equal(fisher_pack(&net, &l, stored, &p, &e), 0);
        unsigned char *b = p.bytes;
        other.n_outputs++;
        assert_int_equal(fisher_unpack(&other, b, p.size, back, &e), -EBADMSG);
        assert_non_null(strstr(e.msg, "of another net"));
        for (size_t n = 0; n < p.size; n += n < 200 ? 1 : 997)
                assert_int_equal(fisher_unpack(&net, b, n, back, &e), -EBADMSG);
        for (size_t i = 0; i < 16 + 6 * 16; i++) { /* head and table: refused, or numbers of a Fisher all the same */
                b[i] ^= 0x81;
                if (fisher_unpack(&net, b, p.size, back, &e) == 0)
                        for (int k = 0; k < P; k++)
                                assert_true(back[k] >= 0 && isfinite(back[k]));
                b[i] ^= 0x81;
        }
        assert_int_equal(fisher_unpack(&net, b, p.size, back, &e), 0);
        free(p.bytes);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain_stays),
            cmocka_unit_test(test_what_is_stored_is_what_counts),
            cmocka_unit_test(test_without_a_floor_the_rest_is_nothing), cmocka_unit_test(test_a_fisher_of_zeros),
            cmocka_unit_test(test_bytes_nobody_vouches_for)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

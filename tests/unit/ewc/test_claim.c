/* test_claim.c: the claim itself. A net learns task A, then task B; with EWC it keeps A, without it does not.
 *
 * Both tasks sort noisy points around four random prototypes in 8 dimensions into the same four classes; the
 * prototypes of B are others. Five seeds; margins stated at the asserts. */
#include "claim.h"

enum { UNITS = 128, SEEDS = 5 };

static struct claim_task A, B;

static void keeps_a_with_loses_it_without(void **state)
{
        double kept = 0, lost = 0;

        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct ewc_penalty pen = {.lambda = 0.3};
                struct ewc_fisher_info info;
                struct claim c;
                double first, without, with, learnt_without, learnt_with;
                float *fisher, *anchor;

                claim_task_make(&A, seed, 1);
                claim_task_make(&B, seed, 2);
                claim_open(&c, UNITS, seed);
                pen.fisher = fisher = test_alloc(c.P, sizeof(float));
                pen.anchor = anchor = test_alloc(c.P, sizeof(float));

                claim_train(&c, &A, 0, CLAIM_ROWS, CLAIM_EPOCHS, NULL);
                first = claim_accuracy(&c, &A);
                memcpy(anchor, ewc_net_theta(c.net), c.P * sizeof(float));
                claim_fisher(&c, EWC_FISHER_EXACT, &A, 0, CLAIM_ROWS, fisher, &info);
                claim_train(&c, &B, 0, CLAIM_ROWS, CLAIM_EPOCHS, NULL);
                without = claim_accuracy(&c, &A);
                learnt_without = claim_accuracy(&c, &B);
                memcpy(ewc_net_theta(c.net), anchor, c.P * sizeof(float));
                claim_train(&c, &B, 0, CLAIM_ROWS, CLAIM_EPOCHS, &pen);
                with = claim_accuracy(&c, &A);
                learnt_with = claim_accuracy(&c, &B);
                print_message("seed %d: A %.3f, after B without %.3f with %.3f; B without %.3f with %.3f; m %.2e\n",
                    (int)seed, first, without, with, learnt_without, learnt_with, info.factor);
                assert_true(first > 0.95 && learnt_without > 0.95);
                assert_true(with > first - 0.1);    /* kept; seen: at most 0.08 lost */
                assert_true(learnt_with > 0.8);     /* and still learning; seen: 0.86 and more */
                assert_true(without < first - 0.2); /* lost; seen: 0.23 to 0.58 */
                assert_true(without < with - 0.15);
                kept += with / SEEDS;
                lost += without / SEEDS;
                claim_close(&c);
                free(fisher);
                free(anchor);
        }
        assert_true(kept > 0.92 && lost < 0.7);
}

/* Every variant protects: on the scale of mean 1 one lambda does for all of them. */
static void every_variant_keeps_a(void **state)
{
        enum { KINDS = EWC_FISHER_REVERSED + 1 };
        double kept[KINDS] = {0}, learnt[KINDS] = {0};

        (void)state;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct ewc_fisher_info info;
                struct claim c;
                float *fisher, *anchor;

                claim_task_make(&A, seed, 1);
                claim_task_make(&B, seed, 2);
                claim_open(&c, UNITS, seed);
                fisher = test_alloc(c.P, sizeof(float));
                anchor = test_alloc(c.P, sizeof(float));
                claim_train(&c, &A, 0, CLAIM_ROWS, CLAIM_EPOCHS, NULL);
                memcpy(anchor, ewc_net_theta(c.net), c.P * sizeof(float));
                for (int k = 0; k < KINDS; k++) { /* 0: without */
                        const struct ewc_penalty pen = {0.3, fisher, anchor};

                        memcpy(ewc_net_theta(c.net), anchor, c.P * sizeof(float));
                        if (k > 0)
                                claim_fisher(&c, (enum ewc_fisher)k, &A, 0, CLAIM_ROWS, fisher, &info);
                        claim_train(&c, &B, 0, CLAIM_ROWS, CLAIM_EPOCHS, k > 0 ? &pen : NULL);
                        kept[k] += claim_accuracy(&c, &A) / SEEDS;
                        learnt[k] += claim_accuracy(&c, &B) / SEEDS;
                }
                claim_close(&c);
                free(fisher);
                free(anchor);
        }

        for (int k = 1; k < KINDS; k++) {
                print_message("%-10s A %.3f B %.3f (without: A %.3f B %.3f)\n", ewc_fisher_name((enum ewc_fisher)k),
                    kept[k], learnt[k], kept[0], learnt[0]);
                assert_true(kept[k] > kept[0] + 0.15); /* seen: 0.29 and more */
                assert_true(learnt[k] > 0.8);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(keeps_a_with_loses_it_without),
            cmocka_unit_test(every_variant_keeps_a),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

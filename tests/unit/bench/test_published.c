/* test_published.c: the papers' figures: what they belong to, their errors, and how they are told. */
#include "bench/published.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/settings.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct options plain = {.seeds = 1, .jobs = 1, .threads = 1, .data = "."};

static struct settings made(const struct options *o, const char *protocol, enum bench_method m)
{
        struct settings s;
        struct err e = ERR_NULL;
        const struct protocol *p = protocol_find(protocol);
        assert_non_null(p);
        if (settings_make(o, p, m, 1, 1, &s, &e) != 0)
                fail_msg("%s: %s", protocol, e.msg);
        return s;
}

static double first(const char *protocol, enum bench_method m)
{
        struct settings s = made(&plain, protocol, m);
        const struct published *f = published_at(&s, 0);
        assert_non_null(f);
        return f->mean;
}

/* Of arXiv:2502.11756, arXiv:1809.10635 (table 4) and arXiv:1810.12488, as their tables have them. */
static void test_figures(void **state)
{
        (void)state;
        assert_true(first("split-mnist-task", METHOD_NONE) == 85.41);
        assert_true(first("split-mnist-task", METHOD_EWC) == 99.12);
        assert_true(first("permuted-mnist", METHOD_ONLINE_EWC) == 94.42);
        assert_true(first("permuted-mnist-task", METHOD_ONLINE_EWC) == 95.96);
        assert_true(first("permuted-mnist-class", METHOD_SI) == 29.31);
        assert_true(first("hsu-split-mnist-task", METHOD_MAS) == 99.22);
        assert_true(first("split-mnist-class", METHOD_REPLAY) == 88.79);
        assert_true(first("split-cifar10", METHOD_EWC) == 84.57); /* 500 rows are the protocol's own */
        struct settings s = made(&plain, "rotated-mnist", METHOD_EWC);
        assert_null(published_at(&s, 0));
        s = made(&plain, "split-mnist-task", METHOD_DERPP);
        assert_null(published_at(&s, 0));
}

static void test_a_variant_has_its_own_figure(void **state)
{
        (void)state;
        struct options o = plain;
        o.fisher = EWC_FISHER_EXACT;
        o.fisher_samples_given = true;
        o.fisher_samples = 500;
        struct settings s = made(&o, "split-mnist-task", METHOD_EWC);
        assert_true(published_at(&s, 0)->mean == 98.93);
        assert_null(published_at(&s, 1)); /* what names no Fisher belongs to the protocol's own */
        s = made(&plain, "split-mnist-task", METHOD_EWC);
        assert_true(published_at(&s, 1)->mean == 98.64);
        assert_null(published_at(&s, 2));
        o.fisher_samples = 400;
        s = made(&o, "split-mnist-task", METHOD_EWC);
        assert_null(published_at(&s, 0));
        o.fisher_samples = 0;
        o.fisher_percent = 10;
        s = made(&o, "split-mnist-task", METHOD_EWC);
        assert_null(published_at(&s, 0));
}

/* Each can be trained without saying a lambda: the command makes a row of it. */
static void test_variants_have_a_strength(void **state)
{
        (void)state;
        const struct protocol *p;
        const struct published *v;
        size_t n = 0;
        for (size_t i = 0; (p = protocol_at(i)); i++)
                for (size_t k = 0; (v = published_variant(p, k)); k++, n++) {
                        struct options o = plain;
                        o.fisher = v->fisher;
                        o.fisher_samples_given = true;
                        o.fisher_samples = v->fisher_samples;
                        struct settings s = made(&o, p->name, METHOD_EWC);
                        assert_int_equal(v->method, METHOD_EWC);
                        assert_ptr_equal(published_at(&s, 0), v);
                }
        assert_int_equal(n, 10); /* table 9.4's five, on two data sets */
}

/* Every row is reached from the settings of some protocol, and none stands twice. */
static void test_every_figure_belongs_somewhere(void **state)
{
        (void)state;
        const struct protocol *p;
        const struct published *f, *other;
        size_t n = 0;
        for (size_t i = 0; (p = protocol_at(i)); i++) {
                for (int m = METHOD_NONE; m < METHOD_END; m++) {
                        struct settings s = {.protocol = p, .method = (enum bench_method)m, .fisher = p->fisher};
                        s.fisher_samples = method_has_fisher(s.method) ? p->fisher_samples : 0;
                        for (size_t k = 0; (f = published_at(&s, k)); k++, n++) {
                                assert_true(f->mean > 0 && f->mean < 100 && f->spread >= 0);
                                for (size_t j = 0; j < k; j++) {
                                        other = published_at(&s, j);
                                        assert_true(other->source != f->source);
                                }
                        }
                }
        }
        assert_int_equal(n, 73 - 8); /* all rows but the variants, which test_variants_have_a_strength finds */
}

static void test_errors(void **state)
{
        (void)state;
        struct settings s = made(&plain, "split-mnist-task", METHOD_NONE);
        assert_true(published_sem(published_at(&s, 0)) == 0.88);
        s = made(&plain, "hsu-split-mnist-task", METHOD_NONE); /* a deviation of ten runs: 2.01 / sqrt(10) */
        assert_true(fabs(published_sem(published_at(&s, 0)) - 0.635618) < 1e-6);
        s = made(&plain, "avalanche-split-mnist", METHOD_SI);
        assert_true(isnan(published_sem(published_at(&s, 0))));
}

static void test_sources(void **state)
{
        (void)state;
        char text[PUBLISHED_TEXT];
        struct settings s = made(&plain, "permuted-mnist", METHOD_JOINT);
        published_source(published_at(&s, 0), text);
        assert_string_equal(text, "van de Ven and Tolias 2018, arXiv:1809.10635, table 4; other schedule");
        s = made(&plain, "split-mnist-class", METHOD_NONE);
        published_source(published_at(&s, 0), text);
        assert_non_null(strstr(text, "; second-hand"));
        s = made(&plain, "split-mnist-task", METHOD_NONE);
        published_source(published_at(&s, 0), text);
        assert_string_equal(text, "van de Ven 2025, arXiv:2502.11756");
        published_fisher(EWC_FISHER_EXACT, 500, text);
        assert_string_equal(text, "exact n=500");
        published_fisher(EWC_FISHER_SAMPLE, 0, text);
        assert_string_equal(text, "sample");
}

static void test_line(void **state)
{
        (void)state;
        static const struct {
                const char *protocol, *line;
        } want[] = {
            {"split-mnist-domain",
                "none 57.33; ewc 63.95 (second-hand); ewc 57.80, online-ewc 57.60 (lambda grid too "
                "small); si 63.77, lwf 71.02; joint 98.41 (other schedule)"},
            {"split-cifar10", "none 69.53, ewc exact 84.91, ewc exact n=500 84.57, ewc sample 83.77, ewc empirical "
                              "83.28, ewc batched 83.38 (reduced ResNet-18, all rows)"},
            {"avalanche-split-mnist", "si 97"},
        };
        struct buf b;
        buf_init(&b, 4096);
        for (size_t i = 0; i < ARRAY_LEN(want); i++) {
                buf_reset(&b);
                published_line(protocol_find(want[i].protocol), &b);
                assert_true(buf_ok(&b));
                assert_string_equal(b.data, want[i].line);
        }
        buf_reset(&b);
        published_line(protocol_find("rotated-mnist"), &b);
        assert_true(buf_ok(&b) && b.len == 0);
        buf_deinit(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_figures),
            cmocka_unit_test(test_a_variant_has_its_own_figure),
            cmocka_unit_test(test_variants_have_a_strength),
            cmocka_unit_test(test_every_figure_belongs_somewhere),
            cmocka_unit_test(test_errors),
            cmocka_unit_test(test_sources),
            cmocka_unit_test(test_line),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

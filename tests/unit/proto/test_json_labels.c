/* test_json_labels.c: answers about labels that were erased, released or unlearned, sources, and the decision
 * read. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/json_feedback.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void answers(void **state)
{
        (void)state;
        struct buf b;
        buf_init(&b, 4096);
        json_erased_write(&b, 3, 2, 7, "version 7 \"remembers\"");
        assert_string_equal(
            b.data, "{\"erased\":3,\"used\":2,\"first_version\":\"7\",\"detail\":\"version 7 \\\"remembers\\\"\"}");
        buf_reset(&b);
        json_erased_write(&b, 1, 0, 0, NULL);
        assert_string_equal(b.data, "{\"erased\":1,\"used\":0,\"first_version\":null,\"detail\":null}");
        buf_reset(&b);
        json_release_write(&b, "e\"1", true, 2);
        json_release_write(&b, "x", false, 1);
        assert_string_equal(b.data, "{\"id\":\"e\\\"1\",\"accepted\":true,\"released\":2}"
                                    "{\"id\":\"x\",\"accepted\":false,\"released\":1}");
        buf_reset(&b);
        json_source_row(&b,
            &(struct source_view){.name = "qa",
                .n = 9,
                .n_live = 8,
                .n_used = 7,
                .n_served = 6,
                .n_agreed = 5,
                .first_seq = 4,
                .last_seq = 12},
            true);
        json_source_row(&b, &(struct source_view){.name = ""}, false);
        assert_string_equal(b.data,
            "{\"source\":\"qa\",\"rows\":9,\"live\":8,\"used\":7,\"served\":6,\"agreed\":5,\"first_seq\":4,"
            "\"last_seq\":12},"
            "{\"source\":\"\",\"rows\":0,\"live\":0,\"used\":0,\"served\":0,\"agreed\":0,\"first_seq\":null,"
            "\"last_seq\":null}");
        buf_reset(&b);
        json_unlearned_write(
            &b, &(struct unlearned_view){.source = "bad", .n_erased = 60, .from = 5, .to = 3, .job = 12});
        json_unlearned_write(&b, &(struct unlearned_view){.source = "s", .from = 1, .to = 1, .detail = "no job"});
        assert_string_equal(b.data,
            "{\"source\":\"bad\",\"erased\":60,\"from_version\":\"5\",\"version\":\"3\",\"job\":12,\"detail\":null}"
            "{\"source\":\"s\",\"erased\":0,\"from_version\":\"1\",\"version\":\"1\",\"job\":null,"
            "\"detail\":\"no job\"}");
        buf_deinit(&b);
}

static void decisions(void **state)
{
        (void)state;
        static const struct {
                const char *body;
                int problem;
                const char *field;
        } wrong[] = {
            {"", PROBLEM_MALFORMED, ""},
            {"true", PROBLEM_BAD_VALUE, ""},
            {"{}", PROBLEM_BAD_VALUE, "/accept"},
            {"{\"accept\":1}", PROBLEM_BAD_VALUE, "/accept"},
            {"{\"accept\":\"true\"}", PROBLEM_BAD_VALUE, "/accept"},
            {"{\"accept\":true,\"why\":1}", PROBLEM_UNKNOWN_KEY, "/why"},
        };
        struct err e = ERR_NULL;
        bool accept = false;
        assert_int_equal(json_release_read(slice_of("{\"accept\":true}"), &accept, &e), 0);
        assert_true(accept);
        assert_int_equal(json_release_read(slice_of("{\"accept\":false}"), &accept, &e), 0);
        assert_false(accept);
        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
                accept = true;
                e = (struct err)ERR_NULL;
                int r = json_release_read(slice_of(wrong[i].body), &accept, &e);
                if (r != wrong[i].problem || strcmp(e.field, wrong[i].field) != 0)
                        fail_msg("%s: %d %s %s", wrong[i].body, r, e.field, e.msg);
                assert_true(accept); /* untouched */
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(decisions)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

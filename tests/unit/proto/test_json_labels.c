/* test_json_labels.c: answers about labels that were erased, released or unlearned, sources, and the decision
 * read. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/json_feedback.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void answers(void **state)
{
        (void)state;
        struct buf b;
        buf_init(&b, 4096);
        json_erased_write(&b, &(struct erased_view){3, 2, 7, true, "version 7 \"remembers\""});
        assert_string_equal(b.data, "{\"erased\":3,\"used\":2,\"first_version\":\"7\",\"backups\":true,\"detail\":"
                                    "\"version 7 \\\"remembers\\\"\"}");
        buf_reset(&b);
        json_erased_write(&b, &(struct erased_view){.n = 1});
        assert_string_equal(
            b.data, "{\"erased\":1,\"used\":0,\"first_version\":null,\"backups\":false,\"detail\":null}");
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
        static const char aliases[2][NAME_SIZE] = {"canary", "prod"};
        json_unlearned_write(&b,
            &(struct unlearned_view){
                .source = "bad", .n_erased = 60, .from = 5, .to = 3, .n_aliases = 2, .aliases = aliases, .job = 12});
        json_unlearned_write(&b, &(struct unlearned_view){.source = "s", .from = 1, .to = 1, .detail = "no job"});
        assert_string_equal(b.data,
            "{\"source\":\"bad\",\"erased\":60,\"from_version\":\"5\",\"version\":\"3\",\"aliases\":[\"canary\","
            "\"prod\"],\"job\":12,\"backups\":false,\"detail\":null}"
            "{\"source\":\"s\",\"erased\":0,\"from_version\":\"1\",\"version\":\"1\",\"aliases\":[],\"job\":null,"
            "\"backups\":false,\"detail\":\"no job\"}");
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
            {"{\"accept\":true,\"reason\":1}", PROBLEM_BAD_VALUE, "/reason"},
            {"{\"accept\":true,\"reason\":\"a\\nb\"}", PROBLEM_BAD_VALUE, "/reason"},
        };
        const char *why = NULL;
        struct arena a;
        arena_init(&a, 1 << 20);
        struct err e = ERR_NULL;
        bool accept = false;
        assert_int_equal(json_release_read(slice_of("{\"accept\":true}"), &a, &accept, &why, &e), 0);
        assert_true(accept);
        assert_int_equal(json_release_read(slice_of("{\"accept\":false}"), &a, &accept, &why, &e), 0);
        assert_false(accept);
        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
                accept = true;
                e = (struct err)ERR_NULL;
                int r = json_release_read(slice_of(wrong[i].body), &a, &accept, &why, &e);
                if (r != wrong[i].problem || strcmp(e.field, wrong[i].field) != 0)
                        fail_msg("%s: %d %s %s", wrong[i].body, r, e.field, e.msg);
                assert_true(accept); /* untouched */
        }
        assert_null(why);
        assert_int_equal(
            json_release_read(slice_of("{\"accept\":true,\"reason\":\"asked\"}"), &a, &accept, &why, &e), 0);
        assert_string_equal(why, "asked");
        arena_deinit(&a);
}

static void reasons(void **state)
{
        (void)state;
        struct err e = ERR_NULL;
        struct arena a;
        const char *why = "stale";
        char body[300];
        arena_init(&a, 1 << 20);
        assert_int_equal(json_reason_read(slice_of(""), &a, &why, &e), 0);
        assert_null(why);
        assert_int_equal(json_reason_read(slice_of("{}"), &a, &why, &e), 0);
        assert_null(why);
        assert_int_equal(json_reason_read(slice_of("{\"reason\":null}"), &a, &why, &e), PROBLEM_BAD_VALUE);
        assert_int_equal(json_reason_read(slice_of("{\"reason\":\"caf\xc3\xa9\"}"), &a, &why, &e), 0);
        assert_string_equal(why, "caf\xc3\xa9");
        for (int n = 200; n <= 201; n++) {
                snprintf(body, sizeof(body), "{\"reason\":\"%0*d\"}", n, 0);
                assert_int_equal(json_reason_read(slice_of(body), &a, &why, &e), n == 200 ? 0 : PROBLEM_BAD_VALUE);
        }
        assert_string_equal(e.field, "/reason");
        assert_int_equal(json_reason_read(slice_of("{\"why\":\"x\"}"), &a, &why, &e), PROBLEM_UNKNOWN_KEY);
        arena_deinit(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(answers), cmocka_unit_test(decisions), cmocka_unit_test(reasons)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_doc.c: values of an answer under pointers that are put together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cli/cli.h"
#include "cli/doc.h"
#include "proto/json.h"

const struct command commands[] = {{0}};
const size_t n_commands = 0;

static const char text[] =
    "{\"rows\":[{\"n\":3,\"x\":0.5,\"seed\":\"18446744073709551615\",\"yes\":true,\"no\":false,\"none\":null}]}";

static struct json_doc *doc;

static int setup(void **state)
{
        (void)state;
        return json_parse((struct slice){text, sizeof(text) - 1}, &doc, NULL);
}

static int teardown(void **state)
{
        (void)state;
        json_free(doc);
        return 0;
}

static void test_numbers_and_texts(void **state)
{
        (void)state;
        assert_true(doc_number(doc, -1, "/rows/%d/x", 0) == 0.5);
        assert_true(doc_number(doc, -1, "/rows/%d/x", 1) == -1);
        assert_true(doc_number(doc, -1, "/rows/0/none") == -1);
        assert_string_equal(doc_text(doc, "?", "/rows/0/%s", "seed"), "18446744073709551615");
        assert_string_equal(doc_text(doc, "?", "/rows/0/n"), "?");
        assert_int_equal(doc_length(doc, "/%s", "rows"), 1);
        assert_int_equal(doc_length(doc, "/row"), -1);
}

static const char *value(const char *key)
{
        static char v[DOC_VALUE];
        return doc_value(v, doc, "/rows/0/%s", key);
}

static void test_values_as_printed(void **state)
{
        (void)state;
        assert_string_equal(value("n"), "3");
        assert_string_equal(value("x"), "0.5");
        assert_string_equal(value("seed"), "18446744073709551615");
        assert_string_equal(value("none"), "-");
        assert_string_equal(value("nothing"), "-");
}

static void test_truth(void **state)
{
        (void)state;
        assert_int_equal(doc_truth(doc, "/rows/0/%s", "yes"), 1);
        assert_int_equal(doc_truth(doc, "/rows/0/no"), 0);
        assert_int_equal(doc_truth(doc, "/rows/0/none"), -1);
        assert_int_equal(doc_truth(doc, "/rows/0/n"), -1);
}

/* A pointer too long for its buffer names nothing. */
static void test_long_pointers(void **state)
{
        char key[512];
        (void)state;
        memset(key, 'k', sizeof(key) - 1);
        key[sizeof(key) - 1] = 0;
        assert_string_equal(value(key), "-");
        assert_string_equal(doc_text(doc, "?", "/%s", key), "?");
        assert_int_equal(doc_truth(doc, "/%s", key), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_numbers_and_texts),
            cmocka_unit_test(test_values_as_printed),
            cmocka_unit_test(test_truth),
            cmocka_unit_test(test_long_pointers),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}

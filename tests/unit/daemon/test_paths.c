/* test_paths.c: places nobody named come from the environment, then from the system. */
#include "daemon/paths.h"
#include "base/err.h"
#include "daemon/conf.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct conf conf_with_learner(void)
{
        struct conf c;
        struct err e;
        conf_defaults(&c);
        assert_int_equal(conf_set(&c, "learner.path", "/bin/true", &e), 0);
        return c;
}

static void from_the_system(void **state)
{
        (void)state;
        struct conf c = conf_with_learner();
        struct paths p;
        struct err e;
        unsetenv("STATE_DIRECTORY");
        unsetenv("RUNTIME_DIRECTORY");
        assert_int_equal(paths_find(&p, &c, &e), 0);
        assert_string_equal(p.state, "/var/lib/ewcd");
        assert_string_equal(p.database, "/var/lib/ewcd/ewcd.db");
        assert_string_equal(p.jobs, "/var/lib/ewcd/jobs");
        assert_string_equal(p.socket, "/run/ewcd/ewcd.sock");
        assert_string_equal(p.learner, "/bin/true");
}

static void from_the_service_manager(void **state)
{
        (void)state;
        struct conf c = conf_with_learner();
        struct paths p;
        struct err e;
        setenv("STATE_DIRECTORY", "/state/one:/state/two", 1);
        setenv("RUNTIME_DIRECTORY", "/runtime", 1);
        assert_int_equal(paths_find(&p, &c, &e), 0);
        assert_string_equal(p.state, "/state/one");
        assert_string_equal(p.socket, "/runtime/ewcd.sock");
        assert_int_equal(conf_set(&c, "store.dir", "/named", &e), 0);
        assert_int_equal(conf_set(&c, "listen.socket", "-", &e), 0);
        assert_int_equal(paths_find(&p, &c, &e), 0);
        assert_string_equal(p.database, "/named/ewcd.db");
        assert_string_equal(p.socket, "");
        unsetenv("STATE_DIRECTORY");
        unsetenv("RUNTIME_DIRECTORY");
}

static void a_learner_that_is_nowhere(void **state)
{
        (void)state;
        struct conf c;
        struct paths p;
        struct err e = ERR_NULL;
        conf_defaults(&c);
        assert_int_equal(conf_set(&c, "learner.path", "/nonexistent/learner", &e), 0);
        assert_int_equal(paths_find(&p, &c, &e), -EINVAL);
        assert_string_equal(e.field, "learner.path");
        assert_non_null(strstr(e.msg, "/nonexistent/learner"));
}

static void a_journal_is_known_by_its_file(void **state)
{
        (void)state;
        setenv("JOURNAL_STREAM", "1:1", 1);
        assert_false(paths_journal());
        setenv("JOURNAL_STREAM", "nonsense", 1);
        assert_false(paths_journal());
        unsetenv("JOURNAL_STREAM");
        assert_false(paths_journal());
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(from_the_system),
            cmocka_unit_test(from_the_service_manager),
            cmocka_unit_test(a_learner_that_is_nowhere),
            cmocka_unit_test(a_journal_is_known_by_its_file),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

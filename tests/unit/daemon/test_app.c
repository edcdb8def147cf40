/* test_app.c: starting, ending and starting again; what cannot be started says why, with its exit status. */
#include "daemon/app.h"
#include "base/file.h"
#include "house.h"
#include "lib/tmpdir.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static int status_of(struct house *h, const char *path)
{
        struct http_answer a = {0};
        assert_int_equal(http_client_call(&h->http, "GET", path, "", NULL, 0, &a), 0);
        int status = a.status;
        http_answer_deinit(&a);
        return status;
}

static void starts_answers_stops_and_again(void **state)
{
        (void)state;
        struct house h;
        house_make(&h);
        for (int i = 0; i < 2; i++) {
                house_start(&h);
                assert_int_equal(status_of(&h, "/v2/health/ready"), 200);
                house_stop(&h);
                assert_int_equal(h.app.exit, APP_OK);
                assert_int_equal(access(h.conf.listen_socket, F_OK), -1);
        }
        house_remove(&h);
}

/* Never run, only undone. */
static void ends_without_having_run(void **state)
{
        (void)state;
        struct house h;
        house_make(&h);
        assert_int_equal(app_init(&h.app, &h.conf, NULL, &clock_system, &h.e), 0);
        app_deinit(&h.app);
        app_deinit(&h.app);
        house_remove(&h);
}

static void refused(struct house *h, enum app_exit status, const char *says)
{
        struct app other;
        struct err e = ERR_NULL;
        assert_true(app_init(&other, &h->conf, NULL, &clock_system, &e) < 0);
        if (other.exit != status || !strstr(e.msg, says))
                fail_msg("%d: %s", (int)other.exit, e.msg);
}

static void an_address_in_use(void **state)
{
        (void)state;
        struct house h, second;
        char path[256];
        house_make(&h);
        house_start(&h);
        house_make(&second);
        assert_int_equal(conf_set(&second.conf, "listen.socket", h.conf.listen_socket, &second.e), 0);
        refused(&second, APP_ADDRESS, h.conf.listen_socket);
        assert_int_equal(status_of(&h, "/v2/health/live"), 200);
        assert_int_equal(
            conf_set(&second.conf, "listen.socket", tmpdir_path(path, sizeof(path), second.dir, "s"), &second.e), 0);
        assert_int_equal(conf_set(&second.conf, "listen.tcp", "0.0.0.0:0", &second.e), 0);
        refused(&second, APP_USAGE, "allow_remote");
        house_remove(&second);
        house_remove(&h);
}

static void a_database_that_is_not_ours(void **state)
{
        (void)state;
        struct house h;
        char path[300];
        static const char text[] =
            "this is a letter, not a database; it is long enough to be read as a header of one..............";
        house_make(&h);
        assert_int_equal(file_mkdir(h.conf.store_dir, 0700, &h.e), 0);
        tmpdir_path(path, sizeof(path), h.conf.store_dir, "ewcd.db");
        assert_int_equal(file_replace(path, text, sizeof(text), &h.e), 0);
        refused(&h, APP_STORE, path);
        house_remove(&h);
}

static void a_state_directory_that_cannot_be(void **state)
{
        (void)state;
        struct house h;
        house_make(&h);
        assert_int_equal(conf_set(&h.conf, "store.dir", "/dev/null/state", &h.e), 0);
        refused(&h, APP_FAILED, "/dev/null");
        assert_int_equal(conf_set(&h.conf, "learner.path", "/nonexistent/learner", &h.e), 0);
        refused(&h, APP_USAGE, "learner");
        house_remove(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(starts_answers_stops_and_again),
            cmocka_unit_test(ends_without_having_run),
            cmocka_unit_test(an_address_in_use),
            cmocka_unit_test(a_database_that_is_not_ours),
            cmocka_unit_test(a_state_directory_that_cannot_be),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

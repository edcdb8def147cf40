/* test_api.c: a real daemon as other programs see it: the byte-exact requests of Open Inference Protocol clients
 * (oip_client.py), and every route's live answers against the document the daemon gives of itself (openapi_check.py).
 *
 * The scripts are Python because that is what those clients are, and for python3-jsonschema as an independent
 * judge. */
#include "e2e.h"
#include "run.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { SCRIPT_MS = 150000 };

static void run_script(const char *name)
{
        struct daemon d;
        struct ran ran = {0};
        char port[16], path[512];
        const char *argv[] = {getenv("EWCD_PYTHON"), path, port, NULL};
        daemon_init(&d);
        daemon_start(&d);
        snprintf(port, sizeof(port), "%u", d.port);
        snprintf(path, sizeof(path), "%s/%s", getenv("EWCD_SCRIPTS"), name);
        run_program(argv, NULL, NULL, SCRIPT_MS, &ran);
        if (ran.code != 0) {
                char *log = daemon_log(&d);
                fail_msg("%s: exit status %d\n%s%s\n%s", name, ran.code, ran.out.data ? ran.out.data : "",
                    ran.err.data ? ran.err.data : "", log ? log : "");
        }
        ran_deinit(&ran);
        assert_int_equal(daemon_stop(&d, SIGTERM, STOP_MS), 0);
        daemon_deinit(&d);
}

static void clients(void **state)
{
        (void)state;
        run_script("oip_client.py");
}

static void document(void **state)
{
        (void)state;
        run_script("openapi_check.py");
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(clients), cmocka_unit_test(document)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}

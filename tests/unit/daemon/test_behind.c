/* A store that is behind with its work: more work for it is refused, the other queue and predictions go on, and it
 * takes work again at once when it has caught up. */
#include "daemon/serve_thread.h"
#include "house.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static int ask(struct house *h, const char *method, const char *path, const char *body, const char *text)
{
        struct http_answer a = {0};
        assert_int_equal(http_client_call(&h->http, method, path, "Content-Type: application/json\r\n", body,
                             body ? strlen(body) : 0, &a),
            0);
        int status = a.status;
        if (!strstr(a.body.data, text))
                fail_msg("no \"%s\" in %s", text, a.body.data);
        http_answer_deinit(&a);
        return status;
}

static void test_behind(void **state)
{
        (void)state;
        static const char model[] =
            "{\"name\":\"m\",\"input\":{\"name\":\"x\",\"shape\":[1]},\"scenario\":\"domain\","
            "\"classes\":[\"a\",\"b\"],\"task\":\"one\",\"layers\":[]}";
        static const char event[] = "{\"events\":[{\"event_id\":\"1\",\"label\":\"a\",\"inputs\":[1]}]}";
        struct house h;
        house_make(&h);
        house_start(&h);
        assert_int_equal(ask(&h, "POST", "/v2/models", model, ""), 201);
        struct queue_age *q = &h.app.serve->writing;
        assert_int_equal(atomic_load(&q->waiting), 0);
        atomic_store(&q->waiting, 1);
        atomic_store(&q->slow_since_ns, 1);
        atomic_store(&q->age_ns, 3000000000u);
        assert_int_equal(ask(&h, "POST", "/v2/models/m/feedback", event, "behind with its work"), 503);
        assert_int_equal(ask(&h, "GET", "/v2/models/m/jobs", NULL, "jobs"), 200);
        assert_int_equal(ask(&h, "POST", "/v2/models/m/predict", "{\"inputs\":[1]}", "label"), 200);
        atomic_store(&q->waiting, 0);
        assert_int_equal(ask(&h, "POST", "/v2/models/m/feedback", event, "\"accepted\":1"), 200);
        assert_int_equal(atomic_load(&q->waiting), 0);
        assert_int_equal(atomic_load(&q->slow_since_ns), 0);
        house_remove(&h);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_behind),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

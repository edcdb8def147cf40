/* bad.c: see bad.h. */
#include "bad.h"
#include <stdio.h>
#include <stdlib.h>

struct bad bad;

static const struct description model = {
    .name = "digits",
    .scenario = "task",
    .classes = TEN_CLASSES,
    .task = "low",
    .task_classes = "[\"0\",\"1\",\"2\",\"3\",\"4\"]",
    .learning = "{" ADAM "," BY_HAND ",\"epochs\":2,\"gate\":{\"max_forgetting\":1,\"min_gain\":-1}}",
};

static double feedback_known(void)
{
        struct http_answer a;
        double n = 0;
        expect(&bad.d, 200, "GET", "/v2/models/digits/tasks", NULL, &a);
        for (int i = 0; i < json_length(a.doc, "/tasks"); i++)
                n += number_at(a.doc, "/tasks/%d/feedback/train", i) +
                     number_at(a.doc, "/tasks/%d/feedback/holdout", i);
        http_answer_deinit(&a);
        return n;
}

void check_unharmed(void)
{
        char *now = predict_text(&bad.d, "digits", "low", &bad.low);
        assert_string_equal(bad.champion, now);
        free(now);
        assert_true(feedback_known() == bad.n_feedback);
}

int bad_setup(void **state)
{
        (void)state;
        struct digits all;
        digits_load(&all);
        digits_pick(&all, 0, 4, DIGITS_UNSEEN, false, &bad.low);
        digits_pick(&all, 5, 9, DIGITS_UNSEEN, false, &bad.high);
        digits_free(&all);
        daemon_init(&bad.d);
        daemon_set(&bad.d, "server.max_body_infer", "%d", INFER_MAX);
        daemon_set(&bad.d, "server.max_body_feedback", "%d", FEEDBACK_MAX);
        daemon_set(&bad.d, "server.max_body_admin", "%d", ADMIN_MAX);
        daemon_start(&bad.d);
        model_create(&bad.d, &model);
        feedback_all(&bad.d, "digits", "low", &bad.low);
        rollover(&bad.d, "digits", "{\"task\":\"high\",\"classes\":[\"5\",\"6\",\"7\",\"8\",\"9\"]}", "promoted");
        feedback_all(&bad.d, "digits", "high", &bad.high);
        bad.champion = predict_text(&bad.d, "digits", "low", &bad.low);
        bad.n_feedback = feedback_known();
        return 0;
}

int bad_teardown(void **state)
{
        (void)state;
        daemon_deinit(&bad.d);
        free(bad.champion);
        digits_free(&bad.low);
        digits_free(&bad.high);
        return 0;
}

void check_rows(const struct row *rows, size_t n)
{
        size_t wrong = 0;
        for (size_t i = 0; i < n; i++) {
                const struct row *r = &rows[i];
                struct http_answer a;
                char type[96];
                ask(&bad.d, r->method, r->path, r->body ? JSON_TYPE : "", r->body,
                    r->body ? (r->n ? r->n : strlen(r->body)) : 0, &a);
                const char *place = json_text(a.doc, "/errors/0/pointer"), *got = json_text(a.doc, "/type");
                snprintf(type, sizeof(type), "urn:ewcd:problem:%s", r->slug);
                if (a.status == r->status && got && strcmp(got, type) == 0 &&
                    (!r->pointer || strcmp(r->pointer, place ? place : "") == 0)) {
                        check_problem(&a, r->status, r->slug, r->pointer);
                } else {
                        wrong++;
                        print_error("%s %s %.120s\n  wanted %d %s '%s'\n  got    %d %s '%s' %.300s\n", r->method,
                            r->path, r->body ? r->body : "", r->status, type, r->pointer ? r->pointer : "any",
                            a.status, got ? got : "-", place ? place : "",
                            json_text(a.doc, "/detail") ? json_text(a.doc, "/detail") : "");
                }
                http_answer_deinit(&a);
        }
        assert_int_equal(wrong, 0);
        check_unharmed();
}

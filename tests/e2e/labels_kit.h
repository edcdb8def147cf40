/* labels_kit.h: a daemon whose models learn from labels, and the few sentences spoken with it, for the tests of
 * labels. */
#pragma once
#include "e2e.h"
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct daemon d;
static struct digits all, sent, unseen;

#define LAYER "[{\"type\":\"dense\",\"units\":48,\"activation\":\"relu\"}]"
#define OPEN_GATE "\"gate\":{\"max_forgetting\":1,\"min_gain\":-1}"
#define LEARNING(more) "{" ADAM "," BY_HAND "," OPEN_GATE ",\"holdout\":0" more "}"

enum { N = 300, PATH = 400, TEXT = 8192 };

static int setup(void **state)
{
        (void)state;
        digits_load(&all);
        digits_pick(&all, 0, 9, DIGITS_SENT, false, &sent);
        digits_pick(&all, 0, 9, DIGITS_UNSEEN, false, &unseen);
        daemon_init(&d);
        daemon_set(&d, "server.threads", "2");
        daemon_start(&d);
        return 0;
}

static int teardown(void **state)
{
        struct digits *sets[] = {&all, &sent, &unseen};
        (void)state;
        daemon_deinit(&d);
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
                digits_free(sets[i]);
        return 0;
}

static void make(const char *name, const char *learning)
{
        model_create(&d, &(struct description){.name = name,
                             .scenario = "domain",
                             .classes = TEN_CLASSES,
                             .task = "t",
                             .layers = LAYER,
                             .learning = learning});
}

static const char *path_of(const char *model, const char *rest)
{
        static char path[PATH];
        snprintf(path, sizeof(path), "/v2/models/%s/%s", model, rest);
        return path;
}

/* Predictions of rows first.. (n): their ids; the answer's labels in ret_labels unless NULL. */
static void ids_of(const char *model, size_t first, size_t n, char (*ret)[64], int *ret_labels)
{
        struct digits some = {.n = n, .x = &sent.x[first], .label = &sent.label[first]};
        struct http_answer a;
        predict(&d, model, NULL, &some, &a);
        for (size_t i = 0; i < n; i++) {
                snprintf(ret[i], 64, "%s", text_at(a.doc, "/predictions/%zu/id", i));
                if (ret_labels)
                        ret_labels[i] = atoi(text_at(a.doc, "/predictions/%zu/label", i));
        }
        http_answer_deinit(&a);
}

/* One event; more: members behind the label, with a comma in front. */
static void label(const char *model, int status, const char *id, int digit, const char *more, struct http_answer *ret)
{
        char body[TEXT];
        snprintf(body, sizeof(body), "{\"events\":[{\"prediction_id\":\"%s\",\"label\":\"%d\"%s}]}", id, digit, more);
        expect(&d, status, "POST", path_of(model, "feedback"), body, ret);
}

static void check_rejected(struct http_answer *a, const char *slug, const char *pointer, const char *says)
{
        char type[96];
        snprintf(type, sizeof(type), "urn:ewcd:problem:%s", slug);
        if (strcmp(text_at(a->doc, "/errors/0/type"), type) != 0 ||
            !strstr(text_at(a->doc, "/errors/0/detail"), says))
                fail_msg("not %s, '%s': %s", slug, says, a->body.data);
        assert_string_equal(text_at(a->doc, "/errors/0/pointer"), pointer);
        http_answer_deinit(a);
}

static void check_refused(const char *model, const char *id, const char *slug, const char *says)
{
        struct http_answer a;
        label(model, 422, id, 1, "", &a);
        check_rejected(&a, slug, "/events/0/prediction_id", says);
}

static void fate(const char *model, const char *id, const char *state, struct http_answer *ret)
{
        struct http_answer a;
        char rest[128];
        snprintf(rest, sizeof(rest), "feedback/%s", id);
        expect(&d, 200, "GET", path_of(model, rest), NULL, &a);
        if (strcmp(text_at(a.doc, "/state"), state) != 0)
                fail_msg("%s: not %s: %s", id, state, a.body.data);
        assert_string_equal(text_at(a.doc, "/id"), id);
        if (ret)
                *ret = a;
        else
                http_answer_deinit(&a);
}

/* --- from a prediction to a version --- */

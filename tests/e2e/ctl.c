/* ctl.c: see ctl.h. */
#include "e2e.h"
#include "base/str.h"
#include "ctl.h"
#include <stdio.h>
#include <stdlib.h>

enum { MAX_WORDS = 24 };

static const struct daemon *target;
struct ran ctl_last;

void ctl_use(const struct daemon *d)
{
        target = d;
}

static int ctl_in(const char *in, const char *fmt, va_list ap)
{
        char text[2048], *save = NULL;
        const char *argv[MAX_WORDS] = {getenv("EWCCTL_BIN")};
        size_t n = 1;
        vsnprintf(text, sizeof(text), fmt, ap);
        for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
                assert_true(n < MAX_WORDS - 3);
                argv[n++] = w;
        }
        argv[n++] = "--socket";
        argv[n++] = target->socket;
        ran_deinit(&ctl_last);
        run_program(argv, NULL, in, CTL_MS, &ctl_last);
        return ctl_last.code;
}

int ctl(const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        int code = ctl_in(NULL, fmt, ap);
        va_end(ap);
        return code;
}

int ctl_with(const char *in, const char *fmt, ...)
{
        va_list ap;
        va_start(ap, fmt);
        int code = ctl_in(in, fmt, ap);
        va_end(ap);
        return code;
}

void check_out(const char *part)
{
        if (!strstr(ctl_last.out.data, part))
                fail_msg("no '%s' in:\n%s\n%s", part, ctl_last.out.data, ctl_last.err.data);
}

void check_err(const char *part)
{
        if (!strstr(ctl_last.err.data, part))
                fail_msg("no '%s' in:\n%s\n%s", part, ctl_last.err.data, ctl_last.out.data);
}

struct json_doc *json_out(void)
{
        struct json_doc *doc = NULL;
        struct slice text = {ctl_last.out.data, ctl_last.out.len};
        while (text.n > 0 && text.p[text.n - 1] == '\n')
                text.n--;
        if (json_parse(text, &doc, NULL) != 0)
                fail_msg("no JSON: %s", ctl_last.out.data);
        return doc;
}

void check_error_json(const char *kind)
{
        char error[1024], words[1024];
        struct json_doc *doc = json_out();
        const char *detail = text_at(doc, "/detail");
        snprintf(error, sizeof(error), "%s: %s", kind, detail);
        assert_string_equal(text_at(doc, "/error"), error);
        snprintf(words, sizeof(words), "ewcctl: %s\n", detail);
        assert_string_equal(ctl_last.err.data, words);
        assert_non_null(strstr(ctl_last.out.data, ",\"status\":null}\n"));
        json_free(doc);
}

double json_out_number(const char *pointer)
{
        struct json_doc *doc = json_out();
        double v = number_at(doc, "%s", pointer);
        json_free(doc);
        return v;
}

/* route.c: from method and path to a row of routes[].
 *
 * The path is split at its slashes as sent and each segment is unescaped by itself. Rows are tried in order
 * against the segments; "{…}" takes any segment that is not empty. Only when no row fits are the rows of other
 * methods looked at, for 405 and its Allow. */
#include "server/route.h"
#include "base/arena.h"
#include "server/http_parse.h"
#include "server/server.h"
#include <stdio.h>

enum { MAX_SEGMENTS = 12 };

struct path {
        size_t n;
        struct slice segment[MAX_SEGMENTS];
};

static struct slice unescaped(struct request *r, struct slice s)
{
        char *copy = s.n > 0 && memchr(s.p, '%', s.n) ? arena_alloc(r->arena, s.n) : NULL;
        return copy ? (struct slice){copy, http_unescape(s, copy)} : s; /* memory short: it just will not match */
}

/* False if there are more segments than any pattern has. */
static bool split(struct request *r, struct path *ret)
{
        struct slice s = r->raw_path;
        ret->n = 0;
        while (s.n > 0) { /* at a slash */
                if (ret->n == MAX_SEGMENTS)
                        return false;
                const char *next = memchr(s.p + 1, '/', s.n - 1);
                size_t len = next ? (size_t)(next - s.p) : s.n;
                ret->segment[ret->n++] = unescaped(r, (struct slice){s.p + 1, len - 1});
                s = (struct slice){s.p + len, s.n - len};
        }
        return true;
}

static bool matches(const char *pattern, const struct path *path, struct slice *args, size_t *ret_n_args)
{
        size_t n_args = 0;
        for (size_t i = 0; i < path->n; i++) {
                struct slice s = path->segment[i];
                if (*pattern++ != '/')
                        return false;
                size_t len = strcspn(pattern, "/");
                if (*pattern == '{') {
                        if (s.n == 0 || n_args == REQUEST_MAX_ARGS)
                                return false;
                        args[n_args++] = s;
                } else if (len != s.n || (len > 0 && memcmp(pattern, s.p, len) != 0)) {
                        return false;
                }
                pattern += len;
        }
        *ret_n_args = n_args;
        return *pattern == '\0' && path->n > 0;
}

static const struct {
        enum method method;
        const char *name;
} names[] = {
    {METHOD_GET, "GET"},
    {METHOD_HEAD, "HEAD"},
    {METHOD_POST, "POST"},
    {METHOD_PUT, "PUT"},
    {METHOD_DELETE, "DELETE"},
};

static void write_allow(unsigned methods, char *allow, size_t size)
{
        size_t at = 0;
        allow[0] = '\0';
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                if (!(methods & 1u << names[i].method))
                        continue;
                int n = snprintf(allow + at, size - at, "%s%s", at ? ", " : "", names[i].name);
                at += n > 0 && (size_t)n < size - at ? (size_t)n : 0;
        }
}

enum problem route_find(struct request *r, char *allow, size_t allow_size)
{
        enum method wanted = r->method == METHOD_HEAD ? METHOD_GET : r->method;
        unsigned others = 0;
        struct path path;
        r->route = NULL;
        r->n_args = 0;
        if (!split(r, &path))
                return PROBLEM_NOT_FOUND;
        for (size_t i = 0; i < n_routes; i++) {
                if (routes[i].method == wanted && matches(routes[i].pattern, &path, r->arg, &r->n_args)) {
                        r->route = &routes[i];
                        return PROBLEM_NONE;
                }
        }
        for (size_t i = 0; i < n_routes; i++) {
                if (matches(routes[i].pattern, &path, r->arg, &r->n_args))
                        others |= 1u << routes[i].method;
        }
        r->n_args = 0;
        if (others == 0)
                return PROBLEM_NOT_FOUND;
        if (others & 1u << METHOD_GET)
                others |= 1u << METHOD_HEAD;
        write_allow(others, allow, allow_size);
        return PROBLEM_METHOD;
}

/* How many of the pattern's first segments fit the path's, and how many it has. */
static size_t shared(const char *pattern, const struct path *path, size_t *ret_n)
{
        size_t same = 0, n = 0;
        for (const char *p = pattern; *p == '/'; n++) {
                size_t len = strcspn(++p, "/");
                struct slice s = n < path->n ? path->segment[n] : (struct slice){0};
                bool fits = *p == '{' ? s.n > 0 : len == s.n && len > 0 && memcmp(p, s.p, len) == 0;
                same += fits && same == n;
                p += len;
        }
        *ret_n = n;
        return same;
}

void route_near(struct request *r, char *ret, size_t size)
{
        struct path path;
        size_t best = 0, n, at = 0;
        const char *last = "";
        (void)split(r, &path); /* of a path that is too long, its beginning */
        for (size_t i = 0; i < n_routes; i++) {
                size_t same = shared(routes[i].pattern, &path, &n);
                best = same > best ? same : best;
        }
        ret[0] = '\0';
        for (size_t i = 0; i < n_routes; i++) {
                const char *pattern = routes[i].pattern;
                if (shared(pattern, &path, &n) < best || n > best + 1 || pattern[strlen(pattern) - 1] == '/' ||
                    strcmp(pattern, last) == 0)
                        continue;
                int w = snprintf(ret + at, size - at, "%s%s", at > 0 ? ", " : "", pattern);
                if (w < 0 || (size_t)w >= size - at) {
                        ret[at] = '\0';
                        return;
                }
                at += (size_t)w;
                last = pattern;
        }
}

size_t route_body_limit(const struct server *s, const struct route *route)
{
        switch (route->body) {
        case BODY_INFER:
                return s->conf->max_body_infer;
        case BODY_FEEDBACK:
                return s->conf->max_body_feedback;
        case BODY_ADMIN:
                return s->conf->max_body_admin;
        case BODY_NONE:
                break;
        }
        return 0;
}

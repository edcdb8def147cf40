/* stream_state.c: how far one method has followed a stream, in a file named by the digest of its settings: a header,
 * then theta, the merged Fisher and its centre as float32. A cache, as unit_state.c: what does not fit counts as
 * none. */
#include "bench/stream_in.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAGIC "ewcb-sm1"
#define STATE_MAX ((size_t)1 << 30)

struct header {
        char magic[8];
        struct digest key;
        uint64_t at, correct, scored, n_params;
        double seconds;
        uint64_t closed;
};

static bool name(char *out, size_t size, const char *dir, const struct digest *key)
{
        char hex[DIGEST_HEX];
        digest_hex(key, hex);
        int n = snprintf(out, size, "%s/%.24s.stream", dir, hex);
        return n > 0 && (size_t)n < size;
}

int stream_state_write(const char *dir, const struct digest *key, const struct stream_state *s, struct err *e)
{
        struct header h = {.key = *key, .at = s->at, .correct = s->correct, .scored = s->scored};
        struct file_writer w = {.fd = -1};
        const float *const parts[] = {s->theta, s->fisher, s->anchor};
        char path[1024];
        if (!name(path, sizeof(path), dir, key))
                return err_set(e, -ENAMETOOLONG, "%s is too long a name", dir);
        memcpy(h.magic, MAGIC, sizeof(h.magic));
        h.n_params = s->n_params;
        h.seconds = s->seconds;
        h.closed = s->closed;
        int r = file_mkdir(dir, 0755, e);
        if (r == 0)
                r = file_writer_open(&w, path, e);
        if (r == 0)
                r = file_writer_put(&w, &h, sizeof(h), e);
        for (size_t i = 0; r == 0 && i < ARRAY_LEN(parts); i++)
                r = file_writer_put(&w, parts[i], s->n_params * sizeof(float), e);
        if (r == 0)
                r = file_writer_commit(&w, e);
        file_writer_abort(&w);
        return r;
}

int stream_state_read(const char *dir, const struct digest *key, struct stream_state *s, struct err *e)
{
        struct file_map map;
        struct header h = {.n_params = 0};
        float *const parts[] = {s->theta, s->fisher, s->anchor};
        char path[1024];
        if (!name(path, sizeof(path), dir, key) || !file_exists(path))
                return 0;
        int r = file_map(path, STATE_MAX, &map, e);
        if (r < 0)
                return r;
        if (map.size >= sizeof(h))
                memcpy(&h, map.data, sizeof(h));
        if (memcmp(h.magic, MAGIC, sizeof(h.magic)) == 0 && digest_eq(&h.key, key) && h.n_params == s->n_params &&
            map.size == sizeof(h) + 3 * s->n_params * sizeof(float)) {
                s->at = (size_t)h.at;
                s->correct = h.correct;
                s->scored = h.scored;
                s->seconds = h.seconds;
                s->closed = h.closed;
                for (size_t i = 0; i < ARRAY_LEN(parts); i++)
                        memcpy(parts[i], map.data + sizeof(h) + i * s->n_params * sizeof(float),
                            s->n_params * sizeof(float));
        }
        file_unmap(&map);
        return 0;
}

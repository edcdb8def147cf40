/* gz.c: files that may be gzip'ed.
 *
 * zlib's file layer passes plain files through unchanged; a buffer of ours on top gives peeking and lines. A gzip
 * file that ends early or fails its checksum is an error where it is noticed, never a short file. */
#include "data/gz.h"
#include "base/err.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { CHUNK = 64 << 10 };

struct gz {
        char *path;
        gzFile file;
        uint64_t size; /* of the file on disk */
        uint64_t offset, lines;
        char *data; /* read ahead: [at, end) */
        size_t at, end, cap;
        bool eof;
};

void gz_close(struct gz *g)
{
        if (!g)
                return;
        if (g->file)
                gzclose(g->file);
        free(g->path);
        free(g->data);
        free(g);
}

static int open_file(struct gz *g, struct err *e)
{
        _close_ int fd = open(g->path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
                return err_errno(e, errno, "open %s", g->path);
        if (S_ISDIR(st.st_mode))
                return err_set(e, -EISDIR, "%s is a directory; give a file", g->path);
        g->size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
        if (!(g->file = gzdopen(fd, "rb")))
                return err_oom(e);
        fd = -1;
        gzbuffer(g->file, CHUNK);
        return 0;
}

int gz_open(struct gz **ret, const char *path, struct err *e)
{
        struct gz *g = new_zero(struct gz);
        if (!g)
                return err_oom(e);
        int r = 0;
        g->cap = CHUNK;
        if (!(g->path = strdup(path)) || !(g->data = mem_array(g->cap, 1)))
                r = err_oom(e);
        if (r == 0)
                r = open_file(g, e);
        if (r < 0) {
                gz_close(g);
                return r;
        }
        *ret = g;
        return 0;
}

static int broken(struct gz *g, struct err *e)
{
        int code;
        const char *why = gzerror(g->file, &code);
        if (code == Z_ERRNO)
                return err_errno(e, errno, "read %s", g->path);
        if (code == Z_MEM_ERROR)
                return err_oom(e);
        return err_set(e, -EBADMSG, "%s: broken gzip data behind byte %llu (%s); fetch the file again", g->path,
            (unsigned long long)(g->offset + (g->end - g->at)), code == Z_BUF_ERROR ? "the file is cut short" : why);
}

/* Makes at least want bytes available, or all up to the end of the file. */
static int fill(struct gz *g, size_t want, struct err *e)
{
        if (g->end - g->at >= want || g->eof)
                return 0;
        memmove(g->data, g->data + g->at, g->end - g->at);
        g->end -= g->at;
        g->at = 0;
        if (!mem_grow((void **)&g->data, &g->cap, want + 1, 1)) /* room for a NUL behind a line */
                return err_oom(e);
        while (g->end < want && !g->eof) {
                size_t room = g->cap - 1 - g->end;
                int n = gzread(g->file, g->data + g->end, (unsigned)(room < CHUNK ? room : CHUNK)), code;
                if (n < 0)
                        return broken(g, e);
                gzerror(g->file, &code);
                if (code != Z_OK && code != Z_STREAM_END)
                        return broken(g, e);
                g->end += (size_t)n;
                g->eof = n == 0;
        }
        return 0;
}

static void consume(struct gz *g, size_t n)
{
        g->at += n;
        g->offset += n;
}

int gz_peek(struct gz *g, void *out, size_t n, size_t *ret_n, struct err *e)
{
        int r = fill(g, n, e);
        if (r < 0)
                return r;
        size_t have = g->end - g->at;
        *ret_n = have < n ? have : n;
        memcpy(out, g->data + g->at, *ret_n);
        return 0;
}

int gz_read(struct gz *g, void *out, size_t n, size_t *ret_n, struct err *e)
{
        size_t done = 0;
        while (done < n) {
                size_t left = n - done, step = left < CHUNK / 2 ? left : CHUNK / 2;
                size_t got;
                int r = gz_peek(g, (char *)out + done, step, &got, e);
                if (r < 0)
                        return r;
                consume(g, got);
                done += got;
                if (got < step)
                        break;
        }
        *ret_n = done;
        return 0;
}

int gz_line(struct gz *g, char **ret, size_t *ret_n, struct err *e)
{
        size_t seen = 0;
        char *lf;
        for (;;) {
                size_t have = g->end - g->at;
                lf = memchr(g->data + g->at + seen, '\n', have - seen);
                if (lf || g->eof)
                        break;
                if (have > GZ_LINE_MAX)
                        return err_set(e, -EFBIG, "%s line %llu: longer than %d bytes", g->path,
                            (unsigned long long)g->lines + 1, GZ_LINE_MAX);
                seen = have;
                int r = fill(g, have + 1, e);
                if (r < 0)
                        return r;
        }
        char *line = g->data + g->at;
        size_t n = lf ? (size_t)(lf - line) : g->end - g->at;
        if (!lf && n == 0)
                return 0;
        consume(g, n + (lf != NULL));
        g->lines++;
        if (n > 0 && line[n - 1] == '\r')
                n--;
        line[n] = '\0';
        *ret = line;
        *ret_n = n;
        return 1;
}

const char *gz_path(const struct gz *g)
{
        return g->path;
}

uint64_t gz_lines(const struct gz *g)
{
        return g->lines;
}

uint64_t gz_offset(const struct gz *g)
{
        return g->offset;
}

double gz_fraction(const struct gz *g)
{
        z_off_t at = gzoffset(g->file);
        if (g->size == 0 || at < 0)
                return 1;
        double f = (double)at / (double)g->size;
        return f < 1 ? f : 1;
}

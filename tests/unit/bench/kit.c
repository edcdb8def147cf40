/* kit.c: see kit.h. */
#include "unit/bench/kit.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "bench/commands.h"
#include "lib/tmpdir.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

void kit_options(struct options *ret, const char *line)
{
        static char text[1024], name[] = "ewc-bench";
        char *argv[64] = {name}, *save = NULL;
        int argc = 1;
        struct err e = ERR_NULL;
        assert_true(strlen(line) < sizeof(text));
        strcpy(text, line);
        for (char *at = strtok_r(text, " ", &save); at && argc < 64; at = strtok_r(NULL, " ", &save))
                argv[argc++] = at;
        if (options_parse(argc, argv, ret, &e) != 0)
                fail_msg("%s", e.msg);
}

static int run(const struct options *o)
{
        static const struct {
                const char *name;
                int (*run)(const struct options *o);
        } commands[] = {{"list", cmd_list}, {"run", cmd_run}, {"table", cmd_table}, {"unit", cmd_unit},
            {"sweep", cmd_sweep}, {"two-task", cmd_two_task}, {"federated", cmd_federated},
            {"similarity", cmd_similarity}};
        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
                if (strcmp(commands[i].name, o->command) == 0)
                        return commands[i].run(o);
        fail_msg("no command %s", o->command);
        return -1;
}

static char *all_of(const char *path)
{
        struct buf b;
        struct err e = ERR_NULL;
        buf_init(&b, 1 << 22);
        assert_int_equal(file_read(path, 1 << 22, &b, &e), 0);
        return b.data ? b.data : strdup("");
}

static char *said;

const char *kit_said(void)
{
        return said;
}

/* Sends fd into a new file; returns what puts it back. */
static int redirect(int fd, const char *path)
{
        int back = dup(fd), file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(back >= 0 && file >= 0 && dup2(file, fd) >= 0);
        close(file);
        return back;
}

static void restore(int fd, int back)
{
        dup2(back, fd);
        close(back);
}

int kit_run(const char *line, char **ret_text, struct json_doc **ret)
{
        struct options o;
        struct err e = ERR_NULL;
        char *dir = tmpdir_new(), path[256], errors[256];
        kit_options(&o, line);
        fflush(stdout);
        int out = redirect(STDOUT_FILENO, tmpdir_path(path, sizeof(path), dir, "out"));
        int err = redirect(STDERR_FILENO, tmpdir_path(errors, sizeof(errors), dir, "err"));
        int status = run(&o);
        fflush(stdout);
        restore(STDOUT_FILENO, out);
        restore(STDERR_FILENO, err);
        free(said);
        said = all_of(errors);
        char *text = all_of(path);
        size_t n = strlen(text);
        const char *end = n > 0 && text[n - 1] == '\n' ? text + n - 1 : text + n, *at = end;
        while (at > text && at[-1] != '\n')
                at--;
        if (ret && (n == 0 || json_parse((struct slice){at, (size_t)(end - at)}, ret, &e) != 0))
                *ret = NULL;
        if (ret_text)
                *ret_text = text;
        else
                free(text);
        tmpdir_remove(dir);
        return status;
}

double kit_number(const struct json_doc *d, const char *pointer)
{
        double v;
        if (json_number(d, pointer, &v) != 0)
                fail_msg("no number at %s", pointer);
        return v;
}

static void put(const char *path, const struct buf *b)
{
        struct err e = ERR_NULL;
        assert_true(buf_ok(b));
        assert_int_equal(file_replace(path, b->data, b->len, &e), 0);
}

static void put_u32(struct buf *b, uint32_t v)
{
        for (int shift = 24; shift >= 0; shift -= 8)
                buf_putc(b, (char)(v >> shift & 0xff));
}

static void mnist_files(const char *dir, const char *images, const char *labels, uint32_t n)
{
        enum { SIDE = 28 };
        struct buf b;
        char path[256];
        buf_init(&b, 1 << 22);
        put_u32(&b, 0x803);
        put_u32(&b, n);
        put_u32(&b, SIDE);
        put_u32(&b, SIDE);
        for (uint32_t i = 0; i < n; i++)
                for (uint32_t k = 0; k < SIDE * SIDE; k++) {
                        bool band = k / SIDE / 2 == i % 10 + 2;
                        buf_putc(&b, (char)(band ? 200 + (i * 7 + k) % 50 : (i * 31 + k * 17) % 40));
                }
        put(tmpdir_path(path, sizeof(path), dir, images), &b);
        buf_reset(&b);
        put_u32(&b, 0x801);
        put_u32(&b, n);
        for (uint32_t i = 0; i < n; i++)
                buf_putc(&b, (char)(i % 10));
        put(tmpdir_path(path, sizeof(path), dir, labels), &b);
        buf_deinit(&b);
}

void kit_mnist(const char *dir) /* not compressed: the reader takes both */
{
        mnist_files(dir, "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", KIT_TRAIN);
        mnist_files(dir, "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", KIT_TEST);
}

void kit_csv(const char *path, unsigned rows)
{
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_puts(&b, "a,b,c,d,e,f,label\n");
        for (unsigned i = 0; i < rows; i++) {
                for (unsigned k = 0; k < 6; k++)
                        buf_printf(&b, "%u,", (k == i % 6 ? 30 : 0) + (i * 13 + k * 7) % 20);
                buf_printf(&b, "%u\n", i % 6);
        }
        put(path, &b);
        buf_deinit(&b);
}

void kit_stream(const char *path, unsigned rows)
{
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_puts(&b, "when,x,y,label\n");
        for (unsigned i = 0; i < rows; i++) {
                int x = (int)(i * 37 % 101) - 50, y = (int)(i * 61 % 103) - 51;
                buf_printf(&b, "t%u,%d,%d,%d\n", i, x, y, (i < rows / 2 ? x : y) > 0);
        }
        put(path, &b);
        buf_deinit(&b);
}

/* test_file_writer.c: a file appears whole or not at all, whatever fails, and leaves no litter. */
#include "base/file.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "lib/tmpdir.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static int make_dir(void **state)
{
        *state = tmpdir_new();
        return 0;
}

static int remove_dir(void **state)
{
        tmpdir_remove(*state);
        return 0;
}

static int entries(const char *dir)
{
        int n = 0;
        DIR *d = opendir(dir);
        assert_non_null(d);
        while (readdir(d))
                n++;
        closedir(d);
        return n - 2;
}

static void pieces_of_all_sizes(void **state)
{
        static const size_t sizes[] = {0, 1, 10, 65535, 65536, 3, 65537, 200001, 1, 0};
        char path[200];
        struct err e = ERR_NULL;
        struct file_writer w = {0};
        char *data = malloc(400000);
        size_t n = 0;
        assert_non_null(data);
        for (size_t i = 0; i < 400000; i++)
                data[i] = (char)(i * 31 + i / 77);
        tmpdir_path(path, sizeof(path), *state, "f");
        assert_int_equal(file_writer_open(&w, path, &e), 0);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); n += sizes[i++])
                assert_int_equal(file_writer_put(&w, data + n, sizes[i], &e), 0);
        assert_false(file_exists(path));
        assert_int_equal(file_writer_commit(&w, &e), 0);
        file_writer_abort(&w);
        struct buf b;
        buf_init(&b, 500000);
        assert_int_equal(file_read(path, 500000, &b, &e), 0);
        assert_int_equal(b.len, n);
        assert_memory_equal(b.data, data, n);
        buf_deinit(&b);
        free(data);
        assert_int_equal(entries(*state), 1);
}

static void abort_leaves_nothing(void **state)
{
        char path[200];
        struct err e = ERR_NULL;
        struct file_writer w = {0};
        file_writer_abort(&w);
        tmpdir_path(path, sizeof(path), *state, "f");
        assert_int_equal(file_writer_open(&w, path, &e), 0);
        assert_int_equal(file_writer_put(&w, "x", 1, &e), 0);
        assert_int_equal(entries(*state), 1);
        file_writer_abort(&w);
        file_writer_abort(&w);
        assert_int_equal(entries(*state), 0);
}

/* The last failing point is the sync of the directory: then the new contents are there, and an error is reported. */
static void every_fault_leaves_old_or_new(void **state)
{
        char path[200];
        struct err e = ERR_NULL;
        bool seen_new = false;
        tmpdir_path(path, sizeof(path), *state, "f");
        for (int n = 0;; n++) {
                assert_int_equal(file_replace(path, "old", 3, &e), 0);
                fault_arm(n, 1);
                int r = file_replace(path, "new!", 4, &e);
                bool fired = fault_fired();
                fault_disarm();
                assert_int_equal(r < 0, fired);
                assert_int_equal(entries(*state), 1);
                struct buf b;
                buf_init(&b, 100);
                assert_int_equal(file_read(path, 100, &b, &e), 0);
                bool is_new = strcmp(b.data, "new!") == 0;
                assert_true(is_new || strcmp(b.data, "old") == 0);
                assert_true(is_new || !seen_new);
                seen_new = is_new;
                buf_deinit(&b);
                if (!fired) {
                        assert_in_range(n, 7, 20);
                        break;
                }
        }
        assert_true(seen_new);
}

/* Stands before the C library's: what had happened when a file or a directory was made durable. */
static struct {
        char path[200]; /* "": nobody watches */
        int files, directories;
        bool old_at_file, new_at_directory;
} synced;

static bool holds(const char *path, const char *text)
{
        struct buf b;
        struct err e = ERR_NULL;
        buf_init(&b, 100);
        bool same = file_read(path, 100, &b, &e) == 0 && strcmp(b.data, text) == 0;
        buf_deinit(&b);
        return same;
}

int fsync(int fd)
{
        struct stat st;
        if (!synced.path[0])
                return (int)syscall(SYS_fsync, fd);
        if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
                synced.directories++;
                synced.new_at_directory = holds(synced.path, "new!");
        } else {
                synced.files++;
                synced.old_at_file = st.st_size == 4 && holds(synced.path, "old");
        }
        return (int)syscall(SYS_fsync, fd);
}

/* Bytes, then the name, then the directory, each made durable before the next step. */
static void durable_in_order(void **state)
{
        struct err e = ERR_NULL;
        tmpdir_path(synced.path, sizeof(synced.path), *state, "f");
        assert_int_equal(file_replace(synced.path, "old", 3, &e), 0);
        synced.files = synced.directories = 0;
        assert_int_equal(file_replace(synced.path, "new!", 4, &e), 0);
        assert_int_equal(synced.files, 1);
        assert_int_equal(synced.directories, 1);
        assert_true(synced.old_at_file && synced.new_at_directory);
        synced.path[0] = '\0';
}

/* A sync of the bytes that fails fails the commit, and the old file stays. */
static void a_failed_sync_keeps_the_old(void **state)
{
        char path[200], want[256];
        struct err e = ERR_NULL;
        int met = 0;
        tmpdir_path(path, sizeof(path), *state, "f");
        snprintf(want, sizeof(want), "sync %s:", path);
        assert_int_equal(file_replace(path, "old", 3, &e), 0);
        bool fired = true;
        for (int n = 0; fired && met == 0; n++) {
                e = (struct err)ERR_NULL;
                fault_arm(n, 1);
                int r = file_replace(path, "new!", 4, &e);
                fired = fault_fired();
                fault_disarm();
                if (strncmp(e.msg, want, strlen(want)) != 0)
                        continue;
                assert_int_equal(r, -EIO);
                assert_true(holds(path, "old"));
                met++;
        }
        assert_int_equal(met, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(pieces_of_all_sizes, make_dir, remove_dir),
            cmocka_unit_test_setup_teardown(abort_leaves_nothing, make_dir, remove_dir),
            cmocka_unit_test_setup_teardown(every_fault_leaves_old_or_new, make_dir, remove_dir),
            cmocka_unit_test_setup_teardown(durable_in_order, make_dir, remove_dir),
            cmocka_unit_test_setup_teardown(a_failed_sync_keeps_the_old, make_dir, remove_dir),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

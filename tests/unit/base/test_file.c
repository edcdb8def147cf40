/* test_file.c: reading to the ceiling, replacing, directories. */
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
#include <sys/stat.h>
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

static void put_file(const char *path, size_t n)
{
        struct err e = ERR_NULL;
        char *data = malloc(n + 1);
        assert_non_null(data);
        memset(data, 'd', n);
        assert_int_equal(file_replace(path, data, n, &e), 0);
        free(data);
}

static void reads_up_to_the_ceiling(void **state)
{
        static const size_t sizes[] = {0, 1, 63, 4096, 65535, 65536, 65537, 200000};
        char path[200];
        struct err e = ERR_NULL;
        tmpdir_path(path, sizeof(path), *state, "f");
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                size_t n = sizes[i];
                put_file(path, n);
                for (int tight = 0; tight < 2; tight++) { /* the ceiling of the call, then that of the buffer */
                        struct buf b;
                        buf_init(&b, tight ? n : n + 9);
                        assert_int_equal(file_read(path, tight ? n + 9 : n, &b, &e), 0);
                        assert_int_equal(b.len, n);
                        assert_int_equal(strlen(b.data), n);
                        buf_deinit(&b);
                }
                struct buf b;
                buf_init(&b, 1 << 20);
                buf_puts(&b, "old");
                if (n > 0)
                        assert_int_equal(file_read(path, n - 1, &b, &e), -EFBIG);
                assert_int_equal(file_read("/dev/zero", n, &b, &e), -EFBIG); /* a file that does not tell its size */
                assert_int_equal(b.len, 0);
                buf_deinit(&b);
        }
}

static void reading_fails_cleanly(void **state)
{
        char path[200];
        struct err e = ERR_NULL;
        struct buf b;
        buf_init(&b, 1 << 20);
        tmpdir_path(path, sizeof(path), *state, "f");
        assert_int_equal(file_read(path, 10, &b, &e), -ENOENT);
        assert_non_null(strstr(e.msg, path));
        assert_int_equal(file_read(*state, 1 << 20, &b, &e), -EISDIR);
        put_file(path, 100000);
        for (int n = 0;; n++) {
                buf_deinit(&b);
                fault_arm(n, 1);
                int r = file_read(path, 1 << 20, &b, &e);
                bool fired = fault_fired();
                fault_disarm();
                assert_int_equal(r < 0, fired);
                assert_int_equal(b.len, fired ? 0 : 100000);
                if (!fired)
                        break;
        }
        buf_deinit(&b);
}

static void replaces(void **state)
{
        char path[200];
        struct err e = ERR_NULL;
        struct buf b;
        struct stat st;
        tmpdir_path(path, sizeof(path), *state, "f");
        assert_int_equal(file_replace(path, "one", 3, &e), 0);
        assert_int_equal(file_replace(path, "two!", 4, &e), 0);
        buf_init(&b, 10);
        assert_int_equal(file_read(path, 10, &b, &e), 0);
        assert_string_equal(b.data, "two!");
        buf_deinit(&b);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        tmpdir_path(path, sizeof(path), *state, "none/f");
        assert_int_equal(file_replace(path, "x", 1, &e), -ENOENT);
}

static void makes_directories(void **state)
{
        char path[200], file[200];
        struct err e = ERR_NULL;
        tmpdir_path(path, sizeof(path), *state, "a//b/c/");
        assert_int_equal(file_mkdir(path, 0700, &e), 0);
        assert_true(file_exists(path));
        assert_int_equal(file_mkdir(path, 0700, &e), 0);
        assert_int_equal(file_mkdir("/", 0700, &e), 0);
        assert_int_equal(file_mkdir("", 0700, &e), -ENOENT);
        tmpdir_path(file, sizeof(file), *state, "a/f");
        put_file(file, 1);
        assert_int_equal(file_mkdir(file, 0700, &e), -ENOTDIR);
        tmpdir_path(file, sizeof(file), *state, "a/f/g");
        assert_int_equal(file_mkdir(file, 0700, &e), -ENOTDIR);
        static char longer[6000];
        memset(longer, 'x', sizeof(longer) - 1);
        assert_int_equal(file_mkdir(longer, 0700, &e), -ENAMETOOLONG);
        fault_arm(0, 1);
        assert_int_equal(file_mkdir(path, 0700, &e), -EIO);
        fault_disarm();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(reads_up_to_the_ceiling, make_dir, remove_dir),
            cmocka_unit_test_setup_teardown(reading_fails_cleanly, make_dir, remove_dir),
            cmocka_unit_test_setup_teardown(replaces, make_dir, remove_dir),
            cmocka_unit_test_setup_teardown(makes_directories, make_dir, remove_dir),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

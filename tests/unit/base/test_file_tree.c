/* test_file_tree.c: a tree goes with all it holds, and nothing a link in it points to. */
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

static void removes_files_directories_and_links(void **state)
{
        char tree[200], path[300], kept[200];
        struct err e = ERR_NULL;
        tmpdir_path(kept, sizeof(kept), *state, "kept");
        tmpdir_path(tree, sizeof(tree), *state, "tree");
        assert_int_equal(file_mkdir(tmpdir_path(path, sizeof(path), kept, "sub"), 0700, &e), 0);
        assert_int_equal(file_mkdir(tmpdir_path(path, sizeof(path), tree, "a/b/c"), 0700, &e), 0);
        for (int i = 0; i < 50; i++) {
                char name[20] = "a/b/f00";
                name[5] = (char)('0' + i / 10), name[6] = (char)('0' + i % 10);
                assert_int_equal(file_replace(tmpdir_path(path, sizeof(path), tree, name), name, 7, &e), 0);
        }
        assert_int_equal(symlink(kept, tmpdir_path(path, sizeof(path), tree, "a/link")), 0);
        assert_int_equal(file_remove_tree(tree, &e), 0);
        assert_false(file_exists(tree));
        assert_true(file_exists(tmpdir_path(path, sizeof(path), kept, "sub")));
        assert_int_equal(file_remove_tree(tree, &e), 0);
        assert_int_equal(symlink(kept, tree), 0);
        assert_int_equal(file_remove_tree(tree, &e), 0);
        assert_true(file_exists(path));
}

static void depth_is_limited(void **state)
{
        char path[300];
        struct err e = ERR_NULL;
        size_t n = strlen(tmpdir_path(path, sizeof(path), *state, "d"));
        for (int i = 0; i < 30; i++, n += 2)
                memcpy(path + n, "/d", 3);
        assert_int_equal(file_mkdir(path, 0700, &e), 0);
        char top[200];
        assert_int_equal(file_remove_tree(tmpdir_path(top, sizeof(top), *state, "d"), &e), -ELOOP);
        path[strlen(top) + 30] = '\0'; /* in two bites, or the clean-up would meet the same limit */
        assert_int_equal(file_remove_tree(path, &e), 0);
        assert_int_equal(file_remove_tree(top, &e), 0);
}

static void a_fault_is_reported(void **state)
{
        char path[200];
        struct err e = ERR_NULL;
        tmpdir_path(path, sizeof(path), *state, "x");
        assert_int_equal(file_mkdir(path, 0700, &e), 0);
        fault_arm(0, 1);
        assert_int_equal(file_remove_tree(path, &e), -EIO);
        fault_disarm();
        assert_true(file_exists(path));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(removes_files_directories_and_links, make_dir, remove_dir),
            cmocka_unit_test_setup_teardown(depth_is_limited, make_dir, remove_dir),
            cmocka_unit_test_setup_teardown(a_fault_is_reported, make_dir, remove_dir),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

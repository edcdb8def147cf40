/* test_file_map.c: mappings of ordinary, empty, large and impossible files. */
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
#include <sys/mman.h>
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

static void maps(void **state)
{
        char path[200];
        struct err e = ERR_NULL;
        struct file_map m = {0};
        file_unmap(&m);
        tmpdir_path(path, sizeof(path), *state, "f");
        assert_int_equal(file_map(path, 100, &m, &e), -ENOENT);
        assert_int_equal(file_map(*state, 1 << 20, &m, &e), -EINVAL);
        assert_int_equal(file_replace(path, "", 0, &e), 0);
        assert_int_equal(file_map(path, 0, &m, &e), 0);
        assert_true(m.data && m.size == 0);
        file_unmap(&m);
        assert_int_equal(file_replace(path, "theta", 5, &e), 0);
        assert_int_equal(file_map(path, 4, &m, &e), -EFBIG);
        assert_null(m.data);
        assert_int_equal(file_map(path, 5, &m, &e), 0);
        assert_int_equal(file_replace(path, "other", 5, &e), 0); /* the old mapping stays whole */
        assert_int_equal(m.size, 5);
        assert_memory_equal(m.data, "theta", 5);
        void *page = (void *)(uintptr_t)m.data;
        unsigned char resident;
        assert_int_equal(mincore(page, 1, &resident), 0);
        file_unmap(&m);
        assert_null(m.data);
        assert_int_equal(mincore(page, 1, &resident), -1); /* nothing is mapped there any more */
        assert_int_equal(errno, ENOMEM);
}

static void faults_leave_the_output_alone(void **state)
{
        char path[200];
        struct err e = ERR_NULL;
        struct file_map m = {0};
        tmpdir_path(path, sizeof(path), *state, "f");
        assert_int_equal(file_replace(path, "theta", 5, &e), 0);
        for (int n = 0; n < 2; n++) {
                fault_arm(n, 1);
                assert_true(file_map(path, 5, &m, &e) < 0);
                assert_true(fault_fired());
                fault_disarm();
                assert_null(m.data);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(maps, make_dir, remove_dir),
            cmocka_unit_test_setup_teardown(faults_leave_the_output_alone, make_dir, remove_dir),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

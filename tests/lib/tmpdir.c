/* tmpdir.c: see tmpdir.h. A test that cannot have its directory cannot say anything, so failures abort. */
#include "lib/tmpdir.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include <stdio.h>
#include <stdlib.h>

static void give_up(const char *what)
{
        fprintf(stderr, "tmpdir: %s\n", what);
        abort();
}

char *tmpdir_path(char *buf, unsigned long size, const char *dir, const char *name)
{
        int n = snprintf(buf, size, "%s/%s", dir, name);
        if (n < 0 || (unsigned long)n >= size)
                give_up("path too long");
        return buf;
}

char *tmpdir_new(void)
{
        const char *root = getenv("TMPDIR");
        char *path = NULL;
        if (asprintf(&path, "%s/ewcd-test-XXXXXX", root && *root ? root : "/tmp") < 0 || !mkdtemp(path))
                give_up("cannot make a directory");
        return path;
}

void tmpdir_remove(char *path)
{
        struct err e = ERR_NULL;
        if (!path)
                return;
        fault_disarm(); /* a failing test may leave it armed */
        if (file_remove_tree(path, &e) < 0)
                give_up(e.msg);
        free(path);
}

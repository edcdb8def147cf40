/* tmpdir.h: a fresh directory for one test, removed with all it holds. */
#pragma once

char *tmpdir_new(void); /* path under TMPDIR or /tmp, owned by the caller until tmpdir_remove; aborts on failure */
void tmpdir_remove(char *path); /* accepts NULL; frees path */

/* "dir/name" in a buffer of the caller's; aborts when it does not fit. Returns the buffer. */
char *tmpdir_path(char *buf, unsigned long size, const char *dir, const char *name);

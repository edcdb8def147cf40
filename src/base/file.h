/* file.h: whole files, read with a ceiling and replaced atomically (tmp, fsync, rename, fsync of the directory). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

int file_read(const char *path, size_t max, struct buf *ret, struct err *e); /* -ENOENT, -EFBIG, … */
int file_replace(const char *path, const void *data, size_t n, struct err *e);
int file_mkdir(const char *path, uint32_t mode, struct err *e); /* with parents; fine if it exists */
int file_remove_tree(const char *path, struct err *e);          /* depth-limited; fine if it is not there */
bool file_exists(const char *path);

/* A read-only mapping. */
struct file_map {
        const uint8_t *data;
        size_t size;
};
int file_map(const char *path, size_t max, struct file_map *ret, struct err *e);
void file_unmap(struct file_map *m); /* accepts an all-zero map */

/* A file written piece by piece and made visible by file_writer_commit; discarded by file_writer_abort. */
struct file_writer {
        int fd;
        char *path, *tmp;
        uint8_t *chunk; /* write-behind buffer */
        size_t n_chunk;
};
int file_writer_open(struct file_writer *w, const char *path, struct err *e);
int file_writer_put(struct file_writer *w, const void *data, size_t n, struct err *e);
int file_writer_commit(struct file_writer *w, struct err *e);
void file_writer_abort(struct file_writer *w); /* accepts committed and all-zero writers */

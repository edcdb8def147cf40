/* migrate.h: the steps that bring a database file to the level of this program. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct db;
struct err;

struct migration {
        int version; /* 1, 2, … without gaps; append-only */
        const char *name;
        const char *sql;
};

extern const struct migration migrations[]; /* embedded from migrations/ */
extern const size_t n_migrations;

enum { STORE_APPLICATION_ID = 0x45574344 }; /* "EWCD" */

enum { MIGRATE_PATH = 4096 };
/* Name of the copy of a file of that level; false: too long. */
bool migrate_copy(const struct db *db, int level, char ret[MIGRATE_PATH]);

/* Compares the hashes recorded in the file with those of the steps (-EBADMSG: the file was made by other steps),
 * then applies the missing ones: all of them, the identity and the new level in one transaction, which ends with
 * every reference leading somewhere (-EBADMSG). Outside of any transaction. Before an existing
 * file is changed, a copy of it is written beside it (path.level-N) unless no_backup. level: the file's. */
int migrate_run(struct db *db, const struct migration *steps, size_t n, int level, bool no_backup, struct err *e);

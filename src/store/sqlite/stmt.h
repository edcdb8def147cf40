/* stmt.h: the end of all prepared statements; everything else of stmt.c is in db.h. */
#pragma once

struct db;

void stmt_free_all(struct db *db);

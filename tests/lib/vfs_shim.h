/* vfs_shim.h: SQLite's disk, failing on request. Between shim_install and shim_remove every database opened through
 * the unix-excl VFS goes through it. Faults may be armed while another thread uses the files; install
 * and remove when none does. */
#pragma once
#include <stdbool.h>

enum shim_fault {
        SHIM_FAIL_WRITE = 1, /* SQLITE_IOERR_WRITE */
        SHIM_FAIL_SYNC = 2,  /* SQLITE_IOERR_FSYNC */
        SHIM_FULL = 4,       /* a write says SQLITE_FULL */
};

void shim_install(void);
void shim_remove(void); /* after all of its files were closed */

/* The n-th call from now (from 1) that the faults concern fails, and all later ones too, until shim_disarm: a disk
 * that breaks stays broken. */
void shim_arm(unsigned faults, int n);
bool shim_fired(void);
void shim_disarm(void);

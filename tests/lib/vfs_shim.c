/* vfs_shim.c: a VFS in front of unix-excl.
 *
 * It is registered under the name of the real one, so the code under test opens its files as always. Every call is
 * handed on but syncs, which only count; writes count first. */
#include "lib/vfs_shim.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct shim_file {
        sqlite3_file base; /* first */
        sqlite3_file *real;
};

static sqlite3_vfs *real_vfs, shim_vfs;
static atomic_uint armed; /* by the test's thread, while another may write */
static atomic_int countdown;
static atomic_bool fired;

void shim_arm(unsigned faults, int n)
{
        armed = faults;
        countdown = n;
        fired = false;
}

bool shim_fired(void)
{
        return fired;
}

void shim_disarm(void)
{
        armed = 0;
}

static bool fails(unsigned fault)
{
        if (!(armed & fault))
                return false;
        if (countdown > 0)
                countdown--;
        if (countdown > 0)
                return false;
        fired = true;
        return true;
}

#define REAL(f) (((struct shim_file *)(void *)(f))->real)

static int shim_close(sqlite3_file *f)
{
        sqlite3_file *real = REAL(f);
        int rc = real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;

        free(real);
        return rc;
}

static int shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
        return REAL(f)->pMethods->xRead(REAL(f), p, n, at);
}

static int shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
        if (fails(SHIM_FAIL_WRITE))
                return SQLITE_IOERR_WRITE;
        if (fails(SHIM_FULL))
                return SQLITE_FULL;
        return REAL(f)->pMethods->xWrite(REAL(f), p, n, at);
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
        return REAL(f)->pMethods->xTruncate(REAL(f), size);
}

static int shim_sync(sqlite3_file *f, int flags)
{
        (void)f, (void)flags; /* no test here cuts the power: waiting for the disk would show nothing */
        return fails(SHIM_FAIL_SYNC) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int shim_size(sqlite3_file *f, sqlite3_int64 *ret)
{
        return REAL(f)->pMethods->xFileSize(REAL(f), ret);
}

static int shim_lock(sqlite3_file *f, int level)
{
        return REAL(f)->pMethods->xLock(REAL(f), level);
}

static int shim_unlock(sqlite3_file *f, int level)
{
        return REAL(f)->pMethods->xUnlock(REAL(f), level);
}

static int shim_reserved(sqlite3_file *f, int *ret)
{
        return REAL(f)->pMethods->xCheckReservedLock(REAL(f), ret);
}

static int shim_control(sqlite3_file *f, int op, void *arg)
{
        return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}

static int shim_sector(sqlite3_file *f)
{
        return REAL(f)->pMethods->xSectorSize(REAL(f));
}

static int shim_device(sqlite3_file *f)
{
        return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}

static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
        return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, ret);
}

static int shim_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
        return REAL(f)->pMethods->xShmLock(REAL(f), at, n, flags);
}

static void shim_shm_barrier(sqlite3_file *f)
{
        REAL(f)->pMethods->xShmBarrier(REAL(f));
}

static int shim_shm_unmap(sqlite3_file *f, int remove)
{
        return REAL(f)->pMethods->xShmUnmap(REAL(f), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_reserved,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_device,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

static int shim_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
        struct shim_file *s = (struct shim_file *)(void *)f;

        (void)v;
        s->base.pMethods = NULL;
        s->real = calloc(1, (size_t)real_vfs->szOsFile);
        if (!s->real)
                return SQLITE_NOMEM;
        int rc = real_vfs->xOpen(real_vfs, name, s->real, flags, ret_flags);
        if (rc != SQLITE_OK) {
                free(s->real);
                return rc;
        }
        s->base.pMethods = &methods;
        return SQLITE_OK;
}

void shim_install(void)
{
        sqlite3_initialize();
        real_vfs = sqlite3_vfs_find("unix-excl");
        shim_vfs = *real_vfs;
        shim_vfs.pNext = NULL;
        shim_vfs.szOsFile = (int)sizeof(struct shim_file);
        shim_vfs.xOpen = shim_open;
        sqlite3_vfs_register(&shim_vfs, 1); /* as the default: stands first in the list, found first by name */
        shim_disarm();
}

void shim_remove(void)
{
        sqlite3_vfs_unregister(&shim_vfs);
}

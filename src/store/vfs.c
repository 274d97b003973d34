// The way SQLite opens our files.
//
// The store names its files /proc/self/fd/<directory>/run.db, so that they are found below the directory that was
// checked at the start, wherever its path leads now. SQLite's own unix VFS resolves the links in a name before it opens
// it, which would bring the path back. This VFS is the default one with that single step left out; files are the
// default VFS's own. It is made once per default VFS, so tests can put one of theirs underneath.
#include "store/internal.h"

#include <string.h>

enum { MAX_WRAPPED = 16 };
static struct wrapped {
    sqlite3_vfs vfs;
    char name[24];
} wrapped[MAX_WRAPPED];
static int n_wrapped;

static sqlite3_vfs *base_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    return base_of(vfs)->xOpen(base_of(vfs), name, file, flags, out_flags);
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    return base_of(vfs)->xDelete(base_of(vfs), name, sync_dir);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    return base_of(vfs)->xAccess(base_of(vfs), name, flags, out);
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    size_t len = strlen(name);
    if (size <= 0 || len >= (size_t)size)
        return SQLITE_CANTOPEN;
    memcpy(out, name, len + 1);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int n, char *out)
{
    return base_of(vfs)->xRandomness(base_of(vfs), n, out);
}
static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    return base_of(vfs)->xSleep(base_of(vfs), us);
}
static int vfs_time(sqlite3_vfs *vfs, double *now)
{
    return base_of(vfs)->xCurrentTime(base_of(vfs), now);
}

static int vfs_time64(sqlite3_vfs *vfs, sqlite3_int64 *now)
{
    return base_of(vfs)->xCurrentTimeInt64(base_of(vfs), now);
}

static int vfs_last_error(sqlite3_vfs *vfs, int n, char *out)
{
    return base_of(vfs)->xGetLastError(base_of(vfs), n, out);
}

static const char *wrap(sqlite3_vfs *base)
{
    for (int i = 0; i < n_wrapped; i++)
        if (wrapped[i].vfs.pAppData == base)
            return wrapped[i].name;
    if (n_wrapped == MAX_WRAPPED)
        return NULL;
    struct wrapped *w = &wrapped[n_wrapped];
    sqlite3_snprintf(sizeof w->name, w->name, "seep-fd-%d", n_wrapped);
    w->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = base->szOsFile,
        .mxPathname = base->mxPathname,
        .zName = w->name,
        .pAppData = base,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_pathname,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_time64,
    };
    if (sqlite3_vfs_register(&w->vfs, 0) != SQLITE_OK)
        return NULL;
    n_wrapped++;
    return w->name;
}

const char *store_vfs_name(void)
{
    if (sqlite3_initialize() != SQLITE_OK)
        return NULL;
    sqlite3_mutex *mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
    sqlite3_mutex_enter(mutex);
    sqlite3_vfs *base = sqlite3_vfs_find(NULL);
    const char *name = base ? wrap(base) : NULL;
    sqlite3_mutex_leave(mutex);
    return name;
}

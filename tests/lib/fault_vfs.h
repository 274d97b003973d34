// A file system for SQLite that fails when told: the default one with a counter in front of every call that changes a
// file.
//
// fault_vfs.at says at which such call (1 is the next) and what then happens; forever keeps it failing from there on.
// What is not yet synced is remembered with what it covers, so that a failed sync can lose it, as Linux does after a
// failed write-back, and a power cut can lose any part of it. One thread.
#ifndef SEEP_TESTS_FAULT_VFS_H
#define SEEP_TESTS_FAULT_VFS_H

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_EIO,   // the call fails, half of a write is done, a failed sync loses what was not synced
    FAULT_FULL,  // ENOSPC, half of a write is done; deleting and shrinking work
    FAULT_POWER, // the machine stops: unsynced writes are kept, lost or torn, each by chance, and the process ends
};
enum { FAULT_POWER_EXIT = 77 };

struct fault_undo { // newest first
    struct fault_undo *next;
    sqlite3_int64 offset, size_before;
    int len, kept;        // bytes that were written, and of those the ones that stood in the file before
    unsigned char data[]; // the old content
};

struct fault_file {
    sqlite3_file file;
    struct fault_undo *undo;
    struct fault_file *next;
    sqlite3_file *real; // behind this struct
};

static struct {
    enum fault_kind kind;
    long at, calls; // at 0: never
    long period;    // not 0: each period-th call after that fails too
    bool forever, fired;
    unsigned seed;
    int error; // errno of the last failure
    struct fault_file *open;
    sqlite3_vfs *base, vfs;
    sqlite3_io_methods methods;
} fault_vfs;

static inline struct fault_file *fault_of(sqlite3_file *f)
{
    return (struct fault_file *)f;
}

static inline void fault_synced(struct fault_file *f)
{
    while (f->undo) {
        struct fault_undo *u = f->undo;
        f->undo = u->next;
        free(u);
    }
}

static inline void fault_zero(struct fault_file *f, int from, const struct fault_undo *u)
{
    for (int i = from; i < u->len; i += 512)
        f->real->pMethods->xWrite(f->real, (unsigned char[512]){0}, u->len - i < 512 ? u->len - i : 512, u->offset + i);
}

// Takes unsynced writes back, newest first. chance: each is lost, kept, or its first sectors are.
static inline void fault_lose(struct fault_file *f, bool chance)
{
    const sqlite3_io_methods *m = f->real->pMethods;
    for (struct fault_undo *u = f->undo; u; u = u->next) {
        int lot = chance ? rand_r(&fault_vfs.seed) % 3 : 0;
        int keep = lot == 1 ? u->len : lot == 2 ? u->len / 1024 * 512 : 0;
        if (u->kept > keep)
            m->xWrite(f->real, u->data + keep, u->kept - keep, u->offset + keep);
        if (chance)
            fault_zero(f, keep > u->kept ? keep : u->kept, u); // the file may stay longer than its content
        else if (u->size_before < u->offset + u->len)
            m->xTruncate(f->real, u->size_before);
    }
    fault_synced(f);
}

static inline void fault_power_cut(void)
{
    for (struct fault_file *f = fault_vfs.open; f; f = f->next)
        fault_lose(f, true);
    _exit(FAULT_POWER_EXIT);
}

// True when this call is to fail.
static inline bool fault_due(void)
{
    long n = ++fault_vfs.calls;
    bool due = fault_vfs.kind && fault_vfs.at && (n == fault_vfs.at || (fault_vfs.forever && n > fault_vfs.at));
    if (fault_vfs.kind && fault_vfs.period && n > fault_vfs.at)
        due |= (n - fault_vfs.at) % fault_vfs.period == 0;
    fault_vfs.fired |= due;
    if (due && fault_vfs.kind == FAULT_POWER)
        fault_power_cut();
    if (due)
        fault_vfs.error = fault_vfs.kind == FAULT_FULL ? ENOSPC : EIO;
    return due;
}

static inline int fault_remember(struct fault_file *f, int len, sqlite3_int64 offset)
{
    struct fault_undo *u = calloc(1, sizeof *u + (size_t)len);
    if (!u)
        return SQLITE_NOMEM;
    f->real->pMethods->xFileSize(f->real, &u->size_before);
    u->offset = offset;
    u->len = len;
    u->kept = u->size_before <= offset ? 0 : u->size_before - offset < len ? (int)(u->size_before - offset) : len;
    if (u->kept)
        f->real->pMethods->xRead(f->real, u->data, u->kept, offset);
    u->next = f->undo;
    f->undo = u;
    return SQLITE_OK;
}

static inline int fault_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 offset)
{
    struct fault_file *f = fault_of(file);
    bool due = fault_due();
    if (due)
        len /= 2;
    if (len && fault_remember(f, len, offset))
        return SQLITE_NOMEM;
    int rc = len ? f->real->pMethods->xWrite(f->real, data, len, offset) : SQLITE_OK;
    return !due ? rc : fault_vfs.kind == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static inline int fault_sync(sqlite3_file *file, int flags)
{
    struct fault_file *f = fault_of(file);
    if (fault_due()) {
        fault_lose(f, false);
        return SQLITE_IOERR_FSYNC;
    }
    // The machine under the test stays up, so what is written is safe: only the shim's power cuts tell the difference.
    (void)flags;
    fault_synced(f);
    return SQLITE_OK;
}

static inline int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct fault_file *f = fault_of(file);
    if (fault_vfs.kind != FAULT_FULL && fault_due())
        return SQLITE_IOERR_TRUNCATE;
    fault_synced(f); // the length is what a journalling file system keeps in order
    return f->real->pMethods->xTruncate(f->real, size);
}

static inline int fault_close(sqlite3_file *file)
{
    struct fault_file *f = fault_of(file);
    for (struct fault_file **at = &fault_vfs.open; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            break;
        }
    fault_synced(f);
    return f->real->pMethods->xClose(f->real);
}

static inline int fault_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **at)
{
    struct fault_file *f = fault_of(file);
    if (extend && fault_due()) {
        *at = NULL;
        return SQLITE_IOERR_SHMSIZE;
    }
    return f->real->pMethods->xShmMap(f->real, page, size, extend, at);
}

#define FAULT_PASS(name, params, call)                                                                                 \
    static inline int fault_##name params                                                                              \
    {                                                                                                                  \
        sqlite3_file *real = fault_of(file)->real;                                                                     \
        return real->pMethods->call;                                                                                   \
    }
FAULT_PASS(read, (sqlite3_file * file, void *to, int n, sqlite3_int64 at), xRead(real, to, n, at))
FAULT_PASS(size, (sqlite3_file * file, sqlite3_int64 *n), xFileSize(real, n))
FAULT_PASS(lock, (sqlite3_file * file, int level), xLock(real, level))
FAULT_PASS(unlock, (sqlite3_file * file, int level), xUnlock(real, level))
FAULT_PASS(reserved, (sqlite3_file * file, int *out), xCheckReservedLock(real, out))
FAULT_PASS(control, (sqlite3_file * file, int op, void *arg), xFileControl(real, op, arg))
FAULT_PASS(sector, (sqlite3_file * file), xSectorSize(real))
FAULT_PASS(traits, (sqlite3_file * file), xDeviceCharacteristics(real))
FAULT_PASS(shm_lock, (sqlite3_file * file, int at, int n, int flags), xShmLock(real, at, n, flags))
FAULT_PASS(shm_unmap, (sqlite3_file * file, int del), xShmUnmap(real, del))

static inline void fault_shm_barrier(sqlite3_file *file)
{
    fault_of(file)->real->pMethods->xShmBarrier(fault_of(file)->real);
}

static inline int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    struct fault_file *f = fault_of(file);
    sqlite3_file *real = (sqlite3_file *)(f + 1);
    *f = (struct fault_file){.real = real};
    if ((flags & SQLITE_OPEN_CREATE) && fault_due())
        return SQLITE_CANTOPEN;
    int rc = fault_vfs.base->xOpen(fault_vfs.base, name, real, flags, out);
    if (!real->pMethods)
        return rc;
    f->file.pMethods = &fault_vfs.methods;
    f->next = fault_vfs.open;
    fault_vfs.open = f;
    return rc;
}

static inline int fault_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    if (fault_vfs.kind != FAULT_FULL && fault_due())
        return SQLITE_IOERR_DELETE;
    return fault_vfs.base->xDelete(fault_vfs.base, name, sync_dir);
}

static inline int fault_last_error(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    return fault_vfs.error ? fault_vfs.error : fault_vfs.base->xGetLastError(fault_vfs.base, n, out);
}

// Becomes the default VFS, once a process. Files are named by the default VFS's own rules.
static inline int fault_install(void)
{
    if (fault_vfs.base)
        return 0;
    sqlite3_initialize();
    fault_vfs.base = sqlite3_vfs_find("unix");
    fault_vfs.methods = (sqlite3_io_methods){.iVersion = 2,
                                             .xClose = fault_close,
                                             .xRead = fault_read,
                                             .xWrite = fault_write,
                                             .xTruncate = fault_truncate,
                                             .xSync = fault_sync,
                                             .xFileSize = fault_size,
                                             .xLock = fault_lock,
                                             .xUnlock = fault_unlock,
                                             .xCheckReservedLock = fault_reserved,
                                             .xFileControl = fault_control,
                                             .xSectorSize = fault_sector,
                                             .xDeviceCharacteristics = fault_traits,
                                             .xShmMap = fault_shm_map,
                                             .xShmLock = fault_shm_lock,
                                             .xShmBarrier = fault_shm_barrier,
                                             .xShmUnmap = fault_shm_unmap};
    fault_vfs.vfs = *fault_vfs.base;
    fault_vfs.vfs.pNext = NULL;
    fault_vfs.vfs.zName = "seep-fault";
    fault_vfs.vfs.szOsFile = (int)sizeof(struct fault_file) + fault_vfs.base->szOsFile;
    fault_vfs.vfs.xOpen = fault_open;
    fault_vfs.vfs.xDelete = fault_delete;
    fault_vfs.vfs.xGetLastError = fault_last_error;
    return sqlite3_vfs_register(&fault_vfs.vfs, 1);
}

// From the next changing call on, the n-th one fails (0: none does).
static inline void fault_arm(enum fault_kind kind, long n, bool forever)
{
    fault_vfs.kind = kind;
    fault_vfs.at = n;
    fault_vfs.calls = 0;
    fault_vfs.forever = forever;
    fault_vfs.period = 0;
    fault_vfs.fired = false;
    fault_vfs.error = 0;
    fault_vfs.seed = (unsigned)n * 2654435761u + 1;
}

#endif

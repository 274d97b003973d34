// One connection to one database file: opened safely, prepared statements, what an error means.
//
// Every statement is a constant with bound parameters; text of targets and users never becomes SQL. A connection for
// reading takes the file for hostile: no triggers, views, extensions or memory mapping, small limits, a budget of work.
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const store_sql[S_N] = {
    [S_BEGIN] = "BEGIN IMMEDIATE",
    [S_COMMIT] = "COMMIT",
    [S_ROLLBACK] = "ROLLBACK",
    [S_META_PUT] = "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)",
    [S_META_GET] = "SELECT value FROM meta WHERE key = ?1",
    [S_SERIES_PUT] = "INSERT OR REPLACE INTO series(id, name, labels, unit, kind) VALUES(?1, ?2, ?3, ?4, ?5)",
    [S_SERIES_ALL] = "SELECT id, name, labels, unit, kind FROM series ORDER BY id",
    [S_MODULE_PUT] = "INSERT OR REPLACE INTO module(id, path, build_id, size) VALUES(?1, ?2, ?3, ?4)",
    [S_MODULE_ALL] = "SELECT id, path, build_id, size FROM module ORDER BY id",
    [S_STACK_PUT] = "INSERT OR REPLACE INTO stack(id, flags, frames) VALUES(?1, ?2, ?3)",
    [S_STACK_ALL] = "SELECT id, flags, frames FROM stack ORDER BY id",
    [S_SYMBOL_PUT] = "INSERT OR REPLACE INTO symbol(module, offset, names) VALUES(?1, ?2, ?3)",
    [S_SYMBOL_GET] = "SELECT names FROM symbol WHERE module = ?1 AND offset = ?2",
    [S_AGE_PUT] = "INSERT OR REPLACE INTO age(stack, epochs) VALUES(?1, ?2)",
    [S_AGE_GET] = "SELECT epochs FROM age WHERE stack = ?1",
    [S_EPOCH_PUT] = "INSERT OR REPLACE INTO epoch(id, mono_ns, real_ns, boot_ns) VALUES(?1, ?2, ?3, ?4)",
    [S_EPOCH_ALL] = "SELECT id, mono_ns, real_ns, boot_ns FROM epoch ORDER BY id",
    [S_HIST_PUT] = "INSERT INTO histogram(name, labels, data) VALUES(?1, ?2, ?3)"
                   " ON CONFLICT(name, labels) DO UPDATE SET data = excluded.data",
    [S_HIST_GET] = "SELECT data FROM histogram WHERE name = ?1 AND labels = ?2",
    [S_EVENT_PUT] = "INSERT OR REPLACE INTO event(id, kind, from_mono_ns, from_real_ns, from_boot_ns, to_mono_ns,"
                    " to_real_ns, to_boot_ns, count, text) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [S_EVENT_ALL] = "SELECT id, kind, from_mono_ns, from_real_ns, from_boot_ns, to_mono_ns, to_real_ns, to_boot_ns,"
                    " count, text FROM event ORDER BY id",
    [S_EVENT_LAST] = "SELECT max(id) FROM event",
    [S_SESSION_PUT] = "INSERT OR REPLACE INTO session(id, pid, boot_id, mono_ns, real_ns, boot_ns)"
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [S_SESSION_ALL] = "SELECT id, pid, boot_id, mono_ns, real_ns, boot_ns FROM session ORDER BY id",
    [S_END_PUT] = "INSERT OR REPLACE INTO end_record(id, mono_ns, real_ns, boot_ns, reason, exit_code, verdict)"
                  " VALUES(1, ?1, ?2, ?3, ?4, ?5, ?6)",
    [S_END_GET] = "SELECT mono_ns, real_ns, boot_ns, reason, exit_code, verdict FROM end_record WHERE id = 1",
    [S_TICK_PUT] =
        "INSERT OR REPLACE INTO tick(idx, mono_ns, real_ns, boot_ns, phase, late_ns, missed, points, session)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [S_TICK_ALL] = "SELECT idx, mono_ns, real_ns, boot_ns, phase, late_ns, missed, session FROM tick ORDER BY idx",
    [S_TICK_POINTS] = "SELECT idx, points FROM tick ORDER BY idx",
    [S_TICK_LAST] = "SELECT max(idx) FROM tick",
    [S_POINTS_PUT] = "INSERT OR REPLACE INTO stack_point(idx, prev, entries) VALUES(?1, ?2, ?3)",
    [S_POINTS_KEYS] = "SELECT idx FROM stack_point ORDER BY idx",
    [S_POINTS_ALL] = "SELECT idx, prev, entries FROM stack_point ORDER BY idx",
    [S_DATA_VERSION] = "PRAGMA data_version",
};

void conn_part_name(char out[24], int part)
{
    if (part == 1)
        snprintf(out, 24, "run.db");
    else
        snprintf(out, 24, "run.%d.db", part);
}

bool conn_exists(int dir_fd, const char *name)
{
    struct stat sb;
    return fstatat(dir_fd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0;
}

// Room that may come back. Not EFBIG: a file at the limit of its size stays there, and another can be begun.
static bool no_room(int err)
{
    switch (err) {
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return true;
    default:
        return false;
    }
}

enum conn_trouble conn_trouble(sqlite3 *db)
{
    int rc = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return TROUBLE_NONE;
    case SQLITE_FULL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_READONLY:
    case SQLITE_INTERRUPT:
        return TROUBLE_WAIT;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        // After a failed fsync the kernel may have thrown the pages away: whatever the reason was, the file is done.
        if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
            return TROUBLE_FILE;
        if (rc == SQLITE_IOERR_NOMEM)
            return TROUBLE_WAIT;
        return no_room(sqlite3_system_errno(db)) ? TROUBLE_WAIT : TROUBLE_FILE;
    default:
        return TROUBLE_FILE;
    }
}

int conn_fail(struct conn *c, struct seep_err *err, const char *what)
{
    int rc = c->db ? sqlite3_extended_errcode(c->db) : SQLITE_NOMEM;
    int sys = c->db ? sqlite3_system_errno(c->db) : ENOMEM;
    bool io = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN;
    bool bad = (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
    const char *words = c->db ? sqlite3_errmsg(c->db) : "out of memory";
    if (rc == SQLITE_FULL)
        words = "the disk is full";
    bool tell_errno = io && sys > 0;
    seep_fail(err, bad ? SEEP_E_CORRUPT : SEEP_E_SYSTEM, "%s '%s': %s%s%s", what, c->name, words,
              tell_errno ? ", " : "", tell_errno ? strerror(sys) : "");
    if (err)
        err->sys_errno = rc == SQLITE_FULL ? ENOSPC : tell_errno ? sys : 0;
    return -1;
}

sqlite3_stmt *conn_stmt(struct conn *c, enum stmt id)
{
    if (!c->db)
        return NULL;
    c->progress_left = PROGRESS_STATEMENT;
    if (!c->stmt[id]) {
        sqlite3_prepare_v3(c->db, store_sql[id], -1, SQLITE_PREPARE_PERSISTENT, &c->stmt[id], NULL);
        return c->stmt[id];
    }
    sqlite3_reset(c->stmt[id]);
    sqlite3_clear_bindings(c->stmt[id]);
    return c->stmt[id];
}

void conn_new_budget(struct conn *c)
{
    c->progress_left = PROGRESS_STATEMENT;
}

int conn_run(struct conn *c, enum stmt id)
{
    sqlite3_stmt *s = conn_stmt(c, id);
    if (!s)
        return c->db ? sqlite3_extended_errcode(c->db) : SQLITE_NOMEM;
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc;
}

int64_t conn_pragma(sqlite3 *db, const char *pragma)
{
    sqlite3_stmt *s = NULL;
    int64_t v = -1;
    if (sqlite3_prepare_v2(db, pragma, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        v = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return v;
}

static int on_wal(void *arg, sqlite3 *db, const char *schema, int pages)
{
    (void)db;
    (void)schema;
    ((struct conn *)arg)->wal_pages = pages;
    return SQLITE_OK;
}

// Called every 10 000 steps of SQLite's machine: a crafted file cannot keep a reader busy for ever.
static int on_progress(void *arg)
{
    return --((struct conn *)arg)->progress_left < 0;
}

static const char hardened[] = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
                               "PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;";
static const char writing[] = "PRAGMA secure_delete = OFF; PRAGMA cache_size = -2048;"
                              "PRAGMA journal_size_limit = 4194304; PRAGMA wal_autocheckpoint = 0;"
                              "PRAGMA synchronous = FULL;";

static void harden(sqlite3 *db)
{
    static const struct {
        int id, value;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, 256 << 20},   {SQLITE_LIMIT_SQL_LENGTH, 64 << 10}, {SQLITE_LIMIT_COLUMN, 32},
        {SQLITE_LIMIT_EXPR_DEPTH, 20},      {SQLITE_LIMIT_COMPOUND_SELECT, 3},   {SQLITE_LIMIT_VDBE_OP, 25000},
        {SQLITE_LIMIT_FUNCTION_ARG, 8},     {SQLITE_LIMIT_ATTACHED, 0},          {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50},
        {SQLITE_LIMIT_VARIABLE_NUMBER, 32}, {SQLITE_LIMIT_TRIGGER_DEPTH, 1},     {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        sqlite3_limit(db, limits[i].id, limits[i].value);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
}

static int configure(struct conn *c, enum conn_mode mode)
{
    sqlite3_extended_result_codes(c->db, 1);
    harden(c->db);
    if (mode == CONN_SALVAGE) { // lets SQLite read a file that is shorter than its header says; nothing can be written
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
        sqlite3_exec(c->db, "PRAGMA writable_schema = ON", NULL, NULL, NULL);
    }
    sqlite3_busy_timeout(c->db, 2000);
    int rc = sqlite3_exec(c->db, hardened, NULL, NULL, NULL);
    if (mode == CONN_READ || mode == CONN_SALVAGE) {
        c->progress_left = mode == CONN_READ ? PROGRESS_STATEMENT : PROGRESS_SALVAGE;
        sqlite3_progress_handler(c->db, 10000, on_progress, c);
        return rc == SQLITE_OK ? sqlite3_exec(c->db, "PRAGMA cache_size = -4096", NULL, NULL, NULL) : rc;
    }
    if (rc == SQLITE_OK && mode == CONN_CREATE)
        rc = sqlite3_exec(c->db, "PRAGMA page_size = 4096; PRAGMA auto_vacuum = NONE;", NULL, NULL, NULL);
    rc = rc == SQLITE_OK ? sqlite3_exec(c->db, writing, NULL, NULL, NULL) : rc;
    sqlite3_wal_hook(c->db, on_wal, c); // last: wal_autocheckpoint is such a hook itself and takes ours away
    return rc;
}

// WAL for a file that is new or of ours; the pragma answers with the mode it got.
int conn_set_wal(struct conn *c, struct seep_err *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA journal_mode = WAL", -1, &s, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(s) : rc;
    bool wal = rc == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(s, 0), "wal") == 0;
    sqlite3_finalize(s);
    if (wal)
        return 0;
    if (rc == SQLITE_ROW)
        return seep_fail(err, SEEP_E_UNSUPPORTED,
                         "The file system of the run directory cannot hold a write-ahead log (no shared memory maps); "
                         "choose another with --results");
    return conn_fail(c, err, "Cannot prepare the database");
}

static void remember_inode(struct conn *c, int dir_fd)
{
    struct stat sb;
    if (fstatat(dir_fd, c->name, &sb, AT_SYMLINK_NOFOLLOW) == 0)
        c->dev = sb.st_dev, c->ino = sb.st_ino;
}

static int open_uri(struct conn *c, int dir_fd, enum conn_mode mode, const char *extra)
{
    char uri[160];
    // modeof: SQLite gives its files the mode of the lock file, 0600, whatever the umask.
    snprintf(uri, sizeof uri, "file:/proc/self/fd/%d/%s?modeof=/proc/self/fd/%d/run.lock%s", dir_fd, c->name, dir_fd,
             extra);
    int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    flags |= mode == CONN_READ || mode == CONN_SALVAGE ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    flags |= mode == CONN_CREATE ? SQLITE_OPEN_CREATE : 0;
    const char *vfs = store_vfs_name();
    return vfs ? sqlite3_open_v2(uri, &c->db, flags, vfs) : SQLITE_NOMEM;
}

static bool log_alone(int dir_fd, const char *name)
{
    struct stat sb;
    char log[32];
    snprintf(log, sizeof log, "%s-wal", name);
    return fstatat(dir_fd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0 && sb.st_size == 0 &&
           fstatat(dir_fd, log, &sb, AT_SYMLINK_NOFOLLOW) == 0 && sb.st_size > 0;
}

// What SQLite would open without a look at what it is: opening a FIFO waits for a writer, for ever.
static int check_kinds(int dir_fd, const char *name, struct seep_err *err)
{
    static const char *const beside[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        struct stat sb;
        char file[40];
        snprintf(file, sizeof file, "%s%s", name, beside[i]);
        if (fstatat(dir_fd, file, &sb, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(sb.st_mode))
            return seep_fail(err, SEEP_E_CORRUPT, "'%s' of the run is not a regular file", file);
    }
    return 0;
}

int conn_open(struct conn *c, int dir_fd, int part, enum conn_mode mode, enum conn_trouble *trouble,
              struct seep_err *err)
{
    *c = (struct conn){.part = part};
    conn_part_name(c->name, part);
    // The working set is fixed: all of seep's SQLite together stays below this.
    sqlite3_soft_heap_limit64(24 << 20);
    // SQLite deletes the log of a database without a byte, and with it what was acknowledged.
    if (mode != CONN_CREATE && log_alone(dir_fd, c->name)) {
        if (trouble)
            *trouble = TROUBLE_FILE;
        return seep_fail(err, SEEP_E_CORRUPT, "The database '%s' was emptied, only its log is left", c->name);
    }
    if (check_kinds(dir_fd, c->name, err)) {
        if (trouble)
            *trouble = TROUBLE_FILE;
        return -1;
    }
    int rc = open_uri(c, dir_fd, mode, "");
    if (rc == SQLITE_OK)
        rc = configure(c, mode);
    // A reader of a run on a read-only medium cannot make the shared memory of the log; without a log none is needed.
    if (rc == SQLITE_OK && mode == CONN_READ && conn_pragma(c->db, "PRAGMA schema_version") < 0 &&
        (sqlite3_errcode(c->db) & 0xff) == SQLITE_CANTOPEN) {
        char log[32];
        snprintf(log, sizeof log, "%s-wal", c->name);
        if (!conn_exists(dir_fd, log)) {
            sqlite3_close(c->db);
            c->db = NULL;
            rc = open_uri(c, dir_fd, mode, "&immutable=1");
            rc = rc == SQLITE_OK ? configure(c, mode) : rc;
        }
    }
    remember_inode(c, dir_fd);
    if (rc == SQLITE_OK && (mode != CONN_CREATE || conn_set_wal(c, err) == 0))
        return 0;
    if (trouble)
        *trouble = conn_trouble(c->db);
    if (rc != SQLITE_OK)
        conn_fail(c, err, "Cannot open the database");
    conn_close(c, false);
    return -1;
}

int conn_open_memory(struct conn *c, int part, struct seep_err *err)
{
    *c = (struct conn){.part = part};
    conn_part_name(c->name, part);
    int rc = sqlite3_open_v2(":memory:", &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    // A hostile file makes us hold 256 MiB and no more.
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(c->db, "PRAGMA max_page_count = 65536", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    conn_fail(c, err, "Cannot make a copy in memory of");
    conn_close(c, false);
    return -1;
}

void conn_close(struct conn *c, bool checkpoint)
{
    for (int i = 0; i < S_N; i++)
        sqlite3_finalize(c->stmt[i]);
    if (c->db && !checkpoint)
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(c->db);
    memset(c->stmt, 0, sizeof c->stmt);
    c->db = NULL;
}

static int quick_check(struct conn *c, bool *damaged, struct seep_err *err)
{
    sqlite3_stmt *s = NULL;
    c->progress_left = PROGRESS_STATEMENT;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA quick_check(1)", -1, &s, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(s) : rc;
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
    int result = 0;
    if (text && strcmp(text, "ok") != 0) {
        *damaged = true;
        result = seep_fail(err, SEEP_E_CORRUPT, "The database '%s' is damaged: %.200s", c->name, text);
    } else if (!text) {
        *damaged = (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB || (rc & 0xff) == SQLITE_IOERR;
        result = conn_fail(c, err, "Cannot read the database");
    }
    sqlite3_finalize(s);
    return result;
}

int conn_check(struct conn *c, bool *damaged, struct seep_err *err)
{
    *damaged = false;
    int64_t id = conn_pragma(c->db, "PRAGMA application_id");
    if (id < 0 || sqlite3_errcode(c->db) == SQLITE_NOTADB) {
        *damaged = conn_trouble(c->db) == TROUBLE_FILE;
        return conn_fail(c, err, "Cannot read the database");
    }
    int64_t version = conn_pragma(c->db, "PRAGMA user_version");
    c->empty = id == 0 && version == 0 && conn_pragma(c->db, "SELECT count(*) FROM sqlite_schema") == 0;
    if (c->empty)
        return seep_fail(err, SEEP_E_CORRUPT, "The database '%s' is empty: nothing was stored in it", c->name);
    if (id != STORE_APPLICATION_ID)
        return seep_fail(err, SEEP_E_CORRUPT, "The file '%s' is a database of another program, not of seep", c->name);
    if (version > store_schema_version)
        return seep_fail(err, SEEP_E_UNSUPPORTED,
                         "The database '%s' has schema %lld and this seep knows up to %d; use the seep that wrote it",
                         c->name, (long long)version, store_schema_version);
    if (version < 1) {
        *damaged = true;
        return seep_fail(err, SEEP_E_CORRUPT, "The database '%s' has no schema version", c->name);
    }
    c->version = (int)version;
    // The schema first: what a foreign one has besides tables of ours (generated columns, say) is never evaluated.
    if (schema_same(c->db, c->version, c->name, err)) {
        *damaged = conn_trouble(c->db) == TROUBLE_FILE;
        return *damaged ? conn_fail(c, err, "Cannot read the schema of the database") : -1;
    }
    return quick_check(c, damaged, err);
}

int conn_salvage_version(struct conn *c)
{
    int64_t version = conn_pragma(c->db, "PRAGMA user_version");
    return version >= 1 && version <= store_schema_version ? (int)version : store_schema_version;
}

// The schema of a run's database, its history, and what is done with a file that does not hold together.
//
// A database carries application_id "SEEP" and its version in user_version. Version n is made from n-1 by one row of
// the table below; the texts are never edited once released, because schema_same() compares a file's schema with them
// letter by letter.
#include "store/internal.h"

#include <string.h>

const struct store_migration store_migrations[] = {
    {1, "PRAGMA application_id = 1397048656;"
        "CREATE TABLE meta(key TEXT PRIMARY KEY NOT NULL, value BLOB) STRICT;" // NULL: deleted, hides older parts
        "CREATE TABLE series(id INTEGER PRIMARY KEY, name TEXT NOT NULL, labels TEXT NOT NULL, unit TEXT NOT NULL,"
        " kind INTEGER NOT NULL) STRICT;"
        "CREATE TABLE module(id INTEGER PRIMARY KEY, path TEXT NOT NULL, build_id TEXT NOT NULL, size INTEGER NOT NULL)"
        " STRICT;"
        "CREATE TABLE stack(id INTEGER PRIMARY KEY, flags INTEGER NOT NULL, frames BLOB NOT NULL) STRICT;"
        "CREATE TABLE symbol(module INTEGER NOT NULL, offset INTEGER NOT NULL, names BLOB NOT NULL,"
        " PRIMARY KEY(module, offset)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE tick(idx INTEGER PRIMARY KEY, mono_ns INTEGER, real_ns INTEGER, boot_ns INTEGER,"
        " phase INTEGER NOT NULL, late_ns INTEGER, missed INTEGER, points BLOB NOT NULL) STRICT;"
        // prev: the row whose values this one changes; NULL: this one names all stacks.
        "CREATE TABLE stack_point(idx INTEGER PRIMARY KEY, prev INTEGER, entries BLOB NOT NULL) STRICT;"
        "CREATE TABLE age(stack INTEGER PRIMARY KEY, epochs BLOB NOT NULL) STRICT;"
        "CREATE TABLE epoch(id INTEGER PRIMARY KEY, mono_ns INTEGER, real_ns INTEGER, boot_ns INTEGER) STRICT;"
        "CREATE TABLE histogram(id INTEGER PRIMARY KEY, name TEXT NOT NULL, labels TEXT NOT NULL, data BLOB NOT NULL,"
        " UNIQUE(name, labels)) STRICT;"
        "CREATE TABLE event(id INTEGER PRIMARY KEY, kind TEXT NOT NULL, from_mono_ns INTEGER, from_real_ns INTEGER,"
        " from_boot_ns INTEGER, to_mono_ns INTEGER, to_real_ns INTEGER, to_boot_ns INTEGER, count INTEGER,"
        " text TEXT NOT NULL) STRICT;"
        "CREATE TABLE end_record(id INTEGER PRIMARY KEY CHECK(id = 1), mono_ns INTEGER, real_ns INTEGER,"
        " boot_ns INTEGER, reason TEXT NOT NULL, exit_code INTEGER NOT NULL, verdict TEXT NOT NULL) STRICT;"
        "PRAGMA user_version = 1;"},
    // Monotonic clocks start anew with each boot: who wrote a tick, and in which boot.
    {2, "CREATE TABLE session(id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, boot_id TEXT NOT NULL, mono_ns INTEGER,"
        " real_ns INTEGER, boot_ns INTEGER) STRICT;"
        "ALTER TABLE tick ADD COLUMN session INTEGER NOT NULL DEFAULT 0;"
        "PRAGMA user_version = 2;"},
};
const int store_schema_version = sizeof store_migrations / sizeof store_migrations[0];

int schema_migrate(sqlite3 *db, const struct store_migration *steps, int from, int to, struct seep_err *err)
{
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int v = from; rc == SQLITE_OK && v < to; v++)
        rc = sqlite3_exec(db, steps[v].sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    seep_fail(err, SEEP_E_SYSTEM, "The database's schema cannot be brought from version %d to %d: %s", from, to,
              sqlite3_errmsg(db));
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

// An empty database in memory with schema `version`.
static sqlite3 *template_of(int version, struct seep_err *err)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        seep_fail(err, SEEP_E_SYSTEM, "Out of memory while checking a database");
    } else if (schema_migrate(db, store_migrations, 0, version, err) == 0) {
        return db;
    }
    sqlite3_close(db);
    return NULL;
}

static bool same_text(sqlite3_stmt *a, sqlite3_stmt *b, int col)
{
    const char *x = (const char *)sqlite3_column_text(a, col), *y = (const char *)sqlite3_column_text(b, col);
    if (!x || !y)
        return x == y;
    return strcmp(x, y) == 0;
}

static bool same_rows(sqlite3_stmt *a, sqlite3_stmt *b)
{
    for (;;) {
        int ra = sqlite3_step(a), rb = sqlite3_step(b);
        if (ra != rb)
            return false;
        if (ra != SQLITE_ROW)
            return ra == SQLITE_DONE;
        for (int col = 0; col < 4; col++)
            if (!same_text(a, b, col))
                return false;
    }
}

int schema_same(sqlite3 *db, int version, const char *name, struct seep_err *err)
{
    static const char sql[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
    sqlite3 *want = template_of(version, err);
    if (!want)
        return -1;
    sqlite3_stmt *a = NULL, *b = NULL;
    bool same = sqlite3_prepare_v2(db, sql, -1, &a, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(want, sql, -1, &b, NULL) == SQLITE_OK && same_rows(a, b);
    sqlite3_finalize(a);
    sqlite3_finalize(b);
    sqlite3_close(want);
    if (same)
        return 0;
    return seep_fail(
        err, SEEP_E_CORRUPT,
        "The database '%s' does not have the tables that seep makes, or has others besides; it is not read", name);
}

bool schema_plain(sqlite3 *db)
{
    return conn_pragma(db, "SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index') OR rootpage = 0") ==
           0;
}

// Copies a table's rows in one direction until an error. Rows that are there already are left. *copied -1: they cannot
// be taken.
static int copy_rows(sqlite3_stmt *from, sqlite3_stmt *to, int64_t *copied)
{
    int rc;
    while ((rc = sqlite3_step(from)) == SQLITE_ROW) {
        sqlite3_reset(to);
        for (int col = 0; col < sqlite3_column_count(from); col++)
            sqlite3_bind_value(to, col + 1, sqlite3_column_value(from, col));
        // A row that breaks a rule of its table is a damaged one; any other error is of the place it is copied to.
        int put = sqlite3_step(to);
        *copied += put == SQLITE_DONE;
        if (put != SQLITE_DONE && (put & 0xff) != SQLITE_CONSTRAINT && put != SQLITE_MISMATCH) {
            *copied = -1;
            break;
        }
    }
    sqlite3_reset(to);
    return rc == SQLITE_DONE ? 0 : -1;
}

// "a, b, c" and "?, ?, ?" of a table in the template: names come from our own schema, never from the file.
static bool column_lists(sqlite3 *tpl, const char *table, char **cols, char **marks)
{
    sqlite3_stmt *s = NULL;
    sqlite3_str *c = sqlite3_str_new(tpl), *m = sqlite3_str_new(tpl);
    if (sqlite3_prepare_v2(tpl, "SELECT name FROM pragma_table_info(?1)", -1, &s, NULL) == SQLITE_OK) {
        sqlite3_bind_text(s, 1, table, -1, SQLITE_STATIC);
        for (int i = 0; sqlite3_step(s) == SQLITE_ROW; i++) {
            sqlite3_str_appendall(c, i ? ", " : "");
            sqlite3_str_appendall(c, (const char *)sqlite3_column_text(s, 0));
            sqlite3_str_appendall(m, i ? ", ?" : "?");
        }
    }
    sqlite3_finalize(s);
    *cols = sqlite3_str_finish(c);
    *marks = sqlite3_str_finish(m);
    return *cols && *marks;
}

static sqlite3_stmt *assemble(sqlite3 *db, const char *const *pieces)
{
    sqlite3_str *text = sqlite3_str_new(db);
    for (; *pieces; pieces++)
        sqlite3_str_appendall(text, *pieces);
    char *sql = sqlite3_str_finish(text);
    sqlite3_stmt *s = NULL;
    if (sql)
        sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    sqlite3_free(sql);
    return s;
}

// Forwards to the first bad page, then backwards from the end to it: a page in the middle costs only itself.
static int salvage_table(sqlite3 *src, sqlite3 *dst, sqlite3 *tpl, const char *table, int64_t *copied)
{
    char *cols = NULL, *marks = NULL;
    if (!column_lists(tpl, table, &cols, &marks)) {
        sqlite3_free(cols);
        sqlite3_free(marks);
        return -1;
    }
    bool symbol = strcmp(table, "symbol") == 0, meta = strcmp(table, "meta") == 0;
    const char *last = symbol ? " ORDER BY module DESC, offset DESC" : " ORDER BY rowid DESC";
    sqlite3_stmt *to =
        assemble(dst, (const char *[]){"INSERT OR IGNORE INTO ", table, "(", cols, ") VALUES(", marks, ")", NULL});
    // NOT INDEXED: an index may be what is broken.
    sqlite3_stmt *up = assemble(src, (const char *[]){"SELECT ", cols, " FROM ", table, " NOT INDEXED", NULL});
    int rc = to && up ? copy_rows(up, to, copied) : -1;
    if (rc && to && !meta && *copied >= 0) {
        sqlite3_stmt *down = assemble(src, (const char *[]){"SELECT ", cols, " FROM ", table, last, NULL});
        if (down)
            copy_rows(down, to, copied);
        sqlite3_finalize(down);
    }
    sqlite3_finalize(up);
    sqlite3_finalize(to);
    sqlite3_free(cols);
    sqlite3_free(marks);
    return rc;
}

int64_t schema_salvage(sqlite3 *src, sqlite3 *dst, int version, int *lost)
{
    *lost = 0;
    int64_t copied = 0;
    sqlite3 *tpl = template_of(version, NULL);
    sqlite3_stmt *tables = NULL;
    if (!tpl || sqlite3_prepare_v2(tpl, "SELECT name FROM sqlite_schema WHERE type = 'table'", -1, &tables, NULL)) {
        sqlite3_close(tpl);
        *lost = 1;
        return -1;
    }
    if (sqlite3_exec(dst, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        copied = -1;
    while (copied >= 0 && sqlite3_step(tables) == SQLITE_ROW)
        if (salvage_table(src, dst, tpl, (const char *)sqlite3_column_text(tables, 0), &copied))
            *lost += 1;
    sqlite3_finalize(tables);
    sqlite3_close(tpl);
    // An error of dst in the middle has undone the transaction; then there is none to commit.
    if (copied >= 0 && sqlite3_exec(dst, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return copied;
    sqlite3_exec(dst, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

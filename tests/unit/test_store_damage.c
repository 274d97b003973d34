// The store and files that are not as it left them: flipped bytes, cut ends, other programs' databases, newer and older
// schemas, crafted ones. Each time: a finished sentence or what can be saved; never a crash, never an endless loop, and
// nothing thrown away.
#include "store_rig.h"

#include "store/internal.h"

#include <sys/resource.h>

enum { TICKS = 120 };

static unsigned char *image;
static size_t image_size;

// A run with every table filled, as bytes; made once.
static int make_image(void **state)
{
    (void)state;
    struct rig r;
    struct store *st;
    struct world w;
    if (rig_begin(&r, "/tmp"))
        return -1;
    OK(store_create(r.fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    for (int64_t i = 0; i < TICKS; i++)
        OK(world_tick(st, &w, i, &fault));
    for (unsigned i = 0; i < 200; i++) {
        struct store_symbol sym = {"function_with_a_name", "src/file.c", (int)i, false};
        OK(store_symbols(st, &(struct store_frame){1, i}, &sym, 1, &fault));
    }
    uint64_t one[3] = {1, 2, 3};
    OK(store_ages(st, 1, one, one, 3, &fault));
    OK(store_epoch(st, 1, at_second(1), &fault));
    OK(store_histogram(st, "http", "", "blob", 4, &fault));
    OK(store_set_meta(st, "run", "name", &fault));
    OK(store_write_end(st, at_second(500), "done", 0, "{}", &fault));
    store_close(st);
    int fd = openat(r.fd, "run.db", O_RDONLY | O_CLOEXEC);
    image_size = (size_t)lseek(fd, 0, SEEK_END);
    image = malloc(image_size);
    bool ok = image && pread(fd, image, image_size, 0) == (ssize_t)image_size;
    close(fd);
    rig_end(&r);
    // A loop without an end is a failure too.
    struct rlimit cpu = {100, 110};
    setrlimit(RLIMIT_CPU, &cpu);
    return ok ? 0 : -1;
}

static int drop_image(void **state)
{
    (void)state;
    free(image);
    return 0;
}

static void put_file(struct rig *r, const char *name, const void *data, size_t size)
{
    int fd = openat(r->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static void put_run(struct rig *r, const void *data, size_t size)
{
    rig_empty(r);
    put_file(r, "run.db", data, size);
    put_file(r, "run.lock", "", 0);
}

static bool file_is(struct rig *r, const char *name, const void *data, size_t size)
{
    struct stat sb;
    if (fstatat(r->fd, name, &sb, AT_SYMLINK_NOFOLLOW) || (size_t)sb.st_size != size)
        return false;
    char *copy = malloc(size + 1);
    int fd = openat(r->fd, name, O_RDONLY | O_CLOEXEC);
    bool same = pread(fd, copy, size, 0) == (ssize_t)size && memcmp(copy, data, size) == 0;
    close(fd);
    free(copy);
    return same;
}

// Everything is asked for; answers may be errors, but errors have words.
static void read_all(struct store *st)
{
    struct store_ticks t = {0};
    struct store_stack_matrix mx;
    struct store_series_info *series;
    struct store_module_info *modules;
    struct store_stack_info *stacks;
    struct store_stack_point *last;
    struct store_session *sessions;
    struct store_event_row *events;
    struct store_symbol *symbols;
    struct seep_time *epochs, when;
    struct seep_err err = {0};
    char *text, *verdict;
    void *blob;
    uint64_t *b, *k;
    double *v;
    size_t n;
    int code, failed = 0;
    bool found;
    if (store_read_ticks(st, &t, &err) == 0) {
        if (store_read_series(st, 1, t.n, &v, &err) == 0)
            free(v);
        store_free_ticks(&t);
    } else {
        failed++;
    }
    if (store_read_stack_matrix(st, &mx, &err) == 0)
        store_free_stack_matrix(&mx);
    if (store_read_stack_last(st, &last, &n, &err) == 0)
        free(last);
    if (store_list_series(st, &series, &n, &err) == 0)
        store_free_series(series, n);
    if (store_list_modules(st, &modules, &n, &err) == 0)
        store_free_modules(modules, n);
    if (store_list_stacks(st, &stacks, &n, &err) == 0)
        store_free_stacks(stacks, n);
    if (store_read_sessions(st, &sessions, &n, &err) == 0)
        free(sessions);
    if (store_read_events(st, &events, &n, &err) == 0)
        store_free_events(events, n);
    if (store_read_epochs(st, &epochs, &n, &err) == 0)
        free(epochs);
    if (store_read_ages(st, 1, &b, &k, &n, &err) == 0)
        free(b), free(k);
    if (store_read_symbols(st, &(struct store_frame){1, 7}, &symbols, &n, &err) == 0)
        store_free_symbols(symbols, n);
    if (store_read_histogram(st, "http", "", &blob, &n, &err) == 0)
        free(blob);
    if (store_get_meta(st, "run", &text, &err) == 0)
        free(text);
    if (store_read_end(st, &found, &when, &text, &code, &verdict, &err) == 0)
        free(text), free(verdict);
    assert_true(!failed || strlen(err.text) > 20);
}

struct tally {
    int whole, salvaged, refused;
};

// Reads the damaged run, then goes on with it, then reads it again.
static void try_run(struct rig *r, const unsigned char *data, size_t size, struct tally *sum)
{
    struct store *st;
    struct world w;
    struct seep_err err = {0};
    put_run(r, data, size);
    if (store_open_read(r->fd, &st, &err) == 0) {
        sum->salvaged += store_degraded(st);
        sum->whole += !store_degraded(st);
        assert_true(!store_degraded(st) || strlen(store_trouble(st)) > 20);
        read_all(st);
        store_close(st);
    } else {
        sum->refused++;
        assert_true(strlen(err.text) > 20);
    }
    assert_true(file_is(r, "run.db", data, size)); // a reader changes nothing
    err = (struct seep_err){0};
    if (store_open_write(r->fd, &st, &err)) {
        assert_true(strlen(err.text) > 20);
        assert_true(file_is(r, "run.db", data, size) || file_is(r, "run.damaged.db", data, size));
        return;
    }
    bool moved = rig_has(r, "run.damaged.db");
    if (moved) {
        assert_true(file_is(r, "run.damaged.db", data, size));
        assert_true(store_degraded(st));
        assert_int_equal(count_events(st, "salvage", NULL) > 0, 1);
    }
    // Damage that SQLite cannot see may have made ids or indices strange: then a refusal, else it goes on.
    int64_t next = store_last_tick(st) + 1;
    if (world_names(st, &w, &err) == 0 && world_tick(st, &w, next, &err) == 0)
        assert_int_equal(store_last_tick(st), next);
    else
        assert_true(strlen(err.text) > 20);
    read_all(st);
    store_close(st);
    OK(store_open_read(r->fd, &st, &fault));
    read_all(st);
    store_close(st);
    if (moved)
        rig_integrity(r);
}

static void the_image_is_whole(void **state)
{
    struct rig *r = *state;
    struct tally sum = {0};
    try_run(r, image, image_size, &sum);
    assert_int_equal(sum.whole, 1);
    assert_true(image_size > 10 * 4096);
}

static void flipped_bytes(void **state)
{
    struct rig *r = *state;
    struct tally sum = {0};
    unsigned seed = 4711;
    unsigned char *data = malloc(image_size);
    for (int round = 0; round < 400; round++) {
        memcpy(data, image, image_size);
        int flips = round % 4 == 3 ? 40 : 1 + round % 3;
        for (int i = 0; i < flips; i++) {
            size_t page = (size_t)rand_r(&seed) % (image_size / 4096);
            // Headers of pages and cells, which steer SQLite, are hit as often as content.
            size_t in = rand_r(&seed) % 2 ? (size_t)rand_r(&seed) % 4096 : (size_t)rand_r(&seed) % 120;
            data[page * 4096 + in] ^= (unsigned char)(1 + rand_r(&seed) % 255);
        }
        try_run(r, data, image_size, &sum);
    }
    free(data);
    // All three outcomes came up: else the damage, or the looking, is too weak.
    assert_true(sum.whole > 10 && sum.salvaged > 10 && sum.refused > 10);
}

static void cut_at_each_page(void **state)
{
    struct rig *r = *state;
    struct tally sum = {0};
    for (size_t size = 0; size < image_size; size += 4096)
        try_run(r, image, size, &sum);
    try_run(r, image, 1, &sum);
    try_run(r, image, 100, &sum);
    try_run(r, image, 4095, &sum);
    assert_int_equal(sum.whole, 0);
    assert_true(sum.salvaged > 0 && sum.refused > 0);
    try_run(r, image, image_size - 1, &sum); // may go unseen: SQLite reads a zero there
    try_run(r, image, image_size - 2000, &sum);
}

static void salvage_saves_what_is_whole(void **state)
{
    struct rig *r = *state;
    struct store *st;
    unsigned char *data = malloc(image_size);
    memcpy(data, image, image_size);
    // One leaf page of whatever table holds the last page: everything else must survive.
    memset(data + image_size - 4096, 0xff, 4096);
    put_run(r, data, image_size);
    OK(store_open_read(r->fd, &st, &fault));
    assert_true(store_degraded(st));
    struct store_ticks t;
    struct store_series_info *s;
    size_t n;
    OK(store_read_ticks(st, &t, &fault));
    assert_in_range(t.n, TICKS / 2, TICKS);
    store_free_ticks(&t);
    OK(store_list_series(st, &s, &n, &fault));
    assert_int_equal(n, 3);
    store_free_series(s, n);
    store_close(st);
    OK(store_open_write(r->fd, &st, &fault));
    assert_non_null(strstr(store_trouble(st), "run.damaged.db"));
    assert_in_range(store_last_tick(st), TICKS / 2, TICKS - 1);
    store_close(st);
    assert_true(file_is(r, "run.damaged.db", data, image_size));
    assert_false(rig_has(r, "run.db"));
    free(data);
}

static void all_of_it_is_noise(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct seep_err err;
    unsigned seed = 99;
    unsigned char *data = malloc(image_size);
    for (size_t i = 0; i < image_size; i++)
        data[i] = (unsigned char)rand_r(&seed);
    put_run(r, data, image_size);
    assert_int_equal(store_open_read(r->fd, &st, &err), -1);
    assert_int_equal(err.code, SEEP_E_CORRUPT);
    struct tally sum = {0};
    try_run(r, data, image_size, &sum);
    free(data);
}

static void exec(struct rig *r, const char *sql)
{
    char path[200];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/run.db", r->path);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix"), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

// Neither a reader nor a writer takes the run, both say `words`, and the file stays where and as it is.
static void refused(struct rig *r, enum seep_code code, const char *words)
{
    struct store *st;
    struct seep_err err;
    struct stat before, after;
    assert_int_equal(fstatat(r->fd, "run.db", &before, 0), 0);
    assert_int_equal(store_open_read(r->fd, &st, &err), -1);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, words));
    assert_int_equal(store_open_write(r->fd, &st, &err), -1);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, words));
    assert_int_equal(fstatat(r->fd, "run.db", &after, 0), 0);
    assert_true(before.st_ino == after.st_ino && before.st_size == after.st_size);
    assert_false(rig_has(r, "run.damaged.db"));
}

static void other_programs_databases(void **state)
{
    struct rig *r = *state;
    put_run(r, image, image_size);
    exec(r, "PRAGMA application_id = 252006673");
    refused(r, SEEP_E_CORRUPT, "another program");
    rig_empty(r);
    put_file(r, "run.lock", "", 0);
    exec(r, "CREATE TABLE tick(a); INSERT INTO tick VALUES(1)");
    refused(r, SEEP_E_CORRUPT, "another program");
}

static void newer_schema_names_both_versions(void **state)
{
    struct rig *r = *state;
    char words[64];
    put_run(r, image, image_size);
    exec(r, "PRAGMA user_version = 77");
    snprintf(words, sizeof words, "schema 77 and this seep knows up to %d", store_schema_version);
    refused(r, SEEP_E_UNSUPPORTED, words);
}

static void crafted_schemas_are_not_run(void **state)
{
    static const char *const craft[] = {
        "CREATE TRIGGER evil AFTER INSERT ON tick BEGIN DELETE FROM tick; END",
        "CREATE VIEW evil AS SELECT * FROM tick",
        "CREATE TABLE more(a)",
        "DROP TABLE event; CREATE VIEW event AS SELECT 1 AS id, 'x' AS kind",
        "ALTER TABLE tick ADD COLUMN evil BLOB GENERATED ALWAYS AS (zeroblob(1000000000)) VIRTUAL",
        "CREATE INDEX evil ON event(abs(count))",
        "DROP TABLE meta",
    };
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof craft / sizeof craft[0]; i++) {
        put_run(r, image, image_size);
        exec(r, craft[i]);
        refused(r, SEEP_E_CORRUPT, "does not have the tables");
    }
}

// Values that the schema allows and no run of ours holds.
static void crafted_rows_are_survived(void **state)
{
    static const char *const craft[] = {
        "UPDATE stack_point SET entries = randomblob(300)",
        "UPDATE tick SET points = randomblob(500), phase = 99, session = -1",
        "UPDATE stack SET frames = randomblob(5000), flags = -1",
        "UPDATE symbol SET names = randomblob(50)",
        "UPDATE age SET epochs = randomblob(1001)",
        "INSERT INTO epoch VALUES(9223372036854775807, 1, 2, 3), (-5, 1, 1, 1)",
        "INSERT INTO series VALUES(9223372036854775807, '', '', '', 9), (-1, '', '', '', 0)",
        "INSERT INTO stack VALUES(4294967297, 0, x'')",
        "INSERT INTO event(id, kind, text) VALUES(-9223372036854775807, '', '')",
        "UPDATE session SET boot_id = hex(zeroblob(1000))",
        "UPDATE end_record SET verdict = hex(zeroblob(1000000)), exit_code = 9223372036854775807",
        "UPDATE stack_point SET prev = idx",
    };
    struct rig *r = *state;
    struct store *st;
    struct world w;
    struct seep_err err;
    for (size_t i = 0; i < sizeof craft / sizeof craft[0]; i++) {
        put_run(r, image, image_size);
        exec(r, craft[i]);
        OK(store_open_read(r->fd, &st, &fault));
        read_all(st);
        store_close(st);
        OK(store_open_write(r->fd, &st, &fault));
        if (world_names(st, &w, &err) == 0)
            world_tick(st, &w, store_last_tick(st) + 1, &err);
        read_all(st);
        store_close(st);
    }
}

// Numbers that leave no room for a next one: said, not overflowed.
static void numbers_at_the_end_are_refused(void **state)
{
    static const char *const craft[] = {
        "UPDATE tick SET idx = 9223372036854775807 WHERE idx = 119",
        "INSERT INTO event(id, kind, text) VALUES(9223372036854775807, '', '')",
    };
    struct rig *r = *state;
    struct store *st;
    struct seep_err err;
    for (size_t i = 0; i < sizeof craft / sizeof craft[0]; i++) {
        put_run(r, image, image_size);
        exec(r, craft[i]);
        OK(store_open_read(r->fd, &st, &fault));
        read_all(st);
        store_close(st);
        assert_int_equal(store_open_write(r->fd, &st, &err), -1);
        assert_int_equal(err.code, SEEP_E_CORRUPT);
        assert_true(rig_has(r, "run.db"));
    }
}

// A log whose database was cut to nothing: SQLite alone would delete the log.
static void log_without_a_database_is_kept(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct seep_err err;
    for (int writer = 0; writer < 2; writer++) {
        rig_empty(r);
        put_file(r, "run.lock", "", 0);
        put_file(r, "run.db", "", 0);
        put_file(r, "run.db-wal", image, 8192);
        if (writer == 0) {
            assert_int_equal(store_open_read(r->fd, &st, &err), -1);
            assert_true(file_is(r, "run.db-wal", image, 8192));
        } else {
            if (store_open_write(r->fd, &st, &err) == 0)
                store_close(st);
            assert_true(file_is(r, "run.db-wal", image, 8192) || file_is(r, "run.damaged.db-wal", image, 8192));
        }
    }
}

// A successor that was only begun when its writer died does not keep the run from going on.
static void stillborn_successor(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct world w;
    for (int size = 0; size <= 4096; size += 4096) {
        put_run(r, image, image_size);
        put_file(r, "run.2.db", image, 0);
        if (size) { // its journal mode was set, its schema not yet written
            char path[200];
            sqlite3 *db;
            snprintf(path, sizeof path, "%s/run.2.db", r->path);
            assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, "unix"), SQLITE_OK);
            assert_int_equal(sqlite3_exec(db, "PRAGMA page_size=4096; PRAGMA journal_mode=WAL", NULL, NULL, NULL), 0);
            sqlite3_close(db);
        }
        OK(store_open_read(r->fd, &st, &fault));
        assert_int_equal(world_check(st, TICKS - 1), TICKS);
        store_close(st);
        OK(store_open_write(r->fd, &st, &fault));
        assert_int_equal(store_last_tick(st), TICKS - 1);
        OK(world_names(st, &w, &fault));
        for (int64_t i = TICKS; i < TICKS + 3; i++)
            OK(world_tick(st, &w, i, &fault));
        store_close(st);
        OK(store_open_read(r->fd, &st, &fault));
        assert_int_equal(world_check(st, TICKS + 2), TICKS + 3);
        store_close(st);
        rig_integrity(r);
    }
}

// The first schema's file, made by the first schema's texts: a reader merges it as it is, a writer brings it up to
// date.
static void first_schema_is_read_and_migrated(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct world w;
    char path[200], sql[300];
    sqlite3 *db;
    put_run(r, image, image_size);
    snprintf(path, sizeof path, "%s/old.db", r->path);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix"), SQLITE_OK);
    OK(schema_migrate(db, store_migrations, 0, 1, &fault));
    snprintf(sql, sizeof sql, "ATTACH '%s/run.db' AS new", r->path);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), 0);
    static const char *const tables[] = {"meta", "series", "module", "stack",     "symbol",    "stack_point",
                                         "age",  "epoch",  "event",  "histogram", "end_record"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        snprintf(sql, sizeof sql, "INSERT INTO main.%s SELECT * FROM new.%s", tables[i], tables[i]);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL))
            fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    assert_int_equal(sqlite3_exec(db,
                                  "INSERT INTO main.tick SELECT idx, mono_ns, real_ns, boot_ns, phase, late_ns, missed,"
                                  " points FROM new.tick",
                                  NULL, NULL, NULL),
                     0);
    sqlite3_close(db);
    assert_int_equal(renameat(r->fd, "old.db", r->fd, "run.db"), 0);

    struct store_session *s;
    size_t n;
    OK(store_open_read(r->fd, &st, &fault));
    assert_false(store_degraded(st));
    assert_int_equal(world_check(st, TICKS - 1), TICKS);
    OK(store_read_sessions(st, &s, &n, &fault));
    assert_int_equal(n, 0);
    free(s);
    store_close(st);

    OK(store_open_write(r->fd, &st, &fault));
    assert_false(store_degraded(st));
    assert_int_equal(conn_pragma(st->parts[0].db, "PRAGMA user_version"), store_schema_version);
    OK(world_names(st, &w, &fault));
    for (int64_t i = TICKS; i < TICKS + 5; i++)
        OK(world_tick(st, &w, i, &fault));
    store_close(st);
    OK(store_open_read(r->fd, &st, &fault));
    assert_int_equal(world_check(st, TICKS + 4), TICKS + 5);
    struct store_ticks t;
    OK(store_read_ticks(st, &t, &fault));
    assert_int_equal(t.session[0], 0);
    assert_int_equal(t.session[TICKS], 1);
    store_free_ticks(&t);
    store_close(st);
    rig_integrity(r);
}

// A step that fails leaves the file in the version it had.
static void migration_is_all_or_nothing(void **state)
{
    (void)state;
    static const struct store_migration steps[] = {{1, "CREATE TABLE a(x); PRAGMA user_version = 1"},
                                                   {2, "CREATE TABLE b(x); CREATE TABLE a(x)"}};
    sqlite3 *db;
    struct seep_err err;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    OK(schema_migrate(db, steps, 0, 1, &fault));
    assert_int_equal(schema_migrate(db, steps, 1, 2, &err), -1);
    assert_non_null(strstr(err.text, "from version 1 to 2"));
    assert_int_equal(conn_pragma(db, "PRAGMA user_version"), 1);
    assert_int_equal(conn_pragma(db, "SELECT count(*) FROM sqlite_schema"), 1);
    sqlite3_close(db);
}

// A reader that stays in the middle of a statement keeps the log from being emptied: the writer goes on, and tells.
static void log_held_by_a_reader_is_told(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct world w;
    char path[200];
    sqlite3 *db;
    sqlite3_stmt *s;
    enum { BLOB = (2 << 20) - 4096 };
    void *blob = malloc(BLOB);
    memset(blob, 'x', BLOB);
    OK(store_create(r->fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    OK(world_tick(st, &w, 0, &fault));
    snprintf(path, sizeof path, "%s/run.db", r->path);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, "unix"), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT * FROM series", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    sqlite3_exec(st->parts[0].db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    for (int i = 0; i < 36; i++) {
        OK(store_set_meta_blob(st, "blob", blob, BLOB, &fault));
        OK(world_tick(st, &w, i + 1, &fault));
    }
    assert_int_equal(count_events(st, "wal", NULL), 1);
    assert_false(store_degraded(st));
    sqlite3_finalize(s);
    sqlite3_close(db);
    for (int i = 36; i < 40; i++)
        OK(world_tick(st, &w, i + 1, &fault));
    // Once the reader is gone the log starts again from its beginning and is cut.
    assert_in_range(st->parts[0].wal_pages, 0, 512);
    store_close(st);
    free(blob);
    assert_false(rig_has(r, "run.db-wal"));
    OK(store_open_read(r->fd, &st, &fault));
    assert_int_equal(world_check(st, 40), 41);
    store_close(st);
}

// Opening a FIFO waits for whoever writes to it: neither a reader nor a writer of a run does.
static void fifos_are_no_databases(void **state)
{
    static const char *const names[] = {"run.db", "run.db-wal", "run.db-shm", "run.db-journal"};
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct store *st = NULL;
        struct seep_err err = {0};
        put_run(r, image, image_size);
        assert_true(unlinkat(r->fd, names[i], 0) == 0 || i > 0);
        assert_int_equal(mkfifoat(r->fd, names[i], 0600), 0);
        alarm(20);
        assert_int_equal(store_open_read(r->fd, &st, &err), -1);
        assert_int_equal(err.code, SEEP_E_CORRUPT);
        assert_non_null(strstr(err.text, "is not a regular file"));
        if (store_open_write(r->fd, &st, &err) == 0)
            store_close(st);
        alarm(0);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(the_image_is_whole),
        T(flipped_bytes),
        T(cut_at_each_page),
        T(salvage_saves_what_is_whole),
        T(all_of_it_is_noise),
        T(other_programs_databases),
        T(newer_schema_names_both_versions),
        T(crafted_schemas_are_not_run),
        T(crafted_rows_are_survived),
        T(numbers_at_the_end_are_refused),
        T(log_without_a_database_is_kept),
        T(fifos_are_no_databases),
        T(stillborn_successor),
        T(first_schema_is_read_and_migrated),
        T(migration_is_all_or_nothing),
        T(log_held_by_a_reader_is_told),
    };
    return cmocka_run_group_tests(tests, make_image, drop_image);
}

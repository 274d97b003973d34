// What the files of src/store share. Nobody else includes this (tests of the store do).
//
// One struct store is one run directory. It holds a connection per database file ("part": run.db is part 1, run.2.db
// part 2); in a writer's store the last part is the one that is written. Everything that is to be written goes through
// the queue (queue.c) and leaves it in one transaction (write.c).
#ifndef SEEP_STORE_INTERNAL_H
#define SEEP_STORE_INTERNAL_H

#include "base/buf.h"
#include "base/check.h"
#include "base/units.h"
#include "store/store.h"

#include <sqlite3.h>
#include <sys/types.h>

#define STORE_MAGIC          0x53544f52u
#define STORE_APPLICATION_ID 1397048656 // "SEEP"
enum { STORE_MAX_PARTS = 16, STORE_RESERVE_BYTES = 8 << 20 };
// Ceilings of what waits in memory; together they fit into the reserve.
enum { QUEUE_MAX_TICKS = 512, QUEUE_MAX_TICK_BYTES = 3 << 20, QUEUE_MAX_OP_BYTES = 2 << 20 };
enum { STORE_MAX_IDS = 1 << 20, STORE_MAX_FRAMES = 256 };
#define STORE_MAX_NUMBER ((int64_t)1 << 53) // of ticks and events; beyond it a file is not ours or damaged
// Readers: units of 10 000 steps of SQLite's machine. One statement: 10 s or so; saving a damaged file: 20 million
// rows.
enum { PROGRESS_STATEMENT = 100000, PROGRESS_SALVAGE = 20000 };

// ---- schema.c -------------------------------------------------------------------------------------------------------
struct store_migration {
    int version; // 1, 2, ... without holes
    const char *sql;
};
extern const struct store_migration store_migrations[];
extern const int store_schema_version;
// Brings db from schema `from` (0: empty) to `to`, all steps in one transaction.
int schema_migrate(sqlite3 *db, const struct store_migration *steps, int from, int to, struct seep_err *err);
// 0 when db holds exactly the tables and indexes of schema `version`, with the very same text: so no trigger, view or
// virtual table of somebody else's can run.
int schema_same(sqlite3 *db, int version, const char *name, struct seep_err *err);
// True when db holds tables and indexes only, none of them virtual: fit to be salvaged.
bool schema_plain(sqlite3 *db);
// Copies what can be read of all tables of schema `version` from src into dst (which has that schema). Returns the
// number of rows copied, -1 when dst cannot take them; *lost counts tables that could not be read to the end.
int64_t schema_salvage(sqlite3 *src, sqlite3 *dst, int version, int *lost);

// ---- conn.c ---------------------------------------------------------------------------------------------------------
enum stmt {
    S_BEGIN,
    S_COMMIT,
    S_ROLLBACK,
    S_META_PUT,
    S_META_GET,
    S_SERIES_PUT,
    S_SERIES_ALL,
    S_MODULE_PUT,
    S_MODULE_ALL,
    S_STACK_PUT,
    S_STACK_ALL,
    S_SYMBOL_PUT,
    S_SYMBOL_GET,
    S_AGE_PUT,
    S_AGE_GET,
    S_EPOCH_PUT,
    S_EPOCH_ALL,
    S_HIST_PUT,
    S_HIST_GET,
    S_EVENT_PUT,
    S_EVENT_ALL,
    S_EVENT_LAST,
    S_SESSION_PUT,
    S_SESSION_ALL,
    S_END_PUT,
    S_END_GET,
    S_TICK_PUT,
    S_TICK_ALL,
    S_TICK_POINTS,
    S_TICK_LAST,
    S_POINTS_PUT,
    S_POINTS_KEYS,
    S_POINTS_ALL,
    S_DATA_VERSION,
    S_N
};

enum conn_mode { CONN_CREATE, CONN_WRITE, CONN_READ, CONN_SALVAGE }; // the last two cannot write
// What an SQLite error means for the file: come back later (no space, busy, no memory), or never write it again.
enum conn_trouble { TROUBLE_NONE, TROUBLE_WAIT, TROUBLE_FILE };

struct conn {
    sqlite3 *db;
    sqlite3_stmt *stmt[S_N];
    char name[24]; // "run.db"
    int part;
    int version;           // of the schema as found
    int wal_pages;         // of the log after the last commit
    bool empty;            // nothing was ever made in it: its writer died while it was begun
    int64_t progress_left; // readers: steps of the virtual machine before we give up on a hostile file
    dev_t dev;
    ino_t ino;
};

void conn_part_name(char out[24], int part);
bool conn_exists(int dir_fd, const char *name);
// Opens the part's file below dir_fd. On failure *trouble (may be NULL) says which kind. Nothing is checked yet.
int conn_open(struct conn *c, int dir_fd, int part, enum conn_mode mode, enum conn_trouble *trouble,
              struct seep_err *err);
int conn_open_memory(struct conn *c, int part, struct seep_err *err);
// checkpoint false: the log stays as it is and the database file is not touched.
void conn_close(struct conn *c, bool checkpoint);
// WAL for a file that is new or of ours.
int conn_set_wal(struct conn *c, struct seep_err *err);
// 0 when application_id is ours, the schema not newer and as it should be, and quick_check finds nothing.
// *damaged: it is ours but broken.
int conn_check(struct conn *c, bool *damaged, struct seep_err *err);
// Of a connection for salvage: the version of the file's schema, ours when that is not known.
int conn_salvage_version(struct conn *c);
// The prepared statement, reset; NULL when it cannot be prepared.
sqlite3_stmt *conn_stmt(struct conn *c, enum stmt id);
// Runs a statement without rows; SQLITE_DONE or the error.
int conn_run(struct conn *c, enum stmt id);
// The work that one statement may cost a reader begins anew.
void conn_new_budget(struct conn *c);
enum conn_trouble conn_trouble(sqlite3 *db);
// "<what>: <SQLite's words>" with the file's name.
int conn_fail(struct conn *c, struct seep_err *err, const char *what);
int64_t conn_pragma(sqlite3 *db, const char *pragma); // -1 on error
// The name of SQLite's VFS with our way of opening (vfs.c).
const char *store_vfs_name(void);

// ---- code.c ---------------------------------------------------------------------------------------------------------
struct cursor { // over bytes from disk: not trusted
    const unsigned char *at, *end;
    uint64_t id;
};
struct cursor code_cursor(const void *data, size_t len);
void code_varint(struct seep_buf *out, uint64_t v);
int code_get_varint(struct cursor *c, uint64_t *v); // 0, or -1 when malformed
void code_points(struct seep_buf *out, const struct store_point *sorted, size_t n);
int code_next_point(struct cursor *c, struct store_point *p); // 1 got one, 0 at the end, -1 malformed
// The value as it will be read back.
struct store_stack_point code_quantise(const struct store_stack_point *p);
void code_stacks(struct seep_buf *out, const struct store_stack_point *sorted, size_t n);
int code_next_stack(struct cursor *c, struct store_stack_point *p);
void code_frames(struct seep_buf *out, const struct store_frame *frames, size_t n);
int code_next_frame(struct cursor *c, struct store_frame *f);
void code_symbols(struct seep_buf *out, const struct store_symbol *list, size_t n);
// The strings point into the cursor's bytes.
int code_next_symbol(struct cursor *c, struct store_symbol *s);
void code_ages(struct seep_buf *out, const uint64_t *bytes, const uint64_t *blocks, size_t n);

// ---- dict.c ---------------------------------------------------------------------------------------------------------
// What has an id, by content: an array of byte strings with a hash table over it. Ids are 1..n.
struct dict {
    struct dict_item {
        uint64_t hash;
        uint32_t offset, len; // len UINT32_MAX: an id whose row was lost
    } * items;
    size_t n, items_cap;
    size_t durable; // ids up to here are in the file being written
    char *bytes;
    size_t bytes_len, bytes_cap, bytes_ceiling;
    uint32_t *table;
    size_t table_size;
    uint64_t seed;
};
void dict_init(struct dict *d, size_t bytes_ceiling);
void dict_free(struct dict *d);
// The id of key, made when new. -1 at the ceiling or out of memory.
int dict_id(struct dict *d, const char *what, const void *key, size_t len, uint32_t *id, struct seep_err *err);
// A row from the file: id must not be lower than any before, else it is ignored.
int dict_load(struct dict *d, const char *what, uint32_t id, const void *key, size_t len, struct seep_err *err);
const char *dict_key(const struct dict *d, uint32_t id, size_t *len); // NULL: not known

// ---- queue.c --------------------------------------------------------------------------------------------------------
struct param {
    enum { P_NULL, P_INT, P_TEXT, P_BLOB } type;
    int64_t i;
    const void *data;
    size_t len;
};
// One statement with its values, waiting to be run.
struct op {
    struct op *next;
    enum stmt stmt;
    size_t size, n;
    struct param params[];
};
struct qtick {
    struct qtick *next;
    int64_t index;
    struct seep_time time;
    int64_t phase, late_ns, missed, session;
    struct seep_buf points;
    struct store_stack_point *stacks; // ascending by id; only what changed since the tick before
    size_t n_stacks;
    bool recorded; // stacks were looked at
};
struct queue {
    struct op *ops, **ops_end;
    size_t op_bytes;
    struct qtick *ticks, **ticks_end;
    size_t n_ticks, tick_bytes;
    int64_t lost_ops;
    struct { // ticks dropped and not yet told
        int64_t count;
        struct seep_time from, to;
    } hole;
};
void queue_init(struct queue *q);
void queue_free(struct queue *q);
int queue_op(struct queue *q, enum stmt stmt, const struct param *params, size_t n, struct seep_err *err);
void queue_tick(struct queue *q, struct qtick *t);
void queue_hole(struct queue *q, struct seep_time when);
// Keeps to the ceilings by dropping every second tick (its stacks go to the next one) and the oldest operations.
void queue_bound(struct queue *q);
void queue_clear_written(struct queue *q);
void qtick_free(struct qtick *t);
bool queue_empty(const struct queue *q);

// ---- place.c --------------------------------------------------------------------------------------------------------
int place_lock(int dir_fd, bool create, struct seep_err *err); // the lock's fd
int place_refuse_network(int dir_fd, struct seep_err *err);
bool place_is_network(uint32_t fs_type, const char **name);
int place_reserve(int dir_fd, struct seep_err *err); // makes the reserve file, 0 when it stands
bool place_free_reserve(int dir_fd);                 // true when there was one
int place_path(int dir_fd, char *out, size_t size);

// ---- the store ------------------------------------------------------------------------------------------------------
struct column_cache {
    bool valid;
    int64_t stamp;
    size_t n_ticks, n_series;
    double **values; // by series id - 1; NULL: never seen
};

struct store {
    uint32_t magic;
    bool writer;
    int dir_fd, lock_fd;
    char path[512]; // of the directory as it was opened, for sentences and store_check_place()
    struct conn parts[STORE_MAX_PARTS];
    int n_parts;
    bool salvaged;
    char trouble[400];

    // writers
    struct dict series, modules, stacks;
    struct queue queue;
    struct store_stack_point *accepted; // by stack id - 1, as of the newest accepted tick; .stack 0: never seen
    struct store_stack_point *durable;  // the same, as of the newest durable tick
    size_t n_last;
    int64_t last_tick, next_event, session;
    int64_t prev_points; // index of the last durable row of stack points; -1: the next one must be full
    size_t full_bytes, since_full_bytes;
    bool blocked, gone, wal_told, loading;
    bool part_used; // something is durable in the file that is written
    char blocked_why[256];
    struct seep_time blocked_since;
    int64_t blocked_ticks, retry_at_ns, retry_ns;
    int64_t commits;

    struct column_cache cache;
};

// open.c
// Begins the next file and makes it the one that is written.
int store_begin_part(struct store *st, struct seep_err *err);
// Takes a file away again in which nothing was ever made durable, so that a disk that lets files be made and not be
// written does not use up their names. False when it is to be kept.
bool store_drop_part(struct store *st);
int store_refresh_parts(struct store *st, struct seep_err *err);
int store_queue_session(struct store *st, struct seep_err *err);
// write.c
int store_push_event(struct store *st, const struct store_event *e, struct seep_err *err);
int store_try(struct store *st, bool force, struct seep_err *err);
// names.c
int store_load_dicts(struct store *st, struct seep_err *err);
int store_write_dicts(struct store *st, struct conn *c);
// ticks.c: grows accepted/durable to hold ids up to the dictionary's
int store_grow_last(struct store *st, struct seep_err *err);
struct qtick *store_make_tick(struct store *st, const struct store_tick *tick, struct seep_err *err);
// What a row of stack points must hold in the file that is written now; *full says which kind it is.
int store_encode_stacks(struct store *st, const struct qtick *t, bool first, struct seep_buf *out, bool *full);
// read_stacks.c: fills durable and accepted from the files (resume)
int store_load_last(struct store *st, struct seep_err *err);
// Before reading: what waits is written, new parts are opened.
int store_ready_to_read(struct store *st, struct seep_err *err);
void store_cache_free(struct column_cache *c);
char *column_dup(sqlite3_stmt *s, int col); // malloc'ed, NUL-terminated; NULL when out of memory

#endif

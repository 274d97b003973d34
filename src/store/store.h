// The run's memory: one SQLite database per run directory, `run.db`.
//
// WAL, synchronous=FULL, one transaction per tick. A tick is acknowledged when store_write_tick() has returned 0; from
// then on it survives SIGKILL and power cuts. After an I/O error of fsync or write the file is never written again: the
// store goes on in run.2.db (and so on), and readers merge. One writer (flock on run.lock), many readers. Not
// thread-safe: one thread at a time uses a store, which may be a worker thread.
//
// Writing functions return 0, 1 or -1:
//    0  done; for store_write_tick, _event, _end, store_set_meta* and store_flush: durable.
//    1  the disk is full or read-only for now: kept in memory, tried again with back-off at the next call; err holds
//    the
//       sentence to show. The run goes on. Memory is bounded: when it fills, every second waiting tick is dropped and
//       an event row "gap" tells first and last time, how many, and why, as soon as anything can be written again.
//   -1  refused or lost; err says what.
// What is found on the way (store_series, _module, _stack, _symbols, _ages, _epoch, _histogram) waits in memory and
// becomes durable with the next of the durable calls, in the same transaction.
//
// Events the store writes itself, next to those of the run: "storage" (degraded from..to, count of ticks that waited),
// "gap" (ticks dropped), "successor" (a new file was begun and why), "salvage" (a damaged file was moved aside, what
// was saved), "wal" (a reader kept the log from being emptied).
//
// Unknown values are NULL in the file, NAN in doubles and SEEP_UNKNOWN in integers here. Text from the target is stored
// as bytes, as it came.
//
// Stack points are stored as changes: a tick holds only the stacks whose values differ from the tick before, and
// readers carry values forward. Whole numbers are exact below 2^53; fractions keep 1/64 (of a byte or block), variance
// 24 bits. Files are opened below the directory's descriptor and nowhere else (/proc/self/fd/N/run.db), so a run
// directory that is moved or replaced by a link is never followed. Network file systems are refused: WAL needs shared
// memory.
#ifndef SEEP_STORE_STORE_H
#define SEEP_STORE_STORE_H

#include "base/clock.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum store_phase {
    PHASE_START,
    PHASE_BASELINE,
    PHASE_MEASURE,
    PHASE_DRAIN,
    PHASE_CLOSE,
    PHASE_STOP,
    PHASE_SETTLE, // idle samples between the two cycles of a reload
    PHASE_RELOAD, // the load once more
    PHASE_N
};
enum store_series_kind { SERIES_GAUGE, SERIES_COUNTER };

// ---- writing --------------------------------------------------------------------------------------------------------

// True when dir_fd lies on a network file system, where no run can be stored; *name is then what people call it.
bool store_on_network(int dir_fd, const char **name);

// Makes run.db in dir_fd (a run directory of ours, 0700) and takes the writer's lock.
// dir_fd stays the caller's; the store keeps a copy. SEEP_E_USAGE when the directory holds a run already or its writer
// is alive, SEEP_E_UNSUPPORTED on a network file system.
int store_create(int dir_fd, struct store **out, struct seep_err *err);
// Opens an existing run for going on (resume, finish): takes the lock, recovers, checks, migrates older schemas. The
// error names the process that holds the lock, or both versions when the schema is newer than ours. A damaged file is
// renamed run.damaged.db (never deleted), what can be read is copied to the next run.N.db, and the store is degraded.
int store_open_write(int dir_fd, struct store **out, struct seep_err *err);
// Writes what still waits (what cannot be written is lost; call store_flush() first to know), checkpoints, releases the
// lock. NULL is allowed.
void store_close(struct store *st);
// Tries at once, whatever the back-off, to make all that waits durable.
int store_flush(struct store *st, struct seep_err *err);

// Small facts by name: "run", "profile" (the dump), "argv", "host.kernel", ... Written at once, durable. value NULL
// deletes.
int store_set_meta(struct store *st, const char *key, const char *value, struct seep_err *err);
int store_set_meta_blob(struct store *st, const char *key, const void *data, size_t len, struct seep_err *err);

// The id of a series, made when new. name: "rss", "heap.live", "fd.socket", "http.requests"; labels: "" or
// "scenario=login,step=1" (sorted); unit: a name of units_name(). Cheap when known (memory); ids start at 1.
int store_series(struct store *st, const char *name, const char *labels, const char *unit, enum store_series_kind kind,
                 uint32_t *id, struct seep_err *err);

struct store_point {
    uint32_t series;
    double value; // NAN: asked for and not known
};

struct store_stack_point { // of one stack at one tick, summed over the processes of the tree
    uint32_t stack;
    double live_bytes, live_blocks;   // estimates in sampled mode
    double alloc_bytes, alloc_blocks; // cumulative
    double variance;                  // of live_bytes, 0 in exact mode
};

struct store_event { // a row about something that happened: gap, lost, degraded, restart, load, phase, warning ...
    const char *kind;
    struct seep_time from, to; // equal for a moment
    int64_t count;             // SEEP_UNKNOWN when not a count
    const char *text;          // a sentence
};

struct store_tick {
    int64_t index;
    struct seep_time time;
    enum store_phase phase;
    int64_t late_ns, missed;
    const struct store_point *points;
    size_t n_points;
    // NULL: stacks were not looked at in this tick. Else all stacks or those that changed, in any order, each once: a
    // stack that is not named keeps its values (one that is freed altogether must be named with zeros).
    const struct store_stack_point *stacks;
    size_t n_stacks;
    const struct store_event *events;
    size_t n_events;
};

// One tick, one transaction: all of it is durable, or none. Indices must ascend, over resume too (store_last_tick()).
int store_write_tick(struct store *st, const struct store_tick *tick, struct seep_err *err);
// Events outside ticks; durable on return.
int store_write_event(struct store *st, const struct store_event *event, struct seep_err *err);
// The highest index given to store_write_tick() or found at opening; -1 while there is none. Writers only.
int64_t store_last_tick(const struct store *st);

// Modules and stacks as found in the target; ids are the store's own and stable over resume.
struct store_module {
    const char *path;     // bytes of the target, NUL-terminated
    const char *build_id; // lower-case hex, "" when it has none
    uint64_t size;
};
int store_module(struct store *st, const struct store_module *m, uint32_t *id, struct seep_err *err);

struct store_frame {
    uint32_t module; // 0: no module (JIT code, unknown)
    uint64_t offset; // file-relative address of the return address (frame 0 may be an exact pc), or the raw address
};
enum { STACK_TRUNCATED = 1, STACK_OTHER = 2, STACK_MMAP = 4 };
// Interned by flags and frames (innermost first, n <= 256).
int store_stack(struct store *st, unsigned flags, const struct store_frame *frames, size_t n, uint32_t *id,
                struct seep_err *err);

// Names of a frame, once resolved; innermost inlined function first. Replaces what was there.
struct store_symbol {
    const char *function, *file; // NULL: unknown
    int line;                    // 0: unknown
    bool inlined;
};
int store_symbols(struct store *st, const struct store_frame *frame, const struct store_symbol *symbols, size_t n,
                  struct seep_err *err);

// Survivor ages of a stack at the last look: bytes and blocks by birth epoch. Replaces what was there for this stack.
int store_ages(struct store *st, uint32_t stack, const uint64_t *bytes_by_epoch, const uint64_t *blocks_by_epoch,
               size_t n_epochs, struct seep_err *err);
// When an epoch began, so that ages have times.
int store_epoch(struct store *st, uint32_t epoch, struct seep_time began, struct seep_err *err);

// Histograms of the load, merged over the whole run so far: an opaque blob of load/hist.h per scenario and kind.
int store_histogram(struct store *st, const char *name, const char *labels, const void *blob, size_t len,
                    struct seep_err *err);

// The one end record. verdict_json: the whole verdict. A second call replaces it (finish after resume). On a full disk
// the reserve file is given up for it and for what waits.
int store_write_end(struct store *st, struct seep_time when, const char *reason, int exit_code,
                    const char *verdict_json, struct seep_err *err);

// True once the store has moved to a successor file or cannot write: the run says so beside the verdict. Readers: true
// when the run lies in more than one file or a file is damaged.
bool store_degraded(const struct store *st);
// The sentence that goes with it (present trouble first); NULL when all is well. Belongs to the store, valid until the
// next call on it.
const char *store_trouble(const struct store *st);

// Looks whether the run directory is still where it was. MOVED: it has another path now, and seep goes on writing into
// it there (err names both). GONE: the directory or the database file was removed, or something else stands in its
// place; when the directory is still there a successor file is begun at the next write. To be called each minute.
enum store_place { STORE_PLACE_SAME, STORE_PLACE_MOVED, STORE_PLACE_GONE };
enum store_place store_check_place(struct store *st, struct seep_err *err);

// ---- reading --------------------------------------------------------------------------------------------------------

// Opens for reading only, safely on files of unknown origin (quick_check, no schema code, limits). Merges successor
// files, also those that are begun while the reader is open. Of a damaged file what can be read is taken
// (store_trouble() says so); it fails with SEEP_E_CORRUPT when nothing can be. Never changes the database (SQLite may
// leave an empty run.db-wal and its shared memory beside it). All reading functions also work on a writer's store.
int store_open_read(int dir_fd, struct store **out, struct seep_err *err);

// malloc'ed copies; *value NULL when the key is not there (that is no error).
int store_get_meta(struct store *st, const char *key, char **value, struct seep_err *err);
// The same with the length; *data is NUL-terminated behind len bytes.
int store_get_meta_blob(struct store *st, const char *key, void **data, size_t *len, struct seep_err *err);

// Who wrote: one row each time a writer opened the run. Monotonic and boot clocks compare only within a boot_id.
struct store_session {
    uint32_t id;
    int64_t pid;
    char boot_id[40]; // "" when unknown
    struct seep_time began;
};
int store_read_sessions(struct store *st, struct store_session **out, size_t *n, struct seep_err *err); // free(*out)

struct store_series_info {
    uint32_t id;
    char *name, *labels, *unit;
    enum store_series_kind kind;
};
int store_list_series(struct store *st, struct store_series_info **out, size_t *n, struct seep_err *err);
void store_free_series(struct store_series_info *list, size_t n);

struct store_ticks { // struct of arrays, n each
    size_t n;
    int64_t *index;
    struct seep_time *time;
    enum store_phase *phase;
    int64_t *late_ns, *missed;
    uint32_t *session; // 0: unknown
};
int store_read_ticks(struct store *st, struct store_ticks *out, struct seep_err *err);
void store_free_ticks(struct store_ticks *t);

// Values of one series aligned with store_read_ticks(): values[n_ticks], NAN where there is none. malloc'ed. Decodes
// all series once and keeps them, so asking for each in turn is cheap.
int store_read_series(struct store *st, uint32_t series, size_t n_ticks, double **values, struct seep_err *err);

struct store_stack_info {
    uint32_t id;
    unsigned flags;
    struct store_frame *frames;
    size_t n_frames;
};
int store_list_stacks(struct store *st, struct store_stack_info **out, size_t *n, struct seep_err *err);
void store_free_stacks(struct store_stack_info *list, size_t n);

// Live bytes of all stacks: ticks[m] are the tick indices (ascending) at which stacks were recorded; for stack row s
// (order of store_list_stacks) bytes[s*m + j], NAN before it was first seen counts as 0 and is written 0. blocks
// likewise. NAN: not known, because a row before it was lost with a damaged file. All malloc'ed.
struct store_stack_matrix {
    size_t n_stacks, m;
    int64_t *ticks;
    double *live_bytes, *live_blocks, *variance;
};
int store_read_stack_matrix(struct store *st, struct store_stack_matrix *out, struct seep_err *err);
void store_free_stack_matrix(struct store_stack_matrix *mx);
// All five values of each stack as of its last tick, in the order of store_list_stacks(); NAN: not known. free(*out).
int store_read_stack_last(struct store *st, struct store_stack_point **out, size_t *n, struct seep_err *err);

struct store_module_info {
    uint32_t id;
    char *path, *build_id;
    uint64_t size;
};
int store_list_modules(struct store *st, struct store_module_info **out, size_t *n, struct seep_err *err);
void store_free_modules(struct store_module_info *list, size_t n);

// Symbols of a frame: malloc'ed array and strings; n 0 when not resolved.
int store_read_symbols(struct store *st, const struct store_frame *frame, struct store_symbol **out, size_t *n,
                       struct seep_err *err);
void store_free_symbols(struct store_symbol *list, size_t n);

int store_read_ages(struct store *st, uint32_t stack, uint64_t **bytes_by_epoch, uint64_t **blocks_by_epoch,
                    size_t *n_epochs, struct seep_err *err);
int store_read_epochs(struct store *st, struct seep_time **began, size_t *n, struct seep_err *err);

struct store_event_row {
    char *kind, *text;
    struct seep_time from, to;
    int64_t count;
};
int store_read_events(struct store *st, struct store_event_row **out, size_t *n, struct seep_err *err);
void store_free_events(struct store_event_row *list, size_t n);

int store_read_histogram(struct store *st, const char *name, const char *labels, void **blob, size_t *len,
                         struct seep_err *err);

// The end record; *found false while the run has none. verdict_json malloc'ed.
int store_read_end(struct store *st, bool *found, struct seep_time *when, char **reason, int *exit_code,
                   char **verdict_json, struct seep_err *err);

// All that the run's files hold, as one stream of bytes in a fixed order: what a checksum is taken of. except: meta
// keys that are left out, ended by NULL. Sessions are left out too, since marking a run begins one.
int store_each_byte(struct store *st, const char *const *except, void (*sink)(void *ctx, const void *data, size_t len),
                    void *ctx, struct seep_err *err);

#endif

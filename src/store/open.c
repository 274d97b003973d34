// Opening and closing a run: making it, going on with it, reading it, and what happens when a file is damaged.
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct store *store_new(int dir_fd, bool writer, struct seep_err *err)
{
    struct store *st = calloc(1, sizeof *st);
    if (!st) {
        seep_fail(err, SEEP_E_LIMIT, "Out of memory while opening a run");
        return NULL;
    }
    st->magic = STORE_MAGIC;
    st->writer = writer;
    st->lock_fd = -1;
    st->last_tick = st->prev_points = -1;
    st->next_event = st->session = 1;
    queue_init(&st->queue);
    dict_init(&st->series, 16 << 20);
    dict_init(&st->modules, 16 << 20);
    dict_init(&st->stacks, 64 << 20);
    st->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
    if (st->dir_fd >= 0 && place_path(st->dir_fd, st->path, sizeof st->path) == 0)
        return st;
    seep_fail_errno(err, errno, "Cannot use the run directory (is /proc mounted?)");
    store_close(st);
    return NULL;
}

void store_close(struct store *st)
{
    if (!st)
        return;
    SEEP_CHECK_OBJ(st, STORE_MAGIC);
    if (st->writer && st->n_parts > 0 && !queue_empty(&st->queue))
        store_flush(st, NULL);
    // Only the file that is written is tidied up; one that failed is left as it is.
    for (int i = 0; i < st->n_parts; i++)
        conn_close(&st->parts[i], st->writer && i == st->n_parts - 1 && !st->gone);
    queue_free(&st->queue);
    dict_free(&st->series);
    dict_free(&st->modules);
    dict_free(&st->stacks);
    store_cache_free(&st->cache);
    free(st->accepted);
    free(st->durable);
    if (st->lock_fd >= 0)
        close(st->lock_fd);
    if (st->dir_fd >= 0)
        close(st->dir_fd);
    st->magic = 0;
    free(st);
}

static int highest_part(const struct store *st)
{
    int highest = 0;
    for (int part = 1; part <= STORE_MAX_PARTS; part++) {
        char name[24];
        conn_part_name(name, part);
        if (conn_exists(st->dir_fd, name))
            highest = part;
    }
    for (int i = 0; i < st->n_parts; i++)
        if (st->parts[i].part > highest)
            highest = st->parts[i].part;
    return highest;
}

static void remove_stillborn(const struct store *st, const char *name)
{
    char other[32];
    unlinkat(st->dir_fd, name, 0);
    snprintf(other, sizeof other, "%s-wal", name);
    unlinkat(st->dir_fd, other, 0);
    snprintf(other, sizeof other, "%s-shm", name);
    unlinkat(st->dir_fd, other, 0);
}

int store_begin_part(struct store *st, struct seep_err *err)
{
    int part = highest_part(st) + 1;
    if (part > STORE_MAX_PARTS || st->n_parts == STORE_MAX_PARTS)
        return seep_fail(err, SEEP_E_LIMIT, "The run lies in %d files already; no other is begun", STORE_MAX_PARTS);
    struct conn *c = &st->parts[st->n_parts];
    char name[24];
    conn_part_name(name, part);
    if (conn_open(c, st->dir_fd, part, CONN_CREATE, NULL, err)) {
        remove_stillborn(st, name);
        return -1;
    }
    if (schema_migrate(c->db, store_migrations, 0, store_schema_version, err)) {
        conn_close(c, false);
        remove_stillborn(st, name);
        return -1;
    }
    fsync(st->dir_fd);
    c->version = store_schema_version;
    st->n_parts++;
    st->series.durable = st->modules.durable = st->stacks.durable = 0;
    st->prev_points = -1;
    st->part_used = false;
    return 0;
}

bool store_drop_part(struct store *st)
{
    struct conn *c = &st->parts[st->n_parts - 1];
    if (st->part_used || st->n_parts < 2)
        return false;
    char name[24];
    conn_part_name(name, c->part);
    conn_close(c, false);
    remove_stillborn(st, name);
    st->n_parts--;
    st->part_used = true; // the one before it
    return true;
}

// ---- reading a part, whatever its state -----------------------------------------------------------------------------

static int copy_to_memory(struct conn *c, bool damaged, char *note, size_t size, struct seep_err *err)
{
    struct conn copy;
    int version = damaged ? conn_salvage_version(c) : c->version, lost = 0;
    if (!schema_plain(c->db))
        return damaged ? seep_fail(err, SEEP_E_CORRUPT, "The database '%s' is damaged beyond its tables", c->name) : -1;
    if (conn_open_memory(&copy, c->part, err))
        return -1;
    int rc = schema_migrate(copy.db, store_migrations, 0, version, err);
    int64_t rows = rc == 0 ? schema_salvage(c->db, copy.db, version, &lost) : 0;
    if (rc == 0 && rows < 0)
        rc = seep_fail(err, SEEP_E_LIMIT, "The database '%s' is larger than is held in memory", c->name);
    if (rc == 0 && damaged && rows == 0)
        rc = seep_fail(err, SEEP_E_CORRUPT, "The database '%s' is damaged and nothing in it can be read", c->name);
    if (rc == 0)
        rc = schema_migrate(copy.db, store_migrations, version, store_schema_version, err);
    if (rc) {
        conn_close(&copy, false);
        return -1;
    }
    copy.version = store_schema_version;
    if (damaged)
        snprintf(note, size, "; %lld rows could be read, %d tables are not complete", (long long)rows, lost);
    conn_close(c, false);
    *c = copy;
    return 0;
}

static int open_part_read(struct store *st, int part, struct seep_err *err)
{
    struct conn *c = &st->parts[st->n_parts];
    struct seep_err why = {0};
    char note[96] = "";
    int rc = conn_open(c, st->dir_fd, part, CONN_READ, NULL, &why);
    bool damaged = rc && why.code == SEEP_E_CORRUPT;
    if (rc == 0)
        rc = conn_check(c, &damaged, &why);
    if (rc == 0 && c->version == store_schema_version) {
        st->n_parts++;
        return 0;
    }
    if (rc)
        conn_close(c, false);
    if (rc && (!damaged || conn_open(c, st->dir_fd, part, CONN_SALVAGE, NULL, NULL))) {
        if (err)
            *err = why;
        return -1;
    }
    if (copy_to_memory(c, damaged, note, sizeof note, err)) {
        conn_close(c, false);
        return -1;
    }
    if (damaged) {
        st->salvaged = true;
        snprintf(st->trouble, sizeof st->trouble, "%.280s%.100s", why.text, note);
    }
    st->n_parts++;
    return 0;
}

// The writer took the newest file away and made another of that name.
static void forget_replaced(struct store *st)
{
    struct stat sb;
    struct conn *c = &st->parts[st->n_parts - 1];
    if (st->n_parts < 2 || c->ino == 0 || fstatat(st->dir_fd, c->name, &sb, AT_SYMLINK_NOFOLLOW) ||
        (sb.st_ino == c->ino && sb.st_dev == c->dev))
        return;
    conn_close(c, false);
    st->n_parts--;
}

int store_refresh_parts(struct store *st, struct seep_err *err)
{
    (void)err;
    char name[24];
    if (!st->writer)
        forget_replaced(st);
    int next = st->n_parts ? st->parts[st->n_parts - 1].part + 1 : 1;
    for (; !st->writer && next <= STORE_MAX_PARTS && st->n_parts < STORE_MAX_PARTS; next++) {
        conn_part_name(name, next);
        // One that is just being made is looked at again the next time.
        if (!conn_exists(st->dir_fd, name) || open_part_read(st, next, NULL))
            break;
    }
    return 0;
}

// Opens parts 1..last for reading; those that cannot be are passed over with a note.
static int open_parts_read(struct store *st, int last, struct seep_err *err)
{
    struct seep_err why = {0};
    int found = 0;
    for (int part = 1; part <= last; part++) {
        char name[24];
        conn_part_name(name, part);
        if (!conn_exists(st->dir_fd, name))
            continue;
        found++;
        // Its writer died while the successor was begun: nothing is in it, and nothing is lost with it.
        if (open_part_read(st, part, &why) == 0 || (part > 1 && st->parts[st->n_parts].empty))
            continue;
        st->salvaged = true;
        snprintf(st->trouble, sizeof st->trouble, "%.390s", why.text);
        if (why.code == SEEP_E_UNSUPPORTED) // a newer schema: half a run would mislead
            break;
    }
    if (found && (st->n_parts == 0 || why.code == SEEP_E_UNSUPPORTED)) {
        if (err)
            *err = why;
        return -1;
    }
    return found;
}

int store_open_read(int dir_fd, struct store **out, struct seep_err *err)
{
    *out = NULL;
    struct store *st = store_new(dir_fd, false, err);
    if (!st)
        return -1;
    int found = open_parts_read(st, STORE_MAX_PARTS, err);
    if (found > 0) {
        *out = st;
        return 0;
    }
    if (found == 0)
        seep_fail(err, SEEP_E_USAGE, "There is no run in '%.300s': it has no run.db", st->path);
    store_close(st);
    return -1;
}

// ---- writing --------------------------------------------------------------------------------------------------------

static int begin_writer(int dir_fd, struct store **out, struct seep_err *err)
{
    *out = NULL;
    struct store *st = store_new(dir_fd, true, err);
    if (!st)
        return -1;
    if (place_refuse_network(st->dir_fd, err) == 0)
        st->lock_fd = place_lock(st->dir_fd, true, err);
    if (st->lock_fd >= 0) {
        *out = st;
        return 0;
    }
    store_close(st);
    return -1;
}

static void read_boot_id(char out[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, 39) : 0;
    out[n > 0 ? n : 0] = 0;
    out[strcspn(out, "\n")] = 0;
    if (fd >= 0)
        close(fd);
}

int store_queue_session(struct store *st, struct seep_err *err)
{
    char boot_id[40];
    read_boot_id(boot_id);
    struct seep_time now = clock_read();
    struct param p[] = {{P_INT, st->session, NULL, 0},         {P_INT, getpid(), NULL, 0},
                        {P_TEXT, 0, boot_id, strlen(boot_id)}, {P_INT, now.mono_ns, NULL, 0},
                        {P_INT, now.real_ns, NULL, 0},         {P_INT, now.boot_ns, NULL, 0}};
    return queue_op(&st->queue, S_SESSION_PUT, p, 6, err);
}

static void make_reserve(struct store *st)
{
    struct seep_err why;
    if (place_reserve(st->dir_fd, &why) == 0)
        return;
    struct seep_time now = clock_read();
    store_push_event(st, &(struct store_event){"storage", now, now, SEEP_UNKNOWN, why.text}, NULL);
}

// A run that could not be made leaves nothing but its lock, so that it can be made again.
static void unmake(struct store *st)
{
    for (int i = 0; i < st->n_parts; i++) {
        conn_close(&st->parts[i], false);
        remove_stillborn(st, st->parts[i].name);
    }
    st->n_parts = 0;
    place_free_reserve(st->dir_fd);
}

int store_create(int dir_fd, struct store **out, struct seep_err *err)
{
    struct store *st;
    if (begin_writer(dir_fd, &st, err))
        return -1;
    int rc = 0;
    if (highest_part(st) > 0)
        rc = seep_fail(err, SEEP_E_USAGE, "The directory '%.300s' holds a run already; use another name", st->path);
    if (rc == 0)
        rc = store_begin_part(st, err);
    if (rc == 0) {
        make_reserve(st);
        rc = store_queue_session(st, err);
    }
    if (rc == 0)
        rc = store_flush(st, err);
    if (rc == 0) {
        *out = st;
        return 0;
    }
    *out = NULL;
    unmake(st);
    store_close(st);
    return -1;
}

// The damaged file gets out of the way under a name no reader looks for.
static void move_aside(const struct store *st, const char *name, char *aside, size_t size)
{
    char from[40], to[48];
    for (int k = 1; k < 100; k++) {
        snprintf(aside, size, k == 1 ? "run.damaged.db" : "run.damaged.%d.db", k);
        if (!conn_exists(st->dir_fd, aside))
            break;
    }
    renameat2(st->dir_fd, name, st->dir_fd, aside, RENAME_NOREPLACE);
    snprintf(from, sizeof from, "%s-wal", name);
    snprintf(to, sizeof to, "%s-wal", aside);
    renameat2(st->dir_fd, from, st->dir_fd, to, RENAME_NOREPLACE);
    snprintf(from, sizeof from, "%s-shm", name);
    unlinkat(st->dir_fd, from, 0);
    fsync(st->dir_fd);
}

// Copies what can be read of a damaged file into the next part, which becomes the one that is written.
static int salvage_to_part(struct store *st, int part, const char *why, struct seep_err *err)
{
    struct conn bad;
    char name[24], aside[32];
    int lost = 0;
    conn_part_name(name, part);
    if (store_begin_part(st, err))
        return -1;
    int64_t rows = 0;
    if (conn_open(&bad, st->dir_fd, part, CONN_SALVAGE, NULL, NULL) == 0) {
        int version = conn_salvage_version(&bad);
        if (schema_plain(bad.db))
            rows = schema_salvage(bad.db, st->parts[st->n_parts - 1].db, version, &lost);
        conn_close(&bad, false);
    }
    if (rows < 0) {
        struct conn *c = &st->parts[--st->n_parts];
        conn_part_name(name, c->part);
        conn_close(c, false);
        remove_stillborn(st, name);
        return seep_fail(err, SEEP_E_SYSTEM,
                         "%.200s; what can be read of it cannot be saved to another file. Make room and try again",
                         why);
    }
    move_aside(st, name, aside, sizeof aside);
    st->part_used = st->salvaged = true;
    snprintf(st->trouble, sizeof st->trouble, "%.240s; it was moved to '%s', %lld rows were saved, %d tables not whole",
             why, aside, (long long)rows, lost);
    return 0;
}

static void push_salvage_event(struct store *st)
{
    struct seep_time now = clock_read();
    if (st->salvaged)
        store_push_event(st, &(struct store_event){"salvage", now, now, SEEP_UNKNOWN, st->trouble}, NULL);
}

// A successor that was only begun is begun again.
static int set_up_again(struct conn *c, struct seep_err *err)
{
    c->version = 0;
    return conn_set_wal(c, err);
}

static int open_current(struct store *st, int part, struct seep_err *err)
{
    struct conn *c = &st->parts[st->n_parts];
    enum conn_trouble trouble = TROUBLE_NONE;
    struct seep_err why = {0};
    int rc = conn_open(c, st->dir_fd, part, CONN_WRITE, &trouble, &why);
    // The log's shared memory needs a little room: that is what the reserve is for.
    if (rc && trouble == TROUBLE_WAIT && place_free_reserve(st->dir_fd))
        rc = conn_open(c, st->dir_fd, part, CONN_WRITE, &trouble, &why);
    bool damaged = rc && why.code == SEEP_E_CORRUPT;
    if (rc == 0)
        rc = conn_check(c, &damaged, &why);
    if (rc && !damaged && conn_trouble(c->db) == TROUBLE_WAIT && place_free_reserve(st->dir_fd))
        rc = conn_check(c, &damaged, &why);
    if (rc && c->empty && part > 1)
        rc = set_up_again(c, &why);
    if (rc == 0 && c->version < store_schema_version)
        rc = schema_migrate(c->db, store_migrations, c->version, store_schema_version, &why);
    if (rc == 0) {
        c->version = store_schema_version;
        st->n_parts++;
        st->part_used = true;
        return 0;
    }
    conn_close(c, false);
    if (damaged)
        return salvage_to_part(st, part, why.text, err);
    if (err)
        *err = why;
    return -1;
}

static int64_t highest(struct store *st, enum stmt id)
{
    int64_t max = -1;
    for (int i = 0; i < st->n_parts; i++) {
        sqlite3_stmt *s = conn_stmt(&st->parts[i], id);
        if (s && sqlite3_step(s) == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL &&
            sqlite3_column_int64(s, 0) > max)
            max = sqlite3_column_int64(s, 0);
        if (s)
            sqlite3_reset(s);
    }
    return max;
}

static int load_state(struct store *st, struct seep_err *err)
{
    struct store_session *sessions = NULL;
    size_t n = 0;
    st->last_tick = highest(st, S_TICK_LAST);
    int64_t last_event = highest(st, S_EVENT_LAST);
    if (st->last_tick >= STORE_MAX_NUMBER || last_event >= STORE_MAX_NUMBER)
        return seep_fail(err, SEEP_E_CORRUPT,
                         "The run in '%.300s' holds numbers that seep never gives to ticks and events; it can be read "
                         "and not be gone on with",
                         st->path);
    st->next_event = last_event + 1;
    if (st->next_event < 1)
        st->next_event = 1;
    if (store_read_sessions(st, &sessions, &n, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (sessions[i].id >= st->session)
            st->session = (int64_t)sessions[i].id + 1;
    free(sessions);
    return store_load_dicts(st, err) ? -1 : store_load_last(st, err);
}

int store_open_write(int dir_fd, struct store **out, struct seep_err *err)
{
    struct store *st;
    *out = NULL;
    if (!conn_exists(dir_fd, "run.lock"))
        return seep_fail(err, SEEP_E_USAGE, "There is no run in this directory: it has no run.lock");
    if (begin_writer(dir_fd, &st, err))
        return -1;
    int last = highest_part(st), rc;
    if (last == 0)
        rc = seep_fail(err, SEEP_E_USAGE, "There is no run in '%.300s': it has no run.db", st->path);
    else
        rc = last > 1 && open_parts_read(st, last - 1, err) < 0 ? -1 : open_current(st, last, err);
    st->loading = true;
    if (rc == 0)
        rc = load_state(st, err);
    st->loading = false;
    if (rc) {
        store_close(st);
        return -1;
    }
    make_reserve(st);
    push_salvage_event(st);
    // What cannot be written now waits: a full disk does not keep a run from being finished.
    if (store_queue_session(st, err) || store_flush(st, err) < 0) {
        store_close(st);
        return -1;
    }
    *out = st;
    return 0;
}

bool store_degraded(const struct store *st)
{
    SEEP_CHECK_OBJ(st, STORE_MAGIC);
    return st->n_parts > 1 || st->salvaged || st->blocked || st->gone;
}

const char *store_trouble(const struct store *st)
{
    SEEP_CHECK_OBJ(st, STORE_MAGIC);
    if (st->blocked)
        return st->blocked_why;
    if (st->trouble[0])
        return st->trouble;
    return st->n_parts > 1 ? "The run lies in more than one database file: writing to the first failed" : NULL;
}

// The one way to the disk: everything that waits goes in one transaction, and what an error means.
//
// A failed transaction leaves the queue as it was. "No room" (full, quota, read-only, busy) is tried again with
// back-off; anything else ends the file: it is closed without another write, and the next part begins with all names
// and the full values of all stacks, so that it stands on its own.
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKPOINT_PAGES = 512, PRESSURE_PAGES = 4096, CEILING_PAGES = 16384 };
#define RETRY_FIRST_NS 500000000
#define RETRY_MOST_NS  30000000000

static struct conn *current(struct store *st)
{
    return &st->parts[st->n_parts - 1];
}

static void writer_only(const struct store *st)
{
    SEEP_CHECK_OBJ(st, STORE_MAGIC);
    SEEP_CHECK(st->writer);
}

static int bind_param(sqlite3_stmt *s, int at, const struct param *p)
{
    switch (p->type) {
    case P_INT:
        return sqlite3_bind_int64(s, at, p->i);
    case P_TEXT:
        return sqlite3_bind_text64(s, at, p->data, p->len, SQLITE_STATIC, SQLITE_UTF8);
    case P_BLOB:
        return p->len ? sqlite3_bind_blob64(s, at, p->data, p->len, SQLITE_STATIC) : sqlite3_bind_zeroblob(s, at, 0);
    default:
        return sqlite3_bind_null(s, at);
    }
}

static int run_ops(struct conn *c, const struct queue *q)
{
    for (const struct op *o = q->ops; o; o = o->next) {
        sqlite3_stmt *s = conn_stmt(c, o->stmt);
        if (!s)
            return -1;
        for (size_t i = 0; i < o->n; i++)
            bind_param(s, (int)i + 1, &o->params[i]);
        if (sqlite3_step(s) != SQLITE_DONE)
            return -1;
        sqlite3_reset(s);
        sqlite3_clear_bindings(s);
    }
    return 0;
}

static void bind_time(sqlite3_stmt *s, int at, int64_t ns)
{
    if (ns == SEEP_UNKNOWN)
        sqlite3_bind_null(s, at);
    else
        sqlite3_bind_int64(s, at, ns);
}

static int put_tick(struct conn *c, const struct qtick *t)
{
    sqlite3_stmt *s = conn_stmt(c, S_TICK_PUT);
    if (!s)
        return -1;
    sqlite3_bind_int64(s, 1, t->index);
    bind_time(s, 2, t->time.mono_ns);
    bind_time(s, 3, t->time.real_ns);
    bind_time(s, 4, t->time.boot_ns);
    sqlite3_bind_int64(s, 5, t->phase);
    bind_time(s, 6, t->late_ns);
    bind_time(s, 7, t->missed);
    bind_param(s, 8, &(struct param){P_BLOB, 0, t->points.data, t->points.len});
    sqlite3_bind_int64(s, 9, t->session);
    int rc = sqlite3_step(s) == SQLITE_DONE ? 0 : -1;
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return rc;
}

struct progress { // of the chain of stack rows within a transaction
    bool first, any_full;
    int64_t prev;
    size_t full_bytes, since;
};

static int put_stacks(struct store *st, struct conn *c, const struct qtick *t, struct progress *pr)
{
    struct seep_buf out;
    bool full;
    buf_init(&out, 64 << 20);
    sqlite3_stmt *s = conn_stmt(c, S_POINTS_PUT);
    if (!s || store_encode_stacks(st, t, pr->first, &out, &full)) {
        buf_free(&out);
        return -1;
    }
    sqlite3_bind_int64(s, 1, t->index);
    if (!full)
        sqlite3_bind_int64(s, 2, pr->prev);
    bind_param(s, 3, &(struct param){P_BLOB, 0, out.data, out.len});
    int rc = sqlite3_step(s) == SQLITE_DONE ? 0 : -1;
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    if (full)
        *pr = (struct progress){.any_full = true, .full_bytes = out.len};
    pr->first = false;
    pr->since += full ? 0 : out.len;
    pr->prev = t->index;
    buf_free(&out);
    return rc;
}

static int put_ticks(struct store *st, struct conn *c, struct progress *pr)
{
    for (const struct qtick *t = st->queue.ticks; t; t = t->next)
        if (put_tick(c, t) || (t->recorded && put_stacks(st, c, t, pr)))
            return -1;
    return 0;
}

static void committed(struct store *st, const struct progress *pr)
{
    for (const struct qtick *t = st->queue.ticks; t; t = t->next)
        for (size_t i = 0; i < t->n_stacks; i++)
            st->durable[t->stacks[i].stack - 1] = t->stacks[i];
    st->prev_points = pr->prev;
    st->since_full_bytes = pr->since;
    st->full_bytes = pr->full_bytes;
    st->series.durable = st->series.n;
    st->modules.durable = st->modules.n;
    st->stacks.durable = st->stacks.n;
    st->commits++;
    st->part_used = true;
    queue_clear_written(&st->queue);
}

// 0, or -1 with *trouble and err; the transaction is undone and the queue untouched.
static int transact(struct store *st, enum conn_trouble *trouble, struct seep_err *err)
{
    struct conn *c = current(st);
    struct progress pr = {
        .first = true, .prev = st->prev_points, .full_bytes = st->full_bytes, .since = st->since_full_bytes};
    if (conn_run(c, S_BEGIN) == SQLITE_DONE && store_write_dicts(st, c) == 0 && run_ops(c, &st->queue) == 0 &&
        put_ticks(st, c, &pr) == 0 && conn_run(c, S_COMMIT) == SQLITE_DONE) {
        committed(st, &pr);
        return 0;
    }
    *trouble = conn_trouble(c->db);
    if (*trouble == TROUBLE_NONE) // an allocation of ours failed
        *trouble = TROUBLE_WAIT;
    conn_fail(c, err, "Cannot write the database");
    for (int i = 0; i < S_N; i++)
        if (c->stmt[i])
            sqlite3_reset(c->stmt[i]);
    if (c->db && !sqlite3_get_autocommit(c->db))
        conn_run(c, S_ROLLBACK);
    return -1;
}

// ---- events of the store's own --------------------------------------------------------------------------------------

int store_push_event(struct store *st, const struct store_event *e, struct seep_err *err)
{
    struct param p[10] = {{P_INT, st->next_event, NULL, 0}, {P_TEXT, 0, e->kind, strlen(e->kind)}};
    const int64_t values[] = {e->from.mono_ns, e->from.real_ns, e->from.boot_ns, e->to.mono_ns,
                              e->to.real_ns,   e->to.boot_ns,   e->count};
    for (int i = 0; i < 7; i++)
        p[2 + i] = (struct param){values[i] == SEEP_UNKNOWN ? P_NULL : P_INT, values[i], NULL, 0};
    p[9] = (struct param){P_TEXT, 0, e->text, strlen(e->text)};
    if (queue_op(&st->queue, S_EVENT_PUT, p, 10, err))
        return -1;
    st->next_event++;
    return 0;
}

static void push_moment(struct store *st, const char *kind, const char *text)
{
    struct seep_time now = clock_read();
    store_push_event(st, &(struct store_event){kind, now, now, SEEP_UNKNOWN, text}, NULL);
}

// What was lost while nothing could be written becomes rows of the transaction that is tried now.
static void push_losses(struct store *st)
{
    struct queue *q = &st->queue;
    char text[400];
    if (q->hole.count) {
        snprintf(text, sizeof text, "%lld ticks were not stored: %.250s", (long long)q->hole.count,
                 st->blocked_why[0] ? st->blocked_why : "out of memory");
        struct store_event gap = {"gap", q->hole.from, q->hole.to, q->hole.count, text};
        if (store_push_event(st, &gap, NULL) == 0)
            q->hole.count = 0;
    }
    if (q->lost_ops) {
        struct seep_time now = clock_read();
        snprintf(text, sizeof text, "%lld events or names were not stored: %.250s", (long long)q->lost_ops,
                 st->blocked_why[0] ? st->blocked_why : "out of memory");
        struct store_event lost = {"lost", st->blocked ? st->blocked_since : now, now, q->lost_ops, text};
        if (store_push_event(st, &lost, NULL) == 0)
            q->lost_ops = 0;
    }
}

// ---- trouble --------------------------------------------------------------------------------------------------------

static int store_fail_blocked(const struct store *st, struct seep_err *err)
{
    seep_fail(err, SEEP_E_SYSTEM, "%s; %zu ticks wait in memory", st->blocked_why, st->queue.n_ticks);
    return 1;
}

static void block(struct store *st, const struct seep_err *why)
{
    int64_t now = clock_mono_ns();
    if (!st->blocked) {
        st->blocked = true;
        st->blocked_since = clock_read();
        st->retry_ns = RETRY_FIRST_NS;
        st->blocked_ticks = 0;
    } else if (st->retry_ns < RETRY_MOST_NS) {
        st->retry_ns = st->retry_ns * 2 < RETRY_MOST_NS ? st->retry_ns * 2 : RETRY_MOST_NS;
    }
    snprintf(st->blocked_why, sizeof st->blocked_why, "%.250s", why->text);
    st->retry_at_ns = now + st->retry_ns;
}

static void unblock(struct store *st)
{
    char text[400];
    if (!st->blocked)
        return;
    st->blocked = false;
    snprintf(text, sizeof text, "Storage was not possible for %.1f s and works again: %.250s",
             (double)(clock_read().boot_ns - st->blocked_since.boot_ns) / 1e9, st->blocked_why);
    struct store_event e = {"storage", st->blocked_since, clock_read(), st->blocked_ticks, text};
    store_push_event(st, &e, NULL);
    st->blocked_why[0] = 0;
}

// The file is closed as it is; it stays readable as an older part.
static void give_up_file(struct store *st)
{
    struct conn *c = current(st);
    if (!c->db)
        return;
    int part = c->part;
    struct conn reader;
    bool damaged;
    conn_close(c, false);
    if (conn_open(&reader, st->dir_fd, part, CONN_READ, NULL, NULL) == 0) {
        if (conn_check(&reader, &damaged, NULL) == 0) {
            sqlite3_progress_handler(reader.db, 0, NULL, NULL);
            *c = reader;
            return;
        }
        conn_close(&reader, false);
    }
    c->part = part;
}

static int succeed(struct store *st, const struct seep_err *why, struct seep_err *err)
{
    char text[400];
    struct seep_err begin = {0};
    if (!store_drop_part(st))
        give_up_file(st);
    if (store_begin_part(st, &begin)) {
        if (err)
            *err = begin;
        return -1;
    }
    snprintf(text, sizeof text, "A new file '%s' was begun, the one before is not written any more: %.250s",
             current(st)->name, why->text);
    snprintf(st->trouble, sizeof st->trouble, "%s", text);
    push_moment(st, "successor", text);
    return store_queue_session(st, err);
}

static bool needs_file(const struct store *st)
{
    const struct conn *c = &st->parts[st->n_parts - 1];
    return !c->db || sqlite3_db_readonly(c->db, "main") == 1;
}

// Empties the log while it is short, presses when readers hold it, and tells when it goes on growing.
static void checkpoint(struct store *st)
{
    struct conn *c = current(st);
    if (c->wal_pages < CHECKPOINT_PAGES)
        return;
    int mode = c->wal_pages < PRESSURE_PAGES ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART;
    sqlite3_busy_timeout(c->db, 20); // of every tick while a reader holds the log: little, for it is asked again
    int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, mode, NULL, NULL);
    enum conn_trouble trouble = rc == SQLITE_OK ? TROUBLE_NONE : conn_trouble(c->db);
    struct seep_err why;
    if (trouble == TROUBLE_FILE)
        conn_fail(c, &why, "Cannot empty the log of the database");
    sqlite3_busy_timeout(c->db, 2000);
    if (trouble == TROUBLE_FILE && succeed(st, &why, NULL))
        block(st, &why);
    else if (trouble != TROUBLE_FILE && c->wal_pages > CEILING_PAGES && !st->wal_told) {
        st->wal_told = true;
        push_moment(st, "wal", "The database's log is over 64 MiB: a reader has kept it from being emptied");
    }
}

static int attempt(struct store *st, struct seep_err *why)
{
    enum conn_trouble trouble = TROUBLE_FILE;
    for (int tries = 0; tries < 2; tries++) {
        if (st->gone || needs_file(st)) {
            struct seep_err cause = *why;
            if (st->gone)
                seep_fail(&cause, SEEP_E_SYSTEM, "The database file was removed");
            else if (!cause.text[0])
                snprintf(cause.text, sizeof cause.text, "%s", st->blocked_why);
            if (succeed(st, &cause, why))
                return -1;
            st->gone = false;
        }
        if (transact(st, &trouble, why) == 0)
            return 0;
        if (trouble == TROUBLE_WAIT)
            return -1;
        give_up_file(st);
    }
    return -1;
}

int store_try(struct store *st, bool force, struct seep_err *err)
{
    if (st->blocked && !force && clock_mono_ns() < st->retry_at_ns) {
        queue_bound(&st->queue);
        return store_fail_blocked(st, err);
    }
    struct seep_err why = {0};
    push_losses(st);
    if (attempt(st, &why)) {
        block(st, &why);
        queue_bound(&st->queue);
        return store_fail_blocked(st, err);
    }
    if (st->blocked) {
        unblock(st);
        // The rows that tell of the outage follow at once; should they fail, they wait like any other.
        if (attempt(st, &why))
            block(st, &why);
    }
    checkpoint(st);
    return 0;
}

// ---- public ---------------------------------------------------------------------------------------------------------

int store_flush(struct store *st, struct seep_err *err)
{
    writer_only(st);
    bool names =
        st->series.durable < st->series.n || st->modules.durable < st->modules.n || st->stacks.durable < st->stacks.n;
    if (!names && queue_empty(&st->queue) && !st->blocked)
        return 0;
    return store_try(st, true, err);
}

int store_set_meta_blob(struct store *st, const char *key, const void *data, size_t len, struct seep_err *err)
{
    writer_only(st);
    struct param p[] = {{P_TEXT, 0, key, strlen(key)}, {data ? P_BLOB : P_NULL, 0, data, data ? len : 0}};
    if (len > QUEUE_MAX_OP_BYTES)
        return seep_fail(err, SEEP_E_LIMIT, "The value of '%.100s' is larger than a run stores", key);
    if (queue_op(&st->queue, S_META_PUT, p, 2, err))
        return -1;
    return store_try(st, false, err);
}

int store_set_meta(struct store *st, const char *key, const char *value, struct seep_err *err)
{
    return store_set_meta_blob(st, key, value, value ? strlen(value) : 0, err);
}

int store_write_tick(struct store *st, const struct store_tick *tick, struct seep_err *err)
{
    writer_only(st);
    if (tick->index <= st->last_tick)
        return seep_fail(err, SEEP_E_CORRUPT, "Tick %lld does not follow tick %lld", (long long)tick->index,
                         (long long)st->last_tick);
    struct qtick *t = store_make_tick(st, tick, err);
    if (!t) {
        queue_hole(&st->queue, tick->time);
        return -1;
    }
    for (size_t i = 0; i < tick->n_events; i++)
        store_push_event(st, &tick->events[i], NULL); // one that finds no memory is counted as lost
    st->last_tick = tick->index;
    queue_tick(&st->queue, t);
    int rc = store_try(st, false, err);
    st->blocked_ticks += rc == 1;
    return rc;
}

int store_write_event(struct store *st, const struct store_event *event, struct seep_err *err)
{
    writer_only(st);
    if (store_push_event(st, event, err))
        return -1;
    return store_try(st, false, err);
}

int64_t store_last_tick(const struct store *st)
{
    writer_only(st);
    return st->last_tick;
}

int store_write_end(struct store *st, struct seep_time when, const char *reason, int exit_code,
                    const char *verdict_json, struct seep_err *err)
{
    writer_only(st);
    struct param p[] = {{P_INT, when.mono_ns, NULL, 0}, {P_INT, when.real_ns, NULL, 0},
                        {P_INT, when.boot_ns, NULL, 0}, {P_TEXT, 0, reason, strlen(reason)},
                        {P_INT, exit_code, NULL, 0},    {P_TEXT, 0, verdict_json, strlen(verdict_json)}};
    for (int i = 0; i < 3; i++)
        if (p[i].i == SEEP_UNKNOWN)
            p[i].type = P_NULL;
    if (queue_op(&st->queue, S_END_PUT, p, 6, err))
        return -1;
    int rc = store_try(st, true, err);
    // Whether it was needed or not, the reserve has served: a finished run does not keep it.
    if (place_free_reserve(st->dir_fd) && rc == 1)
        rc = store_try(st, true, err);
    return rc;
}

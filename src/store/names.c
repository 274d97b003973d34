// What is found in the target and kept by id or by name: series, modules, stacks, symbols, ages, epochs, histograms.
//
// Nothing here touches the disk. Series, modules and stacks go into the dictionaries, the rest into the queue; the next
// transaction takes them along.
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

static struct param p_int(int64_t i)
{
    return (struct param){P_INT, i, NULL, 0};
}
static struct param p_text(const char *s)
{
    return (struct param){P_TEXT, 0, s, strlen(s)};
}
static struct param p_blob(const void *data, size_t len)
{
    return (struct param){P_BLOB, 0, data, len};
}

// Flushes early when names alone fill the queue, so that a burst of them is not lost on a healthy disk.
static int queued(struct store *st, enum stmt stmt, const struct param *p, size_t n, struct seep_err *err)
{
    if (queue_op(&st->queue, stmt, p, n, err))
        return -1;
    if (st->queue.op_bytes <= QUEUE_MAX_OP_BYTES)
        return 0;
    return store_try(st, false, err) < 0 ? -1 : 0;
}

static void writer_only(const struct store *st)
{
    SEEP_CHECK_OBJ(st, STORE_MAGIC);
    SEEP_CHECK(st->writer);
}

int store_series(struct store *st, const char *name, const char *labels, const char *unit, enum store_series_kind kind,
                 uint32_t *id, struct seep_err *err)
{
    writer_only(st);
    struct seep_buf key;
    buf_init(&key, 4096);
    buf_char(&key, (char)kind);
    buf_add(&key, name, strlen(name) + 1);
    buf_add(&key, labels, strlen(labels) + 1);
    buf_add(&key, unit, strlen(unit) + 1);
    int rc = buf_check(&key, "The name of a series with its labels", err);
    if (rc == 0)
        rc = dict_id(&st->series, "series", key.data, key.len, id, err);
    buf_free(&key);
    return rc;
}

int store_module(struct store *st, const struct store_module *m, uint32_t *id, struct seep_err *err)
{
    writer_only(st);
    struct seep_buf key;
    buf_init(&key, 16384);
    buf_add(&key, &m->size, sizeof m->size);
    buf_add(&key, m->path, strlen(m->path) + 1);
    buf_add(&key, m->build_id, strlen(m->build_id) + 1);
    int rc = buf_check(&key, "The path of a module", err);
    if (rc == 0)
        rc = dict_id(&st->modules, "modules", key.data, key.len, id, err);
    buf_free(&key);
    return rc;
}

int store_stack(struct store *st, unsigned flags, const struct store_frame *frames, size_t n, uint32_t *id,
                struct seep_err *err)
{
    writer_only(st);
    if (n > STORE_MAX_FRAMES)
        return seep_fail(err, SEEP_E_LIMIT, "A stack has %zu frames and %d are the most that is stored", n,
                         STORE_MAX_FRAMES);
    for (size_t i = 0; i < n; i++)
        if (frames[i].module > st->modules.n)
            return seep_fail(err, SEEP_E_CORRUPT, "A stack names module %u, which is not known", frames[i].module);
    struct seep_buf key;
    buf_init(&key, STORE_MAX_FRAMES * 15 + 10);
    code_varint(&key, flags);
    code_frames(&key, frames, n);
    int rc = buf_check(&key, "A stack", err);
    if (rc == 0)
        rc = dict_id(&st->stacks, "stacks", key.data, key.len, id, err);
    buf_free(&key);
    return rc;
}

int store_symbols(struct store *st, const struct store_frame *frame, const struct store_symbol *symbols, size_t n,
                  struct seep_err *err)
{
    writer_only(st);
    struct seep_buf names;
    buf_init(&names, 1 << 20);
    code_symbols(&names, symbols, n);
    struct param p[] = {p_int(frame->module), p_int((int64_t)frame->offset), p_blob(names.data, names.len)};
    int rc = buf_check(&names, "The names of one frame", err);
    if (rc == 0)
        rc = queued(st, S_SYMBOL_PUT, p, 3, err);
    buf_free(&names);
    return rc;
}

int store_ages(struct store *st, uint32_t stack, const uint64_t *bytes_by_epoch, const uint64_t *blocks_by_epoch,
               size_t n_epochs, struct seep_err *err)
{
    writer_only(st);
    struct seep_buf ages;
    buf_init(&ages, 1 << 20);
    code_ages(&ages, bytes_by_epoch, blocks_by_epoch, n_epochs);
    struct param p[] = {p_int(stack), p_blob(ages.data, ages.len)};
    int rc = buf_check(&ages, "The ages of one stack", err);
    if (rc == 0)
        rc = queued(st, S_AGE_PUT, p, 2, err);
    buf_free(&ages);
    return rc;
}

static struct param p_time(int64_t ns)
{
    return ns == SEEP_UNKNOWN ? (struct param){P_NULL, 0, NULL, 0} : p_int(ns);
}

int store_epoch(struct store *st, uint32_t epoch, struct seep_time began, struct seep_err *err)
{
    writer_only(st);
    struct param p[] = {p_int(epoch), p_time(began.mono_ns), p_time(began.real_ns), p_time(began.boot_ns)};
    return queued(st, S_EPOCH_PUT, p, 4, err);
}

int store_histogram(struct store *st, const char *name, const char *labels, const void *blob, size_t len,
                    struct seep_err *err)
{
    writer_only(st);
    if (len > QUEUE_MAX_OP_BYTES)
        return seep_fail(err, SEEP_E_LIMIT, "A histogram of %zu bytes is larger than a run stores", len);
    struct param p[] = {p_text(name), p_text(labels), p_blob(blob, len)};
    return queued(st, S_HIST_PUT, p, 3, err);
}

// ---- the dictionaries' rows -----------------------------------------------------------------------------------------

static int put_series(sqlite3_stmt *s, const char *key, size_t len)
{
    (void)len;
    const char *name = key + 1, *labels = name + strlen(name) + 1, *unit = labels + strlen(labels) + 1;
    sqlite3_bind_text(s, 2, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, labels, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 4, unit, -1, SQLITE_STATIC);
    return sqlite3_bind_int(s, 5, key[0]);
}

static int put_module(sqlite3_stmt *s, const char *key, size_t len)
{
    (void)len;
    uint64_t size;
    memcpy(&size, key, sizeof size);
    const char *path = key + sizeof size, *build_id = path + strlen(path) + 1;
    sqlite3_bind_text(s, 2, path, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, build_id, -1, SQLITE_STATIC);
    return sqlite3_bind_int64(s, 4, (int64_t)size);
}

static int put_stack(sqlite3_stmt *s, const char *key, size_t len)
{
    struct cursor c = code_cursor(key, len);
    uint64_t flags = 0;
    code_get_varint(&c, &flags);
    sqlite3_bind_int64(s, 2, (int64_t)flags);
    if (c.at == c.end)
        return sqlite3_bind_zeroblob(s, 3, 0);
    return sqlite3_bind_blob(s, 3, c.at, (int)(c.end - c.at), SQLITE_STATIC);
}

static int write_dict(struct conn *c, const struct dict *d, enum stmt id,
                      int (*put)(sqlite3_stmt *s, const char *key, size_t len))
{
    for (size_t i = d->durable + 1; i <= d->n; i++) {
        size_t len;
        const char *key = dict_key(d, (uint32_t)i, &len);
        sqlite3_stmt *s = key ? conn_stmt(c, id) : NULL;
        if (!key)
            continue;
        if (!s)
            return -1;
        sqlite3_bind_int64(s, 1, (int64_t)i);
        if (put(s, key, len) != SQLITE_OK || sqlite3_step(s) != SQLITE_DONE)
            return -1;
        sqlite3_reset(s);
    }
    return 0;
}

int store_write_dicts(struct store *st, struct conn *c)
{
    return write_dict(c, &st->series, S_SERIES_PUT, put_series) ||
                   write_dict(c, &st->modules, S_MODULE_PUT, put_module) ||
                   write_dict(c, &st->stacks, S_STACK_PUT, put_stack)
               ? -1
               : 0;
}

static int load_series(struct store *st, struct seep_err *err)
{
    struct store_series_info *list;
    size_t n;
    if (store_list_series(st, &list, &n, err))
        return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct seep_buf key;
        buf_init(&key, 1 << 20);
        buf_char(&key, (char)list[i].kind);
        buf_add(&key, list[i].name, strlen(list[i].name) + 1);
        buf_add(&key, list[i].labels, strlen(list[i].labels) + 1);
        buf_add(&key, list[i].unit, strlen(list[i].unit) + 1);
        rc = key.failed ? 0 : dict_load(&st->series, "series", list[i].id, key.data, key.len, err);
        buf_free(&key);
    }
    store_free_series(list, n);
    return rc;
}

static int load_modules(struct store *st, struct seep_err *err)
{
    struct store_module_info *list;
    size_t n;
    if (store_list_modules(st, &list, &n, err))
        return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct seep_buf key;
        buf_init(&key, 1 << 20);
        buf_add(&key, &list[i].size, sizeof list[i].size);
        buf_add(&key, list[i].path, strlen(list[i].path) + 1);
        buf_add(&key, list[i].build_id, strlen(list[i].build_id) + 1);
        rc = key.failed ? 0 : dict_load(&st->modules, "modules", list[i].id, key.data, key.len, err);
        buf_free(&key);
    }
    store_free_modules(list, n);
    return rc;
}

static int load_stacks(struct store *st, struct seep_err *err)
{
    struct store_stack_info *list;
    size_t n;
    if (store_list_stacks(st, &list, &n, err))
        return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct seep_buf key;
        buf_init(&key, STORE_MAX_FRAMES * 15 + 10);
        code_varint(&key, list[i].flags);
        code_frames(&key, list[i].frames, list[i].n_frames);
        rc = key.failed ? 0 : dict_load(&st->stacks, "stacks", list[i].id, key.data, key.len, err);
        buf_free(&key);
    }
    store_free_stacks(list, n);
    return rc;
}

int store_load_dicts(struct store *st, struct seep_err *err)
{
    if (load_series(st, err) || load_modules(st, err) || load_stacks(st, err))
        return -1;
    // A row that only an older file has is written again with the first transaction: each file can be read alone.
    bool one = st->n_parts == 1;
    st->series.durable = one ? st->series.n : 0;
    st->modules.durable = one ? st->modules.n : 0;
    st->stacks.durable = one ? st->stacks.n : 0;
    return 0;
}

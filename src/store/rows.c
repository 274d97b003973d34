// All that a run's files hold, as one stream of bytes in a fixed order: what a checksum is taken of.
//
// The columns are named one by one, so that a later version of the schema does not change what an older run comes to.
// Not in it: who opened the run for writing and when, since marking a run opens it too.
#include "store/internal.h"

#include <string.h>

static const struct {
    const char *table, *sql;
} streams[] = {
    {"meta", "SELECT key, value FROM meta ORDER BY key"},
    {"series", "SELECT id, name, labels, unit, kind FROM series ORDER BY id"},
    {"module", "SELECT id, path, build_id, size FROM module ORDER BY id"},
    {"stack", "SELECT id, flags, frames FROM stack ORDER BY id"},
    {"symbol", "SELECT module, offset, names FROM symbol ORDER BY module, offset"},
    {"tick", "SELECT idx, mono_ns, real_ns, boot_ns, phase, late_ns, missed, points, session FROM tick ORDER BY idx"},
    {"stack_point", "SELECT idx, prev, entries FROM stack_point ORDER BY idx"},
    {"age", "SELECT stack, epochs FROM age ORDER BY stack"},
    {"epoch", "SELECT id, mono_ns, real_ns, boot_ns FROM epoch ORDER BY id"},
    {"histogram", "SELECT name, labels, data FROM histogram ORDER BY name, labels"},
    {"event", "SELECT id, kind, from_mono_ns, from_real_ns, from_boot_ns, to_mono_ns, to_real_ns, to_boot_ns, count,"
              " text FROM event ORDER BY id"},
    {"end_record", "SELECT mono_ns, real_ns, boot_ns, reason, exit_code, verdict FROM end_record ORDER BY id"},
};

struct stream {
    const char *const *except;
    void (*sink)(void *ctx, const void *data, size_t len);
    void *ctx;
};

static void put_number(const struct stream *out, char type, uint64_t v)
{
    unsigned char bytes[9] = {(unsigned char)type};
    for (int i = 0; i < 8; i++)
        bytes[1 + i] = (unsigned char)(v >> (8 * i));
    out->sink(out->ctx, bytes, sizeof bytes);
}

// Each value with its type and length, so that no two contents have the same bytes.
static void put_column(const struct stream *out, sqlite3_stmt *s, int col)
{
    int type = sqlite3_column_type(s, col);
    if (type == SQLITE_NULL) {
        put_number(out, 'n', 0);
    } else if (type == SQLITE_INTEGER) {
        put_number(out, 'i', (uint64_t)sqlite3_column_int64(s, col));
    } else {
        const void *data = sqlite3_column_blob(s, col);
        size_t len = (size_t)sqlite3_column_bytes(s, col);
        put_number(out, type == SQLITE_TEXT ? 't' : 'b', len);
        out->sink(out->ctx, data ? data : "", data ? len : 0);
    }
}

static bool excepted(const struct stream *out, const char *table, sqlite3_stmt *s)
{
    const char *key = strcmp(table, "meta") ? NULL : (const char *)sqlite3_column_text(s, 0);
    for (const char *const *e = out->except; key && *e; e++)
        if (!strcmp(*e, key))
            return true;
    return false;
}

static int put_table(const struct stream *out, struct conn *c, size_t t, struct seep_err *err)
{
    sqlite3_stmt *s = NULL;
    conn_new_budget(c);
    int rc = sqlite3_prepare_v2(c->db, streams[t].sql, -1, &s, NULL);
    put_number(out, 'T', t);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(s);
        if (rc != SQLITE_ROW || excepted(out, streams[t].table, s))
            continue;
        put_number(out, 'R', (uint64_t)sqlite3_column_count(s));
        for (int col = 0; col < sqlite3_column_count(s); col++)
            put_column(out, s, col);
    }
    int failed = rc == SQLITE_DONE ? 0 : conn_fail(c, err, "Cannot read the database");
    sqlite3_finalize(s);
    return failed;
}

int store_each_byte(struct store *st, const char *const *except, void (*sink)(void *ctx, const void *data, size_t len),
                    void *ctx, struct seep_err *err)
{
    const struct stream out = {except, sink, ctx};
    if (store_ready_to_read(st, err))
        return -1;
    for (int i = 0; i < st->n_parts; i++) {
        if (!st->parts[i].db)
            continue;
        put_number(&out, 'P', (uint64_t)st->parts[i].part);
        for (size_t t = 0; t < sizeof streams / sizeof streams[0]; t++)
            if (put_table(&out, &st->parts[i], t, err))
                return -1;
    }
    return 0;
}

// Reading: lists and single values, merged over the files of a run.
//
// Files are in the order they were begun. Rows with ids are the union, the newest file's where two have the same;
// single values come from the newest file that has them. A row written to a file whose fsync then failed may stand in
// two files: ids and tick indices make it one again.
#include "store/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int store_ready_to_read(struct store *st, struct seep_err *err)
{
    SEEP_CHECK_OBJ(st, STORE_MAGIC);
    // What cannot be written now is not seen yet; that is no reason not to read the rest.
    if (st->writer && st->n_parts > 0 && !st->loading)
        store_flush(st, NULL);
    return store_refresh_parts(st, err);
}

char *column_dup(sqlite3_stmt *s, int col)
{
    const void *data = sqlite3_column_blob(s, col);
    size_t len = (size_t)sqlite3_column_bytes(s, col);
    char *copy = malloc(len + 1);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, data, len);
    copy[len] = 0;
    return copy;
}

static int64_t column_or_unknown(sqlite3_stmt *s, int col)
{
    return sqlite3_column_type(s, col) == SQLITE_NULL ? SEEP_UNKNOWN : sqlite3_column_int64(s, col);
}

static struct seep_time column_time(sqlite3_stmt *s, int col)
{
    return (struct seep_time){column_or_unknown(s, col), column_or_unknown(s, col + 1), column_or_unknown(s, col + 2)};
}

// ---- lists by id ----------------------------------------------------------------------------------------------------

// One kind of list: how a row becomes an element, and how an element is let go.
struct list_kind {
    enum stmt stmt;
    size_t size;
    int (*take)(sqlite3_stmt *s, void *element); // 0, -1 out of memory, 1: not fit to be used
    void (*drop)(void *element);
};

struct list {
    char *items;
    int64_t *ids;
    size_t n, cap;
};

static int list_room(struct list *l, size_t size)
{
    if (l->n < l->cap)
        return 0;
    size_t cap = l->cap ? l->cap * 2 : 64;
    char *items = realloc(l->items, cap * size);
    if (items)
        l->items = items;
    int64_t *ids = items ? realloc(l->ids, cap * sizeof *ids) : NULL;
    if (!ids)
        return -1;
    l->ids = ids;
    l->cap = cap;
    return 0;
}

static size_t list_find(const struct list *l, int64_t id)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->ids[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int list_put(struct list *l, const struct list_kind *k, int64_t id, const void *element)
{
    size_t at = l->n && l->ids[l->n - 1] < id ? l->n : list_find(l, id);
    if (at < l->n && l->ids[at] == id) {
        k->drop(l->items + at * k->size);
        memcpy(l->items + at * k->size, element, k->size);
        return 0;
    }
    if (list_room(l, k->size))
        return -1;
    memmove(l->items + (at + 1) * k->size, l->items + at * k->size, (l->n - at) * k->size);
    memmove(l->ids + at + 1, l->ids + at, (l->n - at) * sizeof *l->ids);
    memcpy(l->items + at * k->size, element, k->size);
    l->ids[at] = id;
    l->n++;
    return 0;
}

static int list_part(struct conn *c, const struct list_kind *k, struct list *l, struct seep_err *err)
{
    union {
        struct store_series_info series;
        struct store_stack_info stack;
        struct store_module_info module;
        struct store_event_row event;
        struct store_session session;
        struct seep_time time;
    } element;
    if (!c->db)
        return 0;
    sqlite3_stmt *s = conn_stmt(c, k->stmt);
    if (!s)
        return conn_fail(c, err, "Cannot read the database");
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        memset(&element, 0, sizeof element);
        int got = k->take(s, &element);
        if (got == 1)
            continue;
        if (got == 0 && list_put(l, k, sqlite3_column_int64(s, 0), &element) == 0)
            continue;
        k->drop(&element);
        sqlite3_reset(s);
        return seep_fail(err, SEEP_E_LIMIT, "Out of memory while reading a run");
    }
    if (rc != SQLITE_DONE)
        conn_fail(c, err, "Cannot read the database");
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int list_all(struct store *st, const struct list_kind *k, void **out, int64_t **ids, size_t *n,
                    struct seep_err *err)
{
    struct list l = {0};
    *out = NULL;
    *n = 0;
    int rc = store_ready_to_read(st, err);
    for (int i = 0; rc == 0 && i < st->n_parts; i++)
        rc = list_part(&st->parts[i], k, &l, err);
    if (rc) {
        for (size_t i = 0; i < l.n; i++)
            k->drop(l.items + i * k->size);
        free(l.items);
        free(l.ids);
        return -1;
    }
    *out = l.items;
    *n = l.n;
    if (ids)
        *ids = l.ids;
    else
        free(l.ids);
    return 0;
}

static bool id_fits(sqlite3_stmt *s)
{
    int64_t id = sqlite3_column_int64(s, 0);
    return id >= 1 && id <= STORE_MAX_IDS;
}

static int take_series(sqlite3_stmt *s, void *element)
{
    struct store_series_info *e = element;
    if (!id_fits(s))
        return 1;
    *e = (struct store_series_info){(uint32_t)sqlite3_column_int64(s, 0), column_dup(s, 1), column_dup(s, 2),
                                    column_dup(s, 3),
                                    sqlite3_column_int(s, 4) == SERIES_COUNTER ? SERIES_COUNTER : SERIES_GAUGE};
    return e->name && e->labels && e->unit ? 0 : -1;
}

static void drop_series(void *element)
{
    struct store_series_info *e = element;
    free(e->name);
    free(e->labels);
    free(e->unit);
}

static const struct list_kind series_kind = {S_SERIES_ALL, sizeof(struct store_series_info), take_series, drop_series};

int store_list_series(struct store *st, struct store_series_info **out, size_t *n, struct seep_err *err)
{
    return list_all(st, &series_kind, (void **)out, NULL, n, err);
}

void store_free_series(struct store_series_info *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        drop_series(&list[i]);
    free(list);
}

static int take_module(sqlite3_stmt *s, void *element)
{
    struct store_module_info *e = element;
    if (!id_fits(s))
        return 1;
    *e = (struct store_module_info){(uint32_t)sqlite3_column_int64(s, 0), column_dup(s, 1), column_dup(s, 2),
                                    (uint64_t)sqlite3_column_int64(s, 3)};
    return e->path && e->build_id ? 0 : -1;
}

static void drop_module(void *element)
{
    struct store_module_info *e = element;
    free(e->path);
    free(e->build_id);
}

static const struct list_kind module_kind = {S_MODULE_ALL, sizeof(struct store_module_info), take_module, drop_module};

int store_list_modules(struct store *st, struct store_module_info **out, size_t *n, struct seep_err *err)
{
    return list_all(st, &module_kind, (void **)out, NULL, n, err);
}

void store_free_modules(struct store_module_info *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        drop_module(&list[i]);
    free(list);
}

static int take_stack(sqlite3_stmt *s, void *element)
{
    struct store_stack_info *e = element;
    struct store_frame frames[STORE_MAX_FRAMES];
    struct cursor c = code_cursor(sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2));
    size_t n = 0;
    if (!id_fits(s))
        return 1;
    while (n < STORE_MAX_FRAMES && code_next_frame(&c, &frames[n]) == 1)
        n++;
    *e = (struct store_stack_info){(uint32_t)sqlite3_column_int64(s, 0), (unsigned)sqlite3_column_int64(s, 1),
                                   malloc((n + 1) * sizeof *frames), n};
    if (!e->frames)
        return -1;
    memcpy(e->frames, frames, n * sizeof *frames);
    if (c.at != c.end) // cut off by damage: said, not hidden
        e->flags |= STACK_TRUNCATED;
    return 0;
}

static void drop_stack(void *element)
{
    free(((struct store_stack_info *)element)->frames);
}

static const struct list_kind stack_kind = {S_STACK_ALL, sizeof(struct store_stack_info), take_stack, drop_stack};

int store_list_stacks(struct store *st, struct store_stack_info **out, size_t *n, struct seep_err *err)
{
    return list_all(st, &stack_kind, (void **)out, NULL, n, err);
}

void store_free_stacks(struct store_stack_info *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        drop_stack(&list[i]);
    free(list);
}

static int take_event(sqlite3_stmt *s, void *element)
{
    struct store_event_row *e = element;
    *e = (struct store_event_row){column_dup(s, 1), column_dup(s, 9), column_time(s, 2), column_time(s, 5),
                                  column_or_unknown(s, 8)};
    return e->kind && e->text ? 0 : -1;
}

static void drop_event(void *element)
{
    struct store_event_row *e = element;
    free(e->kind);
    free(e->text);
}

static const struct list_kind event_kind = {S_EVENT_ALL, sizeof(struct store_event_row), take_event, drop_event};

int store_read_events(struct store *st, struct store_event_row **out, size_t *n, struct seep_err *err)
{
    return list_all(st, &event_kind, (void **)out, NULL, n, err);
}

void store_free_events(struct store_event_row *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        drop_event(&list[i]);
    free(list);
}

static int take_session(sqlite3_stmt *s, void *element)
{
    struct store_session *e = element;
    const char *boot_id = (const char *)sqlite3_column_text(s, 2);
    *e = (struct store_session){
        .id = (uint32_t)sqlite3_column_int64(s, 0), .pid = sqlite3_column_int64(s, 1), .began = column_time(s, 3)};
    snprintf(e->boot_id, sizeof e->boot_id, "%s", boot_id ? boot_id : "");
    return id_fits(s) ? 0 : 1;
}

static void drop_nothing(void *element)
{
    (void)element;
}

static const struct list_kind session_kind = {S_SESSION_ALL, sizeof(struct store_session), take_session, drop_nothing};

int store_read_sessions(struct store *st, struct store_session **out, size_t *n, struct seep_err *err)
{
    return list_all(st, &session_kind, (void **)out, NULL, n, err);
}

static int take_epoch(sqlite3_stmt *s, void *element)
{
    int64_t id = sqlite3_column_int64(s, 0);
    *(struct seep_time *)element = column_time(s, 1);
    return id >= 0 && id < STORE_MAX_IDS ? 0 : 1;
}

static const struct list_kind epoch_kind = {S_EPOCH_ALL, sizeof(struct seep_time), take_epoch, drop_nothing};

int store_read_epochs(struct store *st, struct seep_time **began, size_t *n, struct seep_err *err)
{
    void *times;
    int64_t *ids = NULL;
    size_t rows;
    *began = NULL;
    *n = 0;
    if (list_all(st, &epoch_kind, &times, &ids, &rows, err))
        return -1;
    size_t count = rows ? (size_t)ids[rows - 1] + 1 : 0;
    struct seep_time *out = malloc((count + 1) * sizeof *out);
    for (size_t i = 0; out && i < count; i++)
        out[i] = (struct seep_time){SEEP_UNKNOWN, SEEP_UNKNOWN, SEEP_UNKNOWN};
    for (size_t i = 0; out && i < rows; i++)
        out[ids[i]] = ((struct seep_time *)times)[i];
    free(times);
    free(ids);
    if (!out)
        return seep_fail(err, SEEP_E_LIMIT, "Out of memory while reading a run");
    *began = out;
    *n = count;
    return 0;
}

// ---- single values --------------------------------------------------------------------------------------------------

struct key { // of a row: one or two parts, text or number
    const char *text[2];
    int64_t number[2];
    int n;
};

static sqlite3_stmt *look_up(struct conn *c, enum stmt id, const struct key *k)
{
    sqlite3_stmt *s = c->db ? conn_stmt(c, id) : NULL;
    for (int i = 0; s && i < k->n; i++) {
        if (k->text[i])
            sqlite3_bind_text(s, i + 1, k->text[i], -1, SQLITE_STATIC);
        else
            sqlite3_bind_int64(s, i + 1, k->number[i]);
    }
    return s;
}

// The bytes of column 0 of the newest row with that key; *data NULL when there is none or it is NULL.
static int get_value(struct store *st, enum stmt id, const struct key *k, void **data, size_t *len,
                     struct seep_err *err)
{
    *data = NULL;
    *len = 0;
    if (store_ready_to_read(st, err))
        return -1;
    for (int i = st->n_parts - 1; i >= 0; i--) {
        struct conn *c = &st->parts[i];
        if (!c->db)
            continue;
        sqlite3_stmt *s = look_up(c, id, k);
        int rc = s ? sqlite3_step(s) : SQLITE_ERROR;
        if (rc == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL) {
            *len = (size_t)sqlite3_column_bytes(s, 0);
            *data = column_dup(s, 0);
            if (!*data)
                rc = seep_fail(err, SEEP_E_LIMIT, "Out of memory while reading a run");
        } else if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
            rc = conn_fail(c, err, "Cannot read the database");
        }
        if (s)
            sqlite3_reset(s);
        if (rc != SQLITE_DONE)
            return rc < 0 ? -1 : 0;
    }
    return 0;
}

int store_get_meta_blob(struct store *st, const char *key, void **data, size_t *len, struct seep_err *err)
{
    return get_value(st, S_META_GET, &(struct key){.text = {key}, .n = 1}, data, len, err);
}

int store_get_meta(struct store *st, const char *key, char **value, struct seep_err *err)
{
    size_t len;
    return store_get_meta_blob(st, key, (void **)value, &len, err);
}

int store_read_histogram(struct store *st, const char *name, const char *labels, void **blob, size_t *len,
                         struct seep_err *err)
{
    return get_value(st, S_HIST_GET, &(struct key){.text = {name, labels}, .n = 2}, blob, len, err);
}

static bool copy_symbol(struct store_symbol *to, const struct store_symbol *from)
{
    *to = (struct store_symbol){.line = from->line, .inlined = from->inlined};
    to->function = from->function ? strdup(from->function) : NULL;
    to->file = from->file ? strdup(from->file) : NULL;
    return (!from->function || to->function) && (!from->file || to->file);
}

int store_read_symbols(struct store *st, const struct store_frame *frame, struct store_symbol **out, size_t *n,
                       struct seep_err *err)
{
    void *data;
    size_t len, count = 0;
    *out = NULL;
    *n = 0;
    struct key k = {.number = {frame->module, (int64_t)frame->offset}, .n = 2};
    if (get_value(st, S_SYMBOL_GET, &k, &data, &len, err))
        return -1;
    struct store_symbol one;
    struct cursor c = code_cursor(data, len);
    while (code_next_symbol(&c, &one) == 1)
        count++;
    struct store_symbol *list = count ? calloc(count, sizeof *list) : NULL;
    bool ok = !count || list;
    c = code_cursor(data, len);
    for (size_t i = 0; ok && i < count && code_next_symbol(&c, &one) == 1; i++)
        ok = copy_symbol(&list[i], &one);
    free(data);
    if (!ok) {
        store_free_symbols(list, list ? count : 0);
        return seep_fail(err, SEEP_E_LIMIT, "Out of memory while reading a run");
    }
    *out = list;
    *n = count;
    return 0;
}

void store_free_symbols(struct store_symbol *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)list[i].function);
        free((char *)list[i].file);
    }
    free(list);
}

int store_read_ages(struct store *st, uint32_t stack, uint64_t **bytes_by_epoch, uint64_t **blocks_by_epoch,
                    size_t *n_epochs, struct seep_err *err)
{
    void *data;
    size_t len, n = 0;
    *bytes_by_epoch = *blocks_by_epoch = NULL;
    *n_epochs = 0;
    if (get_value(st, S_AGE_GET, &(struct key){.number = {stack}, .n = 1}, &data, &len, err))
        return -1;
    uint64_t *bytes = malloc((len + 1) * sizeof *bytes), *blocks = malloc((len + 1) * sizeof *blocks);
    struct cursor c = code_cursor(data, len);
    while (bytes && blocks && c.at < c.end && code_get_varint(&c, &bytes[n]) == 0 &&
           code_get_varint(&c, &blocks[n]) == 0)
        n++;
    free(data);
    if (!bytes || !blocks) {
        free(bytes);
        free(blocks);
        return seep_fail(err, SEEP_E_LIMIT, "Out of memory while reading a run");
    }
    *bytes_by_epoch = bytes;
    *blocks_by_epoch = blocks;
    *n_epochs = n;
    return 0;
}

int store_read_end(struct store *st, bool *found, struct seep_time *when, char **reason, int *exit_code,
                   char **verdict_json, struct seep_err *err)
{
    *found = false;
    *reason = *verdict_json = NULL;
    if (store_ready_to_read(st, err))
        return -1;
    for (int i = st->n_parts - 1; i >= 0 && !*found; i--) {
        struct conn *c = &st->parts[i];
        if (!c->db)
            continue;
        sqlite3_stmt *s = conn_stmt(c, S_END_GET);
        int rc = s ? sqlite3_step(s) : SQLITE_ERROR;
        if (rc == SQLITE_ROW) {
            *found = true;
            *when = column_time(s, 0);
            *reason = column_dup(s, 3);
            *exit_code = sqlite3_column_int(s, 4);
            *verdict_json = column_dup(s, 5);
        } else if (rc != SQLITE_DONE) {
            conn_fail(c, err, "Cannot read the database");
        }
        if (s)
            sqlite3_reset(s);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            return -1;
    }
    if (*found && (!*reason || !*verdict_json)) {
        free(*reason);
        free(*verdict_json);
        *reason = *verdict_json = NULL;
        return seep_fail(err, SEEP_E_LIMIT, "Out of memory while reading a run");
    }
    return 0;
}

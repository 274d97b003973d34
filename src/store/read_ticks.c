// Reading what ticks hold: their times, the columns of series, the matrix of stacks.
//
// A tick that stands in two files (its commit was not acknowledged in the first) counts once, as the later file has it.
#include "store/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COLUMN_BYTES ((size_t)512 << 20)

static int no_memory(struct seep_err *err)
{
    return seep_fail(err, SEEP_E_LIMIT, "Out of memory while reading a run");
}

struct row { // where a tick's row lies
    int64_t idx;
    int part; // position in st->parts
};

struct rows {
    struct row *at;
    size_t n, cap;
};

static int by_idx_newest_first(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->idx != y->idx)
        return x->idx < y->idx ? -1 : 1;
    return y->part - x->part;
}

static int rows_add(struct rows *r, int64_t idx, int part)
{
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 512;
        struct row *at = realloc(r->at, cap * sizeof *at);
        if (!at)
            return -1;
        r->at = at;
        r->cap = cap;
    }
    r->at[r->n++] = (struct row){idx, part};
    return 0;
}

// The rows of a table over all files, ascending, each index once.
static int rows_find(struct store *st, enum stmt keys, struct rows *r, struct seep_err *err)
{
    for (int i = 0; i < st->n_parts; i++) {
        struct conn *c = &st->parts[i];
        if (!c->db)
            continue;
        sqlite3_stmt *s = conn_stmt(c, keys);
        int rc = s ? SQLITE_ROW : SQLITE_ERROR;
        while (rc == SQLITE_ROW && (rc = sqlite3_step(s)) == SQLITE_ROW)
            if (rows_add(r, sqlite3_column_int64(s, 0), i)) {
                sqlite3_reset(s);
                return no_memory(err);
            }
        if (rc != SQLITE_DONE)
            conn_fail(c, err, "Cannot read the database");
        if (s)
            sqlite3_reset(s);
        if (rc != SQLITE_DONE)
            return -1;
    }
    if (r->n)
        qsort(r->at, r->n, sizeof *r->at, by_idx_newest_first);
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++)
        if (kept == 0 || r->at[kept - 1].idx != r->at[i].idx)
            r->at[kept++] = r->at[i];
    r->n = kept;
    return 0;
}

// Calls take(arg, position, row) for each row in ascending order of index, from the file that counts. A row that has
// gone or come since rows_find() is passed over.
static int rows_walk(struct store *st, enum stmt all, const struct rows *r,
                     int (*take)(void *arg, size_t at, sqlite3_stmt *s), void *arg, struct seep_err *err)
{
    sqlite3_stmt *open[STORE_MAX_PARTS] = {0};
    int state[STORE_MAX_PARTS] = {0}, rc = 0;
    for (size_t at = 0; rc == 0 && at < r->n; at++) {
        int part = r->at[at].part;
        struct conn *c = &st->parts[part];
        if (!open[part]) {
            open[part] = conn_stmt(c, all);
            state[part] = open[part] ? sqlite3_step(open[part]) : SQLITE_ERROR;
        }
        while (state[part] == SQLITE_ROW && sqlite3_column_int64(open[part], 0) < r->at[at].idx)
            state[part] = sqlite3_step(open[part]);
        if (state[part] == SQLITE_ROW && sqlite3_column_int64(open[part], 0) == r->at[at].idx)
            rc = take(arg, at, open[part]) ? no_memory(err) : 0;
        else if (state[part] != SQLITE_ROW && state[part] != SQLITE_DONE)
            rc = conn_fail(c, err, "Cannot read the database");
    }
    for (int i = 0; i < STORE_MAX_PARTS; i++)
        if (open[i])
            sqlite3_reset(open[i]);
    return rc;
}

// ---- ticks ----------------------------------------------------------------------------------------------------------

static int64_t or_unknown(sqlite3_stmt *s, int col)
{
    return sqlite3_column_type(s, col) == SQLITE_NULL ? SEEP_UNKNOWN : sqlite3_column_int64(s, col);
}

static int take_tick(void *arg, size_t at, sqlite3_stmt *s)
{
    struct store_ticks *t = arg;
    int phase = sqlite3_column_int(s, 4);
    t->index[at] = sqlite3_column_int64(s, 0);
    t->time[at] = (struct seep_time){or_unknown(s, 1), or_unknown(s, 2), or_unknown(s, 3)};
    t->phase[at] = phase >= 0 && phase < PHASE_N ? (enum store_phase)phase : PHASE_STOP;
    t->late_ns[at] = or_unknown(s, 5);
    t->missed[at] = or_unknown(s, 6);
    t->session[at] = (uint32_t)sqlite3_column_int64(s, 7);
    return 0;
}

int store_read_ticks(struct store *st, struct store_ticks *out, struct seep_err *err)
{
    struct rows r = {0};
    *out = (struct store_ticks){0};
    if (store_ready_to_read(st, err) || rows_find(st, S_TICK_ALL, &r, err)) {
        free(r.at);
        return -1;
    }
    size_t n = r.n;
    *out = (struct store_ticks){.n = n,
                                .index = calloc(n + 1, sizeof *out->index),
                                .time = calloc(n + 1, sizeof *out->time),
                                .phase = calloc(n + 1, sizeof *out->phase),
                                .late_ns = calloc(n + 1, sizeof *out->late_ns),
                                .missed = calloc(n + 1, sizeof *out->missed),
                                .session = calloc(n + 1, sizeof *out->session)};
    int rc;
    if (!out->index || !out->time || !out->phase || !out->late_ns || !out->missed || !out->session)
        rc = no_memory(err);
    else
        rc = rows_walk(st, S_TICK_ALL, &r, take_tick, out, err);
    free(r.at);
    if (rc)
        store_free_ticks(out);
    return rc;
}

void store_free_ticks(struct store_ticks *t)
{
    free(t->index);
    free(t->time);
    free(t->phase);
    free(t->late_ns);
    free(t->missed);
    free(t->session);
    *t = (struct store_ticks){0};
}

// ---- columns --------------------------------------------------------------------------------------------------------

void store_cache_free(struct column_cache *c)
{
    for (size_t i = 0; c->values && i < c->n_series; i++)
        free(c->values[i]);
    free(c->values);
    *c = (struct column_cache){0};
}

// Changes whenever a row may have been added.
static int64_t stamp(struct store *st)
{
    int64_t sum = st->commits * 1000003 + st->n_parts;
    for (int i = 0; i < st->n_parts; i++) {
        sqlite3_stmt *s = st->parts[i].db ? conn_stmt(&st->parts[i], S_DATA_VERSION) : NULL;
        if (s && sqlite3_step(s) == SQLITE_ROW)
            sum = sum * 31 + sqlite3_column_int64(s, 0);
        if (s)
            sqlite3_reset(s);
    }
    return sum;
}

static int column_of(struct column_cache *c, uint32_t series)
{
    if (c->values[series - 1])
        return 0;
    double *v = malloc((c->n_ticks + 1) * sizeof *v);
    if (!v)
        return -1;
    for (size_t i = 0; i < c->n_ticks; i++)
        v[i] = NAN;
    c->values[series - 1] = v;
    return 0;
}

static int take_points(void *arg, size_t at, sqlite3_stmt *s)
{
    struct column_cache *c = arg;
    struct store_point p;
    struct cursor cur = code_cursor(sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
    while (code_next_point(&cur, &p) == 1) {
        if (p.series == 0 || p.series > c->n_series)
            continue;
        if (column_of(c, p.series))
            return -1;
        c->values[p.series - 1][at] = p.value;
    }
    return 0;
}

static int fill_cache(struct store *st, struct seep_err *err)
{
    struct column_cache *c = &st->cache;
    int64_t now = stamp(st);
    if (c->valid && c->stamp == now)
        return 0;
    store_cache_free(c);
    struct store_series_info *list;
    size_t n;
    struct rows r = {0};
    if (store_list_series(st, &list, &n, err))
        return -1;
    c->n_series = n ? list[n - 1].id : 0;
    store_free_series(list, n);
    int rc = rows_find(st, S_TICK_ALL, &r, err);
    c->n_ticks = r.n;
    c->values = calloc(c->n_series + 1, sizeof *c->values);
    if (rc == 0 && !c->values)
        rc = no_memory(err);
    if (rc == 0 && r.n && n > MAX_COLUMN_BYTES / sizeof(double) / r.n)
        rc = seep_fail(err, SEEP_E_LIMIT, "The run has %zu series over %zu ticks, too many to be held in memory", n,
                       r.n);
    if (rc == 0)
        rc = rows_walk(st, S_TICK_POINTS, &r, take_points, c, err);
    free(r.at);
    c->valid = rc == 0;
    c->stamp = now;
    if (rc)
        store_cache_free(c);
    return rc;
}

int store_read_series(struct store *st, uint32_t series, size_t n_ticks, double **values, struct seep_err *err)
{
    *values = NULL;
    if (store_ready_to_read(st, err) || fill_cache(st, err))
        return -1;
    double *out = malloc((n_ticks + 1) * sizeof *out);
    if (!out)
        return no_memory(err);
    const double *have = series >= 1 && series <= st->cache.n_series ? st->cache.values[series - 1] : NULL;
    for (size_t i = 0; i < n_ticks; i++)
        out[i] = have && i < st->cache.n_ticks ? have[i] : NAN;
    *values = out;
    return 0;
}

// ---- the matrix of stacks -------------------------------------------------------------------------------------------

// Values are carried forward: each stack's row is filled up to the column before its next change.
struct carry {
    struct store_stack_matrix *mx;
    uint32_t *row_of; // by stack id; UINT32_MAX: not in the list
    size_t n_ids;
    struct store_stack_point *now; // by row
    size_t *from;                  // by row: first column not filled yet
    int64_t last_idx;
};

static void fill_to(struct carry *c, size_t row, size_t column)
{
    struct store_stack_matrix *mx = c->mx;
    for (size_t j = c->from[row]; j < column; j++) {
        mx->live_bytes[row * mx->m + j] = c->now[row].live_bytes;
        mx->live_blocks[row * mx->m + j] = c->now[row].live_blocks;
        mx->variance[row * mx->m + j] = c->now[row].variance;
    }
    c->from[row] = column;
}

static void set_all(struct carry *c, size_t column, double value)
{
    for (size_t row = 0; row < c->mx->n_stacks; row++) {
        fill_to(c, row, column);
        // A stack that was never seen may have been in the lost row too.
        c->now[row] = (struct store_stack_point){0, value, value, value, value, value};
    }
}

static int take_stacks(void *arg, size_t at, sqlite3_stmt *s)
{
    struct carry *c = arg;
    bool full = sqlite3_column_type(s, 1) == SQLITE_NULL;
    c->mx->ticks[at] = sqlite3_column_int64(s, 0);
    if (full)
        set_all(c, at, 0);
    else if (sqlite3_column_int64(s, 1) != c->last_idx)
        set_all(c, at, NAN);
    c->last_idx = c->mx->ticks[at];
    struct store_stack_point p;
    struct cursor cur = code_cursor(sqlite3_column_blob(s, 2), (size_t)sqlite3_column_bytes(s, 2));
    int got;
    while ((got = code_next_stack(&cur, &p)) == 1) {
        if (p.stack == 0 || p.stack > c->n_ids || c->row_of[p.stack - 1] == UINT32_MAX)
            continue;
        size_t row = c->row_of[p.stack - 1];
        fill_to(c, row, at);
        c->now[row] = p;
    }
    if (got < 0)
        c->last_idx = -1; // the rest of the row is not readable: what follows it hangs in the air
    return 0;
}

static void carry_free(struct carry *c)
{
    free(c->row_of);
    free(c->now);
    free(c->from);
}

static int carry_begin(struct carry *c, struct store_stack_matrix *mx, const struct store_stack_info *list, size_t n,
                       struct seep_err *err)
{
    *c = (struct carry){.mx = mx, .n_ids = n ? list[n - 1].id : 0, .last_idx = -1};
    c->row_of = malloc((c->n_ids + 1) * sizeof *c->row_of);
    c->now = calloc(n + 1, sizeof *c->now);
    c->from = calloc(n + 1, sizeof *c->from);
    if (!c->row_of || !c->now || !c->from) {
        carry_free(c);
        return no_memory(err);
    }
    memset(c->row_of, 0xff, (c->n_ids + 1) * sizeof *c->row_of);
    for (size_t i = 0; i < n; i++)
        c->row_of[list[i].id - 1] = (uint32_t)i;
    return 0;
}

static int matrix_room(struct store_stack_matrix *mx, size_t n, size_t m, struct seep_err *err)
{
    if (m && n > MAX_COLUMN_BYTES / sizeof(double) / m)
        return seep_fail(err, SEEP_E_LIMIT, "The run has %zu stacks over %zu ticks, too many to be held in memory", n,
                         m);
    *mx = (struct store_stack_matrix){.n_stacks = n,
                                      .m = m,
                                      .ticks = calloc(m + 1, sizeof *mx->ticks),
                                      .live_bytes = calloc(n * m + 1, sizeof(double)),
                                      .live_blocks = calloc(n * m + 1, sizeof(double)),
                                      .variance = calloc(n * m + 1, sizeof(double))};
    return mx->ticks && mx->live_bytes && mx->live_blocks && mx->variance ? 0 : no_memory(err);
}

// Walks all rows; the matrix and, in c->now, the values at the end.
static int read_matrix(struct store *st, struct store_stack_matrix *mx, struct carry *c, struct store_stack_info **list,
                       struct seep_err *err)
{
    struct rows r = {0};
    size_t n;
    *mx = (struct store_stack_matrix){0};
    *c = (struct carry){0};
    if (store_list_stacks(st, list, &n, err))
        return -1;
    int rc = rows_find(st, S_POINTS_KEYS, &r, err);
    if (rc == 0)
        rc = matrix_room(mx, n, r.n, err);
    if (rc == 0)
        rc = carry_begin(c, mx, *list, n, err);
    if (rc == 0)
        rc = rows_walk(st, S_POINTS_ALL, &r, take_stacks, c, err);
    for (size_t row = 0; rc == 0 && row < n; row++)
        fill_to(c, row, mx->m);
    free(r.at);
    if (rc == 0)
        return 0;
    carry_free(c);
    store_free_stack_matrix(mx);
    store_free_stacks(*list, n);
    *c = (struct carry){0};
    return -1;
}

int store_read_stack_matrix(struct store *st, struct store_stack_matrix *out, struct seep_err *err)
{
    struct carry c;
    struct store_stack_info *list;
    if (read_matrix(st, out, &c, &list, err))
        return -1;
    carry_free(&c);
    store_free_stacks(list, out->n_stacks);
    return 0;
}

void store_free_stack_matrix(struct store_stack_matrix *mx)
{
    free(mx->ticks);
    free(mx->live_bytes);
    free(mx->live_blocks);
    free(mx->variance);
    *mx = (struct store_stack_matrix){0};
}

int store_read_stack_last(struct store *st, struct store_stack_point **out, size_t *n, struct seep_err *err)
{
    struct carry c;
    struct store_stack_matrix mx;
    struct store_stack_info *list;
    *out = NULL;
    *n = 0;
    if (read_matrix(st, &mx, &c, &list, err))
        return -1;
    for (size_t i = 0; i < mx.n_stacks; i++)
        c.now[i].stack = list[i].id;
    *out = c.now;
    *n = mx.n_stacks;
    c.now = NULL;
    carry_free(&c);
    store_free_stacks(list, mx.n_stacks);
    store_free_stack_matrix(&mx);
    return 0;
}

int store_load_last(struct store *st, struct seep_err *err)
{
    struct store_stack_point *last;
    size_t n;
    if (store_grow_last(st, err) || store_read_stack_last(st, &last, &n, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (last[i].stack <= st->n_last && !isnan(last[i].live_bytes))
            st->accepted[last[i].stack - 1] = st->durable[last[i].stack - 1] = last[i];
    free(last);
    // The first row of a new session names all stacks: whatever happened to the file meanwhile, it is right from there.
    st->prev_points = -1;
    return 0;
}

// Tables of values for the load: see feed.h.
#include "load/feed.h"
#include "base/buf.h"
#include "base/check.h"
#include "csv/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct feed {
    char *name;
    enum profile_data_order order;
    struct seep_buf text; // all cells, each with a NUL behind it
    uint32_t *end;        // of cell i: the offset behind its NUL. Cells of the header come first.
    size_t n_cells, cap_cells;
    uint32_t columns, rows;
    uint32_t next, step; // rows given out in turn
};

struct feeds {
    struct feed *feed;
    int n;
};

static struct load_text cell(const struct feed *f, size_t i)
{
    size_t from = i ? f->end[i - 1] : 0;
    return (struct load_text){f->text.data + from, f->end[i] - from - 1};
}

static int add_cell(struct feed *f, const struct csv_cell *c, struct seep_err *err)
{
    if (f->n_cells == f->cap_cells) {
        size_t cap = f->cap_cells ? 2 * f->cap_cells : 256;
        uint32_t *grown = realloc(f->end, cap * sizeof *grown);
        if (!grown)
            return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the table %s of a load.", f->name);
        f->end = grown;
        f->cap_cells = cap;
    }
    buf_add(&f->text, c->text, c->len);
    buf_add(&f->text, "", 1);
    f->end[f->n_cells++] = (uint32_t)f->text.len;
    return buf_check(&f->text, "A table of a load", err);
}

static int read_rows(struct feed *f, struct csv_reader *r, struct seep_err *err)
{
    const struct csv_cell *cells;
    size_t n;
    int more;
    while ((more = csv_next(r, &cells, &n, err)) > 0) {
        if (!f->columns)
            f->columns = (uint32_t)n;
        if (n != f->columns)
            return csv_fail(r, csv_line(r), err, "This row has %zu cells, and the first has %u.", n, f->columns);
        for (size_t i = 0; i < n; i++) {
            struct csv_cell c = f->n_cells < f->columns ? csv_trim(cells[i]) : cells[i]; // names of columns
            if (add_cell(f, &c, err))
                return -1;
        }
        if (f->n_cells / f->columns > FEED_ROWS_MAX)
            return csv_fail(r, csv_line(r), err, "A table of a load has at most %d rows.", FEED_ROWS_MAX);
    }
    if (more < 0)
        return -1;
    f->rows = f->columns ? (uint32_t)(f->n_cells / f->columns) - 1 : 0;
    if (f->rows == 0)
        return csv_fail(r, 1, err, "There are no rows: the first names the columns, and values follow.");
    return 0;
}

static int open_feed(struct feed *f, const struct profile_data *d, int process, int processes, struct seep_err *err)
{
    f->order = d->order;
    buf_init(&f->text, FEED_SIZE_MAX);
    f->name = strdup(d->name);
    char *path = profile_expand_env(d->file, err);
    struct csv_reader *r = path ? csv_open(path, err) : NULL;
    int failed = -1;
    if (!f->name)
        seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the tables of a load.");
    else if (r)
        failed = read_rows(f, r, err);
    csv_close(r);
    free(path);
    if (failed)
        return -1;
    // Processes take turns: over one way through the table no row is given out twice.
    f->next = (uint32_t)process % f->rows;
    f->step = (uint32_t)processes;
    return 0;
}

int feed_open(const struct profile_load *load, int process, int processes, struct feeds **out, struct seep_err *err)
{
    SEEP_CHECK(process >= 0 && process < processes);
    struct feeds *f = calloc(1, sizeof *f);
    *out = f;
    if (f)
        f->feed = calloc((size_t)load->n_data + 1, sizeof *f->feed);
    if (!f || !f->feed) {
        feed_close(f);
        *out = NULL;
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the tables of a load.");
    }
    for (int i = 0; i < load->n_data; i++) {
        f->n = i + 1;
        if (open_feed(&f->feed[i], &load->data[i], process, processes, err)) {
            feed_close(f);
            *out = NULL;
            return -1;
        }
    }
    return 0;
}

void feed_close(struct feeds *f)
{
    for (int i = 0; f && f->feed && i < f->n; i++) {
        free(f->feed[i].name);
        free(f->feed[i].end);
        buf_free(&f->feed[i].text);
    }
    if (f)
        free(f->feed);
    free(f);
}

int feed_count(const struct feeds *f)
{
    return f ? f->n : 0;
}

uint32_t feed_rows(const struct feeds *f, int table)
{
    return f->feed[table].rows;
}

static bool same(struct load_text a, const char *text, size_t len)
{
    return a.len == len && !memcmp(a.text, text, len);
}

int feed_find(const struct feeds *f, struct load_text table, struct load_text column, int *table_out, int *column_out,
              struct seep_err *err)
{
    char names[160] = "";
    for (int i = 0; i < feed_count(f); i++) {
        const struct feed *d = &f->feed[i];
        if (!same(table, d->name, strlen(d->name)))
            continue;
        for (uint32_t c = 0; c < d->columns; c++) {
            struct load_text name = cell(d, c);
            if (same(column, name.text, name.len)) {
                *table_out = i;
                *column_out = (int)c;
                return 0;
            }
            size_t used = strlen(names);
            snprintf(names + used, sizeof names - used, "%s%.*s", used ? ", " : "", (int)name.len, name.text);
        }
        return seep_fail(err, SEEP_E_USAGE, "The table %s has no column '%.*s'; it has %s.", d->name, (int)column.len,
                         column.text, names);
    }
    return seep_fail(err, SEEP_E_USAGE, "There is no table '%.*s'.", (int)table.len, table.text);
}

uint32_t feed_take(struct feeds *f, int table, uint64_t user_id, struct load_rng *rng)
{
    struct feed *d = &f->feed[table];
    if (d->order == DATA_RANDOM)
        return (uint32_t)rng_below(rng, d->rows);
    if (d->order == DATA_PER_USER)
        return (uint32_t)((user_id ? user_id - 1 : 0) % d->rows);
    uint32_t row = d->next;
    d->next = (uint32_t)(((uint64_t)row + d->step) % d->rows);
    return row;
}

struct load_text feed_cell(const struct feeds *f, int table, uint32_t row, int column)
{
    const struct feed *d = &f->feed[table];
    return cell(d, ((size_t)row + 1) * d->columns + (size_t)column);
}

// Time series out of a table: see series.h.
//
// The arrays are mappings that grow in place or move by page tables (mremap): doubling costs address space, not memory,
// and a table of ten million rows never stands in memory twice.
#include "csv/series.h"
#include "base/near.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

enum { FIRST_ROOM = 1 << 16 };

// As seconds since 1970 the year 5138, as any other seconds 3 170 years; in milliseconds since 1970 it is 1973, in
// finer units earlier still. Taken for seconds, a growth of 3 MB/h would be one of 3 kB/h, and pass.
static const double time_most_s = 1e11;

// Which cell of a row goes where.
struct plan {
    size_t n_cells;  // of the header
    size_t time;     // place of the time
    size_t excluded; // place of the excluded time; n_cells: none
    size_t *value;   // place of each column
    double last_excluded;
    size_t last_line;    // of the row before
    double last_given_s; // its time as written
};

static int no_memory(struct seep_err *err)
{
    return seep_fail(err, SEEP_E_SYSTEM, "There is not enough memory for this table.");
}

// ---- arrays ---------------------------------------------------------------------------------------------------------

static double *grown(double *a, size_t room, size_t wanted)
{
    size_t bytes = wanted * sizeof *a;
    void *p = a ? mremap(a, room * sizeof *a, bytes, MREMAP_MAYMOVE)
                : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static int grow(double **a, size_t *room, size_t n, struct seep_err *err)
{
    if (n < *room)
        return 0;
    size_t wanted = *room ? 2 * *room : FIRST_ROOM;
    double *p = grown(*a, *room, wanted);
    if (!p)
        return no_memory(err);
    *a = p;
    *room = wanted;
    return 0;
}

static void drop(double **a, size_t *room)
{
    if (*a)
        munmap(*a, *room * sizeof **a);
    *a = NULL;
    *room = 0;
}

void csv_column_drop(struct csv_column *column)
{
    drop(&column->y, &column->room);
}

void csv_series_free(struct csv_series *s)
{
    drop(&s->t_s, &s->room);
    for (size_t i = 0; i < s->n_columns; i++) {
        csv_column_drop(&s->column[i]);
        free(s->column[i].name);
    }
    free(s->column);
    memset(s, 0, sizeof *s);
}

// ---- header ---------------------------------------------------------------------------------------------------------

static bool is_named(const struct csv_cell *cell, const char *name)
{
    struct csv_cell c = csv_trim(*cell);
    return c.len == strlen(name) && memcmp(c.text, name, c.len) == 0;
}

// The place of a column; n when there is none, or -1 with an error when there are two.
static int find_column(const struct csv_reader *r, const struct csv_cell *cells, size_t n, const char *name,
                       size_t *place, struct seep_err *err)
{
    *place = n;
    for (size_t i = 0; i < n; i++) {
        if (!is_named(&cells[i], name))
            continue;
        if (*place < n)
            return csv_fail(r, csv_line(r), err, "the column '%.100s' is there twice, as the %zu. and the %zu.", name,
                            *place + 1, i + 1);
        *place = i;
    }
    return 0;
}

enum { NAME_SHOWN = 64 };

struct header_names {
    char (*name)[NAME_SHOWN];
    size_t n;
};

static const char *header_name(size_t i, const void *ctx)
{
    const struct header_names *h = ctx;
    return i < h->n ? h->name[i] : NULL;
}

// The names of the header as text, cut to what a message shows; freed by the caller. NULL without memory.
static char (*shown_names(const struct csv_cell *cells, size_t n))[NAME_SHOWN]
{
    char(*name)[NAME_SHOWN] = calloc(n, sizeof *name);
    for (size_t i = 0; name && i < n; i++) {
        struct csv_cell c = csv_trim(cells[i]);
        memcpy(name[i], c.text, c.len < NAME_SHOWN - 1 ? c.len : NAME_SHOWN - 1);
    }
    return name;
}

static int no_such_column(const struct csv_reader *r, const struct csv_cell *cells, size_t n, const char *name,
                          struct seep_err *err)
{
    struct header_names h = {shown_names(cells, n), n};
    char list[200] = "", near[NAME_SHOWN + 24] = "";
    size_t used = 0, i = 0;
    if (!h.name)
        return no_memory(err);
    const char *word = near_find(name, header_name, &h);
    if (word)
        snprintf(near, sizeof near, "; did you mean '%s'?", word);
    for (; i < n && used + strlen(h.name[i]) + 8 < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", h.name[i]);
    free(h.name);
    return csv_fail(r, csv_line(r), err, "there is no column '%.60s'%s (columns: %s%s)", name, near, list,
                    i < n ? ", ..." : "");
}

// What a first line without CSV_TIME may be instead.
static int no_time(const struct csv_reader *r, const struct csv_cell *cells, size_t n, struct seep_err *err)
{
    double value;
    size_t line = csv_line(r);
    if (csv_number(&cells[0], &value) == CSV_NUMBER)
        return csv_fail(r, line, err,
                        "there is no header: the first line must name the columns, as in '" CSV_TIME "," CSV_RSS "'");
    if (n == 1 && memchr(cells[0].text, ';', cells[0].len))
        return csv_fail(r, line, err, "the columns are separated by ';'; commas are needed");
    if (n == 1 && memchr(cells[0].text, '\t', cells[0].len))
        return csv_fail(r, line, err, "the columns are separated by tabs; commas are needed");
    return no_such_column(r, cells, n, CSV_TIME, err);
}

// The unit of bytes that a name ends in, and where that end begins; NULL: none.
static const char *unit_of(const char *name, double *bytes)
{
    static const struct {
        const char *end;
        double bytes;
    } units[] = {{"_bytes", 1},
                 {"_kb", 1e3},
                 {"_kib", 1024.0},
                 {"_mb", 1e6},
                 {"_mib", 1024 * 1024.},
                 {"_gb", 1e9},
                 {"_gib", 1024 * 1024 * 1024.}};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t m = strlen(units[i].end);
        if (n > m && strcasecmp(name + n - m, units[i].end) == 0) {
            *bytes = units[i].bytes;
            return name + n - m;
        }
    }
    return NULL;
}

bool csv_name_is(const char *name, const char *stem)
{
    double bytes;
    const char *end = unit_of(name, &bytes);
    return end != NULL && (size_t)(end - name) == strlen(stem) && memcmp(name, stem, strlen(stem)) == 0;
}

// The name of the first column that is `stem` in some unit, `usual` where that is there.
static void name_in_unit(const struct csv_cell *cells, size_t n, const char *stem, const char *usual,
                         char name[static NAME_SHOWN])
{
    bool found = false;
    snprintf(name, NAME_SHOWN, "%s", usual);
    for (size_t i = 0; i < n; i++) {
        char text[NAME_SHOWN];
        struct csv_cell c = csv_trim(cells[i]);
        snprintf(text, sizeof text, "%.*s", c.len < sizeof text ? (int)c.len : 0, c.text);
        if (strcmp(text, usual) == 0)
            break;
        if (!found && csv_name_is(text, stem)) {
            found = true;
            memcpy(name, text, sizeof text);
        }
    }
}

static int add_column(struct csv_series *s, struct plan *plan, const char *name, size_t place, struct seep_err *err)
{
    char *copy = strdup(name);
    if (!copy)
        return no_memory(err);
    plan->value[s->n_columns] = place;
    struct csv_column *c = &s->column[s->n_columns++];
    *c = (struct csv_column){.name = copy, .in_pages = true};
    unit_of(copy, &c->unit_bytes);
    return 0;
}

static bool is_chosen(const struct csv_series *s, const char *name)
{
    for (size_t i = 0; i < s->n_columns; i++)
        if (strcmp(s->column[i].name, name) == 0)
            return true;
    return false;
}

static int choose_columns(const struct csv_reader *r, const struct csv_cell *cells, size_t n, const char *const *wanted,
                          size_t n_wanted, struct csv_series *s, struct plan *plan, struct seep_err *err)
{
    char rss[NAME_SHOWN], allocated[NAME_SHOWN];
    name_in_unit(cells, n, CSV_RSS_STEM, CSV_RSS, rss);
    name_in_unit(cells, n, CSV_ALLOCATED_STEM, CSV_ALLOCATED, allocated);
    const char *const usual[] = {rss, allocated};
    bool all = n_wanted > 0;
    const char *const *names = all ? wanted : usual;
    size_t count = all ? n_wanted : 2;
    s->column = calloc(count, sizeof *s->column);
    plan->value = calloc(count, sizeof *plan->value);
    if (!s->column || !plan->value)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        size_t place;
        if (find_column(r, cells, n, names[i], &place, err))
            return -1;
        if (place == n && all)
            return no_such_column(r, cells, n, names[i], err);
        if (place < n && !is_chosen(s, names[i]) && add_column(s, plan, names[i], place, err))
            return -1;
    }
    if (s->n_columns > 0)
        return 0;
    return csv_fail(r, csv_line(r), err,
                    "there is neither '" CSV_RSS "' nor '" CSV_ALLOCATED
                    "' (nor in _kb, _kib, _mb, _mib, _gb or _gib); "
                    "name a column with --column");
}

static int read_header(struct csv_reader *r, const char *const *wanted, size_t n_wanted, struct csv_series *s,
                       struct plan *plan, struct seep_err *err)
{
    const struct csv_cell *cells;
    size_t n;
    int got = csv_next(r, &cells, &n, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return csv_fail(r, 1, err, "the file is empty; its first line must name the columns");
    plan->n_cells = n;
    if (find_column(r, cells, n, CSV_TIME, &plan->time, err) ||
        find_column(r, cells, n, CSV_EXCLUDED, &plan->excluded, err))
        return -1;
    if (plan->time == n)
        return no_time(r, cells, n, err);
    return choose_columns(r, cells, n, wanted, n_wanted, s, plan, err);
}

// ---- rows -----------------------------------------------------------------------------------------------------------

static int bad_number(const struct csv_reader *r, const struct csv_cell *cell, const char *name, enum csv_number what,
                      struct seep_err *err)
{
    int len = cell->len > 40 ? 40 : (int)cell->len;
    const char *more = cell->len > 40 ? "..." : "";
    if (what == CSV_EMPTY)
        return csv_fail(r, csv_line(r), err, "%.60s is empty", name);
    if (what == CSV_TOO_LARGE)
        return csv_fail(r, csv_line(r), err, "%.60s is '%.*s%s': more than 2^63 cannot be meant", name, len, cell->text,
                        more);
    return csv_fail(r, csv_line(r), err,
                    "%.60s is '%.*s%s', which is not a number; leave the cell empty where nothing is known", name, len,
                    cell->text, more);
}

static int needed_number(const struct csv_reader *r, const struct csv_cell *cell, const char *name, double *out,
                         struct seep_err *err)
{
    enum csv_number what = csv_number(cell, out);
    return what == CSV_NUMBER ? 0 : bad_number(r, cell, name, what, err);
}

static int take_excluded(const struct csv_reader *r, const struct csv_cell *cell, struct plan *plan,
                         struct seep_err *err)
{
    double value;
    if (needed_number(r, cell, CSV_EXCLUDED, &value, err))
        return -1;
    if (value < plan->last_excluded)
        return csv_fail(r, csv_line(r), err, CSV_EXCLUDED " falls from %.12g to %.12g; it counts from the start",
                        plan->last_excluded, value);
    plan->last_excluded = value;
    return 0;
}

static int take_time(const struct csv_reader *r, const struct csv_cell *cells, struct csv_series *s, struct plan *plan,
                     struct seep_err *err)
{
    double t, given;
    if (needed_number(r, &cells[plan->time], CSV_TIME, &given, err))
        return -1;
    if (plan->excluded < plan->n_cells && take_excluded(r, &cells[plan->excluded], plan, err))
        return -1;
    if (fabs(given) >= time_most_s)
        return csv_fail(r, csv_line(r), err, CSV_TIME " is %.15g: seconds are needed, and so many look like %s", given,
                        fabs(given) < 1e14 ? "milliseconds" : "microseconds or nanoseconds");
    t = given - plan->last_excluded;
    if (s->n > 0 && !(t > s->t_s[s->n - 1]))
        return csv_fail(r, csv_line(r), err, "the time %.15g s does not come after %.15g s in line %zu%s", given,
                        plan->last_given_s, plan->last_line, plan->last_excluded > 0 ? ", less what is excluded" : "");
    if (s->n > 0 && t - s->t_s[s->n - 1] > s->longest_gap_s) {
        s->longest_gap_s = t - s->t_s[s->n - 1];
        s->longest_gap_line = csv_line(r);
    }
    plan->last_given_s = given;
    plan->last_line = csv_line(r);
    if (grow(&s->t_s, &s->room, s->n, err))
        return -1;
    s->t_s[s->n] = t;
    return 0;
}

// How many decimals a cell is written with: what the least unit of the column is. With an exponent nobody can say.
static int decimals_of(const struct csv_cell *cell)
{
    int n = -1;
    for (size_t i = 0; i < cell->len; i++) {
        if (cell->text[i] == 'e' || cell->text[i] == 'E')
            return 0;
        if (cell->text[i] == '.')
            n = 0;
        else if (n >= 0 && cell->text[i] >= '0' && cell->text[i] <= '9')
            n++;
    }
    return n < 0 ? 0 : n;
}

// A value in the unit of its column: the page and the last decimal are what it can be known to.
static void in_unit(const struct csv_cell *cell, struct csv_column *c, double *value)
{
    if (c->unit_bytes > 1) {
        int decimals = decimals_of(cell);
        c->decimals = decimals > c->decimals ? decimals : c->decimals;
        *value *= c->unit_bytes;
    }
    if (c->in_pages && fmod(*value, CSV_PAGE_BYTES) != 0)
        c->in_pages = false;
}

static int take_value(const struct csv_reader *r, const struct csv_cell *cell, struct csv_column *c, size_t i,
                      struct seep_err *err)
{
    double value = NAN;
    enum csv_number what = csv_number(cell, &value);
    if (what != CSV_NUMBER && what != CSV_EMPTY)
        return bad_number(r, cell, c->name, what, err);
    if (value < 0)
        return csv_fail(r, csv_line(r), err, "%.60s is %.12g: an amount cannot be negative", c->name, value);
    if (what == CSV_EMPTY)
        c->n_missing++;
    else
        in_unit(cell, c, &value);
    if (grow(&c->y, &c->room, i, err))
        return -1;
    c->y[i] = value;
    return 0;
}

static int take_row(const struct csv_reader *r, const struct csv_cell *cells, size_t n, struct csv_series *s,
                    struct plan *plan, struct seep_err *err)
{
    if (n != plan->n_cells)
        return csv_fail(r, csv_line(r), err, "%zu cell%s where the header has %zu", n, n == 1 ? "" : "s",
                        plan->n_cells);
    if (take_time(r, cells, s, plan, err))
        return -1;
    for (size_t i = 0; i < s->n_columns; i++)
        if (take_value(r, &cells[plan->value[i]], &s->column[i], s->n, err))
            return -1;
    s->n++;
    return 0;
}

static int read_rows(struct csv_reader *r, struct csv_series *s, struct plan *plan, struct seep_err *err)
{
    const struct csv_cell *cells;
    size_t n;
    int got;
    while ((got = csv_next(r, &cells, &n, err)) == 1)
        if (take_row(r, cells, n, s, plan, err))
            return -1;
    if (got < 0)
        return -1;
    s->mixed_line = csv_mixed_line(r);
    for (size_t i = 0; i < s->n_columns; i++)
        if (s->column[i].unit_bytes > 1)
            s->column[i].step_bytes = s->column[i].unit_bytes * pow(10, -s->column[i].decimals);
    if (s->n < 2)
        return csv_fail(r, csv_line(r) + (s->n == 0), err, "%s",
                        s->n == 0 ? "there are no rows below the header"
                                  : "there is only one row; growth needs at least two");
    return 0;
}

int csv_series_read(struct csv_reader *r, const char *const *wanted, size_t n_wanted, struct csv_series *out,
                    struct seep_err *err)
{
    struct plan plan = {0};
    *out = (struct csv_series){0};
    int failed = read_header(r, wanted, n_wanted, out, &plan, err) || read_rows(r, out, &plan, err);
    free(plan.value);
    if (failed)
        csv_series_free(out);
    return failed ? -1 : 0;
}

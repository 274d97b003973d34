// Rows out of a stream of bytes: see csv.h.
//
// One buffer holds the row in work and what was read beyond it. A row is split where it stands; when it is not whole
// yet, the buffer is filled further and the row is split again from its start, so that no state is carried over a read.
// Quoted cells are cleaned of doubled quotes only when the whole row is there.
#include "csv/csv.h"
#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = 2 * CSV_LINE_MAX, READ_MOST = 256 * 1024 };

enum line_end { END_NONE, END_LF, END_CRLF, END_CR };

struct csv_reader {
    char *name;
    int fd;             // -1: memory
    const char *memory; // what is left of it
    size_t memory_len, step;
    char *data;             // ROOM bytes
    size_t from, to;        // data[from, to) is not yet given out
    bool at_end;            // nothing follows data[to)
    struct csv_cell *cells; // CSV_COLUMNS_MAX; `escaped` beside it
    bool *quoted;
    size_t line;      // of the row given out
    size_t next_line; // of data[from]
    enum line_end ends;
    size_t mixed_line;
};

int csv_fail(const struct csv_reader *r, size_t line, struct seep_err *err, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return seep_fail(err, SEEP_E_USAGE, "%.200s:%zu: %s", r->name, line, text);
}

size_t csv_line(const struct csv_reader *r)
{
    return r->line;
}

size_t csv_mixed_line(const struct csv_reader *r)
{
    return r->mixed_line;
}

// ---- opening --------------------------------------------------------------------------------------------------------

static ssize_t take(struct csv_reader *r, char *into, size_t room)
{
    if (r->fd >= 0) {
        ssize_t n;
        while ((n = read(r->fd, into, room)) < 0 && errno == EINTR)
            ;
        return n;
    }
    size_t n = r->memory_len < r->step ? r->memory_len : r->step;
    n = n < room ? n : room;
    if (n > 0)
        memcpy(into, r->memory, n);
    r->memory += n;
    r->memory_len -= n;
    return (ssize_t)n;
}

// Reads once more behind data[to); what waits must be shorter than ROOM. Returns 0 or -1.
static int fill(struct csv_reader *r, struct seep_err *err)
{
    if (r->from > 0 && r->to + READ_MOST > ROOM) {
        memmove(r->data, r->data + r->from, r->to - r->from);
        r->to -= r->from;
        r->from = 0;
    }
    size_t room = ROOM - r->to;
    ssize_t n = take(r, r->data + r->to, room < READ_MOST ? room : READ_MOST);
    if (n < 0)
        return seep_fail_errno(err, errno, "%.200s:%zu: the file cannot be read", r->name, r->next_line);
    r->at_end = n == 0;
    r->to += (size_t)n;
    return 0;
}

// What is certainly no CSV by its first bytes, and what to do about it.
static const struct {
    const char *bytes;
    size_t len;
    const char *what;
} magics[] = {
    {"\x1f\x8b", 2, "this is gzip data; use `zcat FILE | seep analyze -`"},
    {"\x28\xb5\x2f\xfd", 4, "this is zstd data; use `zstdcat FILE | seep analyze -`"},
    {"\xfd"
     "7zXZ",
     5, "this is xz data; use `xzcat FILE | seep analyze -`"},
    {"BZh", 3, "this is bzip2 data; use `bzcat FILE | seep analyze -`"},
    {"PK\x03\x04", 4, "this is a zip archive or a spreadsheet; save the table as CSV"},
    {"SQLite format 3", 15, "this is a database; `seep report RUN -f csv` writes the table of a run"},
    {"\xff\xfe", 2, "this is UTF-16 text; save the table as UTF-8"},
    {"\xfe\xff", 2, "this is UTF-16 text; save the table as UTF-8"},
};

static int look_at_start(struct csv_reader *r, struct seep_err *err)
{
    while (r->to < 16 && !r->at_end)
        if (fill(r, err))
            return -1;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (r->to >= magics[i].len && memcmp(r->data, magics[i].bytes, magics[i].len) == 0)
            return csv_fail(r, 1, err, "%s", magics[i].what);
    if (r->to >= 3 && memcmp(r->data, "\xef\xbb\xbf", 3) == 0)
        r->from = 3;
    return 0;
}

static struct csv_reader *make(const char *name, struct seep_err *err)
{
    struct csv_reader *r = calloc(1, sizeof *r);
    if (r) {
        r->fd = -1;
        r->next_line = 1;
        r->name = strdup(name);
        r->data = malloc(ROOM);
        r->cells = malloc(CSV_COLUMNS_MAX * sizeof *r->cells);
        r->quoted = malloc(CSV_COLUMNS_MAX * sizeof *r->quoted);
    }
    if (r && r->name && r->data && r->cells && r->quoted)
        return r;
    csv_close(r);
    seep_fail(err, SEEP_E_SYSTEM, "There is no memory to read '%.200s'.", name);
    return NULL;
}

static struct csv_reader *begun(struct csv_reader *r, struct seep_err *err)
{
    if (look_at_start(r, err) == 0)
        return r;
    csv_close(r);
    return NULL;
}

struct csv_reader *csv_open(const char *path, struct seep_err *err)
{
    bool standard = strcmp(path, "-") == 0;
    struct csv_reader *r = make(standard ? "(standard input)" : path, err);
    struct stat st;
    if (!r)
        return NULL;
    r->fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (r->fd < 0 || fstat(r->fd, &st)) {
        seep_fail_errno(err, errno, "%.200s: the file cannot be opened", r->name);
        if (err)
            err->code = SEEP_E_USAGE;
    } else if (S_ISDIR(st.st_mode)) {
        seep_fail(err, SEEP_E_USAGE, "%.200s: this is a directory; `seep report RUN -f csv` writes the table of a run",
                  r->name);
    } else {
        return begun(r, err);
    }
    csv_close(r);
    return NULL;
}

struct csv_reader *csv_open_memory(const char *name, const void *data, size_t len, size_t step, struct seep_err *err)
{
    SEEP_CHECK(step > 0);
    struct csv_reader *r = make(name, err);
    if (!r)
        return NULL;
    r->memory = data;
    r->memory_len = len;
    r->step = step;
    return begun(r, err);
}

void csv_close(struct csv_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    free(r->name);
    free(r->data);
    free(r->cells);
    free(r->quoted);
    free(r);
}

// ---- rows -----------------------------------------------------------------------------------------------------------

enum split { SPLIT_ROW, SPLIT_MORE, SPLIT_BAD };

// Bytes that end or break an unquoted cell.
static const bool special[256] = {[','] = true, ['\n'] = true, ['\r'] = true, ['"'] = true, ['\0'] = true};

static const char *skip_plain(const char *p, const char *end)
{
    while (p < end && !special[(unsigned char)*p])
        p++;
    return p;
}

// Behind the closing quote of a cell that begins at p; NULL when it is not there (yet).
static const char *skip_quoted(const char *p, const char *end, bool at_end)
{
    for (p++; p < end; p++) {
        if (*p != '"')
            continue;
        if (p + 1 == end)
            return at_end ? end : NULL;
        if (p[1] != '"')
            return p + 1;
        p++;
    }
    return NULL;
}

// The kind of line end at p, and how long it is: END_NONE at the very end of the file. -1: one more byte is needed.
static int line_end_at(const char *p, const char *end, bool at_end, enum line_end *kind)
{
    *kind = END_NONE;
    if (p == end)
        return at_end ? 0 : -1;
    if (*p == '\n') {
        *kind = END_LF;
        return 1;
    }
    if (p + 1 == end && !at_end)
        return -1;
    bool two = p + 1 < end && p[1] == '\n';
    *kind = two ? END_CRLF : END_CR;
    return two ? 2 : 1;
}

static const char *foul(char c)
{
    return c == '\0' ? "a NUL byte: this is not a text file"
                     : "a quote in the middle of a cell; quotes stand around a whole cell and are doubled inside it";
}

// Splits the row at data[from); *n cells, *after where the next row begins. SPLIT_BAD with err filled in.
static enum split split_row(struct csv_reader *r, size_t *n, const char **after, enum line_end *kind,
                            struct seep_err *err)
{
    const char *p = r->data + r->from, *end = r->data + r->to;
    for (*n = 0;; p++) {
        if (*n == CSV_COLUMNS_MAX) {
            csv_fail(r, r->next_line, err, "more than %d columns", CSV_COLUMNS_MAX);
            return SPLIT_BAD;
        }
        const char *start = p;
        bool quoted = p < end && *p == '"';
        p = quoted ? skip_quoted(p, end, r->at_end) : skip_plain(p, end);
        if (!p && r->at_end) {
            csv_fail(r, r->next_line, err, "a quote is opened here and never closed");
            return SPLIT_BAD;
        }
        if (!p || (p == end && !r->at_end))
            return SPLIT_MORE;
        r->quoted[*n] = quoted;
        r->cells[*n] = (struct csv_cell){start + quoted, (size_t)(p - start) - 2 * (size_t)quoted};
        ++*n;
        if (p < end && *p == ',')
            continue;
        if (p < end && *p != '\n' && *p != '\r') {
            csv_fail(r, r->next_line, err, "%s", special[(unsigned char)*p] ? foul(*p) : "text behind a closing quote");
            return SPLIT_BAD;
        }
        int len = line_end_at(p, end, r->at_end, kind);
        *after = p + len;
        return len < 0 ? SPLIT_MORE : SPLIT_ROW;
    }
}

// Doubled quotes become one, in place: the row is complete and is not split again. Returns the line ends inside.
static size_t clean_quoted(struct csv_cell *cell)
{
    char *to = (char *)cell->text; // into our own buffer
    size_t lines = 0, kept = 0;
    for (size_t i = 0; i < cell->len; i++) {
        char c = cell->text[i];
        lines += c == '\n';
        to[kept++] = c;
        i += c == '"';
    }
    cell->len = kept;
    return lines;
}

static void note_line_end(struct csv_reader *r, enum line_end kind)
{
    if (kind == END_NONE)
        return;
    if (r->ends == END_NONE)
        r->ends = kind;
    else if (r->ends != kind && r->mixed_line == 0)
        r->mixed_line = r->next_line;
}

// Reads until what waits has doubled: a long row that arrives in little pieces is not split again for each of them.
static int fill_double(struct csv_reader *r, struct seep_err *err)
{
    size_t waits = r->to - r->from;
    do
        if (fill(r, err))
            return -1;
    while (!r->at_end && r->to - r->from < 2 * waits);
    return 0;
}

// One row or blank line: 1, or 0 at the end, or -1.
static int take_row(struct csv_reader *r, size_t *n, struct seep_err *err)
{
    const char *after;
    enum line_end kind;
    enum split got = SPLIT_MORE;
    while (r->from < r->to || !r->at_end) {
        got = r->from < r->to ? split_row(r, n, &after, &kind, err) : SPLIT_MORE;
        size_t len = got == SPLIT_ROW ? (size_t)(after - r->data) - r->from : r->to - r->from;
        if (got != SPLIT_BAD && len > CSV_LINE_MAX)
            return csv_fail(r, r->next_line, err, "a line of more than %d bytes", CSV_LINE_MAX);
        if (got != SPLIT_MORE)
            break;
        if (fill_double(r, err))
            return -1;
    }
    if (got != SPLIT_ROW)
        return got == SPLIT_BAD ? -1 : 0;
    note_line_end(r, kind);
    r->line = r->next_line++;
    for (size_t i = 0; i < *n; i++)
        if (r->quoted[i])
            r->next_line += clean_quoted(&r->cells[i]);
    r->from = (size_t)(after - r->data);
    return 1;
}

int csv_next(struct csv_reader *r, const struct csv_cell **cells, size_t *n, struct seep_err *err)
{
    int got;
    do
        got = take_row(r, n, err);
    while (got == 1 && *n == 1 && !r->quoted[0] && csv_trim(r->cells[0]).len == 0);
    *cells = r->cells;
    return got;
}

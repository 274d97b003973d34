// Tables as text, read as a stream: RFC 4180 and what the world makes of it.
//
// Place: the way in for `seep analyze`; `seep report -f csv` is the way out. Trust: none, the file comes from anywhere.
// Memory is bounded by CSV_LINE_MAX whatever the file holds. Line ends may be LF, CRLF or CR, also mixed; a byte-order
// mark is skipped, blank lines are no rows. Everything else that is odd is refused by file and line, never guessed at.
#ifndef SEEP_CSV_CSV_H
#define SEEP_CSV_CSV_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

enum { CSV_LINE_MAX = 1024 * 1024, CSV_COLUMNS_MAX = 4096 };

// One cell: `len` bytes that are not terminated; quotes are gone. Valid until the next call.
struct csv_cell {
    const char *text;
    size_t len;
};

struct csv_reader;

// Opens a file, FIFO or, as "-", standard input. NULL with a sentence for what cannot be opened, a directory, a packed
// file, a database or UTF-16. The first bytes are read here.
struct csv_reader *csv_open(const char *path, struct seep_err *err);

// The same over `len` bytes in memory, which must outlive the reader, handed out `step` (> 0) bytes at a time: for
// tests.
struct csv_reader *csv_open_memory(const char *name, const void *data, size_t len, size_t step, struct seep_err *err);

void csv_close(struct csv_reader *r); // NULL is allowed

// The next row: 1 and *n > 0 cells, 0 at the end of the file, -1 with "file:line: ...".
int csv_next(struct csv_reader *r, const struct csv_cell **cells, size_t *n, struct seep_err *err);

// The line the row last returned begins in, from 1.
size_t csv_line(const struct csv_reader *r);

// The first line that ends otherwise than the lines before it; 0: none.
size_t csv_mixed_line(const struct csv_reader *r);

// "file:line: <text>" as a usage error; returns -1.
int csv_fail(const struct csv_reader *r, size_t line, struct seep_err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

enum csv_number { CSV_NUMBER, CSV_EMPTY, CSV_NOT_A_NUMBER, CSV_TOO_LARGE };

// A cell as a decimal number (blanks around it are allowed; no hexadecimal, no "nan", no "inf"), correctly rounded. At
// most 2^63 in size. *out is set for CSV_NUMBER only.
enum csv_number csv_number(const struct csv_cell *cell, double *out);

// The cell without blanks around it.
struct csv_cell csv_trim(struct csv_cell cell);

#endif

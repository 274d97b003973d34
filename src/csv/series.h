// Time series out of a table: one column of times, some columns of values, as arrays for the judge.
//
// Also the names of the columns that `seep report -f csv` writes and `seep analyze` knows.
#ifndef SEEP_CSV_SERIES_H
#define SEEP_CSV_SERIES_H

#include "csv/csv.h"

#define CSV_TIME      "timestamp_s"     // seconds on any rising axis
#define CSV_EXCLUDED  "excluded_s"      // optional: seconds so far in which the target was paused; taken off the time
#define CSV_RSS       "rss_bytes"       // resident memory
#define CSV_ALLOCATED "allocated_bytes" // live heap

// The same before its unit: columns of other programs may end in _kb, _kib, _mb, _mib, _gb or _gib instead of _bytes,
// in small letters or large. Each counts what base/units.h says: kb 1000 bytes, kib 1024.
#define CSV_RSS_STEM       "rss"
#define CSV_ALLOCATED_STEM "allocated"

// The page size that resident memory comes in.
#define CSV_PAGE_BYTES 4096

struct csv_column {
    char *name;
    double *y;         // csv_series.n values, NaN where the cell was empty; bytes when the name ends in a unit of them
    size_t n_missing;  // empty cells
    bool in_pages;     // every value is a multiple of the page size
    double unit_bytes; // of the name; 0: it names none, and what is counted are things
    double step_bytes; // the last decimal written, e.g. 1e5 for 412.6 in a column _mb; 0 where unit_bytes is at most 1
    size_t room;       // private
    int decimals;      // private
};

struct csv_series {
    double *t_s; // n, strictly rising
    size_t n;
    size_t room; // private
    struct csv_column *column;
    size_t n_columns;
    double longest_gap_s; // between neighbouring rows
    size_t longest_gap_line;
    size_t mixed_line; // see csv_mixed_line()
};

// Reads all rows. wanted names n_wanted columns, each of which must be there; with n_wanted 0, those of CSV_RSS and
// CSV_ALLOCATED that are there, in whatever unit, at least one. Times must rise from row to row, values must be numbers
// of at least 0 or empty. Holds 8 bytes a row for each column and for the time. Errors name file and line; a table with
// fewer than two rows is one. *out is empty after an error, and freed by csv_series_free otherwise.
int csv_series_read(struct csv_reader *r, const char *const *wanted, size_t n_wanted, struct csv_series *out,
                    struct seep_err *err);

// Whether a column of that name is `stem` in some unit of bytes.
bool csv_name_is(const char *name, const char *stem);

// Gives up the values of one column early.
void csv_column_drop(struct csv_column *column);

void csv_series_free(struct csv_series *series);

#endif

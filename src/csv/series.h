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

// The page size that resident memory comes in.
#define CSV_PAGE_BYTES 4096

struct csv_column {
    char *name;
    double *y;        // csv_series.n values, NaN where the cell was empty
    size_t n_missing; // empty cells
    bool in_pages;    // every value is a multiple of the page size
    size_t room;      // private
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
// CSV_ALLOCATED that are there, at least one. Times must rise from row to row, values must be numbers of at least 0 or
// empty. Holds 8 bytes a row for each column and for the time. Errors name file and line; a table with fewer than two
// rows is one. *out is empty after an error, and freed by csv_series_free otherwise.
int csv_series_read(struct csv_reader *r, const char *const *wanted, size_t n_wanted, struct csv_series *out,
                    struct seep_err *err);

// Gives up the values of one column early.
void csv_column_drop(struct csv_column *column);

void csv_series_free(struct csv_series *series);

#endif

// What an endpoint said, scrape after scrape: one row a series, with the values that rates need. Bounded in rows and in
// history; a counter that starts again (its program was restarted) goes on from where it was.
#ifndef SEEP_SCRAPE_TABLE_H
#define SEEP_SCRAPE_TABLE_H

#include "scrape/exposition.h"

enum { SCRAPE_ROWS_MAX = 4000, SCRAPE_HISTORY = 32, SCRAPE_HASH = 8192 };

struct scrape_row {
    char *name, *labels; // in one piece of memory
    bool counter;
    double raw;    // as exposed
    double value;  // gauges: the same; counters: without falls
    uint64_t seen; // number of the scrape
    double before; // `value` one scrape before; NaN: it was not there
    double history[SCRAPE_HISTORY];
};

struct scrape_table {
    struct scrape_row *row; // n of SCRAPE_ROWS_MAX
    size_t n;
    uint32_t *hash;
    uint64_t scrape;   // how many there were
    uint64_t left_out; // samples without a row, of the last scrape
    int64_t now_ns, before_ns;
    int64_t at_ns[SCRAPE_HISTORY]; // of the history's columns; 0: none
    size_t column;
    int64_t spacing_ns; // least distance of two columns
    bool (*wanted)(const char *name, void *ctx);
    void *ctx;
};

// longest_s: the longest range that an expression asks for, 0 for none. wanted says which names get a row. 0 or -1
// (memory).
int scrape_table_init(struct scrape_table *t, double longest_s, bool (*wanted)(const char *name, void *ctx), void *ctx);
void scrape_table_free(struct scrape_table *t);
// Takes in what was exposed at now_ns.
void scrape_table_take(struct scrape_table *t, const char *text, size_t len, int64_t now_ns,
                       struct scrape_counts *counts);
// Was the row in the last scrape?
bool scrape_row_present(const struct scrape_table *t, const struct scrape_row *row);
// The value about range_s ago (0: one scrape ago) and when that was; NaN when it was not there.
double scrape_row_past(const struct scrape_table *t, const struct scrape_row *row, double range_s, double *ago_s);

#endif

// The user's own metrics of a profile (load.metrics), in one table: like the series (load/series.h) made from the
// profile alone and alike on both sides of the socket. Pure.
//
// A trend is a histogram of values, a rate the share of hits in a total, a counter a sum. A trend's histogram is that
// of load/hist.h, whose whole numbers stand for microseconds, bytes, or thousandths of a number: three decimals up
// to 3.6 million.
#ifndef SEEP_LOAD_METRICS_H
#define SEEP_LOAD_METRICS_H

#include "base/units.h"
#include "load/hist.h"
#include "profile/profile.h"
#include <stdint.h>

struct load_metric {
    const char *name; // the profile's
    enum profile_metric_kind kind;
    enum seep_unit unit; // of a trend's values and of a counter's sum: seconds, bytes, or none
    double steps;        // of the histogram in one unit: 1e6, 1 or 1000
    int load, index;     // loads[load].metrics[index]
    char labels[64 + 8]; // "name=NAME", as in the store
};

// A load that is another program has its counters as metrics: loads[load].exec.counters[index - LOAD_METRIC_EXEC]. One
// that only grows is a counter, another a trend of what was said last in each interval.
enum { LOAD_METRIC_EXEC = PROFILE_METRICS_MAX };

struct load_metric_table {
    int n; // 0: the profile has none
    struct load_metric row[PROFILE_METRICS_MAX];
};

// The profile must outlive the table; it has at most PROFILE_METRICS_MAX in all its loads.
void load_metrics_build(const struct profile *p, struct load_metric_table *out);
int load_metric_of(const struct load_metric_table *t, int load, int index); // its row, or -1

// Cumulative.
struct load_metric_counts {
    uint64_t total; // values of a trend, what a rate looked at, additions to a counter
    uint64_t hits;  // of a rate
    double sum;     // of a trend's values and of a counter
};

// The histogram's figures in the metric's unit, though the fields' names say microseconds.
void load_metric_figures(const struct load_metric *m, const struct load_hist *h, struct hist_figures *out);

#endif

// The worker's own books: what it counted of each series, and the durations since they were last sent.
//
// The engine writes here, the worker sends it. Memory is fixed when it is opened: counters and status codes for every
// series, histograms only where something is recorded (requests in leaves, passes in scenarios of several steps and in
// transactions). Counters are cumulative; histograms are emptied as they are sent.
#ifndef SEEP_LOAD_TALLY_H
#define SEEP_LOAD_TALLY_H

#include "load/load.h"
#include "load/series.h"

struct load_tally {
    const struct load_series_table *series;  // not owned
    struct load_counts *counts;              // series->n
    struct load_codes *codes;                // series->n; of leaves
    struct load_hist **hist;                 // series->n * LOAD_HIST_KINDS; NULL where nothing is recorded
    const struct load_metric_table *metrics; // not owned
    struct load_metric_counts *metric;       // metrics->n
    struct load_hist **metric_hist;          // metrics->n; NULL: no trend
};

int tally_open(const struct load_series_table *series, const struct load_metric_table *metrics, struct load_tally *out,
               struct seep_err *err);
void tally_close(struct load_tally *t);

// Adds a reply with this status to a leaf's codes and classes. Any number is allowed.
void tally_status(struct load_tally *t, int series, int status);

// Records a duration; a series that keeps no such histogram is left alone.
static inline void tally_record(struct load_tally *t, int series, enum load_hist_kind kind, uint64_t us)
{
    struct load_hist *h = t->hist[series * LOAD_HIST_KINDS + kind];
    if (h)
        hist_record(h, us < HIST_MIN_US ? HIST_MIN_US : us);
}

// One way through a scenario or transaction is over; ok: all of its steps were.
static inline void tally_pass(struct load_tally *t, int series, uint64_t us, bool ok)
{
    t->counts[series].passes++;
    t->counts[series].passes_failed += !ok;
    tally_record(t, series, LOAD_PASS, us);
}

// One more value of a trend, or an addition to a counter, in the metric's unit (seconds, bytes, or as it is). What is
// no number is left out.
void tally_value(struct load_tally *t, int metric, double value);
// One more case of a rate.
static inline void tally_case(struct load_tally *t, int metric, bool hit)
{
    t->metric[metric].total++;
    t->metric[metric].hits += hit;
}

// Counts one more of a status code. What does not fit LOAD_CODES different ones is `other`.
void load_codes_add(struct load_codes *c, int status, uint64_t times);
// into += from; exact unless more than LOAD_CODES different ones come together.
void load_codes_merge(struct load_codes *into, const struct load_codes *from);

#endif

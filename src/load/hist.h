// Histograms of durations: log-linear buckets with three significant digits from 1 us to 1 h, in constant memory.
//
// The layout is that of HdrHistogram with lowest 1, highest 3 600 000 000 and 3 digits (see hdrhistogram.org): values
// below 2048 us have a bucket of their own, above that every power of two is cut into 1024 buckets, so a bucket is at
// most 1/1024 of its value wide. All histograms share this one layout; therefore merging adds bucket by bucket, is
// exact and may be done in any order (over workers, intervals, shards). Unit of all values: microseconds.
#ifndef SEEP_LOAD_HIST_H
#define SEEP_LOAD_HIST_H

#include "base/buf.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HIST_BUCKETS = 23552,                   // (22 + 1) * 1024
    HIST_BLOB_MAX = 64 + HIST_BUCKETS * 10, // the longest blob hist_pack() can write
};
#define HIST_MIN_US 1u
#define HIST_MAX_US 3600000000u

// Plain data of constant size (184 KiB): keep it in allocated memory, not on a stack. All zero is an empty histogram.
struct load_hist {
    uint64_t count;  // recorded values; the sum of all buckets
    uint64_t sum_us; // of the values as recorded, saturating
    uint64_t min_us; // meaningless while count is 0
    uint64_t max_us;
    uint64_t clipped; // of `count`: values above 1 h, kept as 1 h
    uint64_t bucket[HIST_BUCKETS];
};

void hist_reset(struct load_hist *h);

// Records one value, or `times` of the same. Above 1 h counts as 1 h (and as clipped). 0 is a value like others: no
// duration (tally_record() sees to that), but a number that a metric is made of may be 0.
void hist_record(struct load_hist *h, uint64_t value_us);
void hist_record_times(struct load_hist *h, uint64_t value_us, uint64_t times);

// into += from, exactly.
void hist_merge(struct load_hist *into, const struct load_hist *from);

// whole -= part, where `part` was once merged into or was an earlier state of `whole`: the window between two
// cumulative histograms. Exact but for min and max, which become the edges of the outermost buckets left. -1, and
// `whole` unchanged, when `part` is not contained in `whole`.
int hist_subtract(struct load_hist *whole, const struct load_hist *part, struct seep_err *err);

// The quantile q (0..1) of the recorded values: with n values sorted, that of rank ceil(q * n), at least 1. Returned is
// the upper edge of its bucket, never more than the true maximum: at most 0.1 % above the value itself. NaN when empty.
double hist_quantile(const struct load_hist *h, double q);
double hist_mean(const struct load_hist *h);   // exact; NaN when empty
double hist_stddev(const struct load_hist *h); // of the population, from bucket middles; NaN when empty

// The figures every report shows, in microseconds; NaN (not 0) in an empty one.
struct hist_figures {
    uint64_t count;
    double min_us, max_us, mean_us, stddev_us;
    double p50_us, p90_us, p95_us, p99_us, p999_us;
};
void hist_figures(const struct load_hist *h, struct hist_figures *out);

// Values within bucket i are low..high, both included. i < HIST_BUCKETS.
unsigned hist_index(uint64_t value_us); // of a value, clipped to the range
uint64_t hist_bucket_low_us(unsigned i);
uint64_t hist_bucket_high_us(unsigned i);

// Counts by coarser buckets: out[b] (n of them) becomes the count of values in (edge_us[b], edge_us[b + 1]]; edge_us
// holds n + 1 rising values. A fine bucket belongs where its upper edge lies. What lies outside is counted in the first
// and in the last.
void hist_rebin(const struct load_hist *h, const double *edge_us, size_t n, uint64_t *out);

// A ladder of HIST_COARSE buckets (HIST_COARSE + 1 edges, 2 % steps, 1 us .. 1 h; edge 0 is 0) for keeping one row a
// tick where 23 552 buckets a tick are too many. Quantiles from it are within 2 %.
enum { HIST_COARSE = 1113 };
const double *hist_coarse_edges_us(void); // HIST_COARSE + 1 values, rising; not owned

// A compact blob with a version: variable-length numbers, runs of empty buckets folded. Appended to `out`, whose
// ceiling must leave HIST_BLOB_MAX for the worst case; a typical one is 1 to 6 kB.
void hist_pack(const struct load_hist *h, struct seep_buf *out);

// The reverse, for input that may be hostile: every bound is checked, and what the counts, sum, minimum and maximum say
// must hold together. -1 with SEEP_E_CORRUPT; *out is then empty. On success all of len was used.
int hist_unpack(const void *data, size_t len, struct load_hist *out, struct seep_err *err);

#endif

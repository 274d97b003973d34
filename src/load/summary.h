// What a load did, in figures: for verdict.json, seep.load/1, reports and the terminal. Pure.
#ifndef SEEP_LOAD_SUMMARY_H
#define SEEP_LOAD_SUMMARY_H

#include "base/buf.h"
#include "base/jsonw.h"
#include "load/load.h"

// One row of the series table (load/series.h), or the whole.
struct load_summary_row {
    enum load_series_kind kind;
    const char *labels; // not owned
    const char *name;   // its own part of the labels; NULL for the whole
    struct load_counts counts;
    struct load_codes codes;
    double rate_per_s;  // completed per second with the load on, passes of a transaction; NaN unknown
    double error_ratio; // of the completed, of the passes of a transaction; NaN when none
    struct hist_figures latency, service;
    struct hist_figures pass; // of a scenario of several steps, or of a transaction
};

// One of the user's own metrics.
struct load_summary_metric {
    struct load_metric metric; // its name is within its labels
    struct load_metric_counts counts;
    double ratio;               // of a rate: hits of all; NaN otherwise, and of none
    struct hist_figures values; // of a trend, in the metric's unit
};

struct load_summary {
    struct load_summary_row all;
    struct load_summary_row *row; // n_rows, without the whole; what is above stands before what is below it
    int n_rows;
    struct load_summary_metric *metric; // n_metrics
    int n_metrics;
    double seconds;                     // with the load on
    double offered_rate_per_s;          // NaN unknown
    double achieved_rate_per_s;         // started
    double cpu_ratio;                   // of the generator, 1.0 = one core; NaN unknown
    double busiest_ratio;               // of its busiest worker
    uint32_t workers, lost;             // processes, and how many of them went before their time
    double lag_mean_ms, lag_max_ms;     // NaN unknown
    uint32_t programs, programs_failed; // as in struct load_generator
    // SEEP_UNKNOWN: not recorded. retried: requests sent once more over another connection; each counts once, as what
    // came of it at last.
    int64_t connections, rss_bytes, retried;
    // The generator, not the target, was the bottleneck, or part of it was lost: http gates are then inconclusive.
    bool saturated;
    bool undriven; // and the load was not driven as it was to be: nothing else that rests on it is sure either
    char why_saturated[160];
};

// One input of load_summarise(): what is known of a series. NULL: not kept.
struct load_summary_part {
    const char *labels; // as of the series; must outlive the summary
    bool leaf;          // its requests are its own; the whole is the sum of these
    const struct load_counts *counts;
    const struct load_codes *codes;
    const struct load_hist *latency, *service, *pass;
};

// From figures kept elsewhere (the store, several runs of a worker). The whole is made here and not among the parts.
// generator may be NULL. -1 when memory ran out.
int load_summarise(const struct load_summary_part *part, int n, const struct load_generator *generator,
                   struct load_summary *out, struct seep_err *err);
// values: NULL when not kept. The name in `out` is out's own.
void load_summarise_metric(const struct load_metric *m, const struct load_metric_counts *counts,
                           const struct load_hist *values, struct load_summary_metric *out);
// Copies n of them into the summary. -1 without memory; the summary is then freed.
int load_summary_add_metrics(struct load_summary *s, const struct load_summary_metric *metric, int n,
                             struct seep_err *err);
// The name of a metric of a summary.
const char *load_summary_metric_name(const struct load_summary_metric *m);
// Of a live load.
int load_summary(const struct load *l, struct load_summary *out, struct seep_err *err);
void load_summary_free(struct load_summary *s);

// How many rows are of a kind.
int load_summary_count(const struct load_summary *s, enum load_series_kind kind);
// How many levels of others a row stands below: 0 for what has none above but the whole.
int load_summary_depth(const struct load_summary *s, const struct load_summary_row *row);

// The object `load` of verdict.json and of seep.load/1: requests, errors, rate_per_s, offered, started, dropped, late,
// cancelled, iterations, errors_by_kind{}, status{class: n}, status_codes{code: n}, latency_us{min,mean,p50,p90,p95,
// p99,p999,max,stddev}, service_us{...}, generator{status, reason, cpu, ...}, loads[{name, ...}] when there are
// several, scenarios[{name, load, ..., iteration_us{}, steps[{name, ...}], transactions[{name, passes, failed,
// duration_us{}}]}],
// metrics[{name, kind, unit, total, hits, ratio, sum, values{}}].
void load_summary_json(const struct load_summary *s, struct jsonw *w, const char *key);

// Lines of text for a terminal: totals, quantiles, errors by kind, one line for each row.
void load_summary_text(const struct load_summary *s, struct seep_buf *out);

#endif

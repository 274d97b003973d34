// One figure of a run with its uncertainty: a mean level, a quantile of latencies, a share of errors, a throughput.
//
// Figures of one run are compared with those of another (compare.h) and scored (score.h). Samples of a run are never
// independent, so every standard error allows for autocorrelation: levels by the AR(1) rule of the trend, figures of
// the load by batches of time (batch means, Law & Kelton, Simulation Modeling and Analysis, 9.5).
#ifndef SEEP_JUDGE_MEASURE_H
#define SEEP_JUDGE_MEASURE_H

#include "judge/gate.h"
#include "judge/trend.h"

struct judge_measure {
    double value;        // NaN: unknown, and why says so
    double se_lo, se_hi; // standard error towards smaller and towards larger values; equal but for growth rates
    double nu;           // degrees of freedom of the standard errors
    double peak;         // largest value seen, of levels; NaN otherwise
    // A second opinion that a comparison must share; NaN where there is none. Of growth rates the slope of a straight
    // line over the same window, since the choice of a model makes heavy tails; of figures of the load the median of
    // the batches, since one stall of the machine must not look like a slower program.
    double plain;
    double plain_se;
    const char *why; // a sentence (static) when value is unknown; NULL otherwise
};

// Mean of a gauge over its samples (at least 10), by time-ordered bins.
void judge_measure_level(const struct judge_series *series, struct judge_measure *out);

// The end-of-run growth rate with the interval of the trend, and the straight line through series from the end of the
// warm-up on. Unknown when the trend has no rate.
void judge_measure_growth(const struct judge_growth *growth, const struct judge_series *series,
                          struct judge_measure *out);

// A figure of the load over all rows: kind is JUDGE_M_QUANTILE (q in 0..1), JUDGE_M_ERRORS or JUDGE_M_RATE. from_s is
// where the first row begins. whole (may be NULL) is the same load as one row with all latencies, for the value itself.
// Unknown with fewer than 8 batches that hold enough requests to have the quantile.
void judge_measure_load(enum judge_metric_kind kind, double q, const struct judge_load *rows,
                        const struct judge_load *whole, double from_s, struct judge_measure *out);

// What one thing takes of another: sum(use) / sum(per) over n pairs in order of time, e.g. CPU seconds and requests.
// Pairs of which one is NaN do not count. The error is that of a ratio of totals over up to 20 batches of time
// (Cochran, Sampling Techniques, 6.4), so that a use that follows `per` up and down is as certain as it is. Unknown
// with fewer than 8 pairs, and when nothing was done.
void judge_measure_ratio(const double *use, const double *per, size_t n, struct judge_measure *out);

#endif

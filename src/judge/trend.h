// One signal against one budget: is the growth rate at the end of the run under it, over it, or can this run not tell?
//
// The method is docs/METHOD.md: a small competition of models, the union of the intervals of all near-best ones,
// standard errors that allow for autocorrelation, and the rate tested against the budget rather than against zero.
#ifndef SEEP_JUDGE_TREND_H
#define SEEP_JUDGE_TREND_H

#include "judge/judge.h"

// Start from JUDGE_OPTIONS_DEFAULT and set the budget. NaN (or 0 where said) leaves a field unknown.
struct judge_options {
    double budget_per_s;       // > 0, units of y per second; 0 means "nothing visible": one quantum over the run
    double planned_duration_s; // of the whole run, for words only; NaN unknown
    double interval_s;         // nominal distance of samples; NaN: the median distance found
    double total_limit;        // most growth in total, units of y; NaN: no such limit
    double warmup_s;           // seconds to drop at the start; NaN: 10 % of the series
    double period_s;           // a declared load period; NaN: none
    double quantum;            // grain of y: 4096 for resident memory, 0 for exact byte counts
    bool counts;               // y counts whole things (fds, threads): judged by its floor, quantum ignored
    enum judge_unit unit;      // of y, for words: JUDGE_U_BYTES or JUDGE_U_COUNT
    double t_scale;            // multiplies the t quantile; 1, and 2 for early looks
    double baseline;           // level before the load for total growth; NaN: the first 2 % of the series
    const struct judge_span *excluded; // paused or suspended stretches, cut out before judging
    size_t n_excluded;
    bool first_only; // only the first competition, without second opinions (for comparisons)
};

#define JUDGE_OPTIONS_DEFAULT                                                                                          \
    ((struct judge_options){.budget_per_s = 0,                                                                         \
                            .planned_duration_s = (double)__builtin_nan(""),                                           \
                            .interval_s = (double)__builtin_nan(""),                                                   \
                            .total_limit = (double)__builtin_nan(""),                                                  \
                            .warmup_s = (double)__builtin_nan(""),                                                     \
                            .period_s = (double)__builtin_nan(""),                                                     \
                            .quantum = 4096,                                                                           \
                            .unit = JUDGE_U_BYTES,                                                                     \
                            .t_scale = 1,                                                                              \
                            .baseline = (double)__builtin_nan("")})

struct judge_growth {
    enum judge_verdict verdict;
    enum judge_shape shape;
    double slope_per_s; // growth rate at the end of the run, best model
    double lo_per_s;    // two-sided 90 % interval: each end is a one-sided 95 % bound
    double hi_per_s;
    double mde_per_s;         // smallest excess seen with 80 % power
    double settle_duration_s; // run length that would settle an inconclusive answer; NaN when it is settled or unknown
    double budget_per_s;      // what it was tested against (after the quantum rule)
    double rho;               // lag-1 autocorrelation of the residuals of the best model
    double tau_s;             // time constant of a plateau; NaN otherwise
    double event_t_s;         // time of the step or of the onset, on the axis of t_s; NaN otherwise
    double event_size;        // size of the step, or of the plateau's fill, in units of y; NaN otherwise
    size_t n_steps;           // known jumps of a step; 0 where a single step was fitted as a model
    double cycle_s;           // length of the seasonal cycle that was fitted; NaN otherwise
    double warmup_end_s;      // on the axis of t_s: where the judged window begins
    double window_s;          // length of the judged window
    double total_growth;      // median of the end minus baseline, units of y
    double total_margin;      // its +- (three times the noise of a median)
    double half_ratio;        // growth of the second half over the first: about 1 linear, under 0.4 saturating
    double net_growth;        // within the judged window, medians of both ends
    double grain;             // of values that are too coarse for the budget; NaN otherwise
    size_t n_given;           // samples given
    size_t n_used;            // points judged after warm-up, troughs and binning
    size_t n_models;          // in the plausible set
    size_t n_recuts;          // how often a longer warm-up was found and cut
    enum judge_unit unit;     // of the series, from the options
    size_t n_gaps;            // distances over three intervals, after cutting what was excluded
    bool troughs;             // judged at the troughs of a sawtooth
    bool withdrawn;           // a second opinion made a PASS or a FAIL inconclusive
    bool resolves;            // the run can resolve its budget: mde <= budget
    enum judge_verdict total_verdict; // of the total limit alone; PASS when there is none
    char model[48];                   // "L", "E0.1", "cycle10.5 L", "troughs L", as in docs/METHOD.md
    char shape_text[160];             // "plateau, filled after 2.1 h"
    char reason[256];                 // a finished sentence
};

// Judges series against options. series->n may be 0 and up to 10 million; more than 300 points after the warm-up are
// averaged into 300 bins. Fewer than 40 points, an invalid budget, non-finite values or time running backwards give
// JUDGE_INCONCLUSIVE with the reason. Returns 0, or -1 when memory ran out (out is then inconclusive and says so).
int judge_trend(const struct judge_series *series, const struct judge_options *options, struct judge_growth *out);

// Seconds of excluded time before t_s, counting from first_s: what judge_trend takes off a time. Spans are in order of
// time; *inside tells whether t_s itself is excluded, its sample then counts for nothing.
double judge_excluded_before(const struct judge_span *spans, size_t n, double first_s, double t_s, bool *inside);

// Rule 3.9: resident and allocated memory combined into one answer; label names the cause where the two disagree
// ("" otherwise). label has size bytes, > 0.
enum judge_verdict judge_combine(const struct judge_growth *rss, const struct judge_growth *allocated, char *label,
                                 size_t size);

// A three-way comparison of a level against a limit with the noise of medians: close minus baseline (10 MB by default),
// or the end of a run minus its start.
struct judge_level {
    enum judge_verdict verdict;
    double difference; // median of after minus median of before
    double margin;     // +-
    char reason[200];
};

// Total growth alone, against options->total_limit (NaN: inconclusive, with the numbers): the median of the last tenth
// minus options->baseline or the median of the first 2 %. Fewer than 10 samples are inconclusive. Returns 0, or -1
// without memory.
int judge_total_growth(const struct judge_series *series, const struct judge_options *options, struct judge_level *out);

// before and after hold the values only, in time order; fewer than 10 of either is inconclusive. Returns 0, or -1 when
// memory ran out.
int judge_close(const double *before, size_t n_before, const double *after, size_t n_after, double limit,
                enum judge_unit unit, struct judge_level *out);

// Reload: the growth of a second cycle of the same load against the first. At most 10 % of it, or `floor` (what the
// budget of growth allows in that time; 0: nothing), means retention, not a leak. Fails only when the second cycle
// surely grew more; noise is that of the second growth, >= 0.
enum judge_verdict judge_reload(double first_growth, double second_growth, double noise, double floor, char *reason,
                                size_t size);

#endif

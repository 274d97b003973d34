// Gates: what a user demands of a run, as text, checked before the target starts and evaluated on its data.
//
//   metric{label=value,...} < 10MB/h
//   over: "last 5m" | "each 5m" | "whole"    for: 60s    warn: 300ms    vs: baseline  floor: 5ms
//
// One table (judge_metrics) knows every metric, its unit and its labels; parser, help and manual come from it.
#ifndef SEEP_JUDGE_GATE_H
#define SEEP_JUDGE_GATE_H

#include "base/err.h"
#include "judge/judge.h"
#include "judge/stacks.h"
#include "judge/trend.h"

enum judge_metric_kind {
    JUDGE_M_STACK_GROWTH, // worst stack, by the rule of stacks.h
    JUDGE_M_GROWTH,       // end-of-run rate of a gauge
    JUDGE_M_TOTAL_GROWTH, // total growth of a gauge
    JUDGE_M_PER_REQUEST,  // growth of a gauge per request
    JUDGE_M_GAUGE,        // mean of a gauge (cpu, scraped series)
    JUDGE_M_QUANTILE,     // response time quantile
    JUDGE_M_ERRORS,       // share of failed requests
    JUDGE_M_AVAILABILITY, // share of the time in which requests were answered as expected
    JUDGE_M_RATE,         // requests per second
    JUDGE_M_REQUESTS,     // requests in total
    JUDGE_M_ITERATIONS,   // ways through a scenario in total
    JUDGE_M_MAX,          // greatest of values that come one by one (see gate_marks.c)
    JUDGE_M_INCREASE,     // what a counter grew by
};

struct judge_metric {
    const char *name;
    enum judge_metric_kind kind;
    const char *gauge; // series it is computed from, NULL for load metrics and stacks
    double quantile;   // of JUDGE_M_QUANTILE, 0..1
    enum judge_unit unit;
    const char *labels; // the keys of labels it takes, a blank between them; NULL: none
    bool unit_by_limit; // the unit is that in which the limit is written
    const char *help;
};

// All built-in metrics, ended by a NULL name.
extern const struct judge_metric judge_metrics[];

enum judge_op { JUDGE_OP_LT, JUDGE_OP_LE, JUDGE_OP_GT, JUDGE_OP_GE };
enum judge_over { JUDGE_OVER_WHOLE, JUDGE_OVER_LAST, JUDGE_OVER_EACH };

enum { JUDGE_LABELS_MAX = 4, JUDGE_NAME_MAX = 128, JUDGE_LABEL_MAX = 64 };

struct judge_label {
    char key[JUDGE_LABEL_MAX];
    char value[JUDGE_LABEL_MAX];
};

// A parsed gate; plain data, copied freely.
struct judge_gate {
    char name[JUDGE_NAME_MAX * 3]; // metric with labels, as in verdict.json
    char metric[JUDGE_NAME_MAX];
    enum judge_metric_kind kind;
    enum judge_unit unit;
    char gauge[JUDGE_NAME_MAX];
    double quantile;
    bool scraped; // a series scraped from the target
    struct judge_label label[JUDGE_LABELS_MAX];
    size_t n_labels;
    enum judge_op op;
    double limit; // base unit; a ratio when vs_baseline
    enum judge_over over;
    double over_s;  // NaN for whole
    double for_s;   // 0: at once
    double warn;    // NaN: no warn tier
    bool warn_only; // the whole gate is only a warning
    bool vs_baseline;
    double floor; // least absolute difference that counts, base unit; NaN: none
};

// The texts of one gate as a profile gives them; NULL where absent. gate is "metric < limit".
struct judge_gate_text {
    const char *gate;
    const char *over;
    const char *for_time;
    const char *warn; // a limit, or "true": the gate itself only warns
    const char *vs;   // "baseline"
    const char *floor;
};

// Where a parse error is: which field of judge_gate_text ("gate", "over", ...) and the 1-based column in it.
struct judge_gate_where {
    const char *field;
    size_t column;
};

// Parses one gate. scraped holds the names of n_scraped series the profile scrapes from the target; "<name>" and
// "<name>.growth" are then metrics too. Returns 0, or -1 with err (a finished sentence) and where (may be NULL) filled.
int judge_gate_parse(const struct judge_gate_text *text, const char *const *scraped, size_t n_scraped,
                     struct judge_gate *out, struct judge_gate_where *where, struct seep_err *err);

// A gauge sampled over the measured time: "heap", "rss", "pss", "vsize", "disk", "fd", "threads", "maps", "children",
// "zombies", "cpu" (ratio of one core), or a scraped series.
struct judge_gauge {
    const char *name;
    struct judge_series series;
    double quantum;          // see judge_options
    double baseline;         // idle level before the load; NaN unknown
    const char *why_missing; // a sentence when n is 0, e.g. "the target cannot be attributed"; may be NULL
    const char *labels;      // "fault=x", 'code="200",path="/"'; NULL: none
    const char *broken;      // a sentence that fails every gate on it; NULL: nothing
};

// One series of the load, tick by tick: the whole (labels ""), a load, scenario, step, transaction, or a metric of the
// user's ("name=search_latency"). Of a transaction the requests are its passes; of a metric they are what it counted,
// errors what of it hit, and buckets its values.
struct judge_load {
    const char *labels; // "scenario=login,step=submit"
    const double *t_s;  // n, ends of the ticks
    size_t n;
    const uint64_t *requests; // n, finished within the tick
    const uint64_t *errors;   // n, failed within the tick
    const uint64_t *passes;   // n, ways through the scenario within the tick; NULL: not counted
    const double *edge_s;     // n_buckets + 1, rising: bucket b holds latencies in (edge_s[b], edge_s[b + 1]]
    size_t n_buckets;         // 0: no latencies kept
    const uint64_t *bucket;   // n x n_buckets
};

// The load of a gate: of those whose labels hold all of the gate's, the one with the fewest labels. NULL: there is
// none, or several; *ambiguous then tells which.
const struct judge_load *judge_load_find(const struct judge_gate *gate, const struct judge_load *loads, size_t n,
                                         bool *ambiguous);

// Is the gauge one of those that a gate is about, by name and labels?
bool judge_gauge_matches(const struct judge_gate *gate, const struct judge_gauge *gauge);

// Quantile (0..1) of the merged latencies of rows [from, to), seconds, linear within its bucket; NaN without requests.
double judge_load_quantile(const struct judge_load *load, size_t from, size_t to, double quantile);

// What a gate's metric was in the baseline run, over the same window, for "vs: baseline". name as judge_gate.name.
struct judge_baseline_value {
    const char *name;
    enum judge_over over;
    double over_s; // of LAST and EACH
    double value;
};

// The entry of a gate among n, or NULL.
const struct judge_baseline_value *judge_baseline_of(const struct judge_gate *gate,
                                                     const struct judge_baseline_value *values, size_t n);

// Everything a run measured, for gates. All pointers are the caller's.
struct judge_data {
    double from_s; // measured window, on the axis of all t_s
    double to_s;
    struct judge_options options; // warm-up, period, exclusions, interval: budgets are the gates'
    const struct judge_gauge *gauge;
    size_t n_gauges;
    const struct judge_load *load;
    size_t n_loads;
    const struct judge_load *marks; // operations the program marked, for growth per request without a load; NULL, n 0
    const struct judge_span *cut;   // what does not count for gates on response times, errors and rates: faults
    size_t n_cut;
    const struct judge_stacks_input *stacks; // NULL: not attributed; budget_per_s in it is ignored
    const char *stacks_missing;              // why not, a sentence; may be NULL
    const struct judge_baseline_value *baseline;
    size_t n_baseline;
};

struct judge_gate_result {
    enum judge_status status;
    double value; // base unit, NaN unknown
    double lo, hi;
    double limit;    // base unit; the absolute limit also for vs: baseline
    double distance; // how far inside the limit, base unit; negative: outside
    enum judge_unit unit;
    bool has_growth; // growth below is filled
    struct judge_growth growth;
    char reason[320];
};

// Evaluates one gate. Returns 0 or -1 when memory ran out (the result is then inconclusive).
int judge_gate_eval(const struct judge_gate *gate, const struct judge_data *data, struct judge_gate_result *out);

// "<" "<=" ">" ">=".
const char *judge_op_name(enum judge_op op);

#endif

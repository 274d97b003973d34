// The making of a report, step by step; private to src/report. Each build_*.c fills one part of struct report from the
// store and from what earlier steps left in struct build. The order of the steps stands in report_build().
#ifndef SEEP_REPORT_BUILD_H
#define SEEP_REPORT_BUILD_H

#include "report/arena.h"
#include "report/report.h"

enum { REPORT_MAGIC = 0x52455054 };

// A gauge over the measured time: ticks with a finite value only, the probe's own share taken away.
struct build_gauge {
    const char *name;   // as in gates: "rss", "heap", ...
    const char *labels; // "fault=x"; NULL: none
    const char *broken; // see judge_gauge
    double *t_s, *y;
    size_t n;
    double quantum;
    enum judge_unit unit;
    double baseline; // median of the idle baseline; NAN
    const char *why_missing;
    bool by_allocator; // the heap: what the allocator says it has given out, not what was seen of its calls
};

enum { BUILD_GAUGES_MAX = 256 };

struct build {
    struct report *r;
    struct store *st;
    struct report_options opt;
    const struct profile *profile;
    struct profile *own_profile; // freed at the end
    struct report_arena *arena;

    struct store_ticks ticks;
    size_t measure_first, measure_end; // ticks [first, end) of the measure phase that are judged; equal: there are none
    size_t all_first, all_end;         // of the whole measure phase: of a target that was started again several lives
    struct store_series_info *series;
    size_t n_series;

    struct build_gauge gauges[BUILD_GAUGES_MAX];
    size_t n_gauges;
    struct judge_span *excluded; // paused, suspended, faults: cut out of fits, on the axis of the report
    size_t n_excluded;
    struct judge_span *cut; // faults: cut out of gates on response times, errors and rates
    size_t n_cut;
    struct judge_options judge_options; // warm-up, period, exclusions, interval; budget by gate

    struct judge_load marks;  // all marked operations; n 0: none
    struct judge_load *loads; // whole load first, then each of its series
    size_t n_loads;
    struct judge_baseline_value *baseline; // for gates with vs: baseline
    size_t n_baseline;
    struct judge_load *loads_whole; // the same as one row with all latencies, for gates over the whole run

    struct judge_stacks_input stacks_input; // n_stacks 0: none
    struct judge_stacks judged_stacks;
    struct store_stack_info *stack_infos;
    size_t n_stack_infos;
    struct store_stack_matrix matrix;
    double *stack_t_s;
    double *ages;               // per stack, slices of the measured time by birth, oldest first; NAN unknown
    double *unreachable;        // per stack: share of the checked blocks; NAN not checked
    bool *is_mapping;           // per stack
    double *allow_budget;       // per stack; NULL when the profile allows nothing, NAN: not this one
    int *allow_of;              // per stack: the entry that decides; -1: none
    const char *stacks_missing; // a sentence; NULL when there are stacks
};

// Out of memory, said in one way.
int build_no_memory(struct seep_err *err);

// build_meta.c: facts by name.
int build_meta(struct build *b, struct seep_err *err);
// One fact as a copy in the arena, or NULL; errors only when the store cannot be read.
int build_get(struct build *b, const char *key, const char **value, struct seep_err *err);
double build_number(const char *text);   // NAN for NULL and for what is no number
int64_t build_integer(const char *text); // SEEP_UNKNOWN likewise

// build_series.c: ticks, axis, gauges, charts.
int build_ticks(struct build *b, struct seep_err *err);
// The values of a series aligned with the ticks, malloc'ed; *values NULL when there is no such series.
int build_values(struct build *b, const char *name, const char *labels, double **values, struct seep_err *err);
// Turns a cumulative counter into rates per second, in place; NAN where there is none.
void build_rates(const double *t_s, double *values, size_t n);
int build_charts(struct build *b, struct seep_err *err);
// build_gauges.c
int build_gauges(struct build *b, struct seep_err *err);
// The heap's bytes, aligned with the ticks; like build_values(). by_allocator: by the allocator's own count of what it
// has given out, where the calls were not seen, or not from the beginning.
int build_heap(struct build *b, double **values, bool *by_allocator, struct seep_err *err);
// build_marks.c: gauges of faults, probes and scraped endpoints; needs the gates.
int build_marks(struct build *b, struct seep_err *err);
int build_scraped(struct build *b, struct seep_err *err); // build_scraped.c: r->scraped
const struct build_gauge *build_find_gauge(const struct build *b, const char *name);
// rss or pss (or their shmem part) without the probe's own region, aligned with the ticks; like build_values().
int build_resident(struct build *b, const char *name, double **values, struct seep_err *err);
// The median of a gauge's raw values over the ticks of a phase; at least one needed, else NAN. values: aligned.
double build_phase_median(const struct build *b, const double *values, enum store_phase phase);

// build_events.c: events, exclusions, evidence.
int build_events(struct build *b, struct seep_err *err);
int build_evidence(struct build *b, struct seep_err *err);
// build_faults.c: faults and recoveries, from the events.
int build_faults(struct build *b, struct seep_err *err);
// A gate on recovery or spread cannot pass while a fault that it is about did not take place, or nobody could tell.
void build_doubt_faults(struct build *b, struct report_gate *g);

// build_load.c: loads for gates, the load's summary.
int build_load(struct build *b, struct seep_err *err);
// build_operations.c: what the program marked: fills the report's list, the most frequent first, and b->marks.
int build_marked(struct build *b, struct seep_err *err);
// How often each operation had been done at each of the times t_s (n, ascending): ops->counts is n x k, k 0 where
// nothing counts any. The first k_marks are the program's marks, the others scenarios of the load.
struct build_ops {
    double *counts;
    size_t k, k_marks;
    const char *names[JUDGE_PEROP_MAX]; // borrowed from the list of series
};
int build_operations(struct build *b, const double *t_s, size_t n, struct build_ops *ops, struct seep_err *err);
void build_ops_free(struct build_ops *ops);
// The growth of y per operation: *out becomes the known ones.
int build_per_op(struct build *b, const struct build_ops *ops, const double *t_s, const double *y, size_t n,
                 struct report_per_op **out, size_t *n_out, struct seep_err *err);

// build_stacks.c: reads the stacks and prepares the test; after the gates: ranks and fills the list.
int build_stacks_read(struct build *b, struct seep_err *err);
int build_stacks(struct build *b, struct seep_err *err);
void build_stacks_free(struct build *b);
// build_scan.c: what memory scans found.
struct build_unreachable {
    int64_t blocks, checked, scans, agreed, undecided; // SEEP_UNKNOWN where not looked
};
struct build_unreachable build_read_unreachable(struct build *b, uint32_t stack);
int build_unreachable_shares(struct build *b, struct seep_err *err); // for the judge
int build_holders(struct build *b, struct report_stack *s, struct seep_err *err);
// build_allow.c: the profile's allow list against all stacks, named for that; after the test: what became of each
// entry.
int build_allow_read(struct build *b, struct seep_err *err);
void build_allow_conclude(struct build *b);
const char *build_allow_why(struct build *b, size_t stack); // "reason, until DATE", or NULL
// build_exit.c: what the main process never freed; from the whole matrix, before it is cut to the measured time.
int build_at_exit(struct build *b, struct seep_err *err);

// build_frames.c: fills the frames of n stacks whose ids are set, named and tidied.
// Where a stack stands in stack_infos and the rows of the matrix; SIZE_MAX: nowhere.
size_t build_position_of_stack(const struct build *b, uint32_t id);
int build_frames(struct build *b, struct report_stack *stacks, size_t n, struct seep_err *err);

// build_gates.c: growths, gates, the final word.
int build_growths(struct build *b, struct seep_err *err);
int build_gates(struct build *b, struct seep_err *err);
// One gate of the profile, parsed into g; and judged by the data of the run.
int build_parse_gate(struct build *b, const struct profile_gate *p, struct report_gate *g, struct seep_err *err);
int build_judge_gate(struct build *b, struct report_gate *g, struct seep_err *err);
// build_score.c
int build_score(struct build *b, struct seep_err *err);
// Bytes per second that one stack may grow: of the gate on stacks, else on the heap, else 1 MB/h.
double build_stack_budget(const struct build *b);
int build_final(struct build *b, struct seep_err *err);

// build_baseline.c: what "vs: baseline" gates are compared with, as stored; *n 0: nothing.
int build_baseline(struct build *b, struct judge_baseline_value **values, size_t *n, struct seep_err *err);

// build_measures.c: figures with their uncertainty.
int build_measures(struct build *b, struct seep_err *err);
// build_other.c: whether any stack that grows over the limit `counts`.
typedef bool build_over_fn(const struct build *b, size_t s, const struct judge_stack *j, void *ctx);
int build_over(struct build *b, double limit, build_over_fn *counts, void *ctx, bool *any, struct seep_err *err);
// Takes back what a gate on stacks says when (other) grew over its limit.
int build_other(struct build *b, struct report_gate *g, struct seep_err *err);
// build_attach.c: takes back what a gate says of a program's heap that was watched from outside, when what is not known
// of it could have made the difference.
int build_doubt(struct build *b, struct report_gate *g, struct seep_err *err);

// build_explain.c
int build_explain(struct build *b, struct seep_err *err);

// build_reload.c: the second cycle of the load against the first.
int build_reload(struct build *b, struct seep_err *err);
// The finite values of a phase, in time order, into out (room for all ticks); returns how many. values may be NULL.
size_t build_phase_values(const struct build *b, const double *values, enum store_phase phase, double *out);

// build_confirm.c: what a replay under valgrind found.
int build_confirm(struct build *b, struct seep_err *err);

// build_shutdown.c
int build_shutdown(struct build *b, struct seep_err *err);

#endif

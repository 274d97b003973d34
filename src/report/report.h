// What is known about one run, as one struct: everything that any format shows, and nothing a format has to work out.
//
// Place: between the store and the eyes of the user. report_build() reads a run's store, selects the measured time,
// asks the judge, and fills struct report; each format (one file per format) only writes it down. The same function
// serves the end of `seep run`, `seep report`, `seep finish`, the dashboard and looks at a run that is still going.
// Trust: the store may be of unknown origin and every name in it is the target's. Strings are kept as bytes and escaped
// at each sink. Unknown is NAN in doubles, SEEP_UNKNOWN in integers, NULL in strings, and stays unknown to the end.
#ifndef SEEP_REPORT_REPORT_H
#define SEEP_REPORT_REPORT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/units.h"
#include "judge/compare.h"
#include "judge/explain.h"
#include "judge/gate.h"
#include "judge/judge.h"
#include "judge/measure.h"
#include "judge/perop.h"
#include "judge/score.h"
#include "judge/stacks.h"
#include "judge/trend.h"
#include "judge/verdict.h"
#include "load/summary.h"
#include "profile/profile.h"
#include "report/names.h"
#include "resolve/resolve.h"
#include "store/store.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPORT_STACKS_DEFAULT = 200, REPORT_PROFILE_MAX = 20000 };

// What a reader of the run wants from report_build(). Zeroed means: everything, by the profile in the store.
enum report_skip {
    REPORT_SKIP_STACKS = 1, // no stack test, no frames: a quick look for the status line
    REPORT_SKIP_CHARTS = 2, // no series for charts
    REPORT_SKIP_FRAMES = 4, // stacks are judged but not named
};

struct report_options {
    unsigned skip;                 // enum report_skip
    bool live;                     // the run goes on: no shutdown check yet, the verdict is "so far"
    bool cut;                      // with live: nobody works on it, and its end is not in the store
    double t_scale;                // multiplies the t quantile (2 for looks at early stop); 0 means 1
    size_t max_stacks;             // most stacks listed, the rest is summed; 0: REPORT_STACKS_DEFAULT
    struct resolve *resolver;      // names frames that have no name in the store yet; NULL: only names from the store
    const struct profile *profile; // NULL: the dump in the store
    struct store *names_to;        // a store open for writing that takes newly found names; NULL: they are not kept
    // The file of a module, open for reading and the callee's own, or -1: its path has to do. NULL: none is at hand.
    int (*module_fd)(void *ctx, const char *path, const char *build_id);
    void *module_fd_ctx;
};

struct report_pair {
    const char *key, *value;
};

struct report_target {
    const char **argv; // redacted; NULL-terminated, argc long
    int argc;
    const char *exe, *version, *sha256, *build_id, *allocator;
    const char *identity_json; // JSON array as stored, or NULL
    int64_t pid;
    double ready_s;
    const char *ready_how;
    const char *exit_kind; // "exited", "signaled", "oom", "unknown", NULL while it runs
    int64_t exit_status, exit_signal;
    const char *exit_core; // "yes", "no" or NULL
    const char *exit_sentence;
};

struct report_gate {
    struct judge_gate gate;          // parsed; gate.name is the metric with labels
    const char *text;                // as written in the profile
    struct judge_gate_result result; // status, value, limit, unit, reason
};

struct report_growth {
    const char *name;     // "rss", "heap", "fd", ...
    const char *gate;     // the gate that tests its rate; NULL: judged for information against a default budget
    enum judge_unit unit; // of the samples: bytes or count
    double last;          // last measured value
    struct judge_growth growth;
};

// One figure of the run with its uncertainty, named as a gate would name it ("rss.growth"; levels bare: "rss").
struct report_measure {
    const char *name, *about;
    enum judge_unit unit;
    enum judge_better better;
    double floor;                   // least difference between two runs that counts
    const struct report_gate *gate; // a gate of the same name, or NULL
    struct judge_measure measure;
};

struct report_frame {
    const char *function; // NULL: unknown
    const char *file;     // NULL: unknown
    int line;             // 0: unknown
    const char *module;   // path, or "[unknown]"
    const char *build_id; // of the module, hexadecimal; NULL unknown
    uint64_t offset;
    bool inlined; // into the next one
    bool library; // shown dimmed: system libraries, operator new
    bool changed; // without names because the file on disk is not the one that ran
};

// Who points at blocks that are reachable (memory scans).
struct report_holder {
    const char *kind;   // scan_holder_word(); NULL: not known
    int64_t blocks;     // of the checked ones that it reaches, or may reach, how many it points at
    uint32_t stack;     // of the store: "stack" and "own"
    uint32_t tid;       // "thread"
    const char *name;   // a variable, or the function whose blocks these are; NULL: unknown
    const char *file;   // of that function
    int line;           // 0: unknown
    const char *module; // path; NULL: none
    uint64_t offset;    // in module
};
// "the variable sessions of server", "blocks of table_new", ...: a clause after "held by". Returns out.
const char *report_holder_text(const struct report_holder *h, char *out, size_t size);
// What memory scans do not look into: a block called unreachable may still be held from there. *n gets how many.
// attached: of a program that ran before seep, what else is not known of it.
const char *const *report_not_covered(bool attached, size_t *n);
// The same in one or two sentences. Returns out.
const char *report_not_covered_text(bool attached, char *out, size_t size);

struct report_per_op {
    const char *operation;
    struct judge_perop_one value;
};
// Of that operation among n, or NULL.
const struct report_per_op *report_find_per_op(const struct report_per_op *ops, size_t n, const char *operation);

// An operation that the program marked (seep_mark.h).
struct report_mark {
    const char *name;   // as the program has it: any bytes
    const char *labels; // of its series
    double count;       // within the measured time
    double rate_per_s;  // NAN: no time was measured
};

struct report_stack {
    uint32_t id; // of the store
    struct judge_stack judge;
    double live_blocks;
    double alloc_bytes, alloc_blocks;                                   // ever allocated, to the last tick; NAN unknown
    int64_t unreachable_blocks, unreachable_checked, unreachable_scans; // SEEP_UNKNOWN where not looked
    int64_t unreachable_agreed, unreachable_undecided;                  // scans of that answer; blocks not decided
    struct report_holder holder, entry;       // entry: from outside, where the blocks hold each other
    unsigned flags;                           // STACK_TRUNCATED, STACK_OTHER, STACK_MMAP
    const char *confirm_status, *confirm_why; // of seep confirm: its word and a sentence; NULL: not looked for
    const char *allowed;                      // reason of the profile's allow entry, or NULL
    struct report_frame *frames;              // innermost first, hooks and allocators cut
    size_t n_frames;
    struct report_per_op *per_op; // known ones only
    size_t n_per_op;
    double *spark; // live bytes, n_spark points over the measured time; for charts
    size_t n_spark;
    double *age_bytes; // live at the end by age, newest first, n_ages equal slices of the measured time
    size_t n_ages;
};

// Whether any of the first n stacks listed has blocks called unreachable.
struct report;
bool report_any_unreachable(const struct report *r, size_t n);

// What became of an entry of the profile's allow list.
enum report_allow_status {
    REPORT_ALLOW_UNMATCHED, // no stack of the run matches
    REPORT_ALLOW_EXPIRED,   // its last day was before the run's end: it counts no more
    REPORT_ALLOW_QUIET,     // it matches, and nothing of that grows
    REPORT_ALLOW_WITHIN,    // what it matches grows within the budget
    REPORT_ALLOW_OVER,      // some stack grows beyond it
};

struct report_allow {
    const char *pattern, *reason, *expires; // expires NULL: never
    double budget_per_s;                    // of each matching stack
    enum report_allow_status status;
    size_t n_stacks, n_growing; // that match; of those this entry decides for, that grow
    double slope_per_s;         // of the growing ones together
    const char *sentence;       // what to tell; NULL when stacks were not judged
};
const char *report_allow_word(enum report_allow_status status);
bool report_allow_is_warning(const struct report_allow *a); // over, expired, or without use

// What `seep confirm` came to; all NULL: the run was not replayed under valgrind.
struct report_confirm {
    const char *verdict, *headline, *reason, *tool;
};
// "confirmed lost" for the status "lost" of seep.confirm/1; a status it does not know is given back as it is.
const char *report_confirm_word(const char *status);
// "Replayed under valgrind-3.19.0: 1 of 2 growing ... . Why the rest is not." into out, cut at size. NULL: no replay.
char *report_confirm_text(const struct report_confirm *c, char *out, size_t size);

struct report_at_exit { // the heap of the main process when it ended; listed, never gated
    bool known;
    double bytes, blocks;
    size_t n_total;              // stacks with live blocks
    struct report_stack *stacks; // the largest few: id, live bytes and blocks, frames
    size_t n_stacks;
};

struct report_shutdown {
    struct report_at_exit at_exit;
    enum judge_status status;
    const char *reason; // a finished sentence
    int signal;         // 0: none sent
    double after_s;
    double within_s; // the limit
    int64_t exit_status, exit_signal;
    int64_t children_left;
    const char *children_names;
    const char *port_released; // "yes", "no", NULL unknown
    const char *port_names;
    const char *files_left;
    struct judge_level heap, rss; // close against the idle baseline; reason "" when not compared
    bool heap_compared, rss_compared;
    double back_limit_bytes; // NAN: not demanded
};

struct report_reload {
    enum judge_status status; // SKIPPED: there was none
    const char *gauge;        // "heap", or "rss" where the heap is not known
    double first, second;     // growth of the two cycles, bytes
    double margin;            // +- of the second
    const char *reason;       // a sentence
};

struct report_requirement {
    enum judge_area area;
    struct report_gate gate;
    double points; // judge_points(); NAN: could not be told
};

struct report_score {
    bool known;      // the profile has requirements
    const char *set; // the name of the set
    enum judge_grade at_least;
    enum judge_status status; // against at_least; SKIPPED: the grade is information
    struct judge_score score;
    struct report_requirement *requirements; // by area
    size_t n_requirements;
};

struct report_event {
    const char *kind, *text;
    double from_s, to_s; // on the axis of the report
    int64_t count;
};

// One occurrence of a fault of the profile.
struct report_fault {
    const char *name, *what; // "redis was paused"
    double from_s, to_s;     // on the axis of the report
    int64_t count;           // the how manieth time
    bool cut;                // its time is not in growth fits nor in gates on the load
    bool told;               // whether it recovered is known
    double recovery_s;       // NaN: it did not, or is not known
    const char *sentence;    // of the recovery; NULL: not told
};

struct report_evidence {
    size_t samples;         // taken in the measure phase
    int64_t expected;       // planned, or what the elapsed time allows; SEEP_UNKNOWN
    size_t n_gaps;          // events of kind gap, in the measure phase
    double lost;            // events lost between probe and store
    double late_max_s;      // the latest tick
    double coverage;        // walks that agreed with libunwind; NAN unknown
    double probe_cpu;       // share of one core; NAN unknown
    double probe_rss_bytes; // NAN unknown
    double seep_cpu, seep_rss_bytes;
    const char *attribution; // "exact", "sampled", "off", "failed"
    const char *attribution_reason;
    const char *heap_source;
    const char *attached;       // the program ran before seep: blocks from before are not known; NULL: seep started it
    double sampling_mean_bytes; // NAN in exact mode
    double smallest_leak_per_s; // smallest growth this run could have seen; NAN unknown
    bool degraded;              // the store moved on after an I/O error
};

// One series for charts and CSV: every tick of the run, NAN where there is no value. Counters are given as rates.
struct report_series {
    const char *name, *labels, *unit;
    bool is_rate;
    const double *values; // report.n_ticks
};

// A histogram of response times as the store has it (load/hist.h), between two moments of the report's axis. Untrusted.
struct report_interval {
    const char *labels; // of a series of the load over the whole run; "": the whole load, by windows of time
    double from_s, to_s;
    const void *blob;
    size_t len;
};

struct report_arena; // owns everything below; private

struct report_scraped { // a series that an endpoint of the target exposed, over the measured time
    const char *name, *labels;
    bool counter; // then all below are rates per second
    size_t n;     // values
    double first, last, mean, min, max;
};

struct report {
    unsigned magic;
    struct report_arena *arena;
    bool live, cut; // as in the options

    const char *run, *profile_name, *version, *redacted;
    int64_t started_ns, ended_ns; // real clock, SEEP_UNKNOWN
    double planned_s, interval_s, elapsed_s;
    const char *outcome, *outcome_sentence; // see names.h
    struct report_target target;
    struct report_pair *host;
    size_t n_host;

    struct judge_final_word final;
    const char *headline; // the sentence of the first line: what decided
    struct report_gate *gates;
    size_t n_gates;
    struct report_growth *growths;
    size_t n_growths;
    struct report_measure *measures;
    size_t n_measures;
    bool explained_known;
    struct judge_rate explained_whole; // without the probe
    struct judge_explained explained[JUDGE_PARTS];
    struct judge_rate explained_untouched; // live bytes that are not resident, as nobody has written to them

    bool stacks_known;                // attribution worked and there were stacks
    struct judge_stacks judge_stacks; // totals only: its arrays are gone
    struct report_stack *stacks;      // ranked, worst first: n_profiled of them
    size_t n_stacks, n_stacks_total;  // the first n_stacks are listed
    size_t n_profiled;                // with frames, for profiles and the flame graph; those past it are in rest
    struct {
        size_t n;
        double slope_per_s, live_bytes, live_blocks, alloc_bytes, alloc_blocks;
    } rest;
    struct report_allow *allows; // in the profile's order
    size_t n_allows;
    double other_live_bytes, other_slope_per_s; // of the stacks not listed
    struct report_per_op *per_op;               // of the heap as a whole
    size_t n_per_op;
    struct report_mark *marks; // the most frequent first
    size_t n_marks;
    struct report_scraped *scraped;   // those that had a value in the measured time
    size_t n_scraped, n_scraped_more; // more: not listed

    struct report_shutdown shutdown;
    struct report_reload reload;
    struct report_score score;
    struct report_confirm confirm;
    bool has_load;
    struct load_summary load; // of the whole run; names owned by the report
    struct report_interval *intervals;
    size_t n_intervals;
    struct report_evidence evidence;

    // Charts: the axis is seconds from the first tick of the measure phase (earlier ticks are negative).
    size_t n_ticks;
    const double *t_s;
    const enum store_phase *phase;
    struct report_series *series;
    size_t n_series;
    size_t measure_first, measure_end; // ticks [first, end) that are judged; equal when there are none
    double measure_from_s, measure_to_s;
    const struct judge_span *excluded; // paused and suspended: cut out of every fit
    size_t n_excluded;
    double warmup_end_s; // of the decisive series; NAN unknown
    struct report_event *events;
    size_t n_events;
    struct report_fault *faults; // in the order of time
    size_t n_faults;
};

// Builds the report of the run in st. options may be NULL. On success *out is the caller's (report_free). A run without
// samples gives a report too (inconclusive). Errors: the store cannot be read, the stored profile is not valid, or
// memory ran out.
int report_build(struct store *st, const struct report_options *options, struct report **out, struct seep_err *err);
void report_free(struct report *r); // NULL is allowed

// What stands behind the verdict's word when the run's end is not stored; "" for a run that ended.
const char *report_verdict_note(const struct report *r);
// A clause on live bytes that are not resident, "" where it makes no difference to where the growth sits. Returns out.
const char *report_untouched_text(const struct report *r, char *out, size_t size);

// Finds a growth by name ("heap", "rss"); NULL when it was not measured.
const struct report_growth *report_find_growth(const struct report *r, const char *name);
const struct report_measure *report_find_measure(const struct report *r, const char *name); // NULL: no such figure

// What a request of the load cost: the mean use over the measured time by the mean rate. NAN where not known. Disk is
// what reached a device, of all processes of the target; network is the load's own traffic.
struct report_cost {
    double cpu_s, disk_read_bytes, disk_written_bytes, network_bytes;
};
struct report_cost report_request_cost(const struct report *r);
// "a request: CPU 83 us, 0 B read from disk, 120 B written, 311 B of network"; "" when nothing is known.
char *report_request_cost_text(const struct report *r, char *out, size_t size);

// The values of the gates of r that compare with a baseline, r being that baseline run judged by the new run's profile:
// JSON for M_BASELINE_VALUES, malloc'ed. *missing is the name of the first such gate without a value, or NULL. NULL
// when memory ran out.
char *report_baseline_values(const struct report *r, const char **missing);

// How text is to be written.
struct report_style {
    int width;   // columns; 0: 100
    bool colour; // terminal colours; the caller decides by isatty and NO_COLOR
    bool dark;   // unused by text; HTML follows the reader's own setting
    // Source files below this directory are named relative to it (junit, sarif, github, md); NULL: as they are.
    const char *root;
    size_t limit_bytes; // of md, which cuts at whole rows; 0: 1 MiB
};

// A format: fills out, which the caller has initialised with buf_init(out, ceiling_bytes) of this row or more.
struct report_format {
    const char *name, *file, *about; // file: its fixed name among all formats of a run
    size_t ceiling_bytes;
    bool binary; // nothing for a terminal
    int (*write)(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
};

// All formats; ended by a row with a NULL name.
extern const struct report_format report_formats[];
const struct report_format *report_find_format(const char *name); // NULL: no such format

int report_text(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int report_json(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int report_html(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int report_csv(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int report_pprof(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int report_speedscope(const struct report *r, const struct report_style *style, struct seep_buf *out,
                      struct seep_err *err);
int report_folded(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int report_markdown(const struct report *r, const struct report_style *style, struct seep_buf *out,
                    struct seep_err *err);
int report_junit(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int report_sarif(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int report_github(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int report_tap(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
int report_openmetrics(const struct report *r, const struct report_style *style, struct seep_buf *out,
                       struct seep_err *err);
int report_hdr(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
// `seep stacks`: the ranked stacks alone, with interval, class and age profile; top 0: all that the report lists.
int report_stacks_text(const struct report *r, const struct report_style *style, size_t top, struct seep_buf *out,
                       struct seep_err *err);

// One of report_formats; sarif also says what is new since the base of `since`, a comparison with r as its candidate
// (NULL: none).
struct compare;
int report_write(const struct report_format *format, const struct report *r, const struct compare *since,
                 const struct report_style *style, struct seep_buf *out, struct seep_err *err);
// set.c: every format under its fixed name, and index.json (seep.reports/1), as directory `path`: all of them or
// nothing. What stands there already is replaced when it is such a directory or empty, and refused else.
int report_write_set(const struct report *r, const struct compare *since, const struct report_style *style,
                     const char *path, struct seep_err *err);

// Writes verdict.json and report.html into the run directory, each whole or not at all. verdict_json (may be NULL)
// receives the text of verdict.json, malloc'ed, for store_write_end().
int report_save(const struct report *r, int dir_fd, char **verdict_json, struct seep_err *err);

#endif

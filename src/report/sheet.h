// What a CI system wants of a run or of a comparison, before any format: checks with a status, growing call stacks with
// a place in the source, and the text for people. Private to src/report.
//
// Place: between struct report or struct compare and the formats junit, sarif, github and tap, which only write it
// down. Trust: as report.h: names are the target's and kept as bytes; each format escapes at its own sink.
#ifndef SEEP_REPORT_SHEET_H
#define SEEP_REPORT_SHEET_H

#include "report/compare.h"
#include "report/report.h"

struct sheet_check {
    const char *name;          // the gate's name, or what else was looked at: "run", "shutdown", ...
    const char *demand;        // as the profile has it ("heap.growth < 1MB/h"); NULL: none
    enum judge_status status;  // WARN never fails a job
    const char *reason;        // a sentence, may be ""
    char value[48], limit[48]; // for people; "" where unknown
    bool of_stacks;            // the findings below say where
};

enum sheet_level { SHEET_NOTE, SHEET_WARNING, SHEET_ERROR };

// Against the base run. NONE: there is no base.
enum sheet_state { SHEET_STATE_NONE, SHEET_NEW, SHEET_UPDATED, SHEET_UNCHANGED, SHEET_ABSENT };

enum { SHEET_FINGERPRINT = 33 };

// Growing stacks with the same functions, which are one place in the program.
struct sheet_finding {
    const struct report_stack *stack; // the worst of them
    size_t n_stacks;
    double slope_per_s, lo_per_s, hi_per_s; // bytes, of all of them
    double share;                           // of the growth of all growing stacks, 0..1
    enum sheet_level level;
    enum sheet_state state;
    const struct report_frame *at; // where to point: the innermost own frame with a source file; NULL: none has one
    char fingerprint[SHEET_FINGERPRINT]; // of the normalised frames: the same in every build
    const char *message;                 // one sentence for people
};

struct sheet {
    const char *suite, *run, *profile, *verdict, *headline, *version, *host, *command;
    const char *base; // the run it is compared with; NULL: none
    int exit_code;
    double seconds;               // measured; NaN unknown
    int64_t started_ns, ended_ns; // SEEP_UNKNOWN
    const char *root;             // directory that source paths are given relative to; NULL: as they are
    struct sheet_check *checks;
    size_t n_checks;
    struct sheet_finding *findings; // worst first
    size_t n_findings;
    size_t n_more;       // growing places that are not listed
    const char *details; // the text report
    struct report_arena *arena;
};

// Errors: memory ran out. On success the caller frees it with sheet_free(); r and c must outlive it.
int sheet_of_report(const struct report *r, const char *root, struct sheet *out, struct seep_err *err);
// Only what changed: regressions and what stays open; new, steeper and gone stacks.
int sheet_of_compare(const struct compare *c, const char *root, struct sheet *out, struct seep_err *err);
// The run with all its growing stacks, each marked as new, updated, unchanged or absent against the base of c.
int sheet_of_report_since(const struct compare *c, const char *root, struct sheet *out, struct seep_err *err);
void sheet_free(struct sheet *s);

// sheet_findings.c: fills the findings of a sheet; c NULL: without a base. changed_only leaves out what did not change.
int sheet_findings(struct sheet *s, const struct report *r, const struct compare *c, bool changed_only,
                   struct seep_err *err);

// A source path for a reader that stands in root: relative where it lies below or where the tail of it does, else as it
// is. Part of path.
const char *sheet_path(const struct sheet *s, const char *path);
// "session_new src/session.c:88 < handle < main": at most n frames from the first of the program's own, to main.
void sheet_chain(const struct sheet *s, const struct report_stack *stack, size_t n, struct seep_buf *out);

// The formats over a sheet.
int sheet_junit(const struct sheet *s, struct seep_buf *out, struct seep_err *err);
int sheet_sarif(const struct sheet *s, struct seep_buf *out, struct seep_err *err);
int sheet_github(const struct sheet *s, struct seep_buf *out, struct seep_err *err);
int sheet_tap(const struct sheet *s, struct seep_buf *out, struct seep_err *err);

#endif

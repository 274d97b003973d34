// Confirmation: a run's workload again, shorter and slower, under valgrind, and seep's growing stacks held against what
// valgrind's memcheck says of the same call paths. Two tools that share no code seldom agree on something wrong.
//
// Place: beside sign-offs, above run/ (whose ready check it uses). The target runs without the probe. Valgrind is asked
// three times while the target runs (vgdb, leak_check), which shows what is held and grows, and writes its own report
// at the end (XML), which shows what is lost. Trust: valgrind's output is text about a foreign program: bounded, and
// parsed as hostile. Whatever goes wrong with valgrind is "not confirmed" with the reason, never "clean".
#ifndef SEEP_CONFIRM_CONFIRM_H
#define SEEP_CONFIRM_CONFIRM_H

#include "base/buf.h"
#include "base/err.h"
#include "report/arena.h"
#include "report/report.h"

struct confirm_options {
    const struct profile *profile; // of the run, with a command; its `confirm` part says how
    const struct report *report;   // of the run: its growing stacks are what is looked for
    double for_s;                  // how long under load; PROFILE_AUTO: the profile's, else by the run's length
    double files;                  // descriptors the target had itself allowed at most in the run; 0: not known
    double scale;                  // rates are divided by it; PROFILE_AUTO: the profile's, else 20
    bool growth;                   // massif too
    bool dhat;                     // DHAT too
    bool progress;                 // a line on standard error
};

enum confirm_status {
    CONFIRM_LOST,     // memcheck calls its blocks lost
    CONFIRM_GROWS,    // memcheck finds more and more of them, still reachable
    CONFIRM_POSSIBLY, // memcheck sees only inner pointers to them: perhaps lost
    CONFIRM_STEADY,   // they are there, and did not get more in this time
    CONFIRM_NOT_SEEN, // no block of this call path is there
    CONFIRM_STATUSES
};
const char *confirm_status_name(enum confirm_status status); // "lost", "reachable_growth", "possibly_lost", ...

enum { CONFIRM_LOOKS = 3, CONFIRM_FINAL = CONFIRM_LOOKS, CONFIRM_POINTS };
enum confirm_kind { CONFIRM_DEFINITE, CONFIRM_INDIRECT, CONFIRM_POSSIBLE, CONFIRM_REACHABLE, CONFIRM_KINDS };

struct confirm_stack {
    const struct report_stack *stack; // the report's
    size_t rank;                      // from 1
    enum confirm_status status;
    double lost_bytes, lost_blocks, possible_bytes, reachable_bytes, reachable_blocks; // at the last point
    double grew_bytes; // from the first look to the last
    const char *why;   // a sentence
};

struct confirm_elsewhere { // lost, and no growing stack of the run
    const char *where;     // "inner < outer < ..."
    double bytes, blocks;
};

struct confirm_dhat_path {             // what became of the blocks of a call path under DHAT
    const struct confirm_stack *stack; // the growing stack of the run that it is; NULL: another, which is `where`
    const char *where;                 // "inner < outer < ..."
    double total_bytes, total_blocks, peak_bytes, end_bytes, end_blocks; // ever, at the heap's peak, at the end
    double read_bytes;                                                   // read from its blocks
    double life_instructions; // how long a block lived on average; NAN unknown
};

struct confirm_fault { // of the profile, in its order
    const char *name;
    char what[200];     // "redis was paused"
    int times;          // how often it was done; 0: why says why not
    double at_s, for_s; // of the run's timeline, and how long it lasted here; NAN: it did not
    char why[200];      // "" when nothing is to be said
};

struct confirm_probe { // of the profile, in its order
    const char *name;
    int runs, failures;
    char why[256]; // of the last failure; ""
};

struct confirm_picture { // how the heap went under massif or DHAT
    const char *reason;  // why there is none; NULL
    double *at, *bytes;  // at: seconds (massif), instructions (DHAT)
    size_t n;
};

struct confirm {
    const char *run, *tool;           // tool: "valgrind-3.19.0", or NULL
    bool ran;                         // memcheck ran and reported; else reason
    const char *reason_word, *reason; // NULL: nothing went wrong. "absent", "crashed", "memory", ...
    double for_s, scale, took_s;
    double peak_rss_bytes;
    uint64_t requests, offered; // driven under valgrind, and asked for by the schedule of the slowed load
    double slow_down;           // CPU time of the target per request, over that of the run; NAN unknown
    size_t processes, looks;
    bool final_report;
    struct confirm_stack *stacks;
    size_t n_stacks, n_confirmed;
    bool stacks_known; // the run had call stacks; without, nothing is known to grow and nothing not to
    struct confirm_elsewhere *elsewhere;
    size_t n_elsewhere;
    struct confirm_fault *faults;
    size_t n_faults;
    struct confirm_probe *probes;
    size_t n_probes;
    bool with_massif, with_dhat; // asked for
    struct confirm_picture massif, dhat;
    size_t dhat_files;                          // processes that left one
    double dhat_total_bytes, dhat_total_blocks; // allocated by all of them
    struct confirm_dhat_path *dhat_paths;       // the growing stacks, by rank, then others that hold most at the end
    size_t n_dhat_paths;
    struct report_arena *arena;
};

// Runs it. 0 with *out the caller's (confirm_free) whenever an answer could be made, valgrind's failure included; -1
// for what is wrong with us: no memory, no temporary directory, a command that was redacted.
// An interrupted one fails, with nothing left of the target.
int confirm_make(const struct confirm_options *options, struct confirm **out, struct seep_err *err);
// Ends the one that is under way, in order. May be called from a signal handler; there is no way back.
void confirm_interrupt(void);
void confirm_free(struct confirm *c); // NULL is allowed

// 0 every growing stack is confirmed (or none grows), 3 not all are, or the run knows no stacks.
int confirm_exit_code(const struct confirm *c);

int confirm_text(const struct confirm *c, const struct report_style *style, struct seep_buf *out, struct seep_err *err);
// Schema seep.confirm/1: docs/schema/seep.confirm.1.json.
int confirm_json(const struct confirm *c, struct seep_buf *out, struct seep_err *err);

#endif

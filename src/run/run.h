// The life of a run, for the commands: start one, go on with an interrupted one, close one, look at one.
//
// Place: the top of the house under cmd/. Blocks until the run is over (or detached). One run a process.
#ifndef SEEP_RUN_RUN_H
#define SEEP_RUN_RUN_H

#include "base/err.h"
#include "load/minutes.h"
#include "profile/profile.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum run_output { RUN_OUTPUT_LOG, RUN_OUTPUT_TEE, RUN_OUTPUT_INHERIT };

struct run_options {
    const struct profile *profile; // with a command; borrowed until the call returns
    const char *results_dir;       // made when it is not there
    const char *name;              // run id; NULL: YYYYMMDD-HHMM-xxxx
    enum run_output output;
    const char *baseline; // report_baseline_values() of the run to compare with; NULL: none
    bool detach;          // return as soon as the target is ready (or has failed); the run goes on in the background
    bool quiet;           // no progress lines
    int32_t attach_pid;   // > 0: this process, which runs already; the profile's command is not started
};

struct run_result {
    char id[72];
    char dir[4096];     // the run's directory as a person would type it
    int exit_code;      // of the run, as product.md defines it
    bool has_report;    // report.html is in dir
    bool in_background; // --detach: the run goes on; exit_code is 0
};

// Runs from the start. Returns 0 with *out filled whenever a run took place, however it ended; -1 when nothing could be
// started (err has the sentence, seep_codes[err->code].exit_status the exit code).
int run_start(const struct run_options *opt, struct run_result *out, struct seep_err *err);

// Goes on with a run whose supervisor is gone: takes the target back from its keeper, records the gap and continues.
// When the target is gone too the run is closed with what there is, as run_finish() does. dir: the run's directory.
int run_resume(const char *dir, bool quiet, struct run_result *out, struct seep_err *err);

// Closes a run whose supervisor is gone: stops the target in order when it still lives, judges what was measured.
int run_finish(const char *dir, bool quiet, struct run_result *out, struct seep_err *err);

// ---- looking at a run from another process --------------------------------------------------------------------------

enum run_alive {
    RUN_ALIVE,    // a supervisor is at work, also one that does not answer: then phase is "" and ticks unknown
    RUN_ORPHANED, // no supervisor; keeper and target may live: resume or finish
    RUN_ENDED,    // the end record is there
    RUN_BROKEN    // neither an end record nor anybody of seep alive: finish it
};

struct run_look {
    enum run_alive alive;
    char phase[16];            // name of the state; "" unknown
    int32_t pid;               // of the supervisor, 0 none
    int32_t target_pid;        // 0 unknown; with RUN_BROKEN the one that lives all the same
    double elapsed_s, total_s; // of the measured time; NaN unknown
    int64_t ticks;             // acknowledged; SEEP_UNKNOWN
    int exit_code;             // when ended, else -1
    char line[400];            // the status line as a terminal would show it; "" when there is none
    char trouble[200];         // its keeper is there or may be, and cannot be asked: why; else ""
};

// Waits at most two seconds for a supervisor's answer, and ten for a keeper's.
int run_look(const char *dir, struct run_look *out, struct seep_err *err);

// The last hour of the load, of a run that goes on or has ended, by minutes in order of time: `out` has room for
// LOAD_MINUTES. Returns how many were filled; 0 also without a load. Never waits longer than two seconds.
int run_look_hour(const char *dir, struct load_minute *out);

// Waits until the run has ended; timeout_s < 0: for ever. Returns 0 with the run's exit code, -1 with SEEP_E_LIMIT when
// the time is over or SEEP_E_TARGET when its supervisor died without an end record.
int run_wait(const char *dir, double timeout_s, int *exit_code, struct seep_err *err);

// Asks the supervisor to stop in order (as if the duration were over) and returns when it has taken the order.
int run_stop(const char *dir, struct seep_err *err);

#endif

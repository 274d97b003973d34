// Driving a load from the command line, without a run: begun, watched, stopped, and judged by the gates that are about
// a load. Shared by `seep load` and its search for the limit.
#ifndef SEEP_CMD_LOAD_DRIVE_H
#define SEEP_CMD_LOAD_DRIVE_H

#include "cmd/load_windows.h"
#include "load/summary.h"
#include "profile/profile.h"

struct load_drive {
    const struct profile *profile;
    bool quiet; // no live line
    struct load *load;
    struct load_windows windows;
    int signal_fd;      // of load_drive_signals()
    int interrupted_by; // a signal; 0: none
    double length_s;
    int64_t begin_ns;
    bool line_open; // a live line stands on the terminal
};

// SIGINT and SIGTERM from now on arrive at the descriptor; -1 when that cannot be had.
int load_drive_signals(void);

// Starts the workers. d->profile, quiet, signal_fd and length_s are set. -1 with err; close it in any case.
int load_drive_open(struct load_drive *d, struct seep_err *err);
// Drives for length_s, or until a signal, and stops in order. 0, or -1 when all workers were lost or never ready; what
// they told until then is kept.
int load_drive_run(struct load_drive *d, struct seep_err *err);
void load_drive_close(struct load_drive *d);

// One gate of the profile that is about the load, judged.
struct load_judged {
    struct judge_gate gate;
    struct judge_gate_result result;
};

// Judges the profile's gates on what was seen from from_s to to_s (seconds with the load on). With a saturated
// generator (sum, may be NULL) those on rates and times are inconclusive. in_step: the time is a step of a search;
// windows of the gates and least amounts do not apply. Returns how many; *out is malloc'ed (NULL: no memory).
int load_drive_judge(const struct load_drive *d, double from_s, double to_s, const struct load_summary *sum,
                     bool in_step, struct load_judged **out);

#endif

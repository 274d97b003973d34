// Asking once, from outside, whether something is well: an HTTP request, a connection, a command. Used by ready checks
// and by probes. Every function blocks, within a limit, and may be called from any thread.
#ifndef SEEP_RUN_ASK_H
#define SEEP_RUN_ASK_H

#include "base/buf.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUN_ASK_WHY 256 // bytes of a reason

struct run_ask_http {
    const char *url; // ${env:NAME} is replaced here and now
    double within_s;
    const int *status; // accepted; n_status 0: any 2xx or 3xx
    int n_status;
    const char *contains; // NULL: anything
};
// True when the answer is as wanted; else why says what came, a finished sentence.
bool run_ask_http(const struct run_ask_http *ask, char why[RUN_ASK_WHY]);

// True when a connection to "host:port" is accepted; ${env:NAME} is replaced.
bool run_ask_tcp(const char *where, double within_s, char why[RUN_ASK_WHY]);

struct run_ask_command {
    char *const *argv;
    bool expand;               // ${env:NAME} in its words is replaced here and now
    int64_t last_ns;           // CLOCK_MONOTONIC: killed then, with all its children
    const atomic_bool *cancel; // killed when it becomes true; NULL: never
    int exit_code;             // wanted
    const char *contains;      // in its first 64 KiB of output; NULL: anything
    char *const *env;          // its environment; NULL: ours
    struct seep_buf *output;   // an empty buffer that takes its first 64 KiB of output; NULL: the output is dropped
};
// *cut: it was killed for lack of time, or cancelled.
bool run_ask_command(const struct run_ask_command *ask, bool *cut, char why[RUN_ASK_WHY]);

struct profile_probe;
// What a probe of the profile asks, within so many seconds; `cancel` ends a command.
bool run_ask_probe(const struct profile_probe *probe, double within_s, const atomic_bool *cancel,
                   char why[RUN_ASK_WHY]);

#endif

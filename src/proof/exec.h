// A program run to its end, within bounds: time, output, and nobody left behind. For checks, ssh-keygen and the like.
//
// Trust: the program is the user's own; its output is foreign bytes.
#ifndef SEEP_PROOF_EXEC_H
#define SEEP_PROOF_EXEC_H

#include "base/buf.h"
#include "base/err.h"
#include "profile/profile.h"
#include <stdbool.h>
#include <stdint.h>

enum proof_exec_how {
    PROOF_EXITED,      // status is its exit status
    PROOF_SIGNALLED,   // status is the signal
    PROOF_TOO_LONG,    // the time was over; it was killed
    PROOF_FLOOD,       // it wrote more than the limit; it was killed
    PROOF_NOT_STARTED, // why says
};

struct proof_exec {
    const char *const *argv; // NULL-terminated; looked for in PATH
    const char *cwd;         // NULL: ours
    const struct profile_pair *env;
    int n_env;
    const char *stdin_path; // NULL: /dev/null
    double within_s;        // > 0
    size_t keep_bytes;      // of the output (both streams) that is kept in out
    uint64_t flood_bytes;   // the most that may be written
};

struct proof_exec_result {
    enum proof_exec_how how;
    int status;
    double took_s;
    uint64_t written;    // bytes of output
    struct seep_buf out; // the first keep_bytes; the caller frees it
    char why[160];       // PROOF_NOT_STARTED: a clause
};

// Runs it and waits. On return it and all its descendants are gone. Only while the caller has no other children.
void proof_exec(const struct proof_exec *what, struct proof_exec_result *out);

// Ends what is under way, and starts nothing more. May be called from a signal handler; there is no way back.
void proof_interrupt(void);
bool proof_interrupted(void);

// Kills all descendants of this process, those of others that were left to it included, and reaps them; for at most
// three seconds.
void proof_end_descendants(void);

#endif

// Is the target, or a dependency of it, ready? One check by http, tcp, a line in its log, or a command, again and again
// until it passes or the time is over. Runs on a worker thread; touches nothing of the run but what stands here.
#ifndef SEEP_RUN_READY_H
#define SEEP_RUN_READY_H

#include "profile/profile.h"
#include "run/ask.h"
#include <stdatomic.h>

struct run_ready {
    const struct profile_ready *want;
    int dir_fd;         // the directory of its log
    atomic_bool cancel; // set by the loop when the target is gone or the run is being stopped
    // Results, valid after run_ready_wait():
    bool ready;
    double after_s;                // how long it took
    char last_answer[RUN_ASK_WHY]; // what the last failing attempt said, a finished sentence; "" when none
};

// Blocks until ready, cancelled, or out of time (want->within_s).
void run_ready_wait(struct run_ready *rd);

#endif

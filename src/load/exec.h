// Another program as the driver of a load: run in a process group of its own, its output read line by line for the
// numbers that the profile names, ended for certain when the load ends.
//
// What it writes is foreign: lines are cut at a bound and nothing of them is kept but the numbers and the last one.
#ifndef SEEP_LOAD_EXEC_H
#define SEEP_LOAD_EXEC_H

#include "load/tally.h"
#include <uv.h>

struct exec;

struct exec_hooks {
    void (*on_note)(void *ctx, const char *text);
    void *ctx;
};

// load: its index in the profile, whose exec is given. Nothing is started.
int exec_open(uv_loop_t *loop, const struct profile_load *l, int load, struct load_tally *tally,
              struct exec_hooks hooks, struct exec **out, struct seep_err *err);
// Kills what runs. Handles on the loop are closed asynchronously, the rest goes with the last of them. NULL is allowed.
void exec_close(struct exec *x);

void exec_start(struct exec *x); // tells of a program that does not start
bool exec_running(const struct exec *x);
// Runs that have ended, and those of them that failed: not started, killed by another than us, or ended unasked with a
// status that the profile does not accept.
void exec_counts(const struct exec *x, uint32_t *ended, uint32_t *failed);
void exec_terminate(struct exec *x); // SIGTERM to its group
void exec_kill(struct exec *x);      // SIGKILL

// Takes the counters into the tally; once an interval, and at the end.
void exec_sample(struct exec *x);

#endif

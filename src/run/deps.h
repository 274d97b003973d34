// What the target depends on: programs that are started before it and stopped after it, and the proxies in between.
//
// Each dependency has a keeper of its own in `deps/NAME` of the run directory, so it has all that the target has: its
// output is kept, nobody below it is left behind, a stopped one goes on when the supervisor is killed. Its keeper
// follows the target's: without a supervisor and once the target's keeper is gone, it ends everybody.
#ifndef SEEP_RUN_DEPS_H
#define SEEP_RUN_DEPS_H

#include "base/err.h"
#include <stdbool.h>

struct run;
struct run_deps;

// Makes keepers and proxies; nothing runs yet. r->link and r->dir_fd are open. r->deps stays NULL when the profile has
// neither. 0 or -1.
int run_deps_open(struct run *r, struct seep_err *err);
// Takes over what an earlier supervisor left. A dependency that is gone is started again when the run goes on.
int run_deps_attach(struct run *r, struct seep_err *err);

// Starts them one after the other, each once the one before is ready, on a worker thread; then calls done(r, why) on
// the loop, why NULL when all are ready, else a sentence. At once when there are none.
void run_deps_begin(struct run *r, void (*done)(struct run *r, const char *why));
bool run_deps_busy(const struct run *r); // that job is at work
void run_deps_cancel(struct run *r);     // the run is being stopped

// Faults. The name is one of the profile's. A signal goes to all of its processes; being asked to end, by the profile's
// signal, only to the main one, which has stop_within_s for it. Both are followed by run_deps_start() when it is gone:
// run_deps_gone() tells. flags: KEEPER_SIGNAL_*.
int run_deps_ask_to_end(struct run *r, const char *name, unsigned flags, struct seep_err *err);
double run_deps_stop_within_s(const struct run *r, const char *name);
int run_deps_signal(struct run *r, const char *name, int sig, unsigned flags, struct seep_err *err);
bool run_deps_gone(const struct run *r, const char *name);
int run_deps_start(struct run *r, const char *name, struct seep_err *err);
// The end of it is on purpose for now: no warning.
void run_deps_expect(struct run *r, const char *name, bool end);
// Has it been started again (not yet: false)?
bool run_deps_up(const struct run *r, const char *name);

struct fault_proxies *run_deps_proxies(struct run *r); // NULL: there are none

struct run_tick;
// Memory, CPU time, descriptors and threads of each, all its processes together, into the tick: on the thread of the
// sample job. Nothing without dependencies.
void run_deps_sample(struct run *r, struct run_tick *t);

// Asks all to end (by the signal of each), without waiting; run_deps_free() waits for each, kills what stays, and ends
// the proxies. With r->leave everything is left running.
void run_deps_stop(struct run *r);
void run_deps_free(struct run *r);

#endif

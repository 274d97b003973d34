// Faults on the run's timeline: begun, undone, watched; and a target that is started again.
//
// Place: all on the loop. run_faults_turn() looks at every fault and does what is due; timers and the keepers' events
// call it. What a fault does to the target is done by the target's keeper, to a dependency by its own, to connections
// by the proxy worker; each of them undoes it by itself when this process is gone.
#ifndef SEEP_RUN_FAULTS_H
#define SEEP_RUN_FAULTS_H

#include "base/err.h"
#include <stdbool.h>

struct run;
struct run_faults;
struct run_tick;

// Before anything runs: can this machine do what the profile asks for? r->faults stays NULL when there is neither a
// fault nor target.restart. The control group is made by then.
int run_faults_setup(struct run *r, struct seep_err *err);
// After a supervisor that was lost: what was under way then has been undone by now, and its time is known to the
// report.
int run_faults_adopt(struct run *r, struct seep_err *err);
// The measured time begins (or goes on, after a resume: what would have begun by now is left out).
void run_faults_begin(struct run *r);
// It is over, or the run is being stopped: everything is undone, at once.
void run_faults_end(struct run *r);
void run_faults_turn(struct run *r);
void run_faults_tick(struct run *r, const struct run_tick *t); // a tick is whole, on its way to the store
void run_faults_free(struct run *r);

// What is known of the target's end: is it going to be started again? Then its end is none for the machine.
bool run_faults_target_exited(struct run *r);
bool run_faults_target_emptied(struct run *r);
bool run_faults_target_started(struct run *r); // it was started again
bool run_faults_start_failed(struct run *r);   // it could not be

// ---- fault_watch.c: are conditions good, second by second?
struct run_watch;
struct profile_fault;
// -1 when a condition is none, or its series is unknown.
int run_watch_new(struct run *r, const struct profile_fault *f, struct run_watch **out, struct seep_err *err);
void run_watch_free(struct run_watch *w);
void run_watch_begin(struct run *r, struct run_watch *w); // the fault begins
void run_watch_over(struct run *r, struct run_watch *w);  // the fault is over: how long until all is good?
bool run_watch_busy(const struct run_watch *w);
void run_watch_look(struct run *r, struct run_watch *w);                           // twice a second
void run_watch_tick(struct run *r, struct run_watch *w, const struct run_tick *t); // a tick is whole
void run_watch_give_up(struct run *r, struct run_watch *w, bool run_over);

#endif

// The command that a profile wants run when all is over: run.on_finish.
#ifndef SEEP_RUN_ON_FINISH_H
#define SEEP_RUN_ON_FINISH_H

#include "base/err.h"
#include "profile/profile.h"

struct run;

// Before the start: that all ${env:NAME} in the command are set. A sentence if not.
int on_finish_check(const struct profile *p, struct seep_err *err);

// After the verdict is durable, on a worker thread: runs it for at most on_finish_within. What it prints goes into the
// run's on_finish.log (its first 64 KiB); whatever goes wrong is an event of the run and on standard error, and changes
// no verdict.
void on_finish_run(struct run *r);

#endif

// A run on a program that runs already: who it may be, how it is held, and how its end is learned. What differs from a
// run whose target the keeper started stands here; everything else is the same.
//
// Nothing is ever sent to the program: no signal, no injected code. Its end is read from a pidfd, with its exit status
// where the kernel tells it to others than the parent (Linux 6.15), else the status stays unknown.
#ifndef SEEP_RUN_ATTACH_H
#define SEEP_RUN_ATTACH_H

#include "base/buf.h"
#include "base/err.h"
#include "linux/pidfd.h"

struct run;

// Holds pid and makes sure that it may be watched. Errors: SEEP_E_USAGE with a sentence for no such process, a zombie,
// a thread, a kernel thread, seep itself or one of its ancestors, and another user's.
int attach_hold(int proc_fd, pid_t pid, struct linux_process *p, struct seep_err *err);

// The run up to the moment before it begins: directory, store, facts, and the watching of the allocator.
int attach_setup(struct run *r, struct seep_err *err);

// An interrupted run of an attached program is taken up again: *alive tells whether the program still runs. Does
// nothing when the run is of another kind.
int attach_again(struct run *r, bool *alive, struct seep_err *err);

// "PID STARTTIME" of M_ATTACHED. False: not of that form.
bool attach_parse(const char *text, pid_t *pid, uint64_t *starttime_ticks);

void attach_begin(struct run *r);  // RUN_EV_STARTED
void attach_watch(struct run *r);  // the loop looks for its end
void attach_ticked(struct run *r); // after a sample: is anybody left of a program whose main process has ended?
void attach_leave(struct run *r);  // instead of a stop: it is left running
void attach_facts(struct run *r);  // at the end: what watching came to
void attach_free(struct run *r);

#endif

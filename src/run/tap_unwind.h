// One copied stack of a living process through the resolver into a number of the run's table of stacks. Used by
// tap_stacks.c on its thread.
#ifndef SEEP_RUN_TAP_UNWIND_H
#define SEEP_RUN_TAP_UNWIND_H

#include "linux/uprobe.h"
#include "resolve/resolve.h"
#include "run/stack_table.h"

struct tap_unwind;

struct tap_unwind *tap_unwind_new(struct stack_table *table, struct resolve *resolver, struct seep_err *err);
void tap_unwind_free(struct tap_unwind *w); // the resolver stays the caller's

// The mappings of this process have changed; 0: of every process.
void tap_unwind_forget(struct tap_unwind *w, pid_t pid);

// Unwinds r (HIT with a stack). *u gets libunwind's answer and *sure how many frames of it rest on rules alone; *number
// the run's number, 0 when there is none. flags: STACK_* that it has anyway. False: no answer, ask again another time.
bool tap_unwind_one(struct tap_unwind *w, const struct linux_uprobe_record *r, unsigned flags,
                    struct resolve_unwound *u, size_t *sure, uint32_t *number);

#endif

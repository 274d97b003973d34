// From a copied stack to its number: stacks that were met before are recognised at once, new ones are unwound by the
// resolver on a thread of their own.
//
// A stack is recognised by its return addresses: libunwind said once at which distances they stand, and by induction
// the same addresses at the same distances are the same stack (the rule of a frame depends on nothing but its address,
// and on rbp where the frame uses it, which is then compared too). A slot is one such recognition; several slots may
// have the same number in the run's table of stacks.
#ifndef SEEP_RUN_TAP_STACKS_H
#define SEEP_RUN_TAP_STACKS_H

#include "linux/uprobe.h"
#include "run/stack_table.h"
#include "run/tap_live.h"

struct resolve;
struct tap_stacks;

// table: where numbers come from; only this may add to it from now on. resolver: taken over, also on failure. Starts
// the thread.
struct tap_stacks *tap_stacks_new(struct stack_table *table, struct resolve *resolver, struct seep_err *err);
void tap_stacks_free(struct tap_stacks *s); // NULL is allowed

// The slot of a hit with its stack; TAP_SLOT_OTHER when there is no room. One thread calls this. like: a process whose
// code lies where r->pid's does: itself, or the one it was forked from. flags: STACK_* of store.h that all stacks of
// this function have.
uint32_t tap_stacks_slot(struct tap_stacks *s, const struct linux_uprobe_record *r, uint32_t function, pid_t like,
                         unsigned flags);

// Other code may lie at the addresses of some process from now on.
void tap_stacks_forget(struct tap_stacks *s);

// How many slots there are, and the run's number of each: 0 while it is being unwound. number has room for
// TAP_SLOTS_MAX.
size_t tap_stacks_numbers(struct tap_stacks *s, uint32_t *number);

struct tap_stacks_counts {
    uint64_t recognised, unwound, failed; // failed: the resolver had no answer
    uint64_t dropped;                     // no room to wait or to remember
    size_t waiting;
};
struct tap_stacks_counts tap_stacks_counts(struct tap_stacks *s);

// Waits until everything that waited has been unwound, at most timeout_ms.
void tap_stacks_settle(struct tap_stacks *s, int timeout_ms);

#endif

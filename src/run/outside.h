// The C library's own count of what it has given out, of all processes of an attached program, read from outside.
//
// It knows blocks from before the attach too, needs no uprobes, and costs the program nothing; but only glibc's malloc
// keeps such books where they can be found (linux/glibc_heap.h).
#ifndef SEEP_RUN_OUTSIDE_H
#define SEEP_RUN_OUTSIDE_H

#include "linux/tree.h"

struct run_outside;

struct outside_sum {
    double allocated, mapped; // bytes; NAN unless every process could be counted
    char why[300];            // not counted: the first reason, a sentence without its end; "": only for the moment
};

struct run_outside *outside_new(void);    // NULL when memory ran out
void outside_free(struct run_outside *o); // NULL is allowed

// The sample job.
void outside_sample(struct run_outside *o, int proc_fd, const struct linux_tree *tree, struct outside_sum *out);

// Resident bytes of the program's own anonymous mappings: all of them, anon_bytes in sum, but malloc's. NAN unless that
// can be told in every process.
double outside_mapped_resident(struct run_outside *o, int proc_fd, const struct linux_tree *tree, double anon_bytes);

#endif

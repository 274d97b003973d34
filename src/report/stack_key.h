// The name of a call stack that is the same in two builds: its functions, without addresses, lines and copies'
// suffixes.
#ifndef SEEP_REPORT_STACK_KEY_H
#define SEEP_REPORT_STACK_KEY_H

#include "report/report.h"

// Appends the key of a named stack: one function per line, innermost first; a function that calls itself counts once, a
// frame without a name is its module's name without version. Two stacks with the same key are the same place in the
// program.
void report_stack_key(const struct report_stack *stack, struct seep_buf *out);

#endif

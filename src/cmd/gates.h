// Are all gates of a profile good? Asked before anything starts, by every command that takes a profile.
#ifndef SEEP_CMD_GATES_H
#define SEEP_CMD_GATES_H

#include "profile/profile.h"

// Parses every gate and every requirement. The error names file, line and column and shows the expression with a caret.
// 0 or -1.
int cmd_check_gates(const struct profile *p, struct seep_err *err);

#endif

// RUN on a command line: a run id, a run directory, or `last`.
#ifndef SEEP_CMD_FIND_RUN_H
#define SEEP_CMD_FIND_RUN_H

#include "base/err.h"

// The directory of the run, malloc'ed, as a person would type it. word NULL: a usage error that says what is missing. A
// word with a slash, or one that is a directory with a run in it, is taken as such; any other is looked for below
// results_dir; "last" is the run there that was begun last. Errors: SEEP_E_USAGE, naming what was looked for and where.
char *cmd_find_run(const char *results_dir, const char *word, struct seep_err *err);

#endif

// The baseline that is meant when nobody names a run, and whether a run may be relied on.
#ifndef SEEP_CMD_DEFAULT_BASELINE_H
#define SEEP_CMD_DEFAULT_BASELINE_H

#include "base/err.h"
#include "report/report.h"

// The run in force for a profile and a program (its name without directory), malloc'ed; NULL when there is none (err
// untouched) or the file cannot be read (err says so).
char *cmd_default_baseline(const char *results, const char *profile, const char *target, struct seep_err *err);

// The word "baseline" as the run that is in force for `candidate`; any other word as it is. malloc'ed; NULL with err.
char *cmd_baseline_word(const char *results, const char *word, const struct report *candidate, struct seep_err *err);

// A run of this profile and program that carries a baseline's mark, malloc'ed, or NULL.
char *cmd_marked_baseline(const char *results, const char *profile, const char *target);

// -1 with a sentence when the database of the run was edited after it ended.
int cmd_edited(const char *results, const char *run, struct seep_err *err);

#endif

// What `seep report` and `seep stacks` share: open a run, build its report, write the result.
#ifndef SEEP_CMD_REPORT_RUN_H
#define SEEP_CMD_REPORT_RUN_H

#include "base/buf.h"
#include "base/err.h"
#include "report/report.h"
#include <stddef.h>

// Stacks read for a comparison of two runs; and the least that --limit may ask of Markdown.
enum { CMD_COMPARED_STACKS = 20000, CMD_MD_LIMIT_MIN = 4096 };

// Builds the report of the run that `word` names (cmd/find_run.h). A run without an end record is reported as one that
// goes on. *out is the caller's. -1 with err.
int cmd_build_report(const char *results, const char *word, unsigned skip, struct report **out, struct seep_err *err);

// The same with more to say about what is wanted; live, cut and resolver of `options` are set here.
int cmd_build_report_with(const char *results, const char *word, const struct report_options *options,
                          struct report **out, struct seep_err *err);

// The verdict.json that was stored when the run ended, malloc'ed; NULL in *json when it has not ended.
int cmd_stored_verdict(const char *results, const char *word, char **json, struct seep_err *err);

// How to write text to standard output: its width, and colours only on a terminal and without NO_COLOR.
struct report_style cmd_stdout_style(void);

// The directory that source files are named relative to: `given` made absolute, or the working directory. NULL when it
// cannot be found: paths then stay as they are.
const char *cmd_source_root(const char *given, char *out, size_t size);

// Writes to `path`, whole or not at all, or to standard output when path is NULL or "-". -1 with err.
int cmd_write_out(const char *path, const struct seep_buf *out, struct seep_err *err);

#endif

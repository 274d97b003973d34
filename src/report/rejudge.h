// Is the verdict that was stored the one that the stored samples give today?
#ifndef SEEP_REPORT_REJUDGE_H
#define SEEP_REPORT_REJUDGE_H

#include "report/report.h"

// Compares verdict.json as it was written at the end of the run with what r, built from the same store, says now. Each
// member that differs becomes a line "path: stored -> now" in out; *n counts them (lines stop at the ceiling of out).
// Numbers are equal within 1e-9 of their size. What may rightly be new is passed over: frames that got names since, and
// the version of seep. -1 with err when stored is no JSON or memory ran out.
int report_rejudge(const char *stored, const struct report *r, struct seep_buf *out, size_t *n, struct seep_err *err);

#endif

// Objects of verdict.json that other JSON outputs share: `seep analyze -f json` prints the same growth objects.
#ifndef SEEP_REPORT_JSON_H
#define SEEP_REPORT_JSON_H

#include "base/jsonw.h"
#include "report/report.h"

// The members of one growth object, into the object that is open in w.
void report_json_growth(struct jsonw *w, const struct report_growth *g);

// Member "frames" of a stack, innermost first.
void report_json_frames(struct jsonw *w, const struct report_stack *s);

// The unit of a figure as JSON has it, by the figure's name, and what its base unit is multiplied by: rates of growth
// in bytes and what piles up ("fd.growth") are per hour.
const char *report_json_measure_unit(const char *name, enum judge_unit unit, double *factor);

// Members "stacks", "not_covered", "allow" and "stacks_summary" of the verdict.
void report_json_stacks(struct jsonw *w, const struct report *r);

// Member `key`: bytes by operation; an empty object when n is 0.
void report_json_per_op(struct jsonw *w, const char *key, const struct report_per_op *ops, size_t n);

// Members of every interval, "ci90", its ends in the unit of the value beside it.
void report_json_interval(struct jsonw *w, double lo, double hi);

// Member "faults": json_faults.c.
void report_json_faults(struct jsonw *w, const struct report *r);

// Member "identity": the stored array, member by member; an empty array when text is NULL or not an array of objects.
void report_json_identity(struct jsonw *w, const char *text);

#endif

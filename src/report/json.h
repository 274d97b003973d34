// Objects of verdict.json that other JSON outputs share: `seep analyze -f json` prints the same growth objects.
#ifndef SEEP_REPORT_JSON_H
#define SEEP_REPORT_JSON_H

#include "base/jsonw.h"
#include "report/report.h"

// The members of one growth object, into the object that is open in w.
void report_json_growth(struct jsonw *w, const struct report_growth *g);

// Member "frames" of a stack, innermost first.
void report_json_frames(struct jsonw *w, const struct report_stack *s);

// How a unit is called in JSON, and what its base unit is multiplied by: rates of growth in bytes are per hour.
const char *report_json_unit(enum judge_unit unit, double *factor);

// The same for a figure by its name: what piles up ("fd.growth") is per hour.
const char *report_json_measure_unit(const char *name, enum judge_unit unit, double *factor);

// Member "identity": the stored array, member by member; an empty array when text is NULL or not an array of objects.
void report_json_identity(struct jsonw *w, const char *text);

#endif

// What the files about the load share within report/: the series of the load as the store has them.
#ifndef SEEP_REPORT_BUILD_LOAD_H
#define SEEP_REPORT_BUILD_LOAD_H

#include "load/hist.h"
#include "load/series.h"
#include "load/tally.h"
#include "report/build.h"

struct build_part {
    const char *labels; // in the arena
    struct load_labels is;
    bool leaf; // its requests are its own, not a sum
};

// All series of the load but the whole, in the order they were first seen; in the arena. *n 0: no load.
int build_load_parts(struct build *b, struct build_part **out, size_t *n, struct seep_err *err);

// A histogram of the run; *found false when there is none, or none that holds together: the store may be of any origin.
int build_read_hist(struct build *b, const char *name, const char *labels, struct load_hist *h, bool *found,
                    struct seep_err *err);

// Fills b->loads and b->loads_whole: the whole first, then the parts.
int build_load_for_gates(struct build *b, const struct build_part *parts, size_t n, struct seep_err *err);

// Fills the report's intervals.
int build_load_intervals(struct build *b, const struct build_part *parts, size_t n, struct seep_err *err);

#endif

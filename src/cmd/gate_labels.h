// Does a gate speak of something that the profile has? Its labels against the names of loads, scenarios, steps,
// transactions, metrics, faults and probes.
#ifndef SEEP_CMD_GATE_LABELS_H
#define SEEP_CMD_GATE_LABELS_H

#include "judge/gate.h"
#include "load/metrics.h"
#include "load/series.h"
#include "profile/profile.h"

struct gate_labels {
    const struct profile *profile;
    struct load_series_table series;
    struct load_metric_table metrics;
};

// The names of `p`, which must outlive them. -1 when the load has too many parts, or without memory.
int gate_labels_init(struct gate_labels *l, const struct profile *p, struct seep_err *err);
void gate_labels_free(struct gate_labels *l);

// `text` is what `gate` was parsed from. -1 with a finished sentence, which tells the nearest name or, where the labels
// fit several parts of the load alike, two of those, and the 1-based column of the value in `text`. Labels of scraped
// series are the target's own and are not checked.
int gate_labels_check(const struct gate_labels *l, const struct judge_gate *gate, const char *text, size_t *column,
                      struct seep_err *err);

#endif

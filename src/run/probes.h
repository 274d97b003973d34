// Probes: checks of the target, or of what it depends on, beside the load. Once before the measured time, once after
// it, or again and again; each on a thread of its own, within its time.
#ifndef SEEP_RUN_PROBES_H
#define SEEP_RUN_PROBES_H

#include "base/err.h"
#include <stdbool.h>

struct run;
struct run_probes;

int run_probes_open(struct run *r, struct seep_err *err); // once the loop is up
// Asks all that are meant for this edge of the measured time; then(r) follows when the last has answered, at once when
// there are none, and not at all when the run has gone on to another state by itself.
void run_probes_edge(struct run *r, bool end, void (*then)(struct run *r));
void run_probes_begin(struct run *r); // the continuous ones, from now on
void run_probes_end(struct run *r);   // no more of them
void run_probes_cancel(struct run *r);
bool run_probes_busy(const struct run *r);
void run_probes_join(struct run *r); // before the loop is closed
void run_probes_free(struct run *r);

#endif

// The last hour of the load, for those who look when the run has ended.
#ifndef SEEP_RUN_HOUR_H
#define SEEP_RUN_HOUR_H

#include "load/minutes.h"
#include "store/store.h"

struct run;

// Writes it into the run's meta; at the end, with the load's worker still there.
void run_keep_hour(struct run *r);

// Reads it back, in order of time: `out` has room for LOAD_MINUTES. Returns how many minutes there are, 0 for none.
// in_flight, users and the generator's figures are not kept, and zero.
int run_read_hour(struct store *st, struct load_minute *out);

#endif

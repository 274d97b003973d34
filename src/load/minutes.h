// The last hour of the load in one-minute records, kept in memory while it runs. Pure: the caller brings the clock.
#ifndef SEEP_LOAD_MINUTES_H
#define SEEP_LOAD_MINUTES_H

#include "base/clock.h"
#include "load/load.h"

enum { LOAD_MINUTES = 60 };

struct load_minutes {
    struct load_minute ring[LOAD_MINUTES];
    int n, next;     // records held; where the next one goes
    bool begun;      // the fields below hold the beginning of the present minute
    int64_t from_ns; // CLOCK_MONOTONIC
    struct load_counts counts;
    struct load_generator generator;
    struct load_hist latency, scratch; // cumulative then; for the difference
};

// To be called often with what is known now, all of it cumulative: closes the present minute when it is over. The
// first call begins the first one.
void minutes_look(struct load_minutes *m, struct seep_time now, const struct load_counts *counts,
                  const struct load_hist *latency, const struct load_generator *generator);

// The records in order of time, the minute that is going on last (when `now` says so much of it is over that there is
// something to tell). At most LOAD_MINUTES + 1; returns how many.
int minutes_read(struct load_minutes *m, struct seep_time now, const struct load_counts *counts,
                 const struct load_hist *latency, const struct load_generator *generator, struct load_minute *out);

#endif

// Simulated programs: the kinds of memory series a soak test meets, stable, leaking and undecidable.
//
// All amounts are in D, the budget over the whole run; u is the time of the run from 0 to 1. The truth of a series is
// its expected growth rate over the last tenth of the run, in budgets: at most 0.5 is stable, at least 1.4 a leak.
#ifndef SEEP_SIM_KINDS_H
#define SEEP_SIM_KINDS_H

#include "rng.h"

#include <stddef.h>

enum { SIM_MAX = 601 };

enum sim_truth { SIM_STABLE, SIM_LEAK, SIM_BETWEEN, SIM_TRUTHS };

// One series of resident and one of allocated memory, in D, without base level and page grain.
struct sim_series {
    size_t n;
    double u[SIM_MAX];
    double rss[SIM_MAX];
    double heap[SIM_MAX];
};

struct sim_kind {
    const char *name;
    enum sim_truth truth;
    void (*make)(struct rng *r, struct sim_series *s, double param);
    double param;
};

// Ended by a NULL name.
extern const struct sim_kind sim_kinds[];

#endif

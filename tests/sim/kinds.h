// Simulated programs: the kinds of memory series a soak test meets, stable, leaking and undecidable.
//
// All amounts are in D, the budget over the whole run; u is the time of the run from 0 to 1. The truth of a series is
// its expected growth rate over the last tenth of the run, in budgets: at most 0.5 is stable, at least 1.4 a leak. What
// comes and goes (a load cycle, a sawtooth, dirty pages) has an expected growth of nothing.
#ifndef SEEP_SIM_KINDS_H
#define SEEP_SIM_KINDS_H

#include "rng.h"

#include <stddef.h>

enum { SIM_MAX = 601 };

enum sim_truth { SIM_STABLE, SIM_LEAK, SIM_BETWEEN, SIM_TRUTHS };

struct sim_range {
    double lo;
    double hi;
};

// Where the random parameters of the makers come from. The two sets differ in how the noise is correlated, how large
// and how frequent everything is, and how bursts are distributed. Both were looked at while the judge was made: neither
// is a hold-out.
struct sim_set {
    const char *name;
    struct sim_range noise_sd;   // drawn on a log scale
    struct sim_range noise_rho;  // lag-1 correlation
    struct sim_range heap_noise; // of the allocated bytes, as a share of that of the resident ones
    double rho_points;           // points a run to which the correlation belongs; 0: to neighbouring samples
    struct sim_range walk_sd;    // of a random walk, over the whole run
    struct sim_range saw_size, saw_cycles;
    struct sim_range plateau_size;
    struct sim_range step_size, step_at;
    struct sim_range big_size, big_at;
    struct sim_range doubling_size, doubling_at;
    struct sim_range frag_k, frag_size;
    struct sim_range purge_count, purge_size, purge_back;
    struct sim_range diurnal_size;
    struct sim_range warm_tau, warm_size;
    struct sim_range late_at;
    struct sim_range burst_count;
    double burst_spread; // 0: all of a size; 1: exponential
    struct sim_range stair_count;
    struct sim_range pages; // of the budget, where the grain is coarse
};

extern const struct sim_set sim_sets[];
enum { SIM_SETS = 2 };

// One series of resident and one of allocated memory, in D, without base level and page grain.
struct sim_series {
    size_t n;
    double rate;  // the truth, in budgets
    double pages; // the budget over the run in pages, 0 where the shape decides
    double u[SIM_MAX];
    double rss[SIM_MAX];
    double heap[SIM_MAX];
};

struct sim_kind {
    const char *name;
    void (*make)(struct rng *r, const struct sim_set *set, struct sim_series *s, double param);
    double param;
};

// Ended by a NULL name.
extern const struct sim_kind sim_kinds[];

// The class of a series of a kind by its rate. A plateau that still rises by more than half a budget is undecidable,
// however fast it rises.
enum sim_truth sim_truth_of(const struct sim_kind *kind, double rate);

#endif

// What the parts of seep-sim share.
#ifndef SEEP_SIM_SIM_H
#define SEEP_SIM_SIM_H

#include "kinds.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_shape {
    const char *name;
    size_t n;
    double step_s;
    double budget_per_h;
};

enum sim_check { SIM_CHECK_NONE, SIM_CHECK_LOOSE, SIM_CHECK_STRICT };

enum { SIM_SHAPES = 4 };
extern const struct sim_shape sim_shapes[SIM_SHAPES];

struct sim_wanted {
    uint64_t seed;
    unsigned seeds;
    unsigned reps;
    unsigned rep;
    const struct sim_set *set;
    const char *shape;
    const char *kind;
    bool first_only;
    bool stacks;
    bool early;
    enum sim_check check;
    bool list_wrong; // print the wrong answers
    bool list_open;  // print the inconclusive ones
    bool dump;
};

// The per-stack test on reps runs of 3 000 stacks; prints a table. Returns 0 when the check holds, else 1.
int sim_stacks(uint64_t seed, unsigned reps, enum sim_check check);

// Early looks at reps series of every kind in every shape; prints a table. Returns 0 when the check holds, else 1.
int sim_early(const struct sim_wanted *w);

// Seconds and bytes for a series in units of the run and of the budget. Returns the budget, bytes a second.
double sim_scale_up(struct sim_series *s, const struct sim_shape *shape, double *t);

#endif

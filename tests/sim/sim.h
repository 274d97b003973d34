// What the parts of seep-sim share.
#ifndef SEEP_SIM_SIM_H
#define SEEP_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

enum sim_check { SIM_CHECK_NONE, SIM_CHECK_LOOSE, SIM_CHECK_STRICT };

// The per-stack test on reps runs of 3 000 stacks; prints a table. Returns 0 when the check holds, else 1.
int sim_stacks(uint64_t seed, unsigned reps, enum sim_check check);

#endif

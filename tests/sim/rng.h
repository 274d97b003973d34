// The random numbers of the simulations: the same on every machine for the same seed.
#ifndef SEEP_SIM_RNG_H
#define SEEP_SIM_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state;
};

double rng_uniform(struct rng *r);                       // [0, 1)
double rng_between(struct rng *r, double lo, double hi); // uniform
double rng_normal(struct rng *r);                        // mean 0, sd 1

#endif

// Random numbers for arrivals and choices: splitmix64 (Steele, Lea, Flood 2014). Repeatable from its seed; not for
// secrets.
#ifndef SEEP_LOAD_RNG_H
#define SEEP_LOAD_RNG_H

#include <math.h>
#include <stdint.h>

struct load_rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct load_rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Uniform in [0, 1).
static inline double rng_unit(struct load_rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

// A whole number below n (> 0), each as likely as any other to within 2^-64 * n.
static inline uint64_t rng_below(struct load_rng *r, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)rng_next(r) * n) >> 64);
}

// Exponential with mean 1.
static inline double rng_exponential(struct load_rng *r)
{
    return -log1p(-rng_unit(r));
}

#endif

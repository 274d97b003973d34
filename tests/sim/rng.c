// Random numbers of the simulations: see rng.h. SplitMix64 and the polar method.
#include "rng.h"

#include <math.h>

static uint64_t next(struct rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double rng_uniform(struct rng *r)
{
    return (double)(next(r) >> 11) / 9007199254740992.0;
}

double rng_between(struct rng *r, double lo, double hi)
{
    return lo + (hi - lo) * rng_uniform(r);
}

double rng_normal(struct rng *r)
{
    for (;;) {
        double a = rng_between(r, -1, 1), b = rng_between(r, -1, 1), s = a * a + b * b;
        if (s > 0 && s < 1)
            return a * sqrt(-2 * log(s) / s);
    }
}

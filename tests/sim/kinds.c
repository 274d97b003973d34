// The kinds: see kinds.h. Each adds a signal to correlated noise of random size, within the range where the budget can
// be resolved at all: sd 0.01 to 0.06 D, lag-1 correlation 0.5 to 0.95 at 288 samples.
#include "kinds.h"

#include <math.h>

static void add_noise(struct rng *r, double *y, size_t n, double sd, double rho)
{
    double step = pow(rho, 288.0 / (double)n), a = rng_normal(r) * sd; // the same correlation in time at any sampling
    for (size_t i = 0; i < n; i++) {
        a = step * a + sqrt(1 - step * step) * sd * rng_normal(r);
        y[i] += a;
    }
}

static void start(struct rng *r, struct sim_series *s)
{
    double sd = exp(rng_between(r, log(.01), log(.06))), rho = rng_between(r, .5, .95);
    for (size_t i = 0; i < s->n; i++) {
        s->u[i] = (double)i / (double)(s->n - 1);
        s->rss[i] = s->heap[i] = 0;
    }
    add_noise(r, s->rss, s->n, sd, rho);
    add_noise(r, s->heap, s->n, sd / 2, rho);
}

static void both(struct sim_series *s, size_t i, double v)
{
    s->rss[i] += v;
    s->heap[i] += v;
}

static void line(struct rng *r, struct sim_series *s, double rate)
{
    start(r, s);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, rate * s->u[i]);
}

static void correlated(struct rng *r, struct sim_series *s, double rho)
{
    for (size_t i = 0; i < s->n; i++) {
        s->u[i] = (double)i / (double)(s->n - 1);
        s->rss[i] = s->heap[i] = 0;
    }
    add_noise(r, s->rss, s->n, .05, rho);
    add_noise(r, s->heap, s->n, .02, rho);
}

static void saw(struct rng *r, struct sim_series *s, double leak)
{
    double cycles = rng_between(r, 10, 40), phase = rng_uniform(r);
    start(r, s);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, 10 * fmod(s->u[i] * cycles + phase, 1) + leak * s->u[i]);
}

// Filling to a plateau with time constant tau, as high as leaves at most 0.3 budgets of rate at the end.
static void plateau(struct rng *r, struct sim_series *s, double tau)
{
    double end_rate = exp(-1 / tau) / tau, high = fmin(rng_between(r, 2, 8), .3 / end_rate);
    start(r, s);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, high * (1 - exp(-s->u[i] / tau)));
}

// A plateau that is still filling: its rate at the end is rate.
static void filling(struct rng *r, struct sim_series *s, double rate)
{
    double tau = rng_between(r, .8, 3), high = rate * tau * exp(1 / tau);
    start(r, s);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, high * (1 - exp(-s->u[i] / tau)));
}

static void steps(struct rng *r, struct sim_series *s, double count)
{
    double at[8], size[8];
    start(r, s);
    for (int k = 0; k < (int)count; k++) {
        at[k] = rng_between(r, .05, .8);
        size[k] = rng_between(r, .2, .8 / count);
    }
    for (size_t i = 0; i < s->n; i++)
        for (int k = 0; k < (int)count; k++)
            both(s, i, s->u[i] > at[k] ? size[k] : 0);
}

static void big_step(struct rng *r, struct sim_series *s, double latest)
{
    double at = rng_between(r, latest - .5, latest), size = rng_between(r, 1.2, 2.5);
    start(r, s);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, s->u[i] > at ? size : 0);
}

// A table that doubles whenever it is full, filled at a falling rate: steps ever larger and ever rarer.
static void doubling(struct rng *r, struct sim_series *s, double unused)
{
    double first = rng_between(r, .02, .05), size = rng_between(r, .05, .1);
    (void)unused;
    start(r, s);
    for (size_t i = 0; i < s->n; i++) {
        double full = first, v = size;
        for (; full < s->u[i] && full < .5; full *= 3)
            v *= 2;
        both(s, i, v);
    }
}

static void fragmentation(struct rng *r, struct sim_series *s, double unused)
{
    double k = rng_between(r, 20, 200), high = rng_between(r, .1, .3);
    (void)unused;
    start(r, s);
    for (size_t i = 0; i < s->n; i++) // its rate at the end is about high
        s->rss[i] += high * log1p(k * s->u[i]);
}

// Dirty pages given back in bursts: the resident size falls suddenly and climbs back.
static void purge(struct rng *r, struct sim_series *s, double unused)
{
    double level = 0, chance = rng_between(r, 6, 14) / (double)s->n, back = rng_between(r, .01, .04) * (double)s->n;
    (void)unused;
    start(r, s);
    for (size_t i = 0; i < s->n; i++) {
        level *= exp(-1 / back);
        if (rng_uniform(r) < chance)
            level -= rng_between(r, .3, 1);
        s->rss[i] += level;
    }
}

static void diurnal(struct rng *r, struct sim_series *s, double cycles)
{
    double size = rng_between(r, .3, 1), phase = cycles < 2 ? -M_PI / 2 : 2 * M_PI * rng_uniform(r);
    start(r, s);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, size * sin(2 * M_PI * cycles * s->u[i] + phase));
}

static void warm_and_leak(struct rng *r, struct sim_series *s, double rate)
{
    double tau = rng_between(r, .01, .08), high = rng_between(r, 1, 6);
    start(r, s);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, high * (1 - exp(-s->u[i] / tau)) + rate * s->u[i]);
}

static void late(struct rng *r, struct sim_series *s, double rate)
{
    double at = rng_between(r, .3, .7);
    start(r, s);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, rate * fmax(s->u[i] - at, 0));
}

// Jumps at random times, all kept; rate is the mean.
static void bursty(struct rng *r, struct sim_series *s, double rate)
{
    double bursts = rng_between(r, 12, 40), level = 0;
    start(r, s);
    for (size_t i = 0; i < s->n; i++) {
        if (rng_uniform(r) < bursts / (double)s->n)
            level += rate / bursts * rng_between(r, .5, 1.5);
        both(s, i, level);
    }
}

static void staircase(struct rng *r, struct sim_series *s, double rate)
{
    double stairs = floor(rng_between(r, 8, 14)), phase = rng_uniform(r);
    start(r, s);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, rate / stairs * floor(s->u[i] * stairs + phase));
}

// A cache shrinks as fast as the leak grows: the resident size is flat, the allocated bytes are not.
static void masked(struct rng *r, struct sim_series *s, double rate)
{
    start(r, s);
    for (size_t i = 0; i < s->n; i++)
        s->heap[i] += rate * s->u[i];
}

static void unmapped_heap(struct rng *r, struct sim_series *s, double rate)
{
    start(r, s);
    for (size_t i = 0; i < s->n; i++)
        s->rss[i] += rate * s->u[i];
}

const struct sim_kind sim_kinds[] = {
    {"flat", SIM_STABLE, line, 0},
    {"AR .95", SIM_STABLE, correlated, .95},
    {"AR .99", SIM_STABLE, correlated, .99},
    {"falling", SIM_STABLE, line, -1},
    {"drift .25x", SIM_STABLE, line, .25},
    {"drift .5x", SIM_STABLE, line, .5},
    {"saw", SIM_STABLE, saw, 0},
    {"plateau 1 %", SIM_STABLE, plateau, .01},
    {"plateau 5 %", SIM_STABLE, plateau, .05},
    {"plateau 10 %", SIM_STABLE, plateau, .10},
    {"plateau 20 %", SIM_STABLE, plateau, .20},
    {"plateau 35 %", SIM_STABLE, plateau, .35},
    {"plateau 50 %", SIM_STABLE, plateau, .50},
    {"one step", SIM_STABLE, steps, 1},
    {"two steps", SIM_STABLE, steps, 2},
    {"big step", SIM_STABLE, big_step, .8},
    {"hash doubling", SIM_STABLE, doubling, 0},
    {"fragmentation", SIM_STABLE, fragmentation, 0},
    {"purge bursts", SIM_STABLE, purge, 0},
    {"diurnal, 4 cycles", SIM_STABLE, diurnal, 4},
    {"leak 1.5x", SIM_LEAK, line, 1.5},
    {"leak 2x", SIM_LEAK, line, 2},
    {"leak 5x", SIM_LEAK, line, 5},
    {"leak 20x", SIM_LEAK, line, 20},
    {"warm-up + 2x", SIM_LEAK, warm_and_leak, 2},
    {"saw + 2x", SIM_LEAK, saw, 2},
    {"late onset 5x", SIM_LEAK, late, 5},
    {"staircase 3x", SIM_LEAK, staircase, 3},
    {"bursty 3x", SIM_LEAK, bursty, 3},
    {"masked 2x", SIM_LEAK, masked, 2},
    {"untouched 5x", SIM_LEAK, masked, 5},
    {"mmap 2x", SIM_LEAK, unmapped_heap, 2},
    {"exactly 1x", SIM_BETWEEN, line, 1},
    {"filling at .8x", SIM_BETWEEN, filling, .8},
    {"filling at 1.2x", SIM_BETWEEN, filling, 1.2},
    {"diurnal, 1 cycle", SIM_BETWEEN, diurnal, 1},
    {NULL, SIM_BETWEEN, NULL, 0},
};

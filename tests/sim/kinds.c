// The kinds: see kinds.h. Each adds a signal to correlated noise of random size, within the range where the budget can
// be resolved at all.
#include "kinds.h"

#include <math.h>

const struct sim_set sim_sets[SIM_SETS] = {
    {
        .name = "main",
        .noise_sd = {.01, .06},
        .noise_rho = {.5, .95},
        .heap_noise = {.5, .5},
        .rho_points = 288,
        .walk_sd = {.1, .35},
        .saw_size = {10, 10},
        .saw_cycles = {10, 40},
        .plateau_size = {1, 8},
        .step_size = {.2, .8},
        .step_at = {.05, .8},
        .big_size = {1.2, 2.5},
        .big_at = {.1, .8},
        .doubling_size = {.2, 1.2},
        .doubling_at = {.4, .8},
        .frag_k = {20, 200},
        .frag_size = {.1, .3},
        .purge_count = {6, 14},
        .purge_size = {.3, 1},
        .purge_back = {.01, .04},
        .diurnal_size = {.2, 1},
        .warm_tau = {.01, .08},
        .warm_size = {1, 6},
        .late_at = {.3, .7},
        .burst_count = {12, 40},
        .burst_spread = .5,
        .stair_count = {8, 14},
        .pages = {30, 100},
    },
    {
        .name = "second",
        .noise_sd = {.02, .05},
        .noise_rho = {.68, .96},
        .heap_noise = {.2, 1},
        .rho_points = 0,
        .walk_sd = {.05, .4},
        .saw_size = {2, 15},
        .saw_cycles = {12, 45},
        .plateau_size = {.5, 6},
        .step_size = {.1, .6},
        .step_at = {.1, .85},
        .big_size = {1.2, 2.5},
        .big_at = {.15, .75},
        .doubling_size = {.1, 2},
        .doubling_at = {.3, .85},
        .frag_k = {5, 500},
        .frag_size = {.05, .4},
        .purge_count = {8, 30},
        .purge_size = {.2, 2},
        .purge_back = {.005, .03},
        .diurnal_size = {.05, .6},
        .warm_tau = {.005, .12},
        .warm_size = {.5, 10},
        .late_at = {.25, .75},
        .burst_count = {12, 30},
        .burst_spread = 1,
        .stair_count = {6, 30},
        .pages = {20, 300},
    },
};

static double draw(struct rng *r, struct sim_range range)
{
    return rng_between(r, range.lo, range.hi);
}

static double draw_log(struct rng *r, struct sim_range range)
{
    return exp(rng_between(r, log(range.lo), log(range.hi)));
}

static void add_noise(struct rng *r, double *y, size_t n, double sd, double rho)
{
    double a = rng_normal(r) * sd;
    for (size_t i = 0; i < n; i++) {
        a = rho * a + sqrt(1 - rho * rho) * sd * rng_normal(r);
        y[i] += a;
    }
}

static void start_with(struct rng *r, const struct sim_set *set, struct sim_series *s, double sd, double rho)
{
    double step = set->rho_points > 0 ? pow(rho, set->rho_points / (double)s->n) : rho;
    for (size_t i = 0; i < s->n; i++) {
        s->u[i] = (double)i / (double)(s->n - 1);
        s->rss[i] = s->heap[i] = 0;
    }
    add_noise(r, s->rss, s->n, sd, step);
    add_noise(r, s->heap, s->n, sd * draw(r, set->heap_noise), step);
}

static void start(struct rng *r, const struct sim_set *set, struct sim_series *s)
{
    double sd = draw_log(r, set->noise_sd), rho = draw(r, set->noise_rho);
    start_with(r, set, s, sd, rho);
}

static void both(struct sim_series *s, size_t i, double v)
{
    s->rss[i] += v;
    s->heap[i] += v;
}

static void add_line(struct sim_series *s, double rate)
{
    s->rate += rate;
    for (size_t i = 0; i < s->n; i++)
        both(s, i, rate * s->u[i]);
}

static void line(struct rng *r, const struct sim_set *set, struct sim_series *s, double rate)
{
    start(r, set, s);
    add_line(s, rate);
}

static void correlated(struct rng *r, const struct sim_set *set, struct sim_series *s, double rho)
{
    start_with(r, set, s, .05, rho);
}

// A random walk beside the ordinary noise: the same in both signals, as an arena that wanders would be.
static void walk(struct rng *r, const struct sim_set *set, struct sim_series *s, double rate)
{
    double step = draw(r, set->walk_sd) / sqrt((double)s->n), level = 0;
    start_with(r, set, s, .01, .5);
    add_line(s, rate);
    for (size_t i = 0; i < s->n; i++) {
        level += step * rng_normal(r);
        both(s, i, level);
    }
}

static void paged(struct rng *r, const struct sim_set *set, struct sim_series *s, double rate)
{
    start_with(r, set, s, draw(r, (struct sim_range){.002, .02}), .7);
    s->pages = draw(r, set->pages);
    add_line(s, rate);
}

static void saw(struct rng *r, const struct sim_set *set, struct sim_series *s, double leak)
{
    double cycles = draw(r, set->saw_cycles), phase = rng_uniform(r), size = draw(r, set->saw_size);
    start(r, set, s);
    add_line(s, leak);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, size * fmod(s->u[i] * cycles + phase, 1));
}

static void add_plateau(struct sim_series *s, double tau, double high)
{
    s->rate += high * (exp(-.9 / tau) - exp(-1 / tau)) / .1;
    for (size_t i = 0; i < s->n; i++)
        both(s, i, high * (1 - exp(-s->u[i] / tau)));
}

static void plateau(struct rng *r, const struct sim_set *set, struct sim_series *s, double tau)
{
    start(r, set, s);
    add_plateau(s, tau, draw(r, set->plateau_size));
}

// A plateau of which little enough is left: its rate at the end is at most 0.5.
static void filled(struct rng *r, const struct sim_set *set, struct sim_series *s, double tau)
{
    double end = (exp(-.9 / tau) - exp(-1 / tau)) / .1;
    start(r, set, s);
    add_plateau(s, tau, fmin(draw(r, set->plateau_size), rng_between(r, .2, .5) / end));
}

static void add_steps(struct rng *r, struct sim_series *s, size_t count, struct sim_range size, struct sim_range where)
{
    for (size_t k = 0; k < count; k++) {
        double at = draw(r, where), high = draw(r, size);
        for (size_t i = 0; i < s->n; i++)
            both(s, i, s->u[i] > at ? high : 0);
    }
}

static void steps(struct rng *r, const struct sim_set *set, struct sim_series *s, double count)
{
    struct sim_range size = {set->step_size.lo, set->step_size.hi / count};
    start(r, set, s);
    add_steps(r, s, (size_t)count, size, set->step_at);
}

static void big_step(struct rng *r, const struct sim_set *set, struct sim_series *s, double count)
{
    start(r, set, s);
    add_steps(r, s, (size_t)count, set->big_size, set->big_at);
}

// A table that doubles whenever it is full: each step twice as large and twice as late as the one before.
static void doubling(struct rng *r, const struct sim_set *set, struct sim_series *s, double unused)
{
    double at = draw(r, set->doubling_at), size = draw(r, set->doubling_size);
    (void)unused;
    start(r, set, s);
    for (; at > .002; at /= 2, size /= 2)
        for (size_t i = 0; i < s->n; i++)
            both(s, i, s->u[i] > at ? size : 0);
}

static void fragmentation(struct rng *r, const struct sim_set *set, struct sim_series *s, double unused)
{
    double k = draw_log(r, set->frag_k), high = draw(r, set->frag_size);
    (void)unused;
    start(r, set, s);
    s->rate = high * (log1p(k) - log1p(.9 * k)) / .1;
    for (size_t i = 0; i < s->n; i++)
        s->rss[i] += high * log1p(k * s->u[i]);
}

// Dirty pages: given back in bursts and climbing back (sign -1), or taken in bursts that decay (sign 1).
static void purge(struct rng *r, const struct sim_set *set, struct sim_series *s, double sign)
{
    double chance = draw(r, set->purge_count) / (double)s->n, back = draw(r, set->purge_back) * (double)s->n;
    double level = 0, most = draw(r, set->purge_size);
    start(r, set, s);
    for (size_t i = 0; i < s->n; i++) {
        level *= exp(-1 / back);
        if (rng_uniform(r) < chance)
            level += sign * rng_between(r, .3, 1) * most;
        s->rss[i] += level;
    }
}

static void add_cycle(struct rng *r, const struct sim_set *set, struct sim_series *s, double cycles)
{
    double size = draw(r, set->diurnal_size), phase = 2 * M_PI * rng_uniform(r);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, size * sin(2 * M_PI * cycles * s->u[i] + phase));
}

static void diurnal(struct rng *r, const struct sim_set *set, struct sim_series *s, double cycles)
{
    start(r, set, s);
    add_cycle(r, set, s, cycles);
}

static void diurnal_leak(struct rng *r, const struct sim_set *set, struct sim_series *s, double rate)
{
    start(r, set, s);
    add_line(s, rate);
    add_cycle(r, set, s, 4);
}

static void warm_and_leak(struct rng *r, const struct sim_set *set, struct sim_series *s, double rate)
{
    start(r, set, s);
    add_line(s, rate);
    add_plateau(s, draw(r, set->warm_tau), draw(r, set->warm_size));
}

static void late(struct rng *r, const struct sim_set *set, struct sim_series *s, double rate)
{
    double at = draw(r, set->late_at);
    start(r, set, s);
    s->rate = rate;
    for (size_t i = 0; i < s->n; i++)
        both(s, i, rate * fmax(s->u[i] - at, 0));
}

// Jumps at random times, all kept; rate is the mean.
static void bursty(struct rng *r, const struct sim_set *set, struct sim_series *s, double rate)
{
    double bursts = draw(r, set->burst_count), level = 0;
    start(r, set, s);
    s->rate = rate;
    for (size_t i = 0; i < s->n; i++) {
        if (rng_uniform(r) < bursts / (double)s->n)
            level += rate / bursts *
                     (set->burst_spread < 1 ? rng_between(r, 1 - set->burst_spread, 1 + set->burst_spread)
                                            : -log(1 - rng_uniform(r)));
        both(s, i, level);
    }
}

static void staircase(struct rng *r, const struct sim_set *set, struct sim_series *s, double rate)
{
    double stairs = floor(draw(r, set->stair_count)), phase = rng_uniform(r);
    start(r, set, s);
    s->rate = rate;
    for (size_t i = 0; i < s->n; i++)
        both(s, i, rate / stairs * floor(s->u[i] * stairs + phase));
}

// A cache shrinks as fast as the leak grows: the resident size is flat, the allocated bytes are not.
static void masked(struct rng *r, const struct sim_set *set, struct sim_series *s, double rate)
{
    start(r, set, s);
    s->rate = rate;
    for (size_t i = 0; i < s->n; i++)
        s->heap[i] += rate * s->u[i];
}

static void unmapped_heap(struct rng *r, const struct sim_set *set, struct sim_series *s, double rate)
{
    start(r, set, s);
    s->rate = rate;
    for (size_t i = 0; i < s->n; i++)
        s->rss[i] += rate * s->u[i];
}

// A cache filled at a steady rate up to its bound.
static void bounded(struct rng *r, const struct sim_set *set, struct sim_series *s, double unused)
{
    double full = rng_between(r, .1, .55), high = draw(r, set->plateau_size);
    (void)unused;
    start(r, set, s);
    for (size_t i = 0; i < s->n; i++)
        both(s, i, high * fmin(s->u[i] / full, 1));
}

// The load rests for more than half of each period: the level falls, and comes back with the load.
static void rests(struct rng *r, const struct sim_set *set, struct sim_series *s, double periods)
{
    double phase = rng_uniform(r), high = draw(r, set->plateau_size) / 2;
    start(r, set, s);
    for (size_t i = 0; i < s->n; i++) {
        double at = fmod(s->u[i] * periods + phase, 1);
        both(s, i, high * (at < .4 ? 1 : exp(-(at - .4) / .2)));
    }
}

// A fast noise above the slow one.
static void two_noises(struct rng *r, const struct sim_set *set, struct sim_series *s, double rate)
{
    double sd = draw_log(r, set->noise_sd);
    start_with(r, set, s, sd, .95);
    add_noise(r, s->rss, s->n, sd, 0);
    add_noise(r, s->heap, s->n, sd * draw(r, set->heap_noise), 0);
    add_line(s, rate);
}

const struct sim_kind sim_kinds[] = {
    {"flat", line, 0},
    {"AR .95", correlated, .95},
    {"AR .99", correlated, .99},
    {"random walk", walk, 0},
    {"page-quantised .25x", paged, .25},
    {"falling", line, -1},
    {"drift .25x", line, .25},
    {"drift .5x", line, .5},
    {"saw", saw, 0},
    {"plateau 1 %", plateau, .01},
    {"plateau 5 %", plateau, .05},
    {"plateau 10 %", plateau, .10},
    {"plateau 20 %", filled, .20},
    {"plateau 35 %", filled, .35},
    {"plateau 50 %", filled, .50},
    {"plateau 100 %", filled, 1},
    {"plateau 300 %", filled, 3},
    {"one step", steps, 1},
    {"two steps", steps, 2},
    {"big step", big_step, 1},
    {"staircase .4x", staircase, .4},
    {"hash doubling", doubling, 0},
    {"fragmentation", fragmentation, 0},
    {"purge bursts", purge, -1},
    {"decay spikes", purge, 1},
    {"diurnal, 4 cycles", diurnal, 4},
    {"diurnal, 1 cycle", diurnal, 1},
    {"leak 1.5x", line, 1.5},
    {"leak 2x", line, 2},
    {"leak 5x", line, 5},
    {"leak 20x", line, 20},
    {"random walk + 2x", walk, 2},
    {"page-quantised 2x", paged, 2},
    {"warm-up + 2x", warm_and_leak, 2},
    {"saw + 2x", saw, 2},
    {"diurnal + 2x", diurnal_leak, 2},
    {"late onset 5x", late, 5},
    {"staircase 3x", staircase, 3},
    {"bursty 2x", bursty, 2},
    {"bursty 3x", bursty, 3},
    {"masked 2x", masked, 2},
    {"untouched 5x", masked, 5},
    {"mmap 2x", unmapped_heap, 2},
    {"exactly 1x", line, 1},
    {"drift .8x", line, .8},
    {"drift 1.2x", line, 1.2},
    {"filling, tau 35 %", plateau, .35},
    {"filling, tau 50 %", plateau, .5},
    {"filling, tau 100 %", plateau, 1},
    {"filling, tau 200 %", plateau, 2},
    {"filling, tau 300 %", plateau, 3},
    {"filled to a bound", bounded, 0}, // behind the others, so that their series stay what they were
    {"load that rests", rests, 3},
    {"two noises", two_noises, 0},
    {"two noises + 2x", two_noises, 2},
    {NULL, NULL, 0},
};

enum sim_truth sim_truth_of(const struct sim_kind *kind, double rate)
{
    if (rate <= .5 + 1e-9)
        return SIM_STABLE;
    return kind->make == plateau || rate < 1.4 ? SIM_BETWEEN : SIM_LEAK;
}

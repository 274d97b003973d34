// The per-stack test on simulated heaps: 3 000 stacks, five of which leak 0.1 to 3 budgets. See sim.h.
//
// Each heap is seen twice: exactly, and through a sampling profiler that keeps one block in 512 KiB on average, whose
// samples live as long as the blocks do.
#include "judge/stacks.h"
#include "rng.h"
#include "sim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STACKS = 3000, LEAKS = 5, M_MAX_SIM = 240 };

struct heap_shape {
    const char *name;
    size_t m;
    double run_s;
    double sampling;
    double budget;       // bytes over the run, whatever its length; all sizes go with it
    double least_recall; // that the check demands
};

static const struct heap_shape shapes[] = {
    {"24h, 48 snapshots", 48, 86400, 0, 24e6, .9},
    {"10min, 20 snapshots", 20, 600, 0, 24e6, .9},
    {"60s, 240 snapshots", 240, 60, 0, 24e6, .9},
    {"24h, sampled, 20 MB/h", 48, 86400, 524288, 480e6, .75},
    {"10min, sampled, 480 MB", 20, 600, 524288, 480e6, .75},
    {"24h, sampled, 1 MB/h", 48, 86400, 524288, 24e6, 0}, // 46 samples are the budget: hopeless
};

static const double unit = 24e6; // the budget that the sizes below belong to

// How a stack's bytes come and go.
enum life { STAYS, CHURNS };

static void caches(struct rng *r, double *y, size_t m, double size)
{
    double tau = rng_between(r, .02, .12), a = 0;
    for (size_t j = 0; j < m; j++) {
        a = .7 * a + .714 * rng_normal(r);
        y[j] = size * (1 - exp(-(double)j / (double)(m - 1) / tau)) * (1 + .005 * a);
    }
}

static void steps(struct rng *r, double *y, size_t m, double size)
{
    double at = rng_between(r, .05, .9) * (double)(m - 1), again = rng_uniform(r) < .3 ? at / 2 : -1;
    for (size_t j = 0; j < m; j++)
        y[j] = size * (((double)j > at ? 2 : 1) - ((double)j < again ? .5 : 0));
}

static void teeth(struct rng *r, double *y, size_t m, double size)
{
    double level = rng_uniform(r), rise = rng_between(r, 4, 30) / (double)m;
    for (size_t j = 0; j < m; j++) {
        y[j] = size * (.2 + level);
        level += rise * rng_between(r, .7, 1.3); // no clock, or it would beat with the snapshots
        level -= level > 1 ? floor(level) : 0;
    }
}

static void churn(struct rng *r, double *y, size_t m, double size)
{
    double a = rng_normal(r);
    for (size_t j = 0; j < m; j++) {
        a = .7 * a + .714 * rng_normal(r);
        y[j] = size * fmax(0, 1 + .2 * a);
    }
}

// Churn, caches, tables that grow by steps, sawtooth, start-up: none of them leaks.
static enum life make_null(struct rng *r, double *y, size_t m)
{
    double size = exp(rng_between(r, log(1e3), log(2e7))), kind = rng_uniform(r);
    if (kind < .4)
        churn(r, y, m, size);
    else if (kind < .6)
        caches(r, y, m, size);
    else if (kind < .75)
        steps(r, y, m, size);
    else if (kind < .85)
        teeth(r, y, m, size);
    else
        for (size_t j = 0; j < m; j++)
            y[j] = size;
    return kind < .4 || (kind >= .75 && kind < .85) ? CHURNS : STAYS;
}

static enum life make_leak(struct rng *r, double *y, size_t m)
{
    double rate = exp(rng_between(r, log(.1), log(3))) * unit, got = 0;
    churn(r, y, m, exp(rng_between(r, log(1e3), log(3e5))));
    for (size_t j = 0; j < m; j++) {
        got += rate / (double)m * rng_between(r, .5, 1.5);
        y[j] += got;
    }
    return STAYS;
}

// Poisson with mean l: by inversion of exponential distances below 50, normal above.
static double poisson(struct rng *r, double l)
{
    if (l > 50)
        return fmax(0, floor(l + sqrt(l) * rng_normal(r) + .5));
    double n = -1;
    for (double t = 0; t <= l; n++)
        t -= log(1 - rng_uniform(r));
    return n;
}

// What a profiler with mean distance R makes of it: where blocks stay, only what comes is drawn anew, and of what goes
// each sample has its chance; where they churn, every snapshot sees other blocks.
static void sample(struct rng *r, double *y, size_t m, double interval, enum life life)
{
    double seen = 0, before = 0;
    for (size_t j = 0; j < m; j++) {
        double now = y[j];
        if (life == CHURNS)
            seen = poisson(r, now / interval);
        else if (now >= before)
            seen += poisson(r, (now - before) / interval);
        else
            seen -= fmin(seen, poisson(r, seen * (1 - now / before)));
        before = now;
        y[j] = seen * interval;
    }
}

struct score {
    double falsely;
    double found;
    unsigned runs;
};

static void run_one(struct rng *r, const struct heap_shape *shape, double *live, struct score *score)
{
    double t[M_MAX_SIM];
    struct judge_stacks out;
    for (size_t j = 0; j < shape->m; j++)
        t[j] = shape->run_s * (double)j / (double)(shape->m - 1);
    for (size_t s = 0; s < STACKS; s++) {
        double *y = live + s * shape->m;
        enum life life = (s < LEAKS ? make_leak : make_null)(r, y, shape->m);
        for (size_t j = 0; j < shape->m; j++)
            y[j] *= shape->budget / unit;
        if (shape->sampling > 0)
            sample(r, y, shape->m, shape->sampling, life);
    }
    struct judge_stacks_input in = {.n_stacks = STACKS,
                                    .m = shape->m,
                                    .t_s = t,
                                    .live = live,
                                    .budget_per_s = shape->budget / shape->run_s,
                                    .sampling_interval_bytes = shape->sampling};
    if (judge_stacks(&in, &out) != 0)
        exit(1);
    for (size_t s = 0; s < STACKS; s++) {
        score->found += s < LEAKS && out.stack[s].rejected;
        score->falsely += s >= LEAKS && out.stack[s].rejected;
    }
    score->runs++;
    judge_stacks_free(&out);
}

int sim_stacks(uint64_t seed, unsigned reps, enum sim_check check)
{
    double *live = malloc((size_t)STACKS * M_MAX_SIM * sizeof *live);
    int rc = 0;
    if (!live)
        return 1;
    printf("| per stack, 3000 with 5 leaks | false stacks/run | recall |\n|---|---|---|\n");
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
        struct score score = {0};
        struct rng r = {seed * 0x9e3779b97f4a7c15u + k};
        for (unsigned i = 0; i < reps; i++)
            run_one(&r, &shapes[k], live, &score);
        double falsely = score.falsely / score.runs, recall = score.found / (LEAKS * score.runs);
        printf("| %-28s | %16.2f | %6.2f |\n", shapes[k].name, falsely, recall);
        if (check == SIM_CHECK_STRICT && (falsely > .1 || recall < shapes[k].least_recall))
            rc = 1;
    }
    free(live);
    return rc;
}

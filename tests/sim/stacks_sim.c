// The per-stack test on simulated heaps: 3 000 stacks, five of which leak 0.1 to 3 budgets. See sim.h.
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
    double least_recall; // that the check demands
};

static const struct heap_shape shapes[] = {
    {"24h, 48 snapshots", 48, 86400, .9},
    {"10min, 20 snapshots", 20, 600, .5},
    {"60s, 240 snapshots", 240, 60, .9},
};

static const double budget_total = 24e6; // bytes over the run, whatever its length

// Churn, caches, tables that grow by steps, sawtooth, start-up: none of them leaks.
static void make_null(struct rng *r, double *y, size_t m)
{
    double size = exp(rng_between(r, log(1e3), log(2e7))), kind = rng_uniform(r);
    double tau = rng_between(r, .02, .12), at = rng_between(r, .05, .9), a = rng_normal(r);
    double rise = rng_between(r, 4, 30) / (double)m, level = rng_uniform(r);
    for (size_t j = 0; j < m; j++) {
        double u = (double)j / (double)(m - 1);
        a = .7 * a + .714 * rng_normal(r);
        if (kind < .4)
            y[j] = size * fmax(0, 1 + .2 * a);
        else if (kind < .6)
            y[j] = size * (1 - exp(-u / tau)) * (1 + .005 * a);
        else if (kind < .75)
            y[j] = size * (u > at ? 2 : 1);
        else if (kind < .85) {
            y[j] = size * (.2 + level);
            level += rise * rng_between(r, .7, 1.3); // no clock, or it would beat with the snapshots
            level -= level > 1 ? floor(level) : 0;
        } else {
            y[j] = size;
        }
    }
}

static void make_leak(struct rng *r, double *y, size_t m)
{
    double rate = exp(rng_between(r, log(.1), log(3))) * budget_total, size = exp(rng_between(r, log(1e3), log(3e5)));
    double a = rng_normal(r), got = 0;
    for (size_t j = 0; j < m; j++) {
        a = .7 * a + .714 * rng_normal(r);
        got += rate / (double)m * rng_between(r, .5, 1.5);
        y[j] = size * fmax(0, 1 + .2 * a) + got;
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
    for (size_t s = 0; s < STACKS; s++)
        (s < LEAKS ? make_leak : make_null)(r, live + s * shape->m, shape->m);
    struct judge_stacks_input in = {
        .n_stacks = STACKS, .m = shape->m, .t_s = t, .live = live, .budget_per_s = budget_total / shape->run_s};
    if (judge_stacks(&in, &out) != 0)
        exit(1);
    for (size_t s = 0; s < STACKS; s++) {
        score->found += s < LEAKS && out.stack[s].rejected;
        score->falsely += s >= LEAKS && out.stack[s].rejected;
    }
    score->runs++;
    judge_stacks_free(&out);
}

int sim_stacks(uint64_t seed, unsigned reps, bool check)
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
        if (check && (falsely > .1 || recall < shapes[k].least_recall))
            rc = 1;
    }
    free(live);
    return rc;
}

// Early stop on simulated runs: looks every 5 % from half of the run on, with the doubled quantile. See sim.h.
#include "judge/early.h"
#include "judge/trend.h"
#include "sim.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LOOKS = 20 };

struct stops {
    unsigned n;
    unsigned stopped;
    double share; // sum of the shares of the run at which they stopped
};

static enum judge_verdict look(const double *t, const double *y, size_t n, double budget_per_s, double quantum)
{
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    struct judge_growth g;
    o.budget_per_s = budget_per_s;
    o.t_scale = 2;
    o.quantum = quantum;
    judge_trend(&(struct judge_series){t, y, n}, &o, &g);
    return g.verdict;
}

// The share of the run after which it stops; 1 when it runs to its end. Each signal is a gate of its own, and the first
// look that fails at any of them is a failing look.
static double stops_at(struct sim_series *s, const struct sim_shape *shape)
{
    double t[SIM_MAX], budget = sim_scale_up(s, shape, t), run_s = t[s->n - 1];
    struct judge_early early = {0};
    for (int k = 1; k < LOOKS; k++) {
        double now = run_s * k / LOOKS;
        size_t n = (size_t)(now / shape->step_s) + 1;
        if (!judge_early_due(&early, now, run_s))
            continue;
        bool fails = look(t, s->rss, n, budget, 4096) == JUDGE_FAIL || look(t, s->heap, n, budget, 0) == JUDGE_FAIL;
        if (judge_early_look(&early, now, run_s, fails ? JUDGE_FAIL : JUDGE_INCONCLUSIVE))
            return (double)k / LOOKS;
    }
    return 1;
}

static void print_row(const char *name, const char *truth, const struct stops *s)
{
    char when[32] = "-";
    if (s->stopped > 0)
        snprintf(when, sizeof when, "%.2f", s->share / s->stopped);
    printf("| %-20s | %-7s | %5u | %7u | %5s |\n", name, truth, s->n, s->stopped, when);
}

// Kinds whose class depends on the draw count for nothing unless it is the one of their first series.
static void run_kind(const struct sim_wanted *w, const struct sim_kind *kind, size_t index,
                     struct stops sum[SIM_TRUTHS])
{
    static const char *const truth_name[] = {"stable", "leak", "between"};
    struct stops got[SIM_TRUTHS] = {0};
    for (size_t shape = 0; shape < SIM_SHAPES; shape++) {
        for (unsigned rep = 0; rep < w->reps; rep++) {
            struct sim_series s = {.n = sim_shapes[shape].n};
            struct rng r = {(w->seed * 0x9e3779b97f4a7c15u + index * 10007 + shape * 1000003 + rep) ^ 0x5bd1e995u};
            kind->make(&r, w->set, &s, kind->param);
            enum sim_truth truth = sim_truth_of(kind, s.rate);
            double at = stops_at(&s, &sim_shapes[shape]);
            got[truth].n++;
            got[truth].stopped += at < 1;
            got[truth].share += at < 1 ? at : 0;
        }
    }
    for (int t = 0; t < SIM_TRUTHS; t++) {
        if (got[t].n > 0)
            print_row(kind->name, truth_name[t], &got[t]);
        sum[t].n += got[t].n;
        sum[t].stopped += got[t].stopped;
        sum[t].share += got[t].share;
    }
}

int sim_early(const struct sim_wanted *w)
{
    struct stops sum[SIM_TRUTHS] = {0};
    printf("| kind                 | truth   |     n | stopped | after |\n|---|---|---|---|---|\n");
    for (size_t k = 0; sim_kinds[k].name; k++)
        if (!w->kind || strcmp(w->kind, sim_kinds[k].name) == 0)
            run_kind(w, &sim_kinds[k], k, sum);
    print_row("all", "stable", &sum[SIM_STABLE]);
    print_row("all", "leak", &sum[SIM_LEAK]);
    // at most 1 of 240 stable runs
    bool holds = sum[SIM_STABLE].stopped * 240 <= fmax(sum[SIM_STABLE].n, 240);
    if (w->check == SIM_CHECK_NONE || holds)
        return 0;
    fprintf(stderr, "seep-sim: %u of %u stable runs stopped\n", sum[SIM_STABLE].stopped, sum[SIM_STABLE].n);
    return 1;
}

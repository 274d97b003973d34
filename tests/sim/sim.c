// seep-sim: how often the judge is right. Prints, by kind of series, the share of PASS, INCONCLUSIVE and FAIL.
//
//   seep-sim [--seed N|random] [--reps N] [--shape NAME] [--kind NAME] [--stacks] [--check | --check-loosely]
#include "sim.h"
#include "judge/trend.h"
#include "kinds.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct shape {
    const char *name;
    size_t n;
    double step_s;
    double budget_per_h;
};

// The budgets of the short shapes are such that their noise, a fixed share of the budget over the run, is that of real
// programs; two columns of one series see the same D.
static const struct shape shapes[] = {
    {"24h@5min", 289, 300, 1048576},
    {"10min@1s", 601, 1, 64e6},
    {"10min@2s", 301, 2, 64e6},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

struct wanted {
    uint64_t seed;
    unsigned reps;
    const char *shape;
    const char *kind;
    enum sim_check check;
    bool stacks;
};

typedef unsigned answers[JUDGE_VERDICTS];

static void to_bytes(double *y, size_t n, double base, double d, double grain)
{
    for (size_t i = 0; i < n; i++)
        y[i] = floor((base + y[i] * d) / grain) * grain;
}

static enum judge_verdict judge_one(struct sim_series *s, const struct shape *shape)
{
    double t[SIM_MAX], d = shape->budget_per_h / 3600 * (double)(s->n - 1) * shape->step_s;
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    struct judge_growth rss, heap;
    char label[80];
    o.budget_per_s = shape->budget_per_h / 3600;
    for (size_t i = 0; i < s->n; i++)
        t[i] = (double)i * shape->step_s;
    to_bytes(s->rss, s->n, 2e9, d, 4096);
    to_bytes(s->heap, s->n, 1e9, d, 1);
    judge_trend(&(struct judge_series){t, s->rss, s->n}, &o, &rss);
    o.quantum = 0;
    judge_trend(&(struct judge_series){t, s->heap, s->n}, &o, &heap);
    return judge_combine(&rss, &heap, label, sizeof label);
}

// Every series has a seed of its own, so that a kind or a shape can be rerun alone.
static uint64_t seed_of(uint64_t seed, size_t shape, size_t kind, unsigned rep)
{
    return seed * 0x9e3779b97f4a7c15u + shape * 1000003 + kind * 10007 + rep;
}

static void run_kind(const struct wanted *w, size_t shape, size_t kind, answers got)
{
    for (unsigned rep = 0; rep < w->reps; rep++) {
        struct sim_series s = {.n = shapes[shape].n};
        struct rng r = {seed_of(w->seed, shape, kind, rep)};
        sim_kinds[kind].make(&r, &s, sim_kinds[kind].param);
        got[judge_one(&s, &shapes[shape])]++;
    }
}

static double share(const answers got, enum judge_verdict v)
{
    unsigned all = got[0] + got[1] + got[2];
    return all > 0 ? 100.0 * got[v] / all : 0;
}

static void print_row(const char *name, const answers got)
{
    printf("| %-18s | %5u | %5.1f | %5.1f | %5.1f |\n", name, got[0] + got[1] + got[2], share(got, JUDGE_PASS),
           share(got, JUDGE_INCONCLUSIVE), share(got, JUDGE_FAIL));
}

static bool selected(const char *only, const char *name)
{
    return !only || strcmp(only, name) == 0;
}

static void run_all(const struct wanted *w, answers sum[SHAPES][SIM_TRUTHS])
{
    printf("| kind               |     n |  pass | incl. |  fail |\n|---|---|---|---|---|\n");
    for (size_t k = 0; sim_kinds[k].name; k++) {
        answers all = {0};
        for (size_t s = 0; s < SHAPES; s++) {
            answers one = {0};
            if (!selected(w->shape, shapes[s].name) || !selected(w->kind, sim_kinds[k].name))
                continue;
            run_kind(w, s, k, one);
            for (int v = 0; v < JUDGE_VERDICTS; v++) {
                all[v] += one[v];
                sum[s][sim_kinds[k].truth][v] += one[v];
            }
        }
        if (all[0] + all[1] + all[2] > 0)
            print_row(sim_kinds[k].name, all);
    }
}

// The bar: no wrong answer (loosely: at most 1 in 100), at most 20 % inconclusive on stable and 6 % on leaking series.
static bool holds(const struct wanted *w, const answers stable, const answers leak)
{
    double wrong = w->check == SIM_CHECK_STRICT ? 0 : 1;
    bool right = share(stable, JUDGE_FAIL) <= wrong && share(leak, JUDGE_PASS) <= wrong;
    double slack = w->check == SIM_CHECK_STRICT ? 0 : 8;
    return right && share(stable, JUDGE_INCONCLUSIVE) <= 20 + slack && share(leak, JUDGE_INCONCLUSIVE) <= 6 + slack;
}

static int run_trend(const struct wanted *w)
{
    answers sum[SHAPES][SIM_TRUTHS] = {{{0}}}, total[SIM_TRUTHS] = {{0}};
    run_all(w, sum);
    printf("\n| shape and truth    |     n |  pass | incl. |  fail |\n|---|---|---|---|---|\n");
    for (size_t s = 0; s < SHAPES; s++) {
        for (int t = 0; t < SIM_BETWEEN; t++) {
            char name[64];
            snprintf(name, sizeof name, "%s %s", shapes[s].name, t == SIM_STABLE ? "stable" : "leak");
            print_row(name, sum[s][t]);
            for (int v = 0; v < JUDGE_VERDICTS; v++)
                total[t][v] += sum[s][t][v];
        }
    }
    print_row("all stable", total[SIM_STABLE]);
    print_row("all leaking", total[SIM_LEAK]);
    if (w->check == SIM_CHECK_NONE || holds(w, total[SIM_STABLE], total[SIM_LEAK]))
        return 0;
    fprintf(stderr, "seep-sim: the bar does not hold for seed %llu\n", (unsigned long long)w->seed);
    return 1;
}

static uint64_t seed_from(const char *text)
{
    if (strcmp(text, "random") == 0)
        return (uint64_t)time(NULL) % 1000000;
    char *end;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end != '\0' || end == text) {
        fprintf(stderr, "seep-sim: '%s' is not a seed\n", text);
        exit(2);
    }
    return v;
}

static void parse(int argc, char **argv, struct wanted *w)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},    {"reps", required_argument, NULL, 'r'},
        {"shape", required_argument, NULL, 'p'},   {"kind", required_argument, NULL, 'k'},
        {"stacks", no_argument, NULL, 't'},        {"check", no_argument, NULL, 'c'},
        {"check-loosely", no_argument, NULL, 'l'}, {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 's')
            w->seed = seed_from(optarg);
        else if (c == 'r')
            w->reps = (unsigned)seed_from(optarg);
        else if (c == 'p')
            w->shape = optarg;
        else if (c == 'k')
            w->kind = optarg;
        else if (c == 't')
            w->stacks = true;
        else if (c == 'c' || c == 'l')
            w->check = c == 'c' ? SIM_CHECK_STRICT : SIM_CHECK_LOOSE;
        else
            exit(2);
    }
}

int main(int argc, char **argv)
{
    struct wanted w = {.seed = 1, .reps = 25};
    parse(argc, argv, &w);
    printf("seed %llu, %u of each kind and shape\n\n", (unsigned long long)w.seed, w.reps);
    return w.stacks ? sim_stacks(w.seed, w.reps, w.check) : run_trend(&w);
}

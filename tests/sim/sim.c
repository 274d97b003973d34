// seep-sim: how often the judge is right. Prints, by kind of series, the share of PASS, INCONCLUSIVE and FAIL.
//
//   seep-sim [--seed N|random] [--seeds N] [--reps N] [--set NAME] [--shape NAME] [--kind NAME] [--noise SD,RHO]
//            [--first] [--stacks | --early] [--check | --check-loosely]
//            [--wrong] [--open] [--dump]
//
// --seeds N adds up N seeds from --seed on. --first judges by the first competition alone, which is the specification
// that the table of docs/METHOD.md compares with. --wrong and --open print the wrong and the inconclusive cases and how
// to make each again; --dump writes one of them (--kind, --shape, --rep) as CSV.
#include "sim.h"
#include "judge/trend.h"
#include "kinds.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The budgets of the short shapes are such that their noise, a fixed share of the budget over the run, is that of real
// programs; two columns of one series see the same D.
const struct sim_shape sim_shapes[SIM_SHAPES] = {
    {"24h@5min", 289, 300, 1048576},
    {"10min@1s", 601, 1, 64e6},
    {"10min@2s", 301, 2, 64e6},
    {"10min@2s strict", 301, 2, 64e6 / 5},
};
enum { SHAPES = SIM_SHAPES };

typedef unsigned answers[JUDGE_VERDICTS];

// The answers of one kind, shape or of all, by truth; wrong are the unforgivable ones.
struct tally {
    answers got[SIM_TRUTHS];
    unsigned wrong[SIM_TRUTHS];
};

static void to_bytes(double *y, size_t n, double base, double d, double grain)
{
    for (size_t i = 0; i < n; i++)
        y[i] = floor((base + y[i] * d) / grain) * grain;
}

double sim_scale_up(struct sim_series *s, const struct sim_shape *shape, double *t)
{
    double run_s = (double)(s->n - 1) * shape->step_s;
    double d = s->pages > 0 ? s->pages * 4096 : shape->budget_per_h / 3600 * run_s;
    for (size_t i = 0; i < s->n; i++)
        t[i] = (double)i * shape->step_s;
    to_bytes(s->rss, s->n, 2e9, d, 4096);
    to_bytes(s->heap, s->n, 1e9, d, 1);
    return d / run_s;
}

// Both signals of a series and the answer from both.
struct judged {
    struct judge_growth rss;
    struct judge_growth heap;
    enum judge_verdict verdict;
};

static void judge_one(struct sim_series *s, const struct sim_shape *shape, bool first_only, struct judged *out)
{
    double t[SIM_MAX];
    struct judge_options o = JUDGE_OPTIONS_DEFAULT;
    char label[80];
    o.budget_per_s = sim_scale_up(s, shape, t);
    o.first_only = first_only;
    judge_trend(&(struct judge_series){t, s->rss, s->n}, &o, &out->rss);
    o.quantum = 0;
    judge_trend(&(struct judge_series){t, s->heap, s->n}, &o, &out->heap);
    out->verdict = judge_combine(&out->rss, &out->heap, label, sizeof label);
}

// Every series has a seed of its own, so that a kind or a shape can be rerun alone.
static uint64_t seed_of(uint64_t seed, size_t shape, size_t kind, unsigned rep)
{
    return (seed * 0x9e3779b97f4a7c15u + shape * 1000003 + kind * 10007 + rep) * 0xd1342543de82ef95u;
}

static void make(const struct sim_wanted *w, uint64_t seed, size_t shape, size_t kind, unsigned rep,
                 struct sim_series *s)
{
    struct rng r = {seed_of(seed, shape, kind, rep)};
    *s = (struct sim_series){.n = sim_shapes[shape].n};
    sim_kinds[kind].make(&r, w->set, s, sim_kinds[kind].param);
}

static bool is_wrong(enum sim_truth truth, double rate, enum judge_verdict v)
{
    return (truth == SIM_STABLE && v == JUDGE_FAIL) || (truth != SIM_STABLE && rate > .95 && v == JUDGE_PASS);
}

static void print_signal(const char *name, const struct judge_growth *g)
{
    double b = g->budget_per_s;
    fprintf(stderr, "    %s: %s, %s %.2f [%.2f, %.2f]: %s\n", name, judge_verdict_name(g->verdict), g->model,
            g->slope_per_s / b, g->lo_per_s / b, g->hi_per_s / b, g->reason);
}

// One case, and how to make it again.
static void print_case(const char *what, const struct sim_wanted *w, uint64_t seed, size_t shape, size_t kind,
                       unsigned rep, double rate, const struct judged *both)
{
    fprintf(stderr, "%s: --set %s --seed %llu --kind '%s' --shape '%s' --rep %u --reps 1: rate %.2f, %s\n", what,
            w->set->name, (unsigned long long)seed, sim_kinds[kind].name, sim_shapes[shape].name, rep, rate,
            judge_verdict_name(both->verdict));
    print_signal("resident", &both->rss);
    print_signal("allocated", &both->heap);
}

static void judge_series_of(const struct sim_wanted *w, uint64_t seed, size_t shape, size_t kind, unsigned rep,
                            struct tally *t)
{
    struct sim_series s;
    make(w, seed, shape, kind, rep, &s);
    enum sim_truth truth = sim_truth_of(&sim_kinds[kind], s.rate);
    struct judged both;
    judge_one(&s, &sim_shapes[shape], w->first_only, &both);
    enum judge_verdict v = both.verdict;
    t->got[truth][v]++;
    if (w->list_open && v == JUDGE_INCONCLUSIVE)
        print_case("open", w, seed, shape, kind, rep, s.rate, &both);
    if (!is_wrong(truth, s.rate, v))
        return;
    t->wrong[truth]++;
    if (w->list_wrong)
        print_case("wrong", w, seed, shape, kind, rep, s.rate, &both);
}

static void add(struct tally *to, const struct tally *from)
{
    for (int t = 0; t < SIM_TRUTHS; t++) {
        to->wrong[t] += from->wrong[t];
        for (int v = 0; v < JUDGE_VERDICTS; v++)
            to->got[t][v] += from->got[t][v];
    }
}

static unsigned all_of(const answers got)
{
    return got[0] + got[1] + got[2];
}

static double share(const answers got, enum judge_verdict v)
{
    return all_of(got) > 0 ? 100.0 * got[v] / all_of(got) : 0;
}

static void print_rows(const char *name, const struct tally *sum)
{
    static const char *const truth[] = {"stable", "leak", "between"};
    for (int t = 0; t < SIM_TRUTHS; t++)
        if (all_of(sum->got[t]) > 0)
            printf("| %-20s | %-7s | %6u | %5.1f | %5.1f | %5.1f | %5u |\n", name, truth[t], all_of(sum->got[t]),
                   share(sum->got[t], JUDGE_PASS), share(sum->got[t], JUDGE_INCONCLUSIVE),
                   share(sum->got[t], JUDGE_FAIL), sum->wrong[t]);
}

static bool selected(const char *only, const char *name)
{
    return !only || strcmp(only, name) == 0;
}

static void run_kind(const struct sim_wanted *w, size_t k, struct tally by_shape[SHAPES])
{
    struct tally all = {0};
    for (size_t s = 0; s < SHAPES; s++) {
        struct tally one = {0};
        if (!selected(w->shape, sim_shapes[s].name))
            continue;
        for (unsigned i = 0; i < w->seeds; i++)
            for (unsigned rep = w->rep; rep < w->rep + w->reps; rep++)
                judge_series_of(w, w->seed + i, s, k, rep, &one);
        add(&all, &one);
        add(&by_shape[s], &one);
    }
    print_rows(sim_kinds[k].name, &all);
    fflush(stdout);
}

// The bar: no wrong answer (loosely: at most one in 300), at most 10 % inconclusive on stable and 4 % on leaking series
// (loosely: twice that, for small numbers).
static bool holds(const struct sim_wanted *w, const struct tally *t)
{
    bool strict = w->check == SIM_CHECK_STRICT;
    unsigned wrong = t->wrong[0] + t->wrong[1] + t->wrong[2];
    unsigned all = all_of(t->got[0]) + all_of(t->got[1]) + all_of(t->got[2]);
    double slack = strict ? 1 : 2;
    return wrong <= (strict ? 0 : all / 300 + 1) && share(t->got[SIM_STABLE], JUDGE_INCONCLUSIVE) <= 10 * slack &&
           share(t->got[SIM_LEAK], JUDGE_INCONCLUSIVE) <= 4 * slack;
}

static int run_trend(const struct sim_wanted *w)
{
    struct tally by_shape[SHAPES] = {0}, total = {0};
    printf(
        "| kind                 | truth   |      n |  pass | incl. |  fail | wrong |\n|---|---|---|---|---|---|---|\n");
    for (size_t k = 0; sim_kinds[k].name; k++)
        if (selected(w->kind, sim_kinds[k].name))
            run_kind(w, k, by_shape);
    printf("\n| shape                | truth   |      n |  pass | incl. |  fail | wrong "
           "|\n|---|---|---|---|---|---|---|\n");
    for (size_t s = 0; s < SHAPES; s++) {
        print_rows(sim_shapes[s].name, &by_shape[s]);
        add(&total, &by_shape[s]);
    }
    print_rows("all", &total);
    if (w->check == SIM_CHECK_NONE || holds(w, &total))
        return 0;
    fprintf(stderr, "seep-sim: the bar does not hold for seed %llu\n", (unsigned long long)w->seed);
    return 1;
}

static size_t index_of_kind(const char *name)
{
    for (size_t k = 0; name && sim_kinds[k].name; k++)
        if (strcmp(name, sim_kinds[k].name) == 0)
            return k;
    fprintf(stderr, "seep-sim: --dump needs the --kind of a series\n");
    exit(2);
}

static int dump(const struct sim_wanted *w)
{
    struct sim_series s;
    double t[SIM_MAX];
    size_t kind = index_of_kind(w->kind), shape = 0;
    while (shape + 1 < SHAPES && !selected(w->shape, sim_shapes[shape].name))
        shape++;
    make(w, w->seed, shape, kind, w->rep, &s);
    printf("# rate %.3f budgets, budget %.3f bytes/s\n", s.rate, sim_scale_up(&s, &sim_shapes[shape], t));
    printf("timestamp_s,rss_bytes,allocated_bytes\n");
    for (size_t i = 0; i < s.n; i++)
        printf("%.0f,%.0f,%.0f\n", t[i], s.rss[i], s.heap[i]);
    return 0;
}

static uint64_t number_from(const char *text)
{
    if (strcmp(text, "random") == 0)
        return (uint64_t)time(NULL) % 1000000;
    char *end;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end != '\0' || end == text) {
        fprintf(stderr, "seep-sim: '%s' is not a number\n", text);
        exit(2);
    }
    return v;
}

static const struct sim_set *set_named(const char *name)
{
    for (size_t i = 0; i < SIM_SETS; i++)
        if (strcmp(name, sim_sets[i].name) == 0)
            return &sim_sets[i];
    fprintf(stderr, "seep-sim: there is no set '%s'\n", name);
    exit(2);
}

enum {
    O_SEED = 1,
    O_SEEDS,
    O_REPS,
    O_REP,
    O_SET,
    O_SHAPE,
    O_KIND,
    O_FIRST,
    O_STACKS,
    O_EARLY,
    O_CHECK,
    O_LOOSE,
    O_LIST,
    O_OPEN,
    O_DUMP
};

static void take(int option, struct sim_wanted *w)
{
    switch (option) {
    case O_SEED:
        w->seed = number_from(optarg);
        break;
    case O_SEEDS:
        w->seeds = (unsigned)number_from(optarg);
        break;
    case O_REPS:
        w->reps = (unsigned)number_from(optarg);
        break;
    case O_REP:
        w->rep = (unsigned)number_from(optarg);
        break;
    case O_SET:
        w->set = set_named(optarg);
        break;
    case O_SHAPE:
        w->shape = optarg;
        break;
    case O_KIND:
        w->kind = optarg;
        break;
    case O_FIRST:
        w->first_only = true;
        break;
    case O_STACKS:
        w->stacks = true;
        break;
    case O_EARLY:
        w->early = true;
        break;
    case O_CHECK:
        w->check = SIM_CHECK_STRICT;
        break;
    case O_LOOSE:
        w->check = SIM_CHECK_LOOSE;
        break;
    case O_LIST:
        w->list_wrong = true;
        break;
    case O_OPEN:
        w->list_open = true;
        break;
    case O_DUMP:
        w->dump = true;
        break;
    default:
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, O_SEED}, {"seeds", required_argument, NULL, O_SEEDS},
        {"reps", required_argument, NULL, O_REPS}, {"rep", required_argument, NULL, O_REP},
        {"set", required_argument, NULL, O_SET},   {"shape", required_argument, NULL, O_SHAPE},
        {"kind", required_argument, NULL, O_KIND}, {"first", no_argument, NULL, O_FIRST},
        {"stacks", no_argument, NULL, O_STACKS},   {"early", no_argument, NULL, O_EARLY},
        {"check", no_argument, NULL, O_CHECK},     {"check-loosely", no_argument, NULL, O_LOOSE},
        {"wrong", no_argument, NULL, O_LIST},      {"open", no_argument, NULL, O_OPEN},

        {"dump", no_argument, NULL, O_DUMP},       {NULL, 0, NULL, 0},
    };
    struct sim_wanted w = {.seed = 1, .seeds = 1, .reps = 25, .set = &sim_sets[0]};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        take(c, &w);
    if (w.dump)
        return dump(&w);
    printf("seed %llu (%u seeds), set %s, %u of each kind and shape%s\n\n", (unsigned long long)w.seed, w.seeds,
           w.set->name, w.reps, w.first_only ? ", first competition only" : "");
    if (w.stacks)
        return sim_stacks(w.seed, w.reps, w.check);
    return w.early ? sim_early(&w) : run_trend(&w);
}

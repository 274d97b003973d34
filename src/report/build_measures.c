// Figures of the run with their uncertainty, for comparisons and scores: levels, growth rates, CPU, latencies, errors.
#include "report/build.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OF_THE_LOAD = 8, OF_A_SCENARIO = 2 };
static const double warmup_share = .1;

// Levels and rates of gauges. The floor of a rate is a tenth of the budget of its gate where there is one.
static const struct {
    const char *name, *gauge;
    enum judge_unit unit;
    double floor;
    const char *about;
} gauges[] = {
    {"heap.growth", "heap", JUDGE_U_BYTES_PER_S, 1e5 / 3600, "growth of the live heap"},
    {"rss.growth", "rss", JUDGE_U_BYTES_PER_S, 1e5 / 3600, "growth of the resident memory"},
    {"fd.growth", "fd", JUDGE_U_PER_S, 1. / 3600, "growth of the open descriptors"},
    {"threads.growth", "threads", JUDGE_U_PER_S, 1. / 3600, "growth of the threads"},
    {"heap", "heap", JUDGE_U_BYTES, 1e6, "mean live heap"},
    {"rss", "rss", JUDGE_U_BYTES, 1e6, "mean resident memory"},
    {"fd", "fd", JUDGE_U_COUNT, 5, "mean number of descriptors"},
    {"threads", "threads", JUDGE_U_COUNT, 2, "mean number of threads"},
    {"cpu", "cpu", JUDGE_U_RATIO, .02, "mean CPU, 100 % is one core"},
};

static const struct {
    const char *name;
    enum judge_metric_kind kind;
    double quantile;
    enum judge_unit unit;
    enum judge_better better;
    double floor;
    const char *about;
} of_load[] = {
    {"http.p50", JUDGE_M_QUANTILE, .5, JUDGE_U_SECONDS, JUDGE_LESS_IS_BETTER, 1e-3, "median response time"},
    {"http.p95", JUDGE_M_QUANTILE, .95, JUDGE_U_SECONDS, JUDGE_LESS_IS_BETTER, 1e-3, "95 % response time"},
    {"http.p99", JUDGE_M_QUANTILE, .99, JUDGE_U_SECONDS, JUDGE_LESS_IS_BETTER, 1e-3, "99 % response time"},
    {"http.errors", JUDGE_M_ERRORS, 0, JUDGE_U_RATIO, JUDGE_LESS_IS_BETTER, 1e-3, "share of failed requests"},
    {"http.rate", JUDGE_M_RATE, 0, JUDGE_U_PER_S, JUDGE_MORE_IS_BETTER, 1, "requests per second"},
};

static struct report_measure *add(struct build *b, const char *name, const char *about, enum judge_unit unit,
                                  enum judge_better better, double floor)
{
    struct report_measure *m = &b->r->measures[b->r->n_measures++];
    *m = (struct report_measure){.name = name, .about = about, .unit = unit, .better = better, .floor = floor};
    for (size_t i = 0; i < b->r->n_gates; i++)
        if (strcmp(b->r->gates[i].gate.name, name) == 0)
            m->gate = &b->r->gates[i];
    return m;
}

static void level_of(const struct build *b, const struct build_gauge *g, struct judge_measure *out)
{
    double from = b->r->measure_from_s + warmup_share * (b->r->measure_to_s - b->r->measure_from_s);
    size_t first = 0;
    while (g != NULL && first < g->n && g->t_s[first] < from)
        first++;
    struct judge_series s = {0};
    if (g != NULL && first < g->n)
        s = (struct judge_series){.t_s = g->t_s + first, .y = g->y + first, .n = g->n - first};
    judge_measure_level(&s, out);
}

static void growth_of(const struct build *b, const char *gauge, struct report_measure *m)
{
    static const struct judge_growth none = {.slope_per_s = NAN, .lo_per_s = NAN, .hi_per_s = NAN};
    const struct report_growth *g = report_find_growth(b->r, gauge);
    const struct build_gauge *samples = build_find_gauge(b, gauge);
    struct judge_series s = {0};
    if (samples != NULL)
        s = (struct judge_series){.t_s = samples->t_s, .y = samples->y, .n = samples->n};
    judge_measure_growth(g == NULL ? &none : &g->growth, &s, &m->measure);
    if (m->gate != NULL && !m->gate->gate.vs_baseline)
        m->floor = m->gate->gate.limit / 10;
}

static void add_gauges(struct build *b)
{
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        bool rate = gauges[i].unit == JUDGE_U_BYTES_PER_S || gauges[i].unit == JUDGE_U_PER_S;
        const struct build_gauge *g = build_find_gauge(b, gauges[i].gauge);
        struct report_measure *m =
            add(b, gauges[i].name, gauges[i].about, gauges[i].unit, JUDGE_LESS_IS_BETTER, gauges[i].floor);
        if (rate)
            growth_of(b, gauges[i].gauge, m);
        else
            level_of(b, g, &m->measure);
    }
}

static void add_figure(struct build *b, size_t i, const char *name, const struct judge_load *rows,
                       const struct judge_load *whole)
{
    struct report_measure *m = add(b, name, of_load[i].about, of_load[i].unit, of_load[i].better, of_load[i].floor);
    judge_measure_load(of_load[i].kind, of_load[i].quantile, rows, whole, b->r->measure_from_s, &m->measure);
}

// CPU seconds a request, from the means of both; their relative errors add up as squares.
static void add_cpu_per_request(struct build *b, const struct judge_load *rows)
{
    struct judge_measure cpu, rate;
    struct report_measure *m =
        add(b, "cpu.per_request", "CPU time per request", JUDGE_U_SECONDS, JUDGE_LESS_IS_BETTER, 1e-6);
    level_of(b, build_find_gauge(b, "cpu"), &cpu);
    judge_measure_load(JUDGE_M_RATE, 0, rows, NULL, b->r->measure_from_s, &rate);
    m->measure = isfinite(cpu.value) ? rate : cpu;
    if (!isfinite(cpu.value) || !(rate.value > 0))
        return;
    double value = cpu.value / rate.value;
    double se = hypot(cpu.se_lo / rate.value, value * rate.se_lo / rate.value);
    m->measure = (struct judge_measure){.value = value,
                                        .se_lo = se,
                                        .se_hi = se,
                                        .nu = fmin(cpu.nu, rate.nu),
                                        .peak = NAN,
                                        .plain = NAN,
                                        .plain_se = NAN};
}

static int add_load(struct build *b, struct seep_err *err)
{
    enum { P95 = 1 };
    for (size_t i = 0; i < sizeof of_load / sizeof of_load[0]; i++)
        add_figure(b, i, of_load[i].name, &b->loads[0], &b->loads_whole[0]);
    add_cpu_per_request(b, &b->loads[0]);
    for (size_t l = 1; b->n_loads > 2 && l < b->n_loads; l++) {
        if (strncmp(b->loads[l].labels, "name=", 5) == 0)
            continue; // a metric of the user's own is no response time
        const char *name = report_strf(b->arena, "%s{%s}", of_load[P95].name, b->loads[l].labels);
        if (name == NULL)
            return build_no_memory(err);
        add_figure(b, P95, name, &b->loads[l], &b->loads_whole[l]);
    }
    return 0;
}

int build_measures(struct build *b, struct seep_err *err)
{
    size_t room = sizeof gauges / sizeof gauges[0] + OF_THE_LOAD + OF_A_SCENARIO * b->n_loads;
    b->r->measures = report_alloc(b->arena, room, sizeof *b->r->measures);
    if (b->r->measures == NULL)
        return build_no_memory(err);
    add_gauges(b);
    return b->n_loads > 0 && b->loads[0].n > 0 ? add_load(b, err) : 0;
}
